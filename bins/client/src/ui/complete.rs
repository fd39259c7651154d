//! Tab completion: commands, rooms and names.
//!
//! **Invariant**: completing again goes through all candidates, and then back to the first.

use super::command::COMMANDS;
use super::input::Input;

/// A completion that may be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    start: usize,
    candidates: Vec<String>,
    next: usize,
}

/// Completes what is before the cursor, or continues a completion.
pub fn complete(
    input: &mut Input,
    running: Option<Completion>,
    rooms: &[String],
    users: &[String],
) -> Option<Completion> {
    let mut completion = running.or_else(|| begin(input.before_cursor(), rooms, users))?;
    let chosen = completion.candidates[completion.next].clone();
    completion.next = (completion.next + 1) % completion.candidates.len();
    input.replace(completion.start, &chosen);
    Some(completion)
}

fn begin(before: &str, rooms: &[String], users: &[String]) -> Option<Completion> {
    let start = before
        .rfind(char::is_whitespace)
        .map_or(0, |place| place + before[place..].chars().next().map_or(0, char::len_utf8));
    let word = &before[start..];
    let names_a_room = ["/join ", "/part "].iter().any(|command| before.starts_with(command));
    let candidates: Vec<String> = if start == 0 && word.starts_with('/') {
        COMMANDS.iter().map(|(name, ..)| format!("{name} ")).collect()
    } else if names_a_room {
        rooms.to_vec()
    } else if word.starts_with('#') {
        rooms.iter().map(|room| format!("#{room}")).collect()
    } else if word.is_empty() {
        Vec::new()
    } else {
        let end = if start == 0 { ": " } else { " " };
        users.iter().map(|user| format!("{user}{end}")).collect()
    };
    let lower = word.to_lowercase();
    let fits = |candidate: &String| candidate.to_lowercase().starts_with(&lower);
    let candidates: Vec<String> = candidates.into_iter().filter(fits).collect();
    (!candidates.is_empty()).then_some(Completion { start, candidates, next: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_rooms_and_names_are_completed() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let (rooms, users) = (names(&["lobby", "ops"]), names(&["alice", "albert", "bob"]));
        let completed = |typed: &str, times: usize| {
            let mut input = Input::default();
            input.insert(typed);
            let mut running = None;
            for _ in 0..times {
                running = complete(&mut input, running, &rooms, &users);
            }
            input.text().to_owned()
        };
        assert_eq!(completed("/jo", 1), "/join ");
        assert_eq!(completed("/s", 2), "/status ");
        assert_eq!(completed("/s", 3), "/search ");
        assert_eq!(completed("/join o", 1), "/join ops");
        assert_eq!(completed("see #o", 1), "see #ops");
        assert_eq!(completed("AL", 2), "albert: ");
        assert_eq!(completed("hi b", 1), "hi bob ");
        assert_eq!(completed("hi ", 1), "hi ");
        assert_eq!(completed("zzz", 1), "zzz");
    }
}
