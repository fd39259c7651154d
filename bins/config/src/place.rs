//! Keys of the configuration, and the lines that they are in.

use std::fmt::{self, Display, Formatter};
use toml::de::{DeTable, DeValue};

/// A key, such as `replicas[1].loss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Item(usize),
}

impl From<&str> for Key {
    fn from(name: &str) -> Key {
        Key(vec![Step::Name(name.to_owned())])
    }
}

impl Key {
    /// What has this name in it.
    pub(super) fn then(&self, name: &str) -> Key {
        self.with(Step::Name(name.to_owned()))
    }

    /// Item `index` of it, from 0 on.
    pub(super) fn item(&self, index: usize) -> Key {
        self.with(Step::Item(index))
    }

    fn with(&self, step: Step) -> Key {
        Key(self.0.iter().cloned().chain([step]).collect())
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (step, index) in self.0.iter().zip(0..) {
            match step {
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Name(name) => {
                    let is_bare =
                        name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                    let dot = if index == 0 { "" } else { "." };
                    if is_bare { write!(f, "{dot}{name}")? } else { write!(f, "{dot}{name:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// The line of this place in a text, from 1 on.
pub(super) fn line_at(text: &str, place: usize) -> usize {
    1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count()
}

/// The line of a key; of what holds it, if it is not there itself.
pub(super) fn line_of(text: &str, key: &Key) -> usize {
    let Ok(table) = DeTable::parse(text) else { return 1 };
    let mut place = 0;
    let mut here: Option<&DeValue<'_>> = None;
    for step in &key.0 {
        let next = match (step, here) {
            (Step::Name(name), None) => find(table.get_ref(), name),
            (Step::Name(name), Some(DeValue::Table(table))) => find(table, name),
            (Step::Item(index), Some(DeValue::Array(items))) => {
                items.get(*index).map(|item| (item.span().start, item.get_ref()))
            }
            _ => None,
        };
        let Some((start, value)) = next else { break };
        (place, here) = (start, Some(value));
    }
    line_at(text, place)
}

fn find<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span().start, value.get_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n# b = 2\nlist = [\n  1,\n  2,\n]\n\n[[r]]\nid = 0\n\n[[r]]\n\nid = 1\n\n[t.\"x y\"]\nloss = 3\n";

    #[test]
    fn keys_are_found_in_their_lines() {
        let r1 = Key::from("r").item(1);
        for (key, line) in [
            (Key::from("a"), 1),
            (Key::from("list").item(1), 5),
            (Key::from("r").item(0).then("id"), 9),
            (r1.then("id"), 13),
            (Key::from("t").then("x y").then("loss"), 16),
        ] {
            assert_eq!(line_of(TEXT, &key), line, "{key}");
        }
        assert_eq!(line_of(TEXT, &r1.then("absent")), 11, "what should hold it");
        assert_eq!(line_of(TEXT, &Key::from("absent")), 1);
    }

    #[test]
    fn keys_print_as_they_are_written() {
        assert_eq!(Key::from("replicas").item(1).then("loss").to_string(), "replicas[1].loss");
        assert_eq!(Key::from("clients").then("a.b").to_string(), "clients.\"a.b\"");
    }
}
