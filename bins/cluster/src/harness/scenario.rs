//! Named scenarios: a cluster, what its clients say, one fault, and the proof that it happened.
//!
//! **Invariant — a scenario that did not happen has failed**: the verdict of each includes
//! `events`, which looks for the event in what replicas and clients left on disk.

use super::fault::Fault;
use std::ops::Range;
use std::time::Duration;

/// The slot that primaries of the scenario `skipped-slot` jump over.
const SKIPPED: u64 = 4;

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub about: &'static str,
    /// How many replicas may fail.
    pub f: u8,
    /// Clients, unless others are asked for.
    pub clients: u32,
    /// Messages of each, unless others are asked for.
    pub messages: u64,
    /// What is done to the cluster.
    pub fault: Fault,
    /// The slots that primaries jump over.
    pub skip_slots: &'static [u64],
    /// The loss at all replicas and clients.
    pub loss: f64,
    /// The random time between the messages of a client.
    pub pace: Option<Range<Duration>>,
}

const QUIET: Scenario = Scenario {
    name: "",
    about: "",
    f: 1,
    clients: 3,
    messages: 20,
    fault: Fault::None,
    skip_slots: &[],
    loss: 0.0,
    pace: None,
};

/// Random intervals, short enough that clients write at the same time.
const PACE: Option<Range<Duration>> = Some(Duration::ZERO..Duration::from_millis(20));

/// All scenarios.
pub static SCENARIOS: [Scenario; 11] = [
    Scenario {
        name: "one-client-one-message",
        about: "one client says one thing",
        clients: 1,
        messages: 1,
        ..QUIET
    },
    Scenario {
        name: "one-client-many-messages",
        about: "one client says many things",
        clients: 1,
        ..QUIET
    },
    Scenario {
        name: "many-clients-one-message",
        about: "many clients say one thing each",
        clients: 5,
        messages: 1,
        ..QUIET
    },
    Scenario {
        name: "many-clients-many-messages",
        about: "many clients say many things at the same time",
        clients: 5,
        pace: PACE,
        ..QUIET
    },
    Scenario {
        name: "primary-fails-before-proposing",
        about: "the first primary is killed before it has proposed anything",
        fault: Fault::BeforeProposing(1),
        ..QUIET
    },
    Scenario {
        name: "two-primaries-fail-before-proposing",
        about: "of five replicas, the first two primaries are killed before they have proposed anything",
        f: 2,
        fault: Fault::BeforeProposing(2),
        ..QUIET
    },
    Scenario {
        name: "primary-fails-after-proposing",
        about: "a primary is killed after it has proposed and before anything of it is decided",
        fault: Fault::AfterProposing,
        ..QUIET
    },
    Scenario {
        name: "primaries-fail-one-after-another",
        about: "of five replicas, f primaries are killed one after another while clients write",
        f: 2,
        fault: Fault::OneAfterAnother(2),
        ..QUIET
    },
    Scenario {
        name: "skipped-slot",
        about: "a primary jumps over a slot, and its successor fills it with a Noop",
        skip_slots: &[SKIPPED],
        ..QUIET
    },
    Scenario {
        name: "message-loss",
        about: "one datagram in ten is lost when it is sent, and one in ten when it is received",
        loss: 0.1,
        // Messages said at once share datagrams, and few of them may be lost.
        pace: PACE,
        ..QUIET
    },
    Scenario {
        name: "stress",
        about: "ten clients say a hundred things each at random intervals",
        clients: 10,
        messages: 100,
        pace: PACE,
        ..QUIET
    },
];

/// The scenario of this name.
///
/// # Errors
/// Names those that there are.
pub fn find(name: &str) -> Result<&'static Scenario, String> {
    SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("there is no scenario {name:?}; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for scenario in &SCENARIOS {
            assert_eq!(find(scenario.name), Ok(scenario));
        }
        assert!(find("primary").unwrap_err().contains("primary-fails-after-proposing"));
    }

    #[test]
    fn no_scenario_kills_more_than_its_cluster_survives() {
        for Scenario { name, f, fault, .. } in &SCENARIOS {
            assert!(fault.killed_for_good() <= *f, "{name}");
        }
    }
}
