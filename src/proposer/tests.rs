//! The proposer's rules, each as the exact effects it wants.

use super::*;
use crate::effects::Effects;
use crate::message::{Message, Outcome, Output, ToPeer};
use crate::state::Storage;
use crate::testing::*;
use crate::tuning::Tuning;
use crate::types::NodeId;

fn starts(bench: &mut Bench, ballot: Ballot) -> Effects {
    bench.step(|step| start(step, ballot))
}

fn promises(bench: &mut Bench, acceptor: u8, chunk: Promise) -> Effects {
    bench.step(|step| on_promise(step, ReplicaId(acceptor), chunk))
}

fn ignores_promise(bench: &mut Bench, acceptor: u8, chunk: Promise) {
    let acceptor = ReplicaId(acceptor);
    let effects = bench.step_untouched(|step| on_promise(step, acceptor, chunk));
    assert_eq!(effects, Effects::none());
}

fn votes_for(bench: &mut Bench, acceptor: u8, ballot: Ballot, slot: u64) -> Effects {
    let acceptor = ReplicaId(acceptor);
    bench.step(|step| on_accepted(step, acceptor, Accepted { ballot, slot: Slot(slot) }))
}

fn ignores_vote(bench: &mut Bench, acceptor: u8, ballot: Ballot, slot: u64) {
    let acceptor = ReplicaId(acceptor);
    let effects = bench.step_untouched(|step| {
        on_accepted(step, acceptor, Accepted { ballot, slot: Slot(slot) });
    });
    assert_eq!(effects, Effects::none());
}

fn resends(bench: &mut Bench) -> Effects {
    bench.step_untouched(on_resend_timeout)
}

fn queue(bench: &mut Bench, texts: &[&str]) {
    for text in texts {
        bench.leader_mut().intake.queue.push(say(text).commands()[0].clone());
    }
}

fn proposes_queued(bench: &mut Bench) -> Effects {
    bench.step(propose_queued)
}

fn preparing(bench: &Bench) -> &Preparing {
    let Phase::Preparing(preparing) = &bench.state.phase else { panic!("it is in phase 1") };
    preparing
}

/// A value that names no session comes to this.
fn unheard_of(slot: u64, text: &str) -> Output {
    applied(slot, say(text), vec![Outcome::NoSession])
}

mod phase_1 {
    use super::*;

    #[test]
    fn a_candidate_saves_its_own_promise_before_it_sends_prepare() {
        let mut bench = Bench::new(0, 3).promised(ballot(3, 2)).applied([say("a"), say("b")]);
        let expected = Effects::saved()
            .sent_to_all([1, 2], prepare(ballot(4, 0), 2))
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(starts(&mut bench, ballot(4, 0)), expected);
        assert_eq!(bench.state.durable.promised, ballot(4, 0));
        let phase = Preparing {
            ballot: ballot(4, 0),
            from: Slot(2),
            expected: BTreeMap::new(),
            complete: ReplicaSet::of(ReplicaId(0)),
            compacted_upto: Slot(2),
            reported: BTreeMap::new(),
            ticks: 0,
            wait: 0,
        };
        assert_eq!(*preparing(&bench), phase);
    }

    #[test]
    #[should_panic(expected = "a ballot is never used twice")]
    fn a_ballot_is_never_used_twice() {
        starts(&mut Bench::new(0, 3).promised(ballot(4, 0)), ballot(4, 0));
    }

    #[test]
    fn a_candidate_counts_its_own_votes_above_its_bound() {
        let mut bench = Bench::new(0, 3)
            .applied([say("a")])
            .voted(0, ballot(1, 1), say("a"))
            .voted(2, ballot(1, 1), say("c"));
        starts(&mut bench, ballot(2, 0));
        let reported = BTreeMap::from([(Slot(2), vote(ballot(1, 1), say("c")))]);
        assert_eq!(preparing(&bench).reported, reported);
    }

    #[test]
    fn a_chunk_that_is_not_the_last_is_followed_by_a_request_for_the_next() {
        let mut bench = Bench::new(0, 3);
        starts(&mut bench, ballot(1, 0));
        let list = votes([(0, vote(ballot(0, 1), say("a")))]);
        let chunk = Promise { last: false, ..whole_promise(ballot(1, 0), list) };
        let expected = Effects::none().sent(1, prepare(ballot(1, 0), 1));
        assert_eq!(promises(&mut bench, 1, chunk), expected);
        assert_eq!(preparing(&bench).expected, BTreeMap::from([(ReplicaId(1), Slot(1))]));
        assert_eq!(preparing(&bench).complete, ReplicaSet::of(ReplicaId(0)));
    }

    #[test]
    fn a_chunk_that_is_not_expected_is_ignored() {
        let mut bench = Bench::new(0, 5);
        starts(&mut bench, ballot(1, 0));
        let whole = whole_promise(ballot(1, 0), vec![]);
        // It starts elsewhere than asked, or answers another ballot.
        ignores_promise(&mut bench, 1, Promise { from: Slot(1), ..whole.clone() });
        ignores_promise(&mut bench, 1, Promise { ballot: ballot(0, 0), ..whole.clone() });
        // The first chunk comes again, after it was taken.
        let first = Promise { next: Slot(2), last: false, ..whole.clone() };
        promises(&mut bench, 1, first.clone());
        ignores_promise(&mut bench, 1, first);
        // The acceptor has reported everything.
        promises(&mut bench, 2, whole.clone());
        ignores_promise(&mut bench, 2, whole);
    }

    #[test]
    fn a_follower_and_a_leader_ignore_promises() {
        ignores_promise(&mut Bench::new(0, 3), 1, whole_promise(Ballot::ZERO, vec![]));
        let mut leader = Bench::new(0, 3).leading(1, 0);
        ignores_promise(&mut leader, 1, whole_promise(ballot(1, 0), vec![]));
    }

    #[test]
    fn nothing_is_proposed_before_a_quorum_has_reported_everything() {
        let mut bench = Bench::new(0, 5).voted(0, ballot(1, 1), say("a"));
        starts(&mut bench, ballot(2, 0));
        let nothing = whole_promise(ballot(2, 0), vec![]);
        assert_eq!(promises(&mut bench, 1, nothing.clone()), Effects::none());
        // A third promise that is not whole does not complete the quorum of three.
        let part = Promise { next: Slot(7), last: false, ..nothing };
        let expected = Effects::none().sent(2, prepare(ballot(2, 0), 7));
        assert_eq!(promises(&mut bench, 2, part), expected);
        let complete: ReplicaSet = [ReplicaId(0), ReplicaId(1)].into_iter().collect();
        assert_eq!(preparing(&bench).complete, complete);
    }

    #[test]
    fn the_time_out_asks_those_again_that_have_not_reported_everything() {
        let mut bench = Bench::new(0, 5).applied([say("a")]);
        starts(&mut bench, ballot(1, 0));
        let from = Slot(1);
        let whole = Promise { from, next: from, ..whole_promise(ballot(1, 0), vec![]) };
        promises(&mut bench, 2, whole.clone());
        promises(&mut bench, 3, Promise { next: Slot(5), last: false, ..whole });
        let expected = Effects::none()
            .sent(1, prepare(ballot(1, 0), 1))
            .sent(3, prepare(ballot(1, 0), 5))
            .sent(4, prepare(ballot(1, 0), 1))
            .set(Timer::Resend);
        assert_eq!(resends(&mut bench), expected);
    }
}

mod a_new_leader {
    use super::*;

    /// What a new leader of three, replica 0 in ballot 9, does and keeps when replica 1's promise
    /// completes its quorum.
    fn leads(mut bench: Bench, chunk: Promise) -> (Effects, Leading, Bench) {
        starts(&mut bench, ballot(9, 0));
        let effects = promises(&mut bench, 1, chunk);
        let leading = bench.leader().clone();
        (effects, leading, bench)
    }

    /// The slots and values that it proposes to replica 1.
    fn proposals(effects: &Effects) -> Vec<(u64, Value)> {
        let to_one = effects.ahead.iter().filter(|(to, _)| *to == NodeId::from(ReplicaId(1)));
        to_one
            .filter_map(|(_, message)| match message {
                Message::ToPeer(ToPeer::Accept(Accept { slot, value, .. })) => {
                    Some((slot.0, value.clone()))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn without_any_vote_proposes_nothing_and_announces_itself() {
        let chunk = whole_promise(ballot(9, 0), vec![]);
        let (effects, leading, _) = leads(Bench::new(0, 3), chunk);
        let expected = Effects::none()
            .sent_to_all([1, 2], heartbeat(ballot(9, 0), 0))
            .set(Timer::Heartbeat)
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(effects, expected);
        let fresh = Leading {
            ballot: ballot(9, 0),
            base: Slot(0),
            next: Slot(0),
            in_flight: BTreeMap::new(),
            pacing: Pacing::default(),
            heard: ReplicaSet::default(),
            outbid: Ballot::ZERO,
            intake: Intake::default(),
            end: None,
            reads: OpenReads::default(),
            reported: BTreeMap::new(),
            merged: Slot(0),
            joining: None,
        };
        assert_eq!(leading, fresh);
    }

    #[test]
    fn votes_saves_and_proposes_what_was_reported() {
        let list = votes([(0, vote(ballot(1, 1), say("a")))]);
        let (effects, leading, bench) = leads(Bench::new(0, 3), whole_promise(ballot(9, 0), list));
        let expected = Effects::saved()
            .proposed_to([1, 2], accept(ballot(9, 0), 0, say("a"), 0))
            .sent_to_all([1, 2], heartbeat(ballot(9, 0), 0))
            .set(Timer::Heartbeat)
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(effects, expected);
        let in_flight = BTreeMap::from([(Slot(0), Flight::default())]);
        assert_eq!((leading.next, leading.in_flight), (Slot(1), in_flight));
        assert_eq!(bench.state.durable.votes[&Slot(0)], vote(ballot(9, 0), say("a")));
    }

    #[test]
    fn proposes_the_vote_of_the_highest_ballot_whoever_holds_it() {
        let low = vote(ballot(1, 1), say("low"));
        let high = vote(ballot(2, 2), say("high"));
        for (own, reported) in [(&low, &high), (&high, &low)] {
            let bench = Bench::new(0, 3).voted(0, own.ballot, own.value.clone());
            let list = votes([(0, reported.clone())]);
            let (effects, ..) = leads(bench, whole_promise(ballot(9, 0), list));
            assert_eq!(proposals(&effects), [(0, say("high"))]);
        }
    }

    #[test]
    fn compares_the_reports_of_all_acceptors() {
        let rival = |round| votes([(0, vote(ballot(round, 3), say(&round.to_string())))]);
        for rounds in [[5, 6], [6, 5]] {
            let mut bench = Bench::new(0, 5).voted(0, ballot(4, 3), say("4"));
            starts(&mut bench, ballot(9, 0));
            promises(&mut bench, 1, whole_promise(ballot(9, 0), rival(rounds[0])));
            let effects = promises(&mut bench, 2, whole_promise(ballot(9, 0), rival(rounds[1])));
            assert_eq!(proposals(&effects), [(0, say("6"))]);
        }
    }

    #[test]
    fn proposes_noop_where_the_whole_quorum_reported_none() {
        let bench = Bench::new(0, 3).voted(1, ballot(1, 1), say("b"));
        let list = votes([(3, vote(ballot(1, 1), say("d")))]);
        let (effects, leading, _) = leads(bench, whole_promise(ballot(9, 0), list));
        let expected = [(0, Value::Noop), (1, say("b")), (2, Value::Noop), (3, say("d"))];
        assert_eq!(proposals(&effects), expected);
        assert_eq!(leading.next, Slot(4), "new values go above the highest slot reported");
    }

    #[test]
    fn merges_the_chunks_of_one_acceptor() {
        let mut bench = Bench::new(0, 3);
        starts(&mut bench, ballot(9, 0));
        let held = |slot, text| votes([(slot, vote(ballot(1, 1), say(text)))]);
        let whole = whole_promise(ballot(9, 0), held(0, "a"));
        promises(&mut bench, 1, Promise { last: false, ..whole });
        let rest = Promise { from: Slot(1), ..whole_promise(ballot(9, 0), held(2, "c")) };
        let effects = promises(&mut bench, 1, rest);
        assert_eq!(proposals(&effects), [(0, say("a")), (1, Value::Noop), (2, say("c"))]);
    }

    #[test]
    fn begins_at_its_own_bound_if_that_is_the_highest() {
        let bench = Bench::new(0, 3).applied([say("a"), say("b")]);
        let (from, next) = (Slot(2), Slot(2));
        let chunk = Promise { from, next, ..whole_promise(ballot(9, 0), vec![]) };
        let chunk = Promise { compacted_upto: Slot(1), ..chunk };
        let (effects, leading, _) = leads(bench, chunk);
        assert_eq!((leading.base, leading.next), (Slot(2), Slot(2)));
        assert_eq!(effects.sends.len(), 2, "two heartbeats and no fetch: {effects:?}");
    }

    #[test]
    fn begins_at_a_compacted_bound_and_fetches_what_is_below_it() {
        let bench = Bench::new(0, 3)
            .applied([say("a")])
            .voted(2, ballot(1, 1), say("overtaken"))
            .voted(4, ballot(1, 1), say("e"));
        let chunk = Promise {
            from: Slot(1),
            next: Slot(3),
            compacted_upto: Slot(3),
            ..whole_promise(ballot(9, 0), vec![])
        };
        let (effects, leading, _) = leads(bench, chunk);
        assert_eq!((leading.base, leading.next), (Slot(3), Slot(5)));
        // Slot 2 is below the base: its vote is not proposed, whatever it was.
        let expected = Effects::saved()
            .proposed_to([1, 2], accept(ballot(9, 0), 3, Value::Noop, 1))
            .proposed_to([1, 2], accept(ballot(9, 0), 4, say("e"), 1))
            .sent_to_all([1, 2], heartbeat(ballot(9, 0), 1))
            .sent_to_all([1, 2], fetch(1))
            .set(Timer::Heartbeat)
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(effects, expected);
    }

    #[test]
    fn heeds_the_compacted_bound_of_every_chunk_and_every_acceptor() {
        let mut bench = Bench::new(0, 5);
        starts(&mut bench, ballot(9, 0));
        let whole = whole_promise(ballot(9, 0), vec![]);
        let upto =
            |bound| Promise { next: Slot(bound), compacted_upto: Slot(bound), ..whole.clone() };
        promises(&mut bench, 1, Promise { last: false, ..upto(4) });
        promises(&mut bench, 1, Promise { from: Slot(4), next: Slot(4), ..whole.clone() });
        promises(&mut bench, 2, upto(3));
        assert_eq!((bench.leader().base, bench.leader().next), (Slot(4), Slot(4)));
    }

    #[test]
    fn forgets_what_it_learned_at_or_above_its_base() {
        // Slot 1 was learned from another; slot 0 is missing, so neither is applied.
        let mut bench = Bench::new(0, 3).voted(1, ballot(1, 1), say("b"));
        bench.state.learner.decided.insert(Slot(1), say("b"));
        let (effects, leading, bench) = leads(bench, whole_promise(ballot(9, 0), vec![]));
        assert_eq!((leading.base, leading.next), (Slot(0), Slot(2)));
        assert!(bench.state.learner.decided.is_empty());
        assert_eq!(proposals(&effects), [(0, Value::Noop), (1, say("b"))]);
    }

    #[test]
    fn of_one_replica_needs_no_other() {
        let mut bench = Bench::new(0, 1).voted(0, ballot(1, 0), say("a"));
        let expected = Effects::saved()
            .proposed_to([], accept(ballot(2, 0), 0, say("a"), 0))
            .set(Timer::Resend)
            .set(Timer::Election)
            .set(Timer::Heartbeat)
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(starts(&mut bench, ballot(2, 0)), expected);
        let expected = Effects::none().reported(unheard_of(0, "a")).set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 0, ballot(2, 0), 0), expected);
        assert!(bench.leader().in_flight.is_empty());
    }
}

mod phase_2 {
    use super::*;

    #[test]
    fn a_new_value_goes_to_the_next_slot_and_the_own_vote_comes_once_it_is_saved() {
        let mut bench = Bench::new(0, 3).applied([say("a")]).leading(1, 1);
        queue(&mut bench, &["b"]);
        let expected = Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), 1, say("b"), 1));
        assert_eq!(proposes_queued(&mut bench), expected);
        assert_eq!(bench.state.durable.votes[&Slot(1)], vote(ballot(1, 0), say("b")));
        assert_eq!(bench.leader().next, Slot(2));
    }

    #[test]
    fn a_slot_that_a_majority_has_voted_for_is_decided_and_announced() {
        let mut bench = Bench::new(0, 3).leading(1, 0).proposed(say("a"));
        let expected = Effects::none()
            .reported(unheard_of(0, "a"))
            .sent_to_all([1, 2], heartbeat(ballot(1, 0), 1))
            .set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 2, ballot(1, 0), 0), expected);
        assert_eq!(bench.state.learner.applied_upto, Slot(1));
        assert!(bench.leader().in_flight.is_empty());
    }

    #[test]
    fn the_votes_of_all_others_decide_before_the_own_one_is_saved() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        queue(&mut bench, &["a"]);
        proposes_queued(&mut bench);
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 0), Effects::none());
        let second = votes_for(&mut bench, 2, ballot(1, 0), 0);
        assert_eq!(second.sends[0], (NodeId::LOCAL, unheard_of(0, "a").into()));
        ignores_vote(&mut bench, 0, ballot(1, 0), 0);
    }

    #[test]
    fn two_votes_of_five_are_not_a_majority() {
        let mut bench = Bench::new(0, 5).leading(1, 0).proposed(say("a"));
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 0), Effects::none());
        let voters: ReplicaSet = [ReplicaId(0), ReplicaId(1)].into_iter().collect();
        assert_eq!(
            bench.leader().in_flight,
            BTreeMap::from([(Slot(0), Flight { voters, ..Flight::default() })])
        );
        ignores_vote(&mut bench, 1, ballot(1, 0), 0);
        let third = votes_for(&mut bench, 4, ballot(1, 0), 0);
        assert_eq!(third.sends[0], (NodeId::LOCAL, unheard_of(0, "a").into()));
    }

    #[test]
    fn only_votes_of_the_leader_s_own_ballot_are_counted() {
        let mut bench = Bench::new(0, 3).leading(3, 0).proposed(say("a"));
        ignores_vote(&mut bench, 1, ballot(2, 0), 0);
        ignores_vote(&mut bench, 1, ballot(3, 1), 0);
    }

    #[test]
    fn a_vote_at_a_slot_that_is_not_in_flight_is_ignored() {
        let mut bench = Bench::new(0, 3).leading(1, 0).proposed(say("a"));
        ignores_vote(&mut bench, 1, ballot(1, 0), 1);
        ignores_vote(&mut Bench::new(0, 3).promised(ballot(1, 0)), 1, ballot(1, 0), 0);
    }

    #[test]
    fn a_slot_decided_above_a_gap_waits_and_announces_nothing() {
        let mut bench = Bench::new(0, 3).leading(1, 0).proposed(say("a")).proposed(say("b"));
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 1), Effects::none());
        assert_eq!(bench.state.learner.applied_upto, Slot(0));
        let expected = Effects::none()
            .reported(unheard_of(0, "a"))
            .reported(unheard_of(1, "b"))
            .sent_to_all([1, 2], heartbeat(ballot(1, 0), 2))
            .set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 0), expected);
    }

    #[test]
    fn a_busy_leader_fills_its_values() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        bench.tuning = Tuning { batch_commands_max: 2, ..Tuning::default() };
        queue(&mut bench, &["a"]);
        let expected = Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), 0, say("a"), 0));
        assert_eq!(proposes_queued(&mut bench), expected, "an idle one proposes at once");
        queue(&mut bench, &["b"]);
        assert_eq!(proposes_queued(&mut bench), Effects::none());
        queue(&mut bench, &["c", "d"]);
        let both = Value::batch(["b", "c"].map(|text| say(text).commands()[0].clone()));
        let expected =
            Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), 1, both.clone(), 0));
        assert_eq!(proposes_queued(&mut bench), expected, "a full one need not wait");
        votes_for(&mut bench, 0, ballot(1, 0), 0);
        votes_for(&mut bench, 1, ballot(1, 0), 0);
        assert_eq!(bench.leader().intake.queue.len(), 1, "slot 1 is in flight");
        votes_for(&mut bench, 0, ballot(1, 0), 1);
        let expected = Effects::saved()
            .reported(applied(1, both, vec![Outcome::NoSession; 2]))
            .proposed_to([1, 2], accept(ballot(1, 0), 2, say("d"), 2))
            .set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 2, ballot(1, 0), 1), expected, "what is left goes then");
    }

    #[test]
    fn while_more_is_in_flight_the_next_proposal_carries_the_bound() {
        let mut bench = Bench::new(0, 3).leading(1, 0).proposed(say("a")).proposed(say("b"));
        bench.tuning.eager_slots = 2;
        let expected = Effects::none().reported(unheard_of(0, "a")).set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 0), expected);
        queue(&mut bench, &["c"]);
        let expected = Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), 2, say("c"), 1));
        assert_eq!(proposes_queued(&mut bench), expected);
    }

    #[test]
    fn what_the_window_has_no_room_for_waits_until_a_slot_is_decided() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        bench.tuning = Tuning { window_slots: 2, batch_commands_max: 1, ..Tuning::default() };
        queue(&mut bench, &["a", "b", "c"]);
        let expected = Effects::saved()
            .proposed_to([1, 2], accept(ballot(1, 0), 0, say("a"), 0))
            .proposed_to([1, 2], accept(ballot(1, 0), 1, say("b"), 0));
        assert_eq!(proposes_queued(&mut bench), expected);
        assert_eq!(bench.leader().intake.queue.len(), 1);
        let expected = Effects::saved()
            .reported(unheard_of(0, "a"))
            .proposed_to([1, 2], accept(ballot(1, 0), 2, say("c"), 1))
            .set(Timer::Election);
        assert_eq!(votes_for(&mut bench, 0, ballot(1, 0), 0), Effects::none());
        assert_eq!(votes_for(&mut bench, 1, ballot(1, 0), 0), expected);
        assert!(bench.leader().intake.queue.is_empty());
    }

    #[test]
    fn the_time_out_sends_each_proposal_again_to_those_who_have_not_voted() {
        let mut bench = Bench::new(0, 5)
            .applied([say("z")])
            .leading(1, 1)
            .proposed(say("a"))
            .proposed(say("b"));
        votes_for(&mut bench, 3, ballot(1, 0), 2);
        let expected = Effects::none()
            .sent_to_all([1, 2, 3, 4], accept(ballot(1, 0), 1, say("a"), 1))
            .sent_to_all([1, 2, 4], accept(ballot(1, 0), 2, say("b"), 1))
            .set(Timer::Resend);
        assert_eq!(resends(&mut bench), expected);
    }

    #[test]
    fn the_time_out_fetches_again_what_is_below_the_base() {
        let mut bench = Bench::new(0, 3).applied([say("a")]).leading(1, 3);
        let expected = Effects::none().sent_to_all([1, 2], fetch(1)).set(Timer::Resend);
        assert_eq!(resends(&mut bench), expected);
    }

    #[test]
    fn a_leader_without_anything_unanswered_keeps_its_timer_and_a_follower_does_not() {
        let mut leader = Bench::new(0, 3).leading(1, 0);
        assert_eq!(resends(&mut leader), Effects::none().set(Timer::Resend));
        assert_eq!(resends(&mut Bench::new(0, 3)), Effects::none());
    }

    #[test]
    fn a_leader_proposes_after_a_restored_log() {
        let storage = Storage::after([say("a"), say("b")], 9);
        let mut bench = Bench::restored(0, 3, storage);
        let expected = Effects::saved()
            .sent_to_all([1, 2], prepare(ballot(1, 0), 2))
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(starts(&mut bench, ballot(1, 0)), expected);
    }
}

mod skipped_slots {
    use super::*;

    #[test]
    fn a_leader_told_to_skip_jumps_over_the_next_slot() {
        let mut bench = Bench::new(0, 3).leading(1, 4);
        let effects = bench.step(on_skip_slot);
        assert_eq!((effects, bench.leader().next), (Effects::none(), Slot(5)));
        queue(&mut bench, &["a"]);
        let expected = Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), 5, say("a"), 0));
        assert_eq!(proposes_queued(&mut bench), expected);
    }

    #[test]
    fn a_follower_told_to_skip_does_nothing() {
        Bench::new(0, 3).step_untouched(on_skip_slot);
    }

    #[test]
    fn the_slots_of_the_tuning_are_skipped() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        let skip_slots = [Slot(1), Slot(2)].into();
        bench.tuning = Tuning { skip_slots, batch_commands_max: 1, ..Tuning::default() };
        queue(&mut bench, &["a", "b"]);
        let expected = Effects::saved()
            .proposed_to([1, 2], accept(ballot(1, 0), 0, say("a"), 0))
            .proposed_to([1, 2], accept(ballot(1, 0), 3, say("b"), 0));
        assert_eq!(proposes_queued(&mut bench), expected);
    }

    #[test]
    fn a_new_leader_repairs_a_slot_that_it_would_skip_itself() {
        let mut bench = Bench::new(0, 3).voted(1, ballot(1, 1), say("b"));
        bench.tuning.skip_slots = [Slot(0)].into();
        starts(&mut bench, ballot(2, 0));
        let effects = promises(&mut bench, 1, whole_promise(ballot(2, 0), vec![]));
        let repair = accept(ballot(2, 0), 0, Value::Noop, 0);
        assert_eq!(effects.ahead[0], (NodeId::from(ReplicaId(1)), repair.into()));
    }
}
