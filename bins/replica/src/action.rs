//! What a person can have a replica do: at its console, or over the network as an operator.

use actor_runtime::disk::stall::STALL_MS_MAX;
use actor_runtime::loss::Loss;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// What a replica is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// A leader steps down: its election timer goes off.
    StepDown,
    /// A follower takes the leader for silent: its election timer goes off, and what it then asks of the
    /// others is lost. So it supports whoever stands next.
    ForgetLeader,
    /// A follower stands for election: its election timer goes off.
    Stand,
    /// Something goes wrong on purpose.
    Fault(Fault),
}

/// A fault to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Subcommand)]
pub enum Fault {
    /// The leader jumps over its next slot.
    SkipSlot,
    /// The next sync takes so many milliseconds longer.
    StallDisk {
        /// How long.
        #[arg(value_name = "MS", value_parser = clap::value_parser!(u64).range(..=STALL_MS_MAX))]
        millis: u64,
    },
    /// The process ends at once, as a crash would end it.
    Kill,
    /// From now on, so many datagrams are lost, on sending and again on receiving; 0 ends it.
    Loss {
        /// The probability.
        #[arg(value_name = "P", allow_negative_numbers = true, value_parser = probability)]
        loss: f64,
    },
}

fn probability(text: &str) -> Result<f64, String> {
    text.parse().map(Loss::probability)
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::StepDown => f.write_str("step down"),
            Action::ForgetLeader => f.write_str("forget the leader"),
            Action::Stand => f.write_str("stand for election"),
            Action::Fault(Fault::SkipSlot) => f.write_str("skip a slot"),
            Action::Fault(Fault::StallDisk { millis }) => {
                write!(f, "stall the disk for {millis} ms")
            }
            Action::Fault(Fault::Kill) => f.write_str("end at once"),
            Action::Fault(Fault::Loss { loss }) => {
                write!(f, "lose datagrams with probability {loss}")
            }
        }
    }
}

impl Fault {
    /// Is this what can be injected?
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Fault::StallDisk { millis } if *millis > STALL_MS_MAX => {
                Err(format!("{millis} ms are too long: give at most {STALL_MS_MAX}"))
            }
            Fault::Loss { loss } if Loss::new(*loss).is_none() => {
                Err(format!("{loss} is not a probability: give a number from 0 to 1"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_faults_are_refused() {
        for loss in [f64::NAN, 1.1] {
            assert!(Fault::Loss { loss }.check().is_err());
        }
        assert!(Fault::StallDisk { millis: u64::MAX }.check().is_err());
        assert!(Fault::Loss { loss: 1.0 }.check().is_ok() && Fault::Kill.check().is_ok());
    }

    #[test]
    fn replicas_and_operators_of_other_versions_read_the_same_bytes() {
        let bytes = |action: Action| postcard::to_stdvec(&action).unwrap();
        let of_fault = |fault| bytes(Action::Fault(fault));
        assert_eq!(bytes(Action::StepDown), [0]);
        assert_eq!(bytes(Action::ForgetLeader), [1]);
        assert_eq!(bytes(Action::Stand), [2]);
        assert_eq!(of_fault(Fault::SkipSlot), [3, 0]);
        assert_eq!(of_fault(Fault::StallDisk { millis: 5 }), [3, 1, 5]);
        assert_eq!(of_fault(Fault::Kill), [3, 2]);
        assert_eq!(of_fault(Fault::Loss { loss: 2.0 }), [3, 3, 0, 0, 0, 0, 0, 0, 0, 64]);
    }
}
