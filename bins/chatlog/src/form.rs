//! The versions of the chat log, which differ in what of a text they show as it is.
//!
//! **Invariant**: a log keeps the form that it was begun in, because it is the same on all replicas. New ones have the
//! newest.

use super::{Chain, Position};
use crate::hidden::Before;
use actor_runtime::wire::ClusterId;

/// What an error says of a first line that is none.
pub(super) const NO_HEADER: &str = "not the header of a chat log of version 2 or 3";

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Some characters that cannot be seen are shown as they are, and joiners never are.
    V2,
    /// No character that cannot be seen is shown as it is, but for joiners and selectors where they may do something.
    V3,
}

impl Form {
    /// The form of new logs.
    pub(super) const NEWEST: Form = Form::V3;
    const ALL: [Form; 2] = [Form::V3, Form::V2];

    /// How the first line begins.
    fn begins(self) -> &'static str {
        match self {
            Form::V2 => "# paxos-chat log 2, ",
            Form::V3 => "# paxos-chat log 3, ",
        }
    }

    /// The form of the log with this first line, if it is one of a log.
    pub(super) fn of(header: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|form| header.starts_with(form.begins()))
    }

    /// The first line of a log.
    pub(super) fn header(self, cluster: ClusterId) -> String {
        format!("{}cluster {cluster}", self.begins())
    }

    /// The position behind the first line.
    pub(super) fn begin(self, cluster: ClusterId) -> Position {
        Position::start(&self.header(cluster))
    }

    /// The form of a log that has this running hash behind its first line; the newest, if that is none's.
    pub(super) fn of_empty(cluster: ClusterId, chain: Chain) -> Form {
        let is_it = |form: &Form| form.begin(cluster).chain == chain;
        Form::ALL.into_iter().find(is_it).unwrap_or(Form::NEWEST)
    }

    /// Is this character of a text not shown as it is?
    pub(super) fn hides(self, before: &mut Before, c: char, after: Option<char>) -> bool {
        match self {
            Form::V2 => is_hidden_in_version_2(c),
            Form::V3 => before.hides(c, after),
        }
    }
}

/// Controls, separators of lines, marks of direction and characters without width.
fn is_hidden_in_version_2(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
