//! One line of output for each message, by a template such as `{time} {user}: {text}`.
//!
//! **Invariant**: what others wrote is escaped, so that a terminal does not act on it and a line
//! stays a line; only `{raw}` is the text as it was sent.

use super::post::Post;
use paxos_chat::types::Timestamp;
use paxos_chat_log as chatlog;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(&'static str),
}

const FIELDS: [&str; 11] =
    ["slot", "index", "time", "time_ms", "user", "room", "action", "session", "seq", "text", "raw"];

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Part>);

impl FromStr for Format {
    type Err = String;

    /// `{field}` is replaced; `{{`, `}}`, `\n`, `\t`, `\0` and `\\` are what they usually are.
    fn from_str(template: &str) -> Result<Format, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = template.chars();
        while let Some(c) = rest.next() {
            match (c, rest.as_str().chars().next()) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    literal.push(c);
                    rest.next();
                }
                ('{', _) => {
                    let (name, after) = rest.as_str().split_once('}').ok_or("a { is not closed")?;
                    let field =
                        FIELDS.into_iter().find(|field| *field == name).ok_or_else(|| {
                            format!("{{{name}}} is no field; there are {}", FIELDS.join(", "))
                        })?;
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                    parts.push(Part::Field(field));
                    rest = after.chars();
                }
                ('\\', Some(escaped)) => {
                    rest.next();
                    literal.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        '0' => '\0',
                        '\\' => '\\',
                        other => return Err(format!("\\{other} is not known")),
                    });
                }
                (c, _) => literal.push(c),
            }
        }
        parts.push(Part::Literal(literal));
        Ok(Format(parts))
    }
}

impl Format {
    /// What is printed for a message.
    pub fn apply(&self, post: &Post) -> String {
        let mut line = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => line.push_str(literal),
                Part::Field(field) => line.push_str(&value(post, field)),
            }
        }
        line
    }
}

fn value(post: &Post, field: &str) -> String {
    match field {
        "slot" => post.slot.to_string(),
        "index" => post.index.to_string(),
        "time" => chatlog::time(Timestamp(post.time_ms)),
        "time_ms" => post.time_ms.to_string(),
        "user" => chatlog::escaped(&post.user),
        "room" => post.said.room.to_string(),
        "action" => post.said.is_action.to_string(),
        "session" => post.session.clone(),
        "seq" => post.seq.to_string(),
        "raw" => post.said.text.clone(),
        _ => chatlog::escaped(&post.said.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Said;

    #[test]
    fn a_template_is_filled_in() {
        let said = Said::new(&"ops".parse().unwrap(), "a\u{1b}[2J\nb");
        let (user, session) = ("ann".into(), "s0.0".into());
        let post = Post { slot: 7, index: 1, time_ms: 0, user, session, seq: 3, said };
        let apply = |template: &str| template.parse::<Format>().unwrap().apply(&post);
        assert_eq!(apply("{slot}.{index} {user}@{room}"), "7.1 ann@ops");
        assert_eq!(apply("{{{seq}}}\\t{text}"), "{3}\ta\\u{1b}[2J\\nb");
        assert_eq!(apply("{raw}"), "a\u{1b}[2J\nb");
        assert_eq!(apply("{time}"), "1970-01-01T00:00:00.000Z");
        for (wrong, why) in [("{who}", "no field"), ("{", "not closed"), ("\\x", "not known")] {
            assert!(wrong.parse::<Format>().unwrap_err().contains(why));
        }
    }
}
