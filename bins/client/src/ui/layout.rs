//! What is shown of an item: rows of runs of text, each with a role.
//!
//! **Invariant**: an item has at least one row, and no row is wider than the screen but one whose
//! name alone is.
//!
//! **Absent**: colours; see [`super::theme`].

use super::clock::Clock;
use super::conversation::{Draft, Item, Line, Progress};
use super::text::{neutralise, width, wrap};
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
    /// What was said, and names whoever sits here.
    Mention,
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

/// Columns by which the rows after the first are indented, where there is no place to put them under the text.
const INDENT: usize = 2;
/// Columns of text that there have to be beside names and times.
const TEXT_COLUMNS_MIN: usize = 30;

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
pub fn item_rows(item: &Item, columns: usize, clock: &Clock) -> Vec<Row> {
    match item {
        Item::Notice(text) => wrap(&neutralise(text), columns.saturating_sub(INDENT), 0)
            .into_iter()
            .map(|row| vec![run(Role::Notice, format!("  {row}"))])
            .collect(),
        Item::Line(line) => words_rows(&words_of_line(line, clock), columns),
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

fn words_of_line<'a>(line: &'a Line, clock: &Clock) -> Words<'a> {
    let minutes = clock.minutes(line.time_ms);
    let mark =
        if line.is_own { format!(" ✓ committed at slot {}", line.slot) } else { String::new() };
    Words {
        aside: format!("{:>4} {minutes} ", line.slot),
        user: &line.user,
        is_action: line.is_action,
        text: &line.text,
        role: if line.is_mention { Role::Mention } else { Role::Text },
        mark,
    }
}

fn words_rows(words: &Words<'_>, columns: usize) -> Vec<Row> {
    let shown = chatlog::escaped(words.user);
    let (before, after) = if words.is_action { ("* ", " ") } else { ("", ": ") };
    let author = format!("{before}{shown}{after}");
    let header = width(&words.aside) + width(&author);
    let text = neutralise(words.text);
    let has_room = columns >= header + TEXT_COLUMNS_MIN;
    let indent = if has_room { header } else { INDENT };
    let rows = wrap(&text, columns.saturating_sub(indent), header.saturating_sub(indent));
    let mut shown_rows: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let first = shown_rows.is_empty();
        let mut runs = if first {
            vec![
                run(Role::Aside, words.aside.clone()),
                run(Role::Author(words.user.to_owned()), author.clone()),
            ]
        } else {
            vec![run(Role::Aside, " ".repeat(indent))]
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
            for row in wrap(words.mark.trim_start(), columns.saturating_sub(indent), 0) {
                shown_rows.push(vec![run(Role::Aside, " ".repeat(indent) + &row)]);
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
        let rows = |item: &Item, columns| plain(&item_rows(item, columns, &Clock::default()));
        assert_eq!(rows(&line("hi", false, false), 40), ["  17 12:00 ann: hi"]);
        assert_eq!(rows(&line("waves", false, true), 40), ["  17 12:00 * ann waves"]);
        let two = line("one\ntwo", false, false);
        assert_eq!(rows(&two, 60), ["  17 12:00 ann: one", "                two"]);
        assert_eq!(rows(&two, 40), ["  17 12:00 ann: one", "  two"], "it is narrow");
    }

    #[test]
    fn a_mark_stands_behind_the_text_or_below_it() {
        let item = line("hi", true, false);
        let own = |columns| plain(&item_rows(&item, columns, &Clock::default()));
        assert_eq!(own(60), ["  17 12:00 ann: hi ✓ committed at slot 17"]);
        assert_eq!(own(30), ["  17 12:00 ann: hi", "  ✓ committed at slot 17"]);
    }

    #[test]
    fn a_narrow_screen_still_shows_everything() {
        let rows = plain(&item_rows(&line("日本語", true, false), 8, &Clock::default()));
        assert!(rows.concat().contains("日本語"));
    }
}
