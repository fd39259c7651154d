//! What a validation has found.

use crate::replay::Place;
use crate::sent::Arrival;
use actor_recording::recorder::Origin;
use std::fmt::{self, Display, Formatter};

/// Findings that are told; the others are counted.
pub const TOLD_MAX: usize = 16;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The process.
    pub process: String,
    /// The number of the last event before it, in the one order that is judged.
    pub event: u64,
    /// Where in its recording.
    pub place: Place,
    /// What.
    pub what: What,
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A process did not do what its actor does.
    Divergence(String),
    /// A recording can't be read, or is none of a driver.
    Unreadable(String),
    /// A message arrived that is not explained by what was sent.
    Unexplained {
        /// Where it was.
        origin: Origin,
        /// What it says.
        message: String,
        /// Why it is not explained.
        why: Arrival,
        /// The process that should have sent it, if it is known.
        sender: Option<String>,
    },
    /// A property does not hold.
    Violated {
        /// Its name.
        property: &'static str,
        /// In what.
        detail: String,
    },
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Finding { process, event, place, what } = self;
        let file = place.file.file_name().map(|name| format!(" ({})", name.to_string_lossy()));
        let file = file.unwrap_or_default();
        write!(f, "{process}{file}, entry {}, event {event}: {what}", place.entry)
    }
}

impl Display for What {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            What::Divergence(text) | What::Unreadable(text) => f.write_str(text),
            What::Violated { property, detail } => write!(f, "VIOLATED: {property}: {detail}"),
            What::Unexplained { origin, message, why, sender } => {
                let Origin { boot, datagram, index } = origin;
                let boot: String = boot[..4].iter().map(|byte| format!("{byte:02x}")).collect();
                let of = sender.as_ref().map_or(format!("boot {boot}"), Clone::clone);
                write!(
                    f,
                    "UNEXPLAINED: {message} arrived in datagram {datagram} of {of}, place {index}: "
                )?;
                f.write_str(match why {
                    Arrival::Unknown => "no recording is of that boot; is a process missing?",
                    Arrival::NotYet => "its recording does not have it: it never sent it, or its recording ended before",
                    Arrival::Changed => "what was sent there says something else",
                    Arrival::Twice => "this life has taken it before",
                    Arrival::Before => "it left before the actor started, and is none that a host sends",
                    Arrival::Sent | Arrival::Again | Arrival::Forgotten => "it is explained",
                })
            }
        }
    }
}
