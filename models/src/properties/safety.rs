//! The safety properties: what each claims, and which bug it would miss.
//!
//! **Invariant**: a property's place in the table is its bit in a [`Verdict`].
//!
//! **Absent**: how they are judged, which is in one file for each scope: [`super::steps`], [`super::locals`],
//! [`super::system`].

use actor_checker::spec::Verdict;

macro_rules! properties {
    ($($property:ident { name: $name:literal, misses: $misses:literal, kept: $kept:expr, })*) => {
        /// A safety property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Safety {
            $(
                #[doc = $name]
                $property,
            )*
        }

        impl Safety {
            /// All of them, in the order of their bits.
            pub const ALL: &[Safety] = &[$(Safety::$property),*];

            /// What is claimed.
            pub fn name(self) -> &'static str {
                match self {
                    $(Safety::$property => $name,)*
                }
            }

            /// The answer to: which bug would this miss?
            pub fn misses(self) -> &'static str {
                match self {
                    $(Safety::$property => $misses,)*
                }
            }

            /// Why it is kept, if no mutant is killed by it alone.
            pub fn kept(self) -> Option<&'static str> {
                match self {
                    $(Safety::$property => $kept,)*
                }
            }
        }
    };
}

impl Safety {
    /// Its bit in a verdict.
    pub fn bit(self) -> usize {
        self as usize
    }

    /// Sets its bit in a verdict unless it holds.
    pub(crate) fn judge(self, verdict: &mut Verdict, holds: bool) {
        verdict.note(self.bit(), !holds);
    }
}

properties! {
    Agreement {
        name: "agreement: at most one value is chosen for a slot",
        misses: "a replica that decides what nobody voted for; a vote that was not recorded",
        kept: Some("it is what all others serve; the inductive invariant sees its mutants some steps before it"),
    }
    OneValue {
        name: "at most one value is voted for in a ballot at a slot",
        misses: "a leader that proposes two values, of which one gets no vote",
        kept: None,
    }
    DecidedIsChosen {
        name: "decided values are chosen",
        misses: "a replica that guesses right, before it can know; and one that never decides",
        kept: Some("it judges learners, of which agreement says nothing, and is the first to see M11 and N06"),
    }
    Prefixes {
        name: "applied logs are prefixes of one another",
        misses: "a wrong value that all have applied, and one that a single replica has",
        kept: Some("it compares logs and not votes, so it sees faults that the recorded votes do not show"),
    }
    Validity {
        name: "validity: only what clients said is voted for",
        misses: "a command that is lost, or said twice, or in another session of its user",
        kept: Some("the first to see C02 and S06, and the only one to read what is voted for and never delivered"),
    }
    ExactlyOnce {
        name: "exactly once, in the client's order",
        misses: "a message that is never delivered; a client that is told a wrong outcome",
        kept: Some("the first to see C01 and C05; it judges by what users said, not by the rules of sessions"),
    }
    AcknowledgedIsChosen {
        name: "acknowledged means chosen",
        misses: "an acknowledgement before its sender has applied the command, if a quorum had voted",
        kept: Some("the first to see M26 and M28, in which only a client is deceived"),
    }
    RealTime {
        name: "real-time order: what was acknowledged before another was asked comes before it",
        misses: "a reader that is given an old prefix, which is allowed; requests that nobody acknowledged",
        kept: Some("no other property is about order in time; every mutant that breaks it breaks another one first"),
    }
    PromisedMonotone {
        name: "promised never goes back",
        misses: "a promise that was neither saved nor told, as it may be forgotten",
        kept: Some("the first to see M03, M08, M09 and N07, many steps before a vote goes wrong"),
    }
    AppliedMonotone {
        name: "the applied bound never goes back in a life, nor below its log after a restart",
        misses: "a bound that goes too far, and one that never moves",
        kept: Some("drivers rely on it; here the chat log, kept beside the actor, tells of such a bug as well"),
    }
    Reapplied {
        name: "re-applied entries are identical",
        misses: "an entry that is not applied again at all",
        kept: Some("drivers assert it of their logs; here only a broken agreement leads to it"),
    }
    NoAcceptedBelowPromise {
        name: "no Accepted(b) after Promise(b') with b' > b",
        misses: "a vote below the promise that is cast and not told",
        kept: Some("it is the rule of an acceptor as the literature has it, and sees M09 in the step that breaks it"),
    }
    Inductive {
        name: "inductive invariant: a vote is safe at its ballot",
        misses: "whatever learners, clients and readers make of votes that are safe",
        kept: Some("the first to see ten mutants, up to seven steps before two values are chosen"),
    }
    Compaction {
        name: "votes are dropped only below the compacted bound",
        misses: "a vote above the bound that is dropped, and a snapshot that holds the wrong sessions",
        kept: Some("the first to see M20 and M21, and that what is compacted is in the chat log"),
    }
    SavedFirst {
        name: "nothing is revealed before it is saved",
        misses: "a decided value that is told while the log is not synced: a crash undoes no choice",
        kept: None,
    }
    EverySlotRead {
        name: "a reader gets every slot from its first one on, once and unchanged, and what its commands came to",
        misses: "a reader that is given nothing more: that everything is read is a milestone",
        kept: None,
    }
    CurrentRead {
        name: "a current read has everything that was acknowledged or shown before it began, and goes no further than what is chosen",
        misses: "a read that never ends, which is judged as progress",
        kept: None,
    }
    OwnBallot {
        name: "a leader decides only what is chosen in its own ballot",
        misses: "a follower that decides by the wrong ballot, and a leader that steps down right after",
        kept: None,
    }
    AcknowledgedIsOver {
        name: "a client never sends what was acknowledged to it",
        misses: "a client that says the same again under a number that it has not used",
        kept: Some("it names what C04 does; C04 also exceeds the window, but only because that is one here"),
    }
    EqualReplicas {
        name: "replicas that have applied as much are equal: tables, members, outcomes and deliveries follow from the log",
        misses: "a rule of sessions or members that is bad, and is the same in both descriptions of it",
        kept: None,
    }
    EvictedIsExpired {
        name: "SessionExpired is told only of a session evicted in the decided prefix",
        misses: "an evicted client that is told nothing, and one that is told and goes on",
        kept: None,
    }
    VotesKept {
        name: "every vote ever cast at or above the saved bound is on the disk, or superseded there",
        misses: "a promise that is lost, and a vote of another value in place of one that is told",
        kept: None,
    }
    Bounded {
        name: "bounded: queues and bursts stay within their parameters",
        misses: "what grows slowly: a run of a few slots reaches few limits, the smallest of them",
        kept: None,
    }
    Taken {
        name: "the receiver's driver accepts every message that an actor sends",
        misses: "what a driver should refuse and does not: no actor here sends it",
        kept: None,
    }
}
