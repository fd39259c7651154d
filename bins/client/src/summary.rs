//! What became of everything said, in words.
//!
//! **Invariant**: *safe* is said of what a file has, as it was read from it, and of nothing else.

use super::state::Saved;
use paxos_chat::types::Seq;

/// What became of everything said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of the first message that is not from an earlier run, or an earlier session.
    pub first: Seq,
    /// The number of the message that would have been submitted next.
    pub end: Seq,
    /// Messages submitted, those that were pending at the start included.
    pub submitted: u64,
    /// What was to be said, and was not submitted.
    pub unsaid: Unsaid,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// How often acknowledged messages were sent again.
    pub retries: u64,
    /// Why the rest will not be acknowledged, as far as it is known.
    pub failure: Option<String>,
}

/// What was to be said, and was not submitted, because the client was at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsaid {
    /// Nothing.
    #[default]
    Nothing,
    /// So many messages.
    Messages(u64),
    /// This line of the input, from 1 on, and whatever is behind it.
    FromLine(u64),
}

impl Summary {
    /// Was everything acknowledged?
    pub fn is_complete(&self) -> bool {
        let Summary { submitted, acknowledged, unsaid, failure, .. } = self;
        submitted == acknowledged && *unsaid == Unsaid::Nothing && failure.is_none()
    }

    /// How much was not acknowledged of what was to be said, in words.
    pub fn missing(&self) -> String {
        let told = |asked: u64| {
            let missing = asked - self.acknowledged;
            format!("{missing} of {asked} messages were not acknowledged")
        };
        match self.unsaid {
            Unsaid::Nothing => told(self.submitted),
            Unsaid::Messages(count) => told(self.submitted + count),
            Unsaid::FromLine(line) => {
                let unsaid =
                    format!("line {line} of the input, and everything after it, was not sent");
                if self.submitted == 0 { unsaid } else { told(self.submitted) + "; " + &unsaid }
            }
        }
    }

    /// What a durable client's file has of what was not acknowledged, and what is to be said again: only what a
    /// save has written is safe. Nothing, if there is nothing of either; what was not said is
    /// [`Summary::missing`]'s to tell.
    pub fn safe(&self, saved: Saved) -> Option<String> {
        let Saved { below, pending } = saved;
        let unsaid = match self.unsaid {
            Unsaid::Messages(count) => count,
            Unsaid::Nothing | Unsaid::FromLine(_) => 0,
        };
        let has = match pending {
            0 => "none of them is saved".to_owned(),
            _ => format!(
                "{pending} of them are saved; run again with the same --state file to complete them"
            ),
        };
        if below.0 >= self.end.0 + unsaid {
            return (pending > 0).then_some(has);
        }
        // Messages of this run have numbers in the order in which they were to be said.
        let lost = below.max(self.first).0 - self.first.0 + 1;
        let which = match self.unsaid {
            Unsaid::FromLine(_) => format!("line {lost} of the input"),
            Unsaid::Nothing | Unsaid::Messages(_) => format!("message {lost} of this run"),
        };
        Some(format!("{has}; {which} and everything after it is not saved: send that again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_has_is_said_to_be_safe() {
        // Two were pending; of four said in this run two are acknowledged, and two were not taken.
        let summary = Summary {
            first: Seq(11),
            end: Seq(15),
            submitted: 6,
            acknowledged: 4,
            unsaid: Unsaid::Messages(2),
            ..Summary::default()
        };
        assert_eq!(summary.missing(), "4 of 8 messages were not acknowledged");
        let safe = |summary: &Summary, below, pending| {
            summary.safe(Saved { below: Seq(below), pending }).unwrap_or_default()
        };
        let all = safe(&summary, 17, 4);
        assert!(all.contains("4 of them are saved") && !all.contains("not saved"), "{all}");
        let some = safe(&summary, 15, 2);
        assert!(
            some.contains("2 of them are saved") && some.contains("message 5 of this run"),
            "{some}"
        );
        let none = safe(&summary, 13, 0);
        assert!(none.contains("none of them is saved") && none.contains("message 3 of"), "{none}");
        assert!(safe(&summary, 9, 0).contains("message 1 of"), "an earlier run has been told");
        // Some were acknowledged, and saved to be, after it was looked whether they were.
        assert_eq!(safe(&Summary { unsaid: Unsaid::Nothing, ..summary.clone() }, 15, 0), "");
        // Of a line that was not said it is told that it was not, and nothing of the file.
        let lines = Summary { unsaid: Unsaid::FromLine(5), acknowledged: 6, ..summary };
        assert!(lines.missing().contains("line 5 of the input, and everything after it, was not"));
        let first =
            Summary { unsaid: Unsaid::FromLine(1), submitted: 0, acknowledged: 0, ..lines.clone() };
        assert!(first.missing().starts_with("line 1 of the input, and everything after it"));
        assert_eq!(safe(&lines, 15, 0), "");
        assert!(safe(&lines, 13, 0).contains("; line 3 of the input"));
    }
}
