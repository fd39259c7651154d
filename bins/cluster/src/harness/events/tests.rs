//! Each event is found where it happened, and missed where it did not.

use super::*;
use crate::harness::scenario::find;
use paxos_chat::types::{Ballot, Body, Command, ReplicaId, Seq, SessionId, Timestamp, User, Vote};

const FIRST: Ballot = Ballot { round: 1, replica: ReplicaId(0) };
const SECOND: Ballot = Ballot { round: 2, replica: ReplicaId(1) };

fn said(user: &str, seq: u64) -> Value {
    let session = SessionId { slot: Slot(0), index: 0 };
    let operation = Operation::InSession {
        session,
        seq: Seq(seq),
        acked_below: Seq(1),
        body: Body::write("hi"),
    };
    Value::batch([Command { stamp: Timestamp(0), user: User::new(user), operation }])
}

fn log(values: Vec<Value>) -> Vec<Entry> {
    let entry = |(slot, value): (u64, Value)| {
        let outcomes = vec![Outcome::Applied; value.commands().len()];
        Entry { slot: Slot(slot), value, outcomes }
    };
    (0..).zip(values).map(entry).collect()
}

fn dead(ballot: Ballot, applied_upto: u64, votes: &[(u64, Ballot, Value)]) -> Casualty {
    let mut saved = state::Storage { promised: ballot, ..state::Storage::default() };
    for (slot, ballot, value) in votes {
        saved.votes.insert(Slot(*slot), Vote { ballot: *ballot, value: value.clone() });
    }
    let kill = Kill { ballot, voters: Some(BTreeSet::new()) };
    Casualty { kill, saved, applied_upto: Slot(applied_upto) }
}

fn happened(scenario: &str, log: &[Entry], dead: &[Casualty], retries: u64) -> Finding {
    let said = log.iter().map(|entry| entry.value.commands().len() as u64).sum();
    judge(find(scenario).unwrap(), &Remains { log, dead, said, retries })
}

fn lacks(found: Finding, what: &str) {
    let missing = found.unwrap_err();
    assert!(missing.contains(what), "{missing} does not say {what}");
}

#[test]
fn a_primary_that_died_when_nobody_had_a_vote_proposed_nothing() {
    let (name, log) = ("primary-fails-before-proposing", log(vec![said("ann", 1)]));
    let events = happened(name, &log, &[dead(FIRST, 0, &[])], 0).unwrap();
    assert!(events[0].contains("replica 0 led in b1.r0"), "{events:?}");
    lacks(happened(name, &log, &[], 0), "0 primaries were killed");
    lacks(happened(name, &log, &[dead(FIRST, 0, &[(0, FIRST, said("ann", 1))])], 0), "had voted");
    lacks(happened(name, &log, &[dead(FIRST, 1, &[])], 0), "had voted or applied");
    let mut deposed = dead(FIRST, 0, &[]);
    deposed.saved.promised = SECOND;
    lacks(happened(name, &log, &[deposed], 0), "promised b2.r1");
    for (voters, missing) in
        [(Some([1, 2].into()), "replica 1, 2 had voted"), (None, "did not look for votes")]
    {
        let mut proposed = dead(FIRST, 0, &[]);
        proposed.kill.voters = voters;
        lacks(happened(name, &log, &[proposed], 0), missing);
    }
    let two = "two-primaries-fail-before-proposing";
    assert!(happened(two, &log, &[dead(FIRST, 0, &[]), dead(SECOND, 0, &[])], 0).is_ok());
    lacks(happened(two, &log, &[dead(FIRST, 0, &[])], 0), "where 2 should have been");
}

#[test]
fn a_proposal_is_a_vote_of_one_s_own_ballot_that_was_not_seen_decided() {
    let (name, log) = ("primary-fails-after-proposing", log(vec![said("ann", 1), said("bob", 1)]));
    let proposed = |slot, ballot, user| [dead(FIRST, 1, &[(slot, ballot, said(user, 1))])];
    assert!(happened(name, &log, &proposed(1, FIRST, "bob"), 0).is_ok());
    lacks(happened(name, &log, &proposed(0, FIRST, "ann"), 0), "no undecided proposal");
    lacks(happened(name, &log, &proposed(1, SECOND, "bob"), 0), "no undecided proposal");
    lacks(happened(name, &log, &proposed(1, FIRST, "eve"), 0), "was not chosen");
    lacks(happened(name, &log, &proposed(2, FIRST, "bob"), 0), "was not chosen");
}

#[test]
fn primaries_that_fail_one_after_another_led_in_rising_ballots_and_the_log_grew() {
    let name = "primaries-fail-one-after-another";
    let log = log((1..=3).map(|seq| said("ann", seq)).collect());
    assert!(happened(name, &log, &[dead(FIRST, 1, &[]), dead(SECOND, 2, &[])], 0).is_ok());
    lacks(happened(name, &log, &[dead(SECOND, 1, &[]), dead(FIRST, 2, &[])], 0), "no later");
    lacks(happened(name, &log, &[dead(FIRST, 1, &[]), dead(SECOND, 1, &[])], 0), "no later");
    lacks(happened(name, &log, &[dead(FIRST, 1, &[]), dead(FIRST, 2, &[])], 0), "no later");
    lacks(happened(name, &log, &[dead(FIRST, 1, &[]), dead(SECOND, 3, &[])], 0), "nothing was");
}

#[test]
fn a_skipped_slot_holds_a_noop_and_the_log_goes_on() {
    let values = |skipped: Value, rest: Option<Value>| {
        let before = (1..=4).map(|seq| said("ann", seq));
        log(before.chain([skipped]).chain(rest).collect())
    };
    let judged = |log: &[Entry]| happened("skipped-slot", log, &[], 0);
    assert!(judged(&values(Value::Noop, Some(said("ann", 5)))).is_ok());
    lacks(judged(&values(said("ann", 5), Some(said("ann", 6)))), "holds no Noop");
    lacks(judged(&values(Value::Noop, None)), "nothing was decided above");
}

#[test]
fn loss_shows_in_retries() {
    let log = log((1..=20).map(|seq| said("ann", seq)).collect());
    assert!(happened("message-loss", &log, &[], 2).is_ok());
    lacks(happened("message-loss", &log, &[], 1), "only 1 of 20 messages");
}

#[test]
fn clients_at_the_same_time_take_turns() {
    let speak = |users: &str| {
        log(users.chars().zip(1..).map(|(user, seq)| said(&user.to_string(), seq)).collect())
    };
    assert!(happened("stress", &speak("ababab"), &[], 0).is_ok());
    lacks(happened("stress", &speak("aaabbb"), &[], 0), "only 2 turns");
    let judged = judge(
        find("one-client-one-message").unwrap(),
        &Remains { log: &speak("a"), dead: &[], said: 2, retries: 0 },
    );
    lacks(judged, "holds 1 messages where 2 were said");
}
