//! What a configuration has: its features, and which pairs of them stand together in an entry.
//!
//! **Invariants**
//! - *Features follow from the bounds*, and are never listed by hand.
//! - *A pair counts as covered only by entries that were completed*: those with a count of states.
//! - *A pair that is in no entry has its reason*, in [`APART`], and none that is in one stands there.

use crate::catalog::{Entry, Grade};
use crate::config::{ClientPlan, Config};
use crate::machine::Durability;
use paxos_chat::message::Input;
use paxos_chat::tuning::Tuning;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

macro_rules! features {
    ($($feature:ident, $code:literal, $name:literal: $has:expr;)*) => {
        /// Something that a configuration has or has not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature {
            $(
                #[doc = concat!($name, ".")]
                $feature,
            )*
        }

        impl Feature {
            /// All features, in the order of the table.
            pub const ALL: &[Feature] = &[$(Feature::$feature),*];

            /// A name of three letters at most, for the head of a column.
            pub fn code(self) -> &'static str {
                match self {
                    $(Feature::$feature => $code,)*
                }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Feature::$feature => $name,)*
                }
            }

            /// Does this configuration have it?
            pub fn is_in(self, config: &Config) -> bool {
                let has: fn(&Config) -> bool = match self {
                    $(Feature::$feature => $has,)*
                };
                has(config)
            }
        }
    };
}

features! {
    PreVote, "pre", "pre-vote": |config| config.tuning.pre_vote && config.replicas > 1;
    Overlap, "ovl", "overlap": |config| config.durability == Durability::LateSaves;
    Compaction, "cmp", "compaction": |config| config.tuning.snapshot_slots > 0;
    ChunksOfOne, "chk", "chunks of one": |config| config.tuning.chunk_entries_max == 1;
    WindowTwo, "win", "window 2": |config| config.tuning.window_slots > 1;
    Batching, "bat", "batching": |config| config.tuning.batch_commands_max > 1;
    Rivals, "riv", "rivals": |config| {
        let speakers = config.clients.iter().filter(|plan| speaks(plan));
        speakers.map(|plan| plan.asks[0]).collect::<BTreeSet<u8>>().len() > 1
    };
    ThreeBallots, "3b", "3 ballots": |config| config.ballots.len() > 2;
    FiveReplicas, "5r", "5 replicas": |config| config.replicas > 4;
    Recovery, "rec", "crash with recovery": |config| crashes(config) > 0 && config.crashes.recovery;
    TwoCrashes, "2cr", "two crashes": |config| crashes(config) > 1;
    CrashForGood, "die", "crash for good": |config| crashes(config) > 0 && !config.crashes.recovery;
    ClientCrash, "cli", "client crash": |config| {
        config.crashes.total > 0 && config.clients.iter().any(|plan| plan.crashes)
    };
    Opening, "opn", "opening": |config| config.clients.iter().any(|plan| plan.opens);
    Eviction, "evi", "eviction": |config| config.tuning.sessions_max < config.clients.len();
    Reader, "rdr", "reader": |config| config.reader.is_some();
    Skip, "skp", "skip": |config| {
        !config.skips.is_empty() || config.inputs.iter().any(|(_, told)| *told == Input::SkipSlot)
    };
    Busy, "bsy", "busy": |config| {
        let tuning = &config.tuning;
        let outstanding: usize = config.clients.iter().map(outstanding).sum();
        let is_short = tuning.queue_bytes_max < Tuning::default().queue_bytes_max;
        let queued = if is_short { 1 } else { tuning.queue_commands_max };
        outstanding > tuning.window_slots + queued
    };
    Relay, "rly", "relay": |config| config.tuning.relay && config.replicas > 1;
    Elsewhere, "els", "retry elsewhere": |config| config.clients.iter().any(|plan| plan.asks.len() > 1);
}

impl Display for Feature {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Does this client ask for anything?
fn speaks(plan: &ClientPlan) -> bool {
    plan.messages > 0 || plan.opens
}

/// How many commands of this client may wait at a leader at once.
fn outstanding(plan: &ClientPlan) -> usize {
    let said = usize::try_from(plan.messages).unwrap_or(usize::MAX).min(plan.window);
    said.max(usize::from(plan.opens))
}

/// How many crashes of replicas there may be.
fn crashes(config: &Config) -> u32 {
    if config.mortals.is_empty() { 0 } else { config.crashes.total }
}

impl Config {
    /// What this configuration has.
    pub fn features(&self) -> BTreeSet<Feature> {
        Feature::ALL.iter().copied().filter(|feature| feature.is_in(self)).collect()
    }
}

const UNFINISHED: &str =
    "tried with one leader and no crash, and not finished within 14 million states";

/// Pairs that stand in no entry, each with the reason.
pub const APART: &[(Feature, Feature, &str)] = &[
    (Feature::Recovery, Feature::CrashForGood, "one excludes the other"),
    (Feature::Overlap, Feature::Busy, UNFINISHED),
    (Feature::WindowTwo, Feature::Busy, UNFINISHED),
];

/// Two features, and the completed entries that have both.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The one that comes first in the table.
    pub first: Feature,
    /// The other one.
    pub second: Feature,
    /// Names of quick entries.
    pub quick: Vec<&'static str>,
    /// Names of full entries.
    pub full: Vec<&'static str>,
    /// Why the pair may stand in none, if that was decided.
    pub reason: Option<&'static str>,
}

impl Pair {
    /// Is it in a completed entry?
    pub fn is_covered(&self) -> bool {
        !self.quick.is_empty() || !self.full.is_empty()
    }

    /// Is it in none without a reason, or in one in spite of its reason?
    pub fn is_wrong(&self) -> bool {
        self.is_covered() == self.reason.is_some()
    }
}

/// All pairs of features, with the completed ones of these entries that have both.
pub fn pairs(entries: &[Entry]) -> Vec<Pair> {
    let completed: Vec<(&Entry, BTreeSet<Feature>)> = entries
        .iter()
        .filter(|entry| entry.unique_states.is_some())
        .map(|entry| (entry, entry.config.features()))
        .collect();
    let mut pairs = Vec::new();
    for (place, first) in Feature::ALL.iter().enumerate() {
        for second in &Feature::ALL[place + 1..] {
            let with = |grade: Grade| {
                let have = completed.iter().filter(|(entry, features)| {
                    entry.grade == grade && features.contains(first) && features.contains(second)
                });
                have.map(|(entry, _)| entry.name).collect()
            };
            let reason = APART.iter().find(|(one, other, _)| (one, other) == (first, second));
            pairs.push(Pair {
                first: *first,
                second: *second,
                quick: with(Grade::Quick),
                full: with(Grade::Full),
                reason: reason.map(|(.., why)| *why),
            });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn every_pair_of_features_is_in_a_completed_entry_or_has_its_reason() {
        let pairs = pairs(&catalog::entries());
        let in_none: Vec<String> = pairs
            .iter()
            .filter(|pair| pair.is_wrong() && !pair.is_covered())
            .map(|pair| format!("{} + {}", pair.first, pair.second))
            .collect();
        let in_one: Vec<String> = pairs
            .iter()
            .filter(|pair| pair.is_wrong() && pair.is_covered())
            .map(|pair| format!("{} + {}", pair.first, pair.second))
            .collect();
        assert!(in_none.is_empty(), "in no completed entry, and no reason why: {in_none:#?}");
        assert!(in_one.is_empty(), "has a reason to be in no entry, and is in one: {in_one:#?}");
    }

    #[test]
    fn reasons_name_pairs_in_the_order_of_the_table() {
        for (first, second, why) in APART {
            assert!(first < second, "{first} + {second}");
            assert!(!why.is_empty());
        }
    }

    #[test]
    fn features_follow_from_the_bounds() {
        let plain = Config::new(3).client("ann", 1, 0).ballots(&[(1, 0)]);
        assert!(plain.features().is_empty());
        let rivals = plain.clone().client("bob", 1, 1).crashes(&[0], 2, true);
        let expected = [Feature::Rivals, Feature::Recovery, Feature::TwoCrashes];
        assert!(rivals.features().into_iter().eq(expected));
        let mute = plain.clone().client("bob", 0, 1);
        assert!(mute.features().is_empty(), "who says nothing is nobody's rival");
        let client = plain.clone().last_client(|plan| plan.crashes = true).clients_crash(2);
        assert!(client.features().into_iter().eq([Feature::ClientCrash]));
        let busy = plain
            .last_client(|plan| (plan.messages, plan.window) = (3, 3))
            .tuned(|tuning| tuning.queue_commands_max = 1);
        assert!(busy.features().into_iter().eq([Feature::Busy]));
        assert_eq!(
            catalog::find("busy").map(|entry| entry.config.features()),
            Some(busy.features())
        );
    }

    #[test]
    fn columns_are_told_apart() {
        let codes: BTreeSet<&str> = Feature::ALL.iter().map(|feature| feature.code()).collect();
        assert_eq!(codes.len(), Feature::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= 3));
    }
}
