//! Rooms and actions, carried in the text of a message. To replicas a text is opaque.
//!
//! A text in the lobby that does not begin with U+0001 is stored as it is. Anything else is stored
//! as `U+0001 FIELD U+0001 TEXT`, where FIELD is `*` if the message is an action, followed by the
//! name of its room; no name means the lobby.
//!
//! **Invariants**
//! - *Whatever is said is read back*: a text that begins with U+0001 itself is put in an envelope
//!   in the lobby too.
//! - *Everything has a meaning*: what begins like an envelope and is none is a text in the lobby.
//!
//! **Absent**: who is in a room. A room exists because something was said in it, and the order of
//! messages is one order over all rooms.

use paxos_chat::tuning::BODY_BYTES_MAX;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

/// Begins an envelope, and ends its field.
const MARK: char = '\u{1}';
/// The name of the room of whatever is said in no room.
const LOBBY: &str = "lobby";
/// The longest name of a room, in bytes.
pub const ROOM_BYTES_MAX: usize = 64;

/// A room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Room(Arc<str>);

impl Default for Room {
    fn default() -> Self {
        Room(LOBBY.into())
    }
}

impl Room {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    fn is_lobby(&self) -> bool {
        &*self.0 == LOBBY
    }
}

impl Display for Room {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name is not one of a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a room: use 1 to {ROOM_BYTES_MAX} bytes of letters, digits, '-', '_', '.'"
)]
pub struct NoRoom(String);

impl FromStr for Room {
    type Err = NoRoom;

    /// Takes a name with or without the `#` that is usual before it.
    fn from_str(name: &str) -> Result<Room, NoRoom> {
        let bare = name.strip_prefix('#').unwrap_or(name);
        let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=ROOM_BYTES_MAX).contains(&bare.len());
        if fits && bare.chars().all(is_allowed) {
            Ok(Room(bare.into()))
        } else {
            Err(NoRoom(name.chars().take(ROOM_BYTES_MAX).collect()))
        }
    }
}

/// What somebody says, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The room.
    pub room: Room,
    /// Something that the author does (`/me`), rather than says.
    #[serde(rename = "action")]
    pub is_action: bool,
    /// The text.
    pub text: String,
}

/// A text that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message has {bytes} bytes, and at most {bytes_max} are allowed: split it into several"
)]
pub struct TooLong {
    /// How long it is.
    pub bytes: usize,
    /// How long it may be in its room.
    pub bytes_max: usize,
}

impl Said {
    /// A text said in a room.
    pub fn new(room: &Room, text: impl Into<String>) -> Said {
        Said { room: room.clone(), is_action: false, text: text.into() }
    }

    /// What the envelope says before the text; nothing where there is no envelope.
    fn prefix(&self) -> String {
        let is_bare = self.room.is_lobby() && !self.is_action && !self.text.starts_with(MARK);
        if is_bare {
            return String::new();
        }
        let action = if self.is_action { "*" } else { "" };
        let room = if self.room.is_lobby() { "" } else { self.room.name() };
        format!("{MARK}{action}{room}{MARK}")
    }

    /// How many bytes the text may have in its room.
    pub fn bytes_max(&self) -> usize {
        BODY_BYTES_MAX - self.prefix().len()
    }

    /// The text of the message that carries this.
    ///
    /// # Errors
    /// When a message has no room for it.
    pub fn encode(&self) -> Result<String, TooLong> {
        let (mut encoded, bytes_max) = (self.prefix(), self.bytes_max());
        if self.text.len() > bytes_max {
            return Err(TooLong { bytes: self.text.len(), bytes_max });
        }
        encoded.push_str(&self.text);
        Ok(encoded)
    }

    /// What the text of a message carries.
    pub fn decode(text: &str) -> Said {
        let bare = || Said { text: text.to_owned(), ..Said::default() };
        let Some((field, rest)) = text.strip_prefix(MARK).and_then(|t| t.split_once(MARK)) else {
            return bare();
        };
        let (is_action, name) = match field.strip_prefix('*') {
            Some(name) => (true, name),
            None => (false, field),
        };
        let room = match name {
            "" => Room::default(),
            name if name.starts_with('#') => return bare(),
            name => match name.parse() {
                Ok(room) => room,
                Err(_) => return bare(),
            },
        };
        Said { room, is_action, text: rest.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn whatever_is_said_is_read_back(room: u8, is_action: bool, mark: bool, text: String) -> bool {
            let room = ["lobby", "ops", "größe-2", "*"][usize::from(room) % 4].parse();
            let room = room.unwrap_or_default();
            let text = if mark { format!("\u{1}{text}") } else { text };
            let said = Said { room, is_action, text };
            said.encode().is_ok_and(|encoded| Said::decode(&encoded) == said)
        }

        fn every_text_means_something(text: String) -> bool {
            let said = Said::decode(&text);
            said.text == text || text.starts_with(MARK)
        }
    }

    #[test]
    fn what_is_said_in_no_room_is_stored_as_it_is() {
        let lobby = Room::default();
        for text in ["", "hi", "#ops hi", "two\nlines", "🙂"] {
            assert_eq!(Said::new(&lobby, text).encode().unwrap(), text);
            assert_eq!(Said::decode(text), Said::new(&lobby, text));
        }
    }

    #[test]
    fn an_envelope_is_as_documented() {
        let ops: Room = "#ops".parse().unwrap();
        assert_eq!(Said::new(&ops, "hi").encode().unwrap(), "\u{1}ops\u{1}hi");
        let waves = Said { is_action: true, ..Said::new(&Room::default(), "waves") };
        assert_eq!(waves.encode().unwrap(), "\u{1}*\u{1}waves");
        for foreign in ["\u{1}", "\u{1}ops", "\u{1}no room\u{1}x", "\u{1}#ops\u{1}x"] {
            assert_eq!(Said::decode(foreign).text, foreign);
        }
    }

    #[test]
    fn the_limit_counts_the_envelope() {
        let text = "x".repeat(BODY_BYTES_MAX);
        assert!(Said::new(&Room::default(), text.as_str()).encode().is_ok());
        let ops: Room = "ops".parse().unwrap();
        let bytes_max = BODY_BYTES_MAX - 5;
        let error = Said::new(&ops, text.as_str()).encode().unwrap_err();
        assert_eq!(error, TooLong { bytes: BODY_BYTES_MAX, bytes_max });
        assert_eq!(Said::new(&ops, &text[..bytes_max]).encode().unwrap().len(), BODY_BYTES_MAX);
        assert!(String::from("x").repeat(65).parse::<Room>().is_err());
    }
}
