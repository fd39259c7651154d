//! What a typed line means.
//!
//! **Invariant**: every text can be said: a line that begins with `//` says itself without the first
//! of them.

use crate::envelope::Room;

/// The commands: name, arguments, and what they do.
pub const COMMANDS: [(&str, &str, &str); 9] = [
    ("/join", "ROOM", "enter a room, or turn to it"),
    ("/part", "[ROOM]", "leave a room"),
    ("/rooms", "", "all rooms in which something was said"),
    ("/me", "DOES", "say what you do"),
    ("/search", "[TEXT]", "find a text upwards from here; again without TEXT for older ones"),
    ("/who", "", "who has spoken in this room, and when last"),
    ("/status", "", "the replica asked, round trips, loss, slots"),
    ("/help", "", "this help"),
    ("/quit", "", "leave, when everything is acknowledged"),
];

/// A typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say this.
    Say(String),
    /// Do this.
    Me(String),
    /// Enter a room.
    Join(Room),
    /// Leave a room; without a name, this one.
    Part(Option<Room>),
    /// List rooms.
    Rooms,
    /// Find a text; without one, the next older place of the last text.
    Search(Option<String>),
    /// List people.
    Who,
    /// Tell about the cluster.
    Status,
    /// Tell about commands and keys.
    Help,
    /// Leave.
    Quit,
}

/// What a line means.
///
/// # Errors
/// Says what is wrong with a command.
pub fn parse(line: &str) -> Result<Command, String> {
    let Some(command) = line.strip_prefix('/') else { return Ok(Command::Say(line.to_owned())) };
    if command.starts_with('/') {
        return Ok(Command::Say(command.to_owned()));
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let room = || rest.parse::<Room>().map_err(|error| error.to_string());
    let is_without = rest.is_empty();
    match name {
        "join" if is_without => Err("/join which room? For example /join ops".into()),
        "join" => Ok(Command::Join(room()?)),
        "part" if is_without => Ok(Command::Part(None)),
        "part" => Ok(Command::Part(Some(room()?))),
        "me" if is_without => Err("/me does what? For example /me waves".into()),
        "me" => Ok(Command::Me(rest.to_owned())),
        "search" => Ok(Command::Search((!is_without).then(|| rest.to_owned()))),
        "rooms" | "who" | "status" | "help" | "quit" if !is_without => {
            Err(format!("/{name} takes no argument"))
        }
        "rooms" => Ok(Command::Rooms),
        "who" => Ok(Command::Who),
        "status" => Ok(Command::Status),
        "help" => Ok(Command::Help),
        "quit" => Ok(Command::Quit),
        _ => Err(format!("/{name} is no command: see /help, or say it with a second / before it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_the_help_says() {
        assert_eq!(parse("hi /join"), Ok(Command::Say("hi /join".into())));
        assert_eq!(parse(""), Ok(Command::Say(String::new())));
        assert_eq!(parse("//etc"), Ok(Command::Say("/etc".into())));
        assert_eq!(parse("/join #ops"), Ok(Command::Join("ops".parse().unwrap())));
        assert_eq!(parse("/part"), Ok(Command::Part(None)));
        assert_eq!(parse("/me  waves "), Ok(Command::Me("waves".into())));
        assert_eq!(parse("/search"), Ok(Command::Search(None)));
        assert_eq!(parse("/search a b"), Ok(Command::Search(Some("a b".into()))));
        for wrong in ["/", "/join", "/join a b", "/me", "/quit now", "/nick eve"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_one() {
        for (name, args, _) in COMMANDS {
            let line = if args.is_empty() { name.to_owned() } else { format!("{name} x") };
            assert!(!matches!(parse(&line), Ok(Command::Say(_)) | Err(_)), "{name}");
        }
    }
}
