//! What an operator is told of the cluster as a whole: how far its log goes now, as a majority confirms.
//!
//! **Absent**: how that is asked. It takes a reader, which is of clients.

use paxos_chat_config::Config;
use paxos_chat_config::credentials::Token;
use serde_json::{Value, json};
use std::time::Duration;

/// How far the log goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Everything that anybody was told is committed, before this was asked for, is below this slot.
    pub upto: u64,
    /// From the question to the answer.
    pub took: Duration,
}

/// Asks that for this user, for so long; none, if nobody who leads has answered by then.
pub type ReadCurrent = fn(&Config, &Token, Duration) -> anyhow::Result<Option<Current>>;

/// What was found out, as a line for people.
pub fn line(current: Option<Current>, patience: Duration) -> String {
    match current {
        Some(Current { upto, took }) => format!(
            "a majority confirms that everything committed is below slot {upto}; it took {:.1} ms",
            took.as_secs_f64() * 1e3
        ),
        None => format!(
            "no majority has confirmed within {} ms how far the log goes: what the replicas show may be old",
            patience.as_millis()
        ),
    }
}

/// The same for programs.
pub fn value(current: Option<Current>) -> Value {
    current.map_or(Value::Null, |Current { upto, took }| {
        json!({ "upto": upto, "us": u64::try_from(took.as_micros()).unwrap_or(u64::MAX) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confirmed_is_told_with_its_time_and_what_is_not_as_such() {
        let (current, patience) =
            (Some(Current { upto: 7, took: Duration::from_micros(450) }), Duration::from_secs(1));
        let shown = line(current, patience);
        assert!(shown.contains("below slot 7; it took 0.5 ms"), "{shown}");
        assert!(line(None, patience).contains("within 1000 ms"));
        assert_eq!(value(current), json!({ "upto": 7, "us": 450 }));
        assert_eq!(value(None), Value::Null);
    }
}
