//! The acceptor: promises, votes, and the durable state that both live in.
//!
//! **Invariants**
//! - *Promised never goes back*, across restarts too.
//! - *No Accepted(b) after Promise(b') with b' > b.*
//! - *Votes are dropped only below the compacted bound*: below it every slot is decided, its value
//!   was reported to the driver, whose chat log has it, and an `Accept` is answered with `Decided`,
//!   never voted on.
//! - *Bounded*: votes are kept from the compacted bound up to a limit above what is applied.
//!
//! **Absent**: counting. An acceptor does not know what is chosen. The log: what is applied is the
//! driver's to keep, and a replica holds no more of it than its learner's recent values.
//!
//! **Source**: *Paxos Made Simple* (2001), sections 2.2 and 3; chunked promises are our own.

use crate::chunk::Chunk;
use crate::message::{Accept, Accepted, Prepare, Promise, Reject};
use crate::state::Storage;
use crate::step::Step;
use crate::tuning::Tuning;
use crate::types::{Ballot, ReplicaId, Slot, Value, Vote};
use crate::{election, learner};

impl Storage {
    /// The storage of a replica that has applied these values from slot 0 on, and taken a
    /// snapshot after them.
    pub fn after(values: impl IntoIterator<Item = Value>, sessions_max: usize) -> Storage {
        let mut storage = Storage::default();
        for value in values {
            let slot = storage.snapshot.upto;
            storage.snapshot.sessions.apply(slot, &value, sessions_max);
            storage.snapshot.upto = slot.next();
        }
        storage
    }

    /// The highest slot with a vote.
    pub fn highest_vote(&self) -> Option<Slot> {
        self.votes.get_max().map(|(slot, _)| *slot)
    }

    /// The chunk of a promise that answers `Prepare { ballot, from }`.
    pub fn promise_chunk(&self, ballot: Ballot, from: Slot, tuning: &Tuning) -> Promise {
        let compacted_upto = self.snapshot.upto;
        let mut votes: Vec<(Slot, Vote)> = Vec::new();
        let mut next = from.max(compacted_upto);
        let mut chunk = Chunk::of(tuning);
        let mut last = true;
        for (slot, vote) in self.votes.range(next..) {
            if !chunk.takes(vote.value.size_bytes()) {
                last = false;
                break;
            }
            votes.push((*slot, vote.clone()));
            next = slot.next();
        }
        Promise { ballot, from, next, compacted_upto, last, votes }
    }
}

/// Raises the promise. The caller has made sure that `ballot` is not below it.
pub fn promise(step: &mut Step<'_, '_>, ballot: Ballot) {
    assert!(ballot >= step.promised(), "promised never goes back");
    if ballot > step.promised() {
        step.write().promised = ballot;
    }
}

/// Phase 1b: promises, and reports the votes from the asked slot on.
pub fn on_prepare(
    step: &mut Step<'_, '_>,
    candidate: ReplicaId,
    Prepare { ballot, from }: Prepare,
) {
    if ballot < step.promised() {
        let promised = step.promised();
        step.send(candidate, Reject { promised });
        return;
    }
    if ballot > step.promised() {
        election::follow(step, ballot);
    } else if step.tuning.adapts() {
        // The candidate goes on, and gives up by itself if it gets no further.
        election::restart_timer(step);
    }
    let chunk = step.state.durable.promise_chunk(ballot, from, step.tuning);
    step.send(candidate, chunk);
}

/// Phase 2b: votes, and learns from the bound that the proposal carries.
pub fn on_accept(
    step: &mut Step<'_, '_>,
    leader: ReplicaId,
    Accept { ballot, slot, value, decided_upto }: Accept,
) {
    if slot < step.state.durable.snapshot.upto {
        learner::send_entries(step, leader, slot);
        return;
    }
    if ballot < step.promised() {
        let promised = step.promised();
        step.send(leader, Reject { promised });
        return;
    }
    if ballot > step.promised() {
        election::follow(step, ballot);
    }
    // A vote that is not cast is as good as a lost message; the leader asks again.
    if slot.0.saturating_sub(step.state.learner.applied_upto.0) < step.tuning.votes_ahead_max {
        if step.state.durable.votes.get(&slot).is_none_or(|held| held.ballot < ballot) {
            let vote = Vote { ballot, value };
            step.write().votes.insert(slot, vote);
        } else if step.tuning.adapts() {
            // A vote was lost, so there is a reason why the bound does not move. Who asks for it less and
            // less often is not taken for alive for ever.
            election::restart_timer(step);
        }
        step.send(leader, Accepted { ballot, slot });
    }
    learner::on_announcement(step, ballot, decided_upto);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::{Effects, Timer};
    use crate::message::{Asker, LogRead, Message, Output, ToPeer};
    use crate::state::Phase;
    use crate::testing::*;

    fn asks(bench: &mut Bench, candidate: u8, ballot: Ballot, from: u64) -> Effects {
        let candidate = ReplicaId(candidate);
        bench.step(|step| on_prepare(step, candidate, Prepare { ballot, from: Slot(from) }))
    }

    fn proposes(bench: &mut Bench, ballot: Ballot, slot: u64, value: Value) -> Effects {
        let accept = Accept { ballot, slot: Slot(slot), value, decided_upto: Slot(0) };
        bench.step(|step| on_accept(step, ballot.replica, accept))
    }

    #[test]
    fn a_promise_is_saved_before_it_is_sent() {
        let mut bench = Bench::new(0, 3);
        let promise = Message::ToPeer(ToPeer::Promise(whole_promise(ballot(1, 1), vec![])));
        let expected = Effects::saved().sent(1, promise).set(Timer::Election);
        assert_eq!(asks(&mut bench, 1, ballot(1, 1), 0), expected);
        assert_eq!(bench.state.durable.promised, ballot(1, 1));
    }

    #[test]
    fn an_equal_ballot_is_promised_again_without_a_save() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        let promise = Message::ToPeer(ToPeer::Promise(whole_promise(ballot(1, 1), vec![])));
        let again = bench.step_untouched(|step| {
            on_prepare(step, ReplicaId(1), Prepare { ballot: ballot(1, 1), from: Slot(0) });
        });
        assert_eq!(again, Effects::none().sent(1, promise));
    }

    #[test]
    fn a_prepare_below_the_promise_is_rejected_with_it() {
        let mut bench = Bench::new(0, 3).promised(ballot(2, 2));
        let rejected = bench.step_untouched(|step| {
            on_prepare(step, ReplicaId(1), Prepare { ballot: ballot(2, 1), from: Slot(0) });
        });
        let promised = ballot(2, 2);
        assert_eq!(
            rejected,
            Effects::none().sent(1, Message::ToPeer(ToPeer::Reject(Reject { promised })))
        );
    }

    #[test]
    fn a_promise_reports_the_votes_from_the_asked_slot_on() {
        let mut bench = Bench::new(0, 3)
            .promised(ballot(1, 2))
            .voted(0, ballot(1, 2), say("a"))
            .voted(1, ballot(1, 2), say("b"))
            .voted(3, ballot(1, 2), say("d"));
        let reported =
            votes([(1, vote(ballot(1, 2), say("b"))), (3, vote(ballot(1, 2), say("d")))]);
        let chunk = Promise { from: Slot(1), ..whole_promise(ballot(2, 1), reported) };
        let expected =
            Effects::saved().sent(1, Message::ToPeer(ToPeer::Promise(chunk))).set(Timer::Election);
        assert_eq!(asks(&mut bench, 1, ballot(2, 1), 1), expected);
    }

    #[test]
    fn a_candidate_and_a_leader_that_promise_a_rival_step_down() {
        let mut leader = Bench::new(0, 3).leading(1, 0);
        let promise = Message::ToPeer(ToPeer::Promise(whole_promise(ballot(1, 1), vec![])));
        let expected = Effects::saved()
            .sent(1, promise.clone())
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election);
        assert_eq!(asks(&mut leader, 1, ballot(1, 1), 0), expected);
        assert_eq!(leader.state.phase, Phase::Follower);

        let mut candidate = Bench::new(0, 3);
        candidate.step(|step| crate::proposer::start(step, ballot(1, 0)));
        let expected =
            Effects::saved().sent(1, promise).cancelled(Timer::Resend).set(Timer::Election);
        assert_eq!(asks(&mut candidate, 1, ballot(1, 1), 0), expected);
        assert_eq!(candidate.state.phase, Phase::Follower);
    }

    #[test]
    fn a_vote_is_saved_before_it_is_sent_and_raises_the_promise() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        let expected = Effects::saved().sent(2, accepted(ballot(1, 2), 4)).set(Timer::Election);
        assert_eq!(proposes(&mut bench, ballot(1, 2), 4, say("a")), expected);
        assert_eq!(bench.state.durable.promised, ballot(1, 2));
        let held: Vec<_> = bench.state.durable.votes.iter().collect();
        assert_eq!(held, [(&Slot(4), &vote(ballot(1, 2), say("a")))]);
    }

    #[test]
    fn a_vote_in_the_promised_ballot_is_saved_too() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        let expected = Effects::saved().sent(1, accepted(ballot(1, 1), 0));
        assert_eq!(proposes(&mut bench, ballot(1, 1), 0, say("a")), expected);
    }

    #[test]
    fn a_repeated_accept_is_answered_again_without_a_save() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).voted(0, ballot(1, 1), say("a"));
        let (of, slot, value) = (ballot(1, 1), Slot(0), say("a"));
        let accept = Accept { ballot: of, slot, value, decided_upto: Slot(0) };
        let again = bench.step_untouched(|step| on_accept(step, ReplicaId(1), accept));
        assert_eq!(again, Effects::none().sent(1, accepted(ballot(1, 1), 0)));
    }

    #[test]
    fn a_vote_of_a_higher_ballot_takes_the_place_of_a_lower_one() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).voted(0, ballot(1, 1), say("a"));
        proposes(&mut bench, ballot(2, 2), 0, say("b"));
        assert_eq!(bench.state.durable.votes[&Slot(0)], vote(ballot(2, 2), say("b")));
    }

    #[test]
    fn no_accepted_after_a_higher_promise() {
        let mut bench = Bench::new(0, 3);
        asks(&mut bench, 2, ballot(2, 2), 0);
        let accept =
            Accept { ballot: ballot(1, 1), slot: Slot(0), value: say("a"), decided_upto: Slot(0) };
        let rejected = bench.step_untouched(|step| on_accept(step, ReplicaId(1), accept));
        let promised = ballot(2, 2);
        assert_eq!(rejected, Effects::none().sent(1, Reject { promised }));
    }

    #[test]
    fn below_the_compacted_bound_an_accept_is_answered_with_decided_and_never_voted_on() {
        let storage = Storage::after([say("a"), say("b")], 9);
        let mut bench = Bench::restored(0, 3, storage).promised(ballot(1, 1));
        bench.state.learner.decided.insert(Slot(1), say("b"));
        let accept =
            Accept { ballot: ballot(9, 2), slot: Slot(1), value: say("x"), decided_upto: Slot(0) };
        let answer = bench.step_untouched(|step| on_accept(step, ReplicaId(2), accept));
        let decided = Message::ToPeer(ToPeer::Decided(run(1, vec![say("b")], 2)));
        assert_eq!(answer, Effects::none().sent(2, decided));
    }

    #[test]
    fn what_is_not_in_memory_any_more_the_driver_answers_from_its_log() {
        let storage = Storage::after([say("a"), say("b")], 9);
        let mut bench = Bench::restored(0, 3, storage).promised(ballot(1, 1));
        let (of, slot, value) = (ballot(9, 2), Slot(1), say("x"));
        let accept = Accept { ballot: of, slot, value, decided_upto: Slot(0) };
        let answer = bench.step_untouched(|step| on_accept(step, ReplicaId(2), accept));
        let asker = Asker::Replica(ReplicaId(2));
        let read = Output::ReadLog(LogRead { asker, from: Slot(1), upto: Slot(2) });
        assert_eq!(answer, Effects::none().reported(read));
    }

    #[test]
    fn a_vote_far_above_what_is_applied_is_not_cast() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        let far = bench.tuning.votes_ahead_max;
        let expected = Effects::saved().sent(1, accepted(ballot(1, 1), far - 1));
        assert_eq!(proposes(&mut bench, ballot(1, 1), far - 1, say("a")), expected);
        assert_eq!(proposes(&mut bench, ballot(1, 1), far, say("b")), Effects::none());
        assert_eq!(bench.state.durable.highest_vote(), Some(Slot(far - 1)));
    }

    #[test]
    fn at_the_compacted_bound_an_accept_is_voted_on() {
        let storage = Storage::after([say("a"), say("b")], 9);
        let mut bench = Bench::restored(0, 3, storage).promised(ballot(1, 1));
        let expected = Effects::saved().sent(1, accepted(ballot(1, 1), 2));
        assert_eq!(proposes(&mut bench, ballot(1, 1), 2, say("c")), expected);
    }

    #[test]
    #[should_panic(expected = "promised never goes back")]
    fn promised_never_goes_back() {
        let mut bench = Bench::new(0, 3).promised(ballot(2, 0));
        bench.step(|step| promise(step, ballot(1, 2)));
    }

    /// Votes of equal size at these slots, and the bytes of one of them.
    fn storage(slots: &[u64]) -> (Storage, usize) {
        let held = slots.iter().map(|slot| (Slot(*slot), vote(ballot(1, 1), say("a"))));
        (Storage { votes: held.collect(), ..Storage::default() }, say("a").size_bytes())
    }

    /// The range `[from, next)` of a chunk, the slots it reports, and whether it is the last.
    fn shape(chunk: &Promise) -> (u64, u64, Vec<u64>, bool) {
        let slots = chunk.votes.iter().map(|(slot, _)| slot.0).collect();
        (chunk.from.0, chunk.next.0, slots, chunk.last)
    }

    #[test]
    fn a_chunk_is_cut_by_the_number_of_its_votes() {
        let (storage, _) = storage(&[0, 1, 4, 5, 6]);
        let tuning = Tuning { chunk_entries_max: 2, ..Tuning::default() };
        let chunk = |from| shape(&storage.promise_chunk(ballot(2, 0), Slot(from), &tuning));
        assert_eq!(chunk(0), (0, 2, vec![0, 1], false));
        assert_eq!(chunk(2), (2, 6, vec![4, 5], false));
        assert_eq!(chunk(6), (6, 7, vec![6], true));
        assert_eq!(chunk(7), (7, 7, vec![], true));
    }

    #[test]
    fn a_chunk_is_cut_by_its_bytes() {
        let (storage, bytes) = storage(&[0, 1, 2]);
        let cut = |chunk_bytes_max| {
            let tuning = Tuning { chunk_bytes_max, ..Tuning::default() };
            shape(&storage.promise_chunk(ballot(2, 0), Slot(0), &tuning))
        };
        assert_eq!(cut(3 * bytes), (0, 3, vec![0, 1, 2], true));
        assert_eq!(cut(3 * bytes - 1), (0, 2, vec![0, 1], false));
        assert_eq!(cut(2 * bytes - 1), (0, 1, vec![0], false));
    }

    #[test]
    fn a_vote_larger_than_a_chunk_is_sent_alone() {
        let (storage, _) = storage(&[0, 1]);
        let tuning = Tuning { chunk_bytes_max: 1, ..Tuning::default() };
        let chunk = |from| shape(&storage.promise_chunk(ballot(2, 0), Slot(from), &tuning));
        assert_eq!(chunk(0), (0, 1, vec![0], false));
        assert_eq!(chunk(1), (1, 2, vec![1], true));
    }

    #[test]
    fn a_chunk_asked_from_below_the_compacted_bound_says_so_and_covers_it() {
        let mut storage = Storage::after([say("a"), say("b"), say("c")], 9);
        storage.votes.insert(Slot(3), vote(ballot(1, 1), say("d")));
        let chunk = storage.promise_chunk(ballot(2, 0), Slot(1), &Tuning::default());
        let expected = Promise {
            ballot: ballot(2, 0),
            from: Slot(1),
            next: Slot(4),
            compacted_upto: Slot(3),
            last: true,
            votes: votes([(3, vote(ballot(1, 1), say("d")))]),
        };
        assert_eq!(chunk, expected);
    }

    #[test]
    fn a_chunk_of_a_compacted_storage_without_votes_ends_at_the_bound() {
        let storage = Storage::after([say("a"), say("b")], 9);
        let chunk = storage.promise_chunk(ballot(2, 0), Slot(0), &Tuning::default());
        assert_eq!(shape(&chunk), (0, 2, vec![], true));
    }

    #[test]
    fn storage_after_a_log_holds_the_sessions_that_the_log_leads_to() {
        let opened = session(1, 0);
        let log = [Value::Noop, one(open("ann", 7)), one(post("ann", opened, 1, "hi"))];
        let storage = Storage::after(log, 9);
        assert_eq!(storage.snapshot.upto, Slot(3));
        assert!(storage.votes.is_empty());
        let kept = storage.snapshot.sessions.get(opened).expect("it was opened");
        assert_eq!((kept.last_seq.0, kept.slots.values().collect()), (1, vec![&Slot(2)]));
    }
}
