//! Current reads: how far one has to read, to have read all that anybody was told of before one asked.
//!
//! The answer is a bound, and not entries: a reader follows the log of any replica until it has everything below
//! ([`crate::reader`]).
//!
//! **Invariants**
//! - *A bound covers what was chosen*: it is the applied bound of a leader when the read came, or the end of what the
//!   promises of its ballot reported, if that is higher. Whatever was acknowledged before was chosen in this ballot, and
//!   then the leader had applied it; or in a lower one, and then it was reported, or is below the base.
//! - *And nothing was chosen in a higher ballot*: a quorum acknowledges a round that began after the read came. Whoever
//!   has promised a higher ballot doesn't, and a quorum that has voted in one has a member in common with this one.
//! - *Nothing is promised that may not come*: a read is answered when everything below its bound is applied.
//! - *A round is for what had come when it began* ([`crate::open_reads`]), and many reads share one.
//! - *Bounded*: what finds no place is asked again.
//! - *Nobody is remembered on the way*: a read carries the replicas that it has passed, and the answer goes back through
//!   them. What is lost is asked again by the reader.
//!
//! **Absent**: time. There are no leases.
//!
//! **Source**: Ongaro's thesis (2014), section 6.4, the read index, with ballots in place of terms and the end of what
//! was reported in place of an entry at the beginning of a term.

use crate::message::{Read, ReadBound, Reject, RelayBound, RelayedRead, Round, RoundAck};
use crate::step::Step;
use crate::types::{NodeId, ReplicaId, Slot};

/// A client asks how far it has to read.
pub fn on_read(step: &mut Step<'_, '_>, reader: NodeId, Read { user, nonce }: Read) {
    take(step, RelayedRead { passed: Vec::new(), reader, user, nonce });
}

/// Another replica asks that for a client.
pub fn on_relay(step: &mut Step<'_, '_>, read: RelayedRead) {
    take(step, read);
}

/// Opens a read, if this replica leads; otherwise passes it on.
fn take(step: &mut Step<'_, '_>, mut read: RelayedRead) {
    let applied_upto = step.state.learner.applied_upto;
    let Some(leading) = step.state.leading() else {
        if let Some(next) = step.towards_leader().filter(|next| !read.passed.contains(next)) {
            read.passed.push(step.me);
            step.send(next, read);
        }
        return;
    };
    let reads = &leading.reads;
    if reads.is_open(&read) || reads.is_full_for(&read.user, step.tuning) {
        return;
    }
    let upto = leading.end.unwrap_or(applied_upto);
    if let Some(leading) = step.state.to_mut().leading_mut() {
        leading.reads.open(read, upto);
    }
    begin_if_needed(step);
}

/// Begins a round for the reads that wait, unless one is on.
fn begin_if_needed(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    let reads = &mut leading.reads;
    if reads.is_asked() || reads.waiting.is_empty() {
        return;
    }
    reads.begin();
    let (ballot, round) = (leading.ballot, leading.reads.round);
    step.send_to_peers(Round { ballot, round });
    answer_if_acknowledged(step);
}

/// Asks those again who have not acknowledged the round.
pub fn ask_again(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    let reads = &leading.reads;
    if !reads.is_asked() {
        return;
    }
    let (ballot, round) = (leading.ballot, reads.round);
    for peer in step.peers().filter(|peer| !reads.acknowledged.contains(*peer)) {
        step.effects.send(peer, Round { ballot, round });
    }
}

/// A leader asks whether anybody has a higher ballot.
pub fn on_round(step: &mut Step<'_, '_>, leader: ReplicaId, Round { ballot, round }: Round) {
    let promised = step.promised();
    if ballot < promised {
        step.send(leader, Reject { promised });
    } else {
        step.send(leader, RoundAck { ballot, round });
    }
}

/// A peer had no higher ballot when it got this round.
pub fn on_round_ack(
    step: &mut Step<'_, '_>,
    peer: ReplicaId,
    RoundAck { ballot, round }: RoundAck,
) {
    let Some(leading) = step.state.leading() else { return };
    let reads = &leading.reads;
    let is_on = reads.is_asked() && (ballot, round) == (leading.ballot, reads.round);
    if !is_on || reads.acknowledged.contains(peer) {
        return;
    }
    if let Some(leading) = step.state.to_mut().leading_mut() {
        leading.reads.acknowledged.insert(peer);
    }
    answer_if_acknowledged(step);
}

/// Ends the round, if a quorum has acknowledged it; then begins the next.
pub fn answer_if_acknowledged(step: &mut Step<'_, '_>) {
    let Some(leading) = step.state.leading() else { return };
    let mut acknowledged = leading.reads.acknowledged;
    // A leader promises no other ballot without stepping down.
    acknowledged.insert(step.me);
    let last = leading.reads.asked.values().copied().max().unwrap_or_default();
    let is_reported = step.membership(last).since <= leading.merged;
    if !step.knows_members(last) || !is_reported || !step.is_quorum_upto(last, acknowledged) {
        return;
    }
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    leading.reads.confirm();
    answer_applied(step);
    begin_if_needed(step);
}

/// More is applied: that may have been all that open reads have waited for.
pub fn on_applied(step: &mut Step<'_, '_>) {
    answer_applied(step);
    if step.state.leading().is_some_and(|leading| leading.reads.is_asked()) {
        answer_if_acknowledged(step);
    }
}

/// Answers the reads of rounds that are over, if everything below their bounds is applied: what was only reported may
/// never be decided.
fn answer_applied(step: &mut Step<'_, '_>) {
    let applied_upto = step.state.learner.applied_upto;
    if step.state.leading().is_none_or(|leading| leading.reads.confirmed.is_empty()) {
        return;
    }
    let Some(leading) = step.state.to_mut().leading_mut() else { return };
    for (read, upto) in leading.reads.take_applied(applied_upto) {
        send_back(step, read, upto);
    }
}

/// An answer on its way back to whoever asked here.
pub fn on_bound(step: &mut Step<'_, '_>, RelayBound { read, upto }: RelayBound) {
    send_back(step, read, upto);
}

/// Sends an answer one step back on the way that its read came.
fn send_back(step: &mut Step<'_, '_>, mut read: RelayedRead, upto: Slot) {
    match read.passed.pop() {
        Some(before) => step.send(before, RelayBound { read, upto }),
        None => step.send(read.reader, ReadBound { nonce: read.nonce, upto }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Effects, Timer};
    use crate::message::Message;
    use crate::testing::*;
    use crate::types::{Ballot, Nonce, User};

    fn of_user(user: &str, nonce: u64) -> RelayedRead {
        let (user, nonce) = (User::new(user), Nonce(nonce));
        RelayedRead { passed: Vec::new(), reader: ANN, user, nonce }
    }

    fn read(nonce: u64) -> RelayedRead {
        of_user("ann", nonce)
    }

    fn asks_as(bench: &mut Bench, user: &str, nonce: u64) -> Effects {
        let read = Read { user: User::new(user), nonce: Nonce(nonce) };
        bench.step(|step| on_read(step, ANN, read))
    }

    fn asks(bench: &mut Bench, nonce: u64) -> Effects {
        asks_as(bench, "ann", nonce)
    }

    fn acknowledges(bench: &mut Bench, peer: u8, ballot: Ballot, round: u64) -> Effects {
        bench.step(|step| on_round_ack(step, ReplicaId(peer), RoundAck { ballot, round }))
    }

    fn round(round: u64) -> Message {
        Round { ballot: ballot(1, 0), round }.into()
    }

    fn answer(nonce: u64, upto: u64) -> Message {
        ReadBound { nonce: Nonce(nonce), upto: Slot(upto) }.into()
    }

    #[test]
    fn a_read_is_answered_when_a_quorum_has_acknowledged_a_round_that_it_began() {
        let mut bench = Bench::new(0, 5).applied([say("a")]).leading(1, 1);
        assert_eq!(asks(&mut bench, 7), Effects::none().sent_to_all([1, 2, 3, 4], round(1)));
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0), 1), Effects::none());
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0), 1), Effects::none(), "counted once");
        let answered = acknowledges(&mut bench, 2, ballot(1, 0), 1);
        assert_eq!(answered, Effects::none().sent_to(ANN, answer(7, 1)));
        assert_eq!(acknowledges(&mut bench, 3, ballot(1, 0), 1), Effects::none());
    }

    #[test]
    fn what_comes_during_a_round_waits_for_the_next_and_shares_it() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        asks(&mut bench, 7);
        assert_eq!(asks(&mut bench, 8), Effects::none());
        assert_eq!(asks(&mut bench, 9), Effects::none());
        assert_eq!(asks(&mut bench, 7), Effects::none(), "it is open");
        let answered = acknowledges(&mut bench, 1, ballot(1, 0), 1);
        let expected = Effects::none().sent_to(ANN, answer(7, 0)).sent_to_all([1, 2], round(2));
        assert_eq!(answered, expected);
        assert_eq!(acknowledges(&mut bench, 2, ballot(1, 0), 1), Effects::none(), "of the last");
        let answered = acknowledges(&mut bench, 1, ballot(1, 0), 2);
        assert_eq!(answered, Effects::none().sent_to(ANN, answer(8, 0)).sent_to(ANN, answer(9, 0)));
    }

    #[test]
    fn a_round_of_another_ballot_counts_for_nothing() {
        let mut bench = Bench::new(0, 3).leading(2, 0);
        asks(&mut bench, 7);
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0), 1), Effects::none());
        assert_eq!(acknowledges(&mut bench, 1, ballot(3, 0), 1), Effects::none());
    }

    #[test]
    fn the_bound_covers_what_was_reported_and_not_what_is_new_and_is_told_when_it_is_applied() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        bench.leader_mut().end = Some(Slot(2));
        bench.leader_mut().next = Slot(5);
        asks(&mut bench, 7);
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0), 1), Effects::none());
        asks(&mut bench, 8);
        let decided = |slot, text| vec![(Slot(slot), say(text))];
        let answers = |effects: &Effects| {
            let answers = effects.sends.iter().filter(|(to, _)| *to == ANN);
            answers.cloned().collect::<Vec<_>>()
        };
        let effects = bench.step(|step| crate::learner::decide(step, decided(0, "a")));
        assert_eq!(answers(&effects), [], "one slot is lacking");
        let effects = bench.step(|step| crate::learner::decide(step, decided(1, "b")));
        assert_eq!(answers(&effects), [(ANN, answer(7, 2))]);
        let answered = acknowledges(&mut bench, 1, ballot(1, 0), 2);
        assert_eq!(answered, Effects::none().sent_to(ANN, answer(8, 2)));
        assert_eq!(bench.leader().reads.users, [].into(), "nobody waits");
    }

    #[test]
    fn an_unanswered_round_is_asked_again_with_the_heartbeat() {
        let mut bench = Bench::new(0, 5).leading(1, 0);
        asks(&mut bench, 7);
        acknowledges(&mut bench, 3, ballot(1, 0), 1);
        let again = bench.step_untouched(crate::election::on_heartbeat_timeout);
        let expected = Effects::none().sent_to_all([1, 2, 3, 4], heartbeat(ballot(1, 0), 0));
        let expected = expected.sent_to_all([1, 2, 4], round(1)).set(Timer::Heartbeat);
        assert_eq!(again, expected);
    }

    #[test]
    fn whoever_has_promised_a_higher_ballot_acknowledges_no_round() {
        let mut bench = Bench::new(1, 3).promised(ballot(2, 2));
        let asked = |bench: &mut Bench, of| {
            bench.step_untouched(|step| {
                on_round(step, of_replica(of), Round { ballot: of, round: 4 })
            })
        };
        let promised = ballot(2, 2);
        let rejected = asked(&mut bench, ballot(1, 0));
        assert_eq!(rejected, Effects::none().sent(0, Reject { promised }));
        for of in [ballot(2, 2), ballot(3, 0)] {
            let acknowledged =
                Effects::none().sent(of.replica.0, RoundAck { ballot: of, round: 4 });
            assert_eq!(asked(&mut bench, of), acknowledged);
        }
    }

    fn of_replica(ballot: Ballot) -> ReplicaId {
        ballot.replica
    }

    #[test]
    fn a_cluster_of_one_answers_at_once() {
        let mut bench = Bench::new(0, 1).applied([say("a")]).leading(1, 1);
        assert_eq!(asks(&mut bench, 7), Effects::none().sent_to(ANN, answer(7, 1)));
        assert_eq!(asks(&mut bench, 8), Effects::none().sent_to(ANN, answer(8, 1)));
    }

    #[test]
    fn who_does_not_lead_passes_a_read_on_and_its_answer_back() {
        let mut bench = Bench::new(1, 3).promised(ballot(1, 0));
        let passed_on = RelayedRead { passed: vec![ReplicaId(1)], ..read(7) };
        assert_eq!(asks(&mut bench, 7), Effects::none().sent(0, passed_on.clone()));
        let from_leader = RelayedRead { passed: vec![ReplicaId(2), ReplicaId(0)], ..read(7) };
        let dropped = bench.step_untouched(|step| on_relay(step, from_leader));
        assert_eq!(dropped, Effects::none(), "it goes to nobody twice");

        let mut leader = Bench::new(0, 3).leading(1, 0);
        leader.step(|step| on_relay(step, passed_on));
        let bound = RelayBound { read: read(7), upto: Slot(0) };
        let answered = acknowledges(&mut leader, 2, ballot(1, 0), 1);
        assert_eq!(answered, Effects::none().sent(1, bound.clone()));
        let back = bench.step_untouched(|step| on_bound(step, bound));
        assert_eq!(back, Effects::none().sent_to(ANN, answer(7, 0)));
    }

    #[test]
    fn open_reads_are_bounded() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        bench.tuning.reads_max = 2;
        (0..5).for_each(|nonce| drop(asks(&mut bench, nonce)));
        let reads = &bench.leader().reads;
        assert_eq!(reads.asked.len() + reads.waiting.len(), 2);
    }

    #[test]
    fn whoever_asks_for_much_takes_no_place_from_others_for_longer_than_a_round() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        bench.tuning.reads_max = 6;
        let open = |bench: &Bench| -> Vec<(String, usize)> {
            let users = bench.leader().reads.users.iter();
            users.map(|(user, count)| (user.to_string(), *count)).collect()
        };
        let count = |name: &str, count| (name.to_owned(), count);
        (0..20).for_each(|nonce| drop(asks_as(&mut bench, "mallory", nonce)));
        assert_eq!(open(&bench), [count("mallory", 6)]);
        for user in ["bob", "zoe"] {
            (0..20).for_each(|nonce| drop(asks_as(&mut bench, user, nonce)));
        }
        assert_eq!(open(&bench), [count("bob", 3), count("mallory", 6), count("zoe", 2)]);
        acknowledges(&mut bench, 1, ballot(1, 0), 1);
        assert_eq!(open(&bench), [count("bob", 3), count("mallory", 5), count("zoe", 2)]);
        (20..40).for_each(|nonce| drop(asks_as(&mut bench, "mallory", nonce)));
        acknowledges(&mut bench, 1, ballot(1, 0), 2);
        assert_eq!(open(&bench), [], "nobody waits for anything");
    }
}
