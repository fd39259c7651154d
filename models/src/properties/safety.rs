//! The table of the safety properties: what each claims, and which bug it would miss.
//!
//! **Invariant**: a property's place is its bit in a [`actor_checker::spec::Verdict`], and that of its constant here.

/// A safety property.
#[derive(Clone, Copy, Debug)]
pub struct Safety {
    /// What is claimed.
    pub name: &'static str,
    /// The answer to: which bug would this miss?
    pub misses: &'static str,
    /// Why it is kept, if no mutant is killed by it alone.
    pub kept: Option<&'static str>,
}

/// The safety properties; a property's place is its bit.
pub const SAFETY: [Safety; 23] = [
    Safety {
        name: "agreement: one value is chosen a slot",
        misses: "a replica that decides what nobody voted for, and a vote of which no ghost knows",
        kept: Some(
            "it is what all others serve; the inductive invariant sees its mutants some steps before it",
        ),
    },
    Safety {
        name: "one value a (ballot, slot)",
        misses: "a leader that proposes two values, of which one gets no vote",
        kept: None,
    },
    Safety {
        name: "decided values are chosen",
        misses: "a replica that guesses right, before it can know; and one that never decides",
        kept: Some(
            "it judges learners, of which agreement says nothing, and is the first to see M11 and N06",
        ),
    },
    Safety {
        name: "applied logs are prefixes of one another",
        misses: "a wrong value that all have applied, and one that a single replica has",
        kept: Some(
            "it compares logs without votes, so it would see what a ghost of votes does not know of",
        ),
    },
    Safety {
        name: "validity: only what clients said is voted for",
        misses: "a command that is lost, or said twice, or in another session of its user",
        kept: Some(
            "the first to see C02 and S06, and the only one to read what is voted for and never delivered",
        ),
    },
    Safety {
        name: "exactly once, in the client's order",
        misses: "a message that is never delivered, and a client that is told something else of it",
        kept: Some(
            "the first to see C01 and C05; it judges by what users said, not by the rules of sessions",
        ),
    },
    Safety {
        name: "acknowledged means chosen",
        misses: "an acknowledgement before its sender has applied the command, if a quorum had voted",
        kept: Some("the first to see M26 and M28, in which only a client is deceived"),
    },
    Safety {
        name: "real-time order: what was acknowledged before stands before",
        misses: "a reader that is given an old prefix, as it may be; and requests nobody acknowledged",
        kept: Some(
            "nothing else speaks of what came before what; all that break it break another one sooner",
        ),
    },
    Safety {
        name: "promised never goes back",
        misses: "a promise that was neither saved nor told, as it may be forgotten",
        kept: Some("the first to see M03, M08, M09 and N07, many steps before a vote goes wrong"),
    },
    Safety {
        name: "the applied bound never goes back in a life, nor below the snapshot after a restart",
        misses: "a bound that goes too far, and one that never moves",
        kept: Some(
            "drivers rely on it; here the chat log, kept beside the actor, tells of such a bug as well",
        ),
    },
    Safety {
        name: "re-applied entries are identical",
        misses: "an entry that is not applied again at all",
        kept: Some("drivers assert it of their logs; here only a broken agreement leads to it"),
    },
    Safety {
        name: "no Accepted(b) after Promise(b') with b' > b",
        misses: "a vote below the promise that is cast and not told",
        kept: Some(
            "it is the rule of an acceptor as the literature has it, and sees M09 in the step that breaks it",
        ),
    },
    Safety {
        name: "inductive invariant: a vote is safe at its ballot",
        misses: "whatever learners, clients and readers make of votes that are safe",
        kept: Some("the first to see ten mutants, up to seven steps before two values are chosen"),
    },
    Safety {
        name: "votes are dropped only below the compacted bound",
        misses: "a vote above the bound that is dropped, and a snapshot that holds the wrong sessions",
        kept: Some("the first to see M20 and M21, and that what is compacted is in the chat log"),
    },
    Safety {
        name: "nothing is revealed before it is saved",
        misses: "a decided value that is told while the log is not synced: a crash undoes no choice",
        kept: None,
    },
    Safety {
        name: "a reader is given every slot from its first on, once, as it is",
        misses: "a reader that is given nothing more: that everything is read is an event",
        kept: None,
    },
    Safety {
        name: "a leader decides only what is chosen in its own ballot",
        misses: "a follower that decides by the wrong ballot, and a leader that steps down right after",
        kept: None,
    },
    Safety {
        name: "a client never sends what was acknowledged to it",
        misses: "a client that says the same again under a number that it has not used",
        kept: Some(
            "it says what C04 does; that a window is exceeded, too, is so with windows of one",
        ),
    },
    Safety {
        name: "equal bounds, equal replicas: tables, outcomes and deliveries are those of the log",
        misses: "a rule of sessions that is bad, and is the same in both descriptions of it",
        kept: None,
    },
    Safety {
        name: "SessionExpired is told only of a session evicted in the decided prefix",
        misses: "an evicted client that is told nothing, and one that is told and goes on",
        kept: None,
    },
    Safety {
        name: "every vote ever cast at or above the saved bound is on the disk, or superseded there",
        misses: "a promise that is lost, and a vote of another value in place of one that is told",
        kept: None,
    },
    Safety {
        name: "bounded: what waits, and what is sent at once, is as much as its parameters say",
        misses: "what grows slowly: a run of a few slots reaches few limits, the smallest of them",
        kept: None,
    },
    Safety {
        name: "what an actor sends, its receiver's driver takes",
        misses: "what a driver should refuse and does not: no actor here sends it",
        kept: None,
    },
];

pub(super) const AGREEMENT: usize = 0;
pub(super) const ONE_VALUE: usize = 1;
pub(super) const DECIDED_IS_CHOSEN: usize = 2;
pub(super) const PREFIXES: usize = 3;
pub(super) const VALIDITY: usize = 4;
pub(super) const EXACTLY_ONCE: usize = 5;
pub(super) const ACKNOWLEDGED_IS_CHOSEN: usize = 6;
pub(super) const REAL_TIME: usize = 7;
pub(super) const PROMISED_MONOTONE: usize = 8;
pub(super) const APPLIED_MONOTONE: usize = 9;
/// The place of "re-applied entries are identical".
pub(crate) const REAPPLIED: usize = 10;
pub(super) const NO_ACCEPTED_BELOW_PROMISE: usize = 11;
pub(super) const INDUCTIVE: usize = 12;
pub(super) const COMPACTION: usize = 13;
pub(super) const SAVED_FIRST: usize = 14;
pub(super) const READER: usize = 15;
pub(super) const OWN_BALLOT: usize = 16;
pub(super) const ACKNOWLEDGED_IS_OVER: usize = 17;
pub(super) const EQUAL_REPLICAS: usize = 18;
pub(super) const EVICTED_IS_EXPIRED: usize = 19;
pub(super) const VOTES_KEPT: usize = 20;
pub(super) const BOUNDED: usize = 21;
pub(super) const TAKEN: usize = 22;
