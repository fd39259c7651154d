//! What is shown of an item: rows of runs of text, each with a role.
//!
//! **Invariant**: an item has at least one row, and no row is wider than the screen but one whose
//! name alone is.
//!
//! **Absent**: colours; see [`super::theme`].

use super::conversation::{Draft, Item, Line, Progress};
use super::text::{neutralise, width, wrap};
use paxos_chat::types::Timestamp;
use paxos_chat_log as chatlog;

/// What a run of text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A slot, a time, a mark: not what is read first.
    Aside,
    /// A name, by which it is coloured.
    Author(String),
    /// What was said.
    Text,
    /// What is not committed yet.
    Draft,
    /// What the client tells.
    Notice,
}

/// A run of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is.
    pub role: Role,
    /// The text.
    pub text: String,
}

/// A row of the screen.
pub type Row = Vec<Run>;

fn run(role: Role, text: impl Into<String>) -> Run {
    Run { role, text: text.into() }
}

/// Columns by which the rows after the first are indented.
const INDENT: usize = 2;

/// Somebody's words, whether they are in the log or not.
struct Words<'a> {
    aside: String,
    user: &'a str,
    is_action: bool,
    text: &'a str,
    role: Role,
    mark: String,
}

/// The rows of an item.
pub fn item_rows(item: &Item, columns: usize) -> Vec<Row> {
    match item {
        Item::Notice(text) => wrap(&neutralise(text), columns.saturating_sub(INDENT), 0)
            .into_iter()
            .map(|row| vec![run(Role::Notice, format!("  {row}"))])
            .collect(),
        Item::Line(line) => words_rows(&words_of_line(line), columns),
    }
}

/// The rows of a message that is not in the log yet.
pub fn draft_rows(draft: &Draft, user: &str, columns: usize) -> Vec<Row> {
    let mark = match draft.progress {
        Progress::Pending => " … pending".into(),
        Progress::Sent => " → sent".into(),
        Progress::Committed(slot) => format!(" ✓ committed at slot {slot}"),
        Progress::Unknown => " ? outcome unknown".into(),
        Progress::NotSent => " ✗ not sent".into(),
    };
    let words = Words {
        aside: "           ".into(),
        user,
        is_action: draft.said.is_action,
        text: &draft.said.text,
        role: Role::Draft,
        mark,
    };
    words_rows(&words, columns)
}

fn words_of_line(line: &Line) -> Words<'_> {
    let time = chatlog::time(Timestamp(line.time_ms));
    let minutes = time.split_once('T').and_then(|(_, time)| time.get(..5)).unwrap_or_default();
    let mark =
        if line.is_own { format!(" ✓ committed at slot {}", line.slot) } else { String::new() };
    Words {
        aside: format!("{:>4} {minutes} ", line.slot),
        user: &line.user,
        is_action: line.is_action,
        text: &line.text,
        role: Role::Text,
        mark,
    }
}

fn words_rows(words: &Words<'_>, columns: usize) -> Vec<Row> {
    let shown = chatlog::escaped(words.user);
    let (before, after) = if words.is_action { ("* ", " ") } else { ("", ": ") };
    let author = format!("{before}{shown}{after}");
    let header = width(&words.aside) + width(&author);
    let text = neutralise(words.text);
    let rows = wrap(&text, columns.saturating_sub(INDENT), header.saturating_sub(INDENT));
    let mut shown_rows: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let first = shown_rows.is_empty();
        let mut runs = if first {
            vec![
                run(Role::Aside, words.aside.clone()),
                run(Role::Author(words.user.to_owned()), author.clone()),
            ]
        } else {
            vec![run(Role::Aside, " ".repeat(INDENT))]
        };
        runs.push(run(words.role.clone(), row));
        shown_rows.push(runs);
    }
    if !words.mark.is_empty() {
        let last = shown_rows.last_mut().expect("a text has a row");
        let used: usize = last.iter().map(|run| width(&run.text)).sum();
        if used + width(&words.mark) <= columns {
            last.push(run(Role::Aside, words.mark.clone()));
        } else {
            for row in wrap(words.mark.trim_start(), columns.saturating_sub(INDENT), 0) {
                shown_rows.push(vec![run(Role::Aside, format!("  {row}"))]);
            }
        }
    }
    shown_rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| row.iter().map(|run| run.text.as_str()).collect()).collect()
    }

    fn line(text: &str, is_own: bool, is_action: bool) -> Item {
        let (slot, time_ms, is_mention) = (17, 43_200_000, false);
        let (user, text) = ("ann".into(), text.into());
        Item::Line(Line { slot, time_ms, user, text, is_action, is_own, is_mention })
    }

    #[test]
    fn a_message_has_its_slot_time_and_author() {
        assert_eq!(plain(&item_rows(&line("hi", false, false), 40)), ["  17 12:00 ann: hi"]);
        assert_eq!(plain(&item_rows(&line("waves", false, true), 40)), ["  17 12:00 * ann waves"]);
        let two = item_rows(&line("one\ntwo", false, false), 40);
        assert_eq!(plain(&two), ["  17 12:00 ann: one", "  two"]);
    }

    #[test]
    fn a_mark_stands_behind_the_text_or_below_it() {
        let own = |columns| plain(&item_rows(&line("hi", true, false), columns));
        assert_eq!(own(60), ["  17 12:00 ann: hi ✓ committed at slot 17"]);
        assert_eq!(own(30), ["  17 12:00 ann: hi", "  ✓ committed at slot 17"]);
    }

    #[test]
    fn a_narrow_screen_still_shows_everything() {
        let rows = plain(&item_rows(&line("日本語", true, false), 8));
        assert!(rows.concat().contains("日本語"));
    }
}
