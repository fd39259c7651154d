//! The learner's rules, each as the exact effects it wants.

use super::*;
use crate::effects::Effects;
use crate::effects::Timer;
use crate::message::{Message, Outcome, ToPeer};
use crate::proposer;
use crate::state::Phase;
use crate::state::Storage;
use crate::testing::*;
use crate::tuning::Tuning;
use crate::types::Vote;

fn announces(bench: &mut Bench, ballot: Ballot, upto: u64) -> Effects {
    bench.step(|step| on_announcement(step, ballot, Slot(upto)))
}

fn teaches(bench: &mut Bench, sender: u8, received: Entries) -> Effects {
    bench.step(|step| on_decided(step, ReplicaId(sender), received))
}

fn unheard_of(slot: u64, text: &str) -> Output {
    applied(slot, say(text), vec![Outcome::NoSession])
}

mod announced_bounds {
    use super::*;

    #[test]
    fn decide_a_slot_whose_own_vote_is_of_that_very_ballot() {
        let mut bench = Bench::new(0, 3)
            .promised(ballot(2, 1))
            .voted(0, ballot(2, 1), say("a"))
            .voted(1, ballot(2, 1), say("b"))
            .voted(2, ballot(2, 1), say("c"));
        let expected = Effects::none()
            .reported(unheard_of(0, "a"))
            .reported(unheard_of(1, "b"))
            .set(Timer::Election);
        assert_eq!(announces(&mut bench, ballot(2, 1), 2), expected);
        assert_eq!(bench.state.learner.applied_upto, Slot(2), "the bound is exclusive");
    }

    #[test]
    fn do_not_decide_a_slot_whose_own_vote_is_of_another_ballot() {
        let mut bench = Bench::new(0, 3)
            .promised(ballot(2, 1))
            .voted(0, ballot(1, 2), say("loser"))
            .voted(1, ballot(2, 1), say("b"));
        assert_eq!(announces(&mut bench, ballot(2, 1), 2), Effects::none().set(Timer::Election));
        assert_eq!(bench.state.learner.applied_upto, Slot(0));
        let decided: Vec<_> = bench.state.learner.decided.iter().collect();
        assert_eq!(decided, [(&Slot(1), &say("b"))]);
    }

    #[test]
    fn do_not_decide_a_slot_without_a_vote() {
        let mut bench = Bench::new(0, 3).promised(ballot(2, 1));
        assert_eq!(announces(&mut bench, ballot(2, 1), 1), Effects::none().set(Timer::Election));
        assert!(bench.state.learner.decided.is_empty());
    }

    #[test]
    fn below_what_is_applied_change_nothing_but_prove_life() {
        let mut bench = Bench::new(0, 3).promised(ballot(2, 1)).applied([say("a"), say("b")]);
        bench.state.leader_alive = true;
        let effects = bench.step_untouched(|step| on_announcement(step, ballot(2, 1), Slot(1)));
        assert_eq!(effects, Effects::none().set(Timer::Election));
    }
}

mod decided_values {
    use super::*;

    #[test]
    fn are_applied_in_slot_order() {
        let mut bench = Bench::new(0, 3);
        let expected =
            Effects::none().reported(unheard_of(0, "a")).reported(applied(1, Value::Noop, vec![]));
        assert_eq!(teaches(&mut bench, 1, run(0, vec![say("a"), Value::Noop], 2)), expected);
        assert_eq!(bench.state.learner.applied_upto, Slot(2));
    }

    #[test]
    fn are_never_applied_over_a_gap() {
        let mut bench = Bench::new(0, 3);
        let expected = Effects::none().sent(1, fetch(0));
        assert_eq!(teaches(&mut bench, 1, run(1, vec![say("b")], 2)), expected);
        let expected = Effects::none().reported(unheard_of(0, "a")).reported(unheard_of(1, "b"));
        assert_eq!(teaches(&mut bench, 2, run(0, vec![say("a")], 1)), expected);
    }

    #[test]
    fn are_asked_for_until_there_are_no_more() {
        let mut bench = Bench::new(0, 3);
        let expected = Effects::none().reported(unheard_of(0, "a")).sent(1, fetch(1));
        assert_eq!(teaches(&mut bench, 1, run(0, vec![say("a")], 3)), expected);
    }

    /// Two chunks of a value each are one answer, whose sender has four.
    fn answer_in_chunks(bench: &mut Bench) -> [Entries; 2] {
        bench.tuning.doublings_max = 4;
        [run(0, vec![say("a")], 1), run(1, vec![say("b")], 4)]
    }

    #[test]
    fn in_several_chunks_are_followed_by_one_question() {
        let mut bench = Bench::new(0, 3);
        let [first, last] = answer_in_chunks(&mut bench);
        assert_eq!(teaches(&mut bench, 1, first), Effects::none().reported(unheard_of(0, "a")));
        let expected = Effects::none().reported(unheard_of(1, "b")).sent(1, fetch(2));
        assert_eq!(teaches(&mut bench, 1, last), expected);
    }

    #[test]
    fn in_several_chunks_of_any_order_are_followed_by_a_question_for_the_rest() {
        let mut bench = Bench::new(0, 3);
        let [first, last] = answer_in_chunks(&mut bench);
        assert_eq!(teaches(&mut bench, 1, last), Effects::none().sent(1, fetch(0)));
        let third = run(2, vec![say("c")], 3);
        assert_eq!(teaches(&mut bench, 1, third), Effects::none(), "the gap was asked for");
        let expected = [unheard_of(0, "a"), unheard_of(1, "b"), unheard_of(2, "c")]
            .into_iter()
            .fold(Effects::none(), Effects::reported)
            .sent(1, fetch(3));
        assert_eq!(teaches(&mut bench, 1, first), expected);
    }

    #[test]
    fn below_an_answer_that_was_held_already_are_followed_by_a_question() {
        let mut bench = Bench::new(0, 3);
        let [first, last] = answer_in_chunks(&mut bench);
        let held = run(7, vec![say("h")], 9);
        assert_eq!(teaches(&mut bench, 1, held), Effects::none().sent(1, fetch(0)));
        teaches(&mut bench, 1, first);
        let expected = Effects::none().reported(unheard_of(1, "b")).sent(1, fetch(2));
        assert_eq!(teaches(&mut bench, 1, last), expected);
    }

    #[test]
    fn are_asked_of_whoever_has_sent_some_and_then_of_the_others() {
        let mut bench = Bench::new(0, 3);
        let [first, _] = answer_in_chunks(&mut bench);
        let mut misses = |upto| bench.step(|step| fetch_below(step, ReplicaId(1), Slot(upto)));
        let asked: Vec<_> = (0..4).map(|_| misses(9)).collect();
        let to = |peer| Effects::none().sent(peer, fetch(0));
        assert_eq!(asked, [to(1), to(2), to(1), Effects::none()]);
        teaches(&mut bench, 1, first);
        let mut misses = |upto| bench.step(|step| fetch_below(step, ReplicaId(1), Slot(upto)));
        let asked: Vec<_> = (0..9).flat_map(|_| misses(9).sends).collect();
        let to = |peer| Effects::none().sent(peer, fetch(1)).sends.remove(0);
        assert_eq!(asked, [to(1), to(2)]);
    }

    #[test]
    fn that_are_known_change_nothing() {
        let mut bench = Bench::new(0, 3).applied([say("a")]);
        bench.state.learner.decided.insert(Slot(2), say("c"));
        for known in [run(0, vec![say("a")], 9), run(2, vec![say("c")], 9)] {
            let effects = bench.step_untouched(|step| on_decided(step, ReplicaId(1), known));
            assert_eq!(effects, Effects::none());
        }
    }

    #[test]
    fn overlapping_what_is_applied_add_only_the_rest() {
        let mut bench = Bench::new(0, 3).applied([say("a")]);
        let both = run(0, vec![say("a"), say("b")], 2);
        assert_eq!(teaches(&mut bench, 1, both), Effects::none().reported(unheard_of(1, "b")));
    }

    #[test]
    fn are_no_sign_of_life() {
        let mut bench = Bench::new(0, 3);
        assert_eq!(teaches(&mut bench, 1, run(0, vec![say("a")], 1)).timers, []);
        assert!(!bench.state.leader_alive);
    }
}

mod a_log_that_outlived_a_crash {
    use super::*;

    fn recalls(bench: &mut Bench, from: u64, texts: &[&str]) -> Effects {
        let values = texts.iter().map(|text| say(text)).collect();
        let entries = Entries { from: Slot(from), values, applied_upto: Slot(9) };
        bench.step(|step| on_recall(step, entries))
    }

    #[test]
    fn is_applied_at_once_and_nobody_is_asked_for_more() {
        let mut bench = Bench::new(0, 3);
        let expected = Effects::none().reported(unheard_of(0, "a")).reported(unheard_of(1, "b"));
        assert_eq!(recalls(&mut bench, 0, &["a", "b"]), expected);
        assert_eq!(recalls(&mut bench, 0, &["a", "b"]), Effects::none(), "it is known by then");
        assert_eq!(bench.state.learner.applied_upto, Slot(2));
    }

    #[test]
    fn is_not_applied_over_a_gap() {
        let mut bench = Bench::new(0, 3);
        assert_eq!(recalls(&mut bench, 1, &["b"]), Effects::none());
        assert_eq!(bench.state.learner.applied_upto, Slot(0));
    }
}

mod a_leader_that_learns_from_others {
    use super::*;

    #[test]
    fn below_its_base_goes_on_leading() {
        let mut bench = Bench::new(0, 3).leading(1, 2);
        let expected = Effects::none()
            .reported(unheard_of(0, "a"))
            .reported(unheard_of(1, "b"))
            .set(Timer::Election);
        assert_eq!(teaches(&mut bench, 1, run(0, vec![say("a"), say("b")], 2)), expected);
        assert_eq!(bench.leader().base, Slot(2));
    }

    #[test]
    fn at_its_base_steps_down_before_it_announces_anything() {
        let mut bench = Bench::new(0, 5).leading(1, 0).proposed(say("mine"));
        let expected = Effects::none()
            .reported(unheard_of(0, "theirs"))
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election);
        assert_eq!(teaches(&mut bench, 1, run(0, vec![say("theirs")], 1)), expected);
        assert_eq!(bench.state.phase, Phase::Follower);
        let silent = bench.step_untouched(|step| {
            election::on_heartbeat_timeout(step);
            proposer::on_resend_timeout(step);
        });
        assert_eq!(silent, Effects::none());
    }

    #[test]
    fn above_a_gap_steps_down_too() {
        let mut bench = Bench::new(0, 5).leading(1, 0);
        let expected = Effects::none()
            .sent(1, fetch(0))
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election);
        assert_eq!(teaches(&mut bench, 1, run(3, vec![say("theirs")], 4)), expected);
        assert_eq!(bench.state.phase, Phase::Follower);
    }

    #[test]
    fn what_it_decided_itself_goes_on_leading() {
        let mut bench = Bench::new(0, 3).leading(1, 0).applied([say("a")]);
        let known = run(0, vec![say("a")], 1);
        let effects = bench.step_untouched(|step| on_decided(step, ReplicaId(1), known));
        assert_eq!(effects, Effects::none());
    }
}

mod answers {
    use super::*;

    fn answers_fetch(bench: &mut Bench, from: u64) -> Effects {
        bench.step_untouched(|step| on_fetch(step, ReplicaId(2), Fetch { from: Slot(from) }))
    }

    #[test]
    fn a_fetch_is_answered_with_what_is_applied() {
        let mut bench = Bench::new(0, 3).applied([say("a"), say("b")]);
        bench.state.learner.decided.insert(Slot(3), say("d"));
        let decided = Message::ToPeer(ToPeer::Decided(run(1, vec![say("b")], 2)));
        assert_eq!(answers_fetch(&mut bench, 1), Effects::none().sent(2, decided));
    }

    #[test]
    fn a_fetch_of_what_is_not_applied_is_not_answered() {
        let mut bench = Bench::new(0, 3).applied([say("a")]);
        assert_eq!(answers_fetch(&mut bench, 1), Effects::none());
        assert_eq!(answers_fetch(&mut bench, 7), Effects::none());
    }

    #[test]
    fn a_fetch_is_answered_across_the_compacted_bound() {
        let mut bench = Bench::restored(0, 3, Storage::after([say("a")], 9)).applied([say("b")]);
        bench.state.learner.decided.insert(Slot(0), say("a"));
        let decided = Message::ToPeer(ToPeer::Decided(run(0, vec![say("a"), say("b")], 2)));
        assert_eq!(answers_fetch(&mut bench, 0), Effects::none().sent(2, decided));
    }

    #[test]
    fn entries_are_cut_by_their_number() {
        let mut bench = Bench::new(0, 3).applied([say("a"), say("b"), say("c")]);
        bench.tuning.chunk_entries_max = 2;
        let decided = |from, values| {
            Effects::none().sent(2, Message::ToPeer(ToPeer::Decided(run(from, values, 3))))
        };
        assert_eq!(answers_fetch(&mut bench, 0), decided(0, vec![say("a"), say("b")]));
        assert_eq!(answers_fetch(&mut bench, 2), decided(2, vec![say("c")]));
    }

    #[test]
    fn entries_are_cut_by_their_bytes_and_one_too_large_is_sent_alone() {
        let bytes = say("a").size_bytes();
        let count = |chunk_bytes_max| {
            let tuning = Tuning { chunk_bytes_max, ..Tuning::default() };
            let values = [say("a"), say("b"), say("c")];
            Entries::chunk(Slot(0), Slot(3), values, &tuning).values.len()
        };
        assert_eq!([3 * bytes, 3 * bytes - 1, 2 * bytes - 1, 1].map(count), [3, 2, 1, 1]);
    }

    #[test]
    fn a_reader_is_answered_by_the_driver_and_with_the_bound_if_there_is_nothing_new() {
        let mut bench = Bench::new(0, 3).applied([say("a")]);
        let mut tail = |from: Option<u64>| {
            bench.step_untouched(|step| on_tail(step, ANN, Tail { from: from.map(Slot) }))
        };
        let read = LogRead { asker: Asker::Client(ANN), from: Slot(0), upto: Slot(1) };
        assert_eq!(tail(Some(0)), Effects::none().reported(Output::ReadLog(read)));
        for (asked, from) in [(Some(1), 1), (Some(9), 9), (None, 1)] {
            assert_eq!(tail(asked), Effects::none().sent_to(ANN, page(from, vec![], 1)));
        }
    }

    #[test]
    fn the_driver_s_answer_is_a_chunk_with_outcomes_for_a_reader_alone() {
        let tuning = Tuning { chunk_entries_max: 1, ..Tuning::default() };
        let log = || page(4, vec![say("a"), say("b")], 6).values;
        let answer = |asker| LogRead { asker, from: Slot(4), upto: Slot(6) }.answer(log(), &tuning);
        assert_eq!(answer(Asker::Client(ANN)), page(4, vec![say("a")], 6).into());
        let decided = Message::ToPeer(ToPeer::Decided(run(4, vec![say("a")], 6)));
        assert_eq!(answer(Asker::Replica(ReplicaId(1))), decided);
    }
}

mod compaction {
    use super::*;

    fn compacting(snapshot_slots: u64) -> Bench {
        let mut bench = Bench::new(0, 3)
            .voted(0, ballot(1, 1), say("a"))
            .voted(1, ballot(1, 1), say("b"))
            .voted(2, ballot(1, 1), say("c"));
        bench.tuning.snapshot_slots = snapshot_slots;
        bench.tuning.recent_slots = 0;
        bench
    }

    #[test]
    fn drops_the_votes_of_what_is_applied_and_forgets_it() {
        let mut bench = compacting(2);
        let before = teaches(&mut bench, 1, run(0, vec![say("a")], 1));
        assert_eq!(before, Effects::none().reported(unheard_of(0, "a")), "one slot is too few");
        let expected = Effects::saved().reported(unheard_of(1, "b"));
        assert_eq!(teaches(&mut bench, 1, run(1, vec![say("b")], 2)), expected);

        let Storage { votes, snapshot, .. } = &*bench.state.durable;
        assert_eq!(snapshot.upto, Slot(2));
        let left: Vec<(&Slot, &Vote)> = votes.iter().collect();
        assert_eq!(left, [(&Slot(2), &vote(ballot(1, 1), say("c")))]);
        assert!(bench.state.learner.decided.is_empty());
    }

    #[test]
    fn keeps_recent_values_and_answers_with_them() {
        let mut bench = compacting(3);
        bench.tuning.recent_slots = 2;
        teaches(&mut bench, 1, run(0, vec![say("a"), say("b"), say("c")], 3));
        let kept: Vec<_> = bench.state.learner.decided.keys().collect();
        assert_eq!(kept, [&Slot(1), &Slot(2)]);
        let mut asks = |from| {
            bench.step_untouched(|step| on_fetch(step, ReplicaId(2), Fetch { from: Slot(from) }))
        };
        let decided = Message::ToPeer(ToPeer::Decided(run(1, vec![say("b"), say("c")], 3)));
        assert_eq!(asks(1), Effects::none().sent(2, decided));
        let asker = Asker::Replica(ReplicaId(2));
        let read = LogRead { asker, from: Slot(0), upto: Slot(3) };
        assert_eq!(asks(0), Effects::none().reported(Output::ReadLog(read)));
    }

    #[test]
    fn forgets_at_most_two_slots_for_each_that_is_applied() {
        let mut bench = compacting(5);
        let kept = |bench: &Bench| bench.state.learner.decided.len();
        let mut left = Vec::new();
        for (slot, text) in (0..).zip(["a", "b", "c", "d", "e", "f", "g"]) {
            teaches(&mut bench, 1, run(slot, vec![say(text)], slot + 1));
            left.push(kept(&bench));
        }
        assert_eq!(left, [1, 2, 3, 4, 3, 2, 2], "slots 5 and 6 are above the bound");
    }

    #[test]
    fn saves_the_session_table_of_that_bound() {
        let mut bench = compacting(1);
        teaches(&mut bench, 1, run(0, vec![one(open("ann", 7))], 1));
        let saved = &bench.state.durable.snapshot.sessions;
        assert_eq!(
            saved.find(&crate::types::User::new("ann"), crate::types::Nonce(7)),
            Some(session(0, 0))
        );
        assert_eq!(*saved, bench.state.learner.sessions);
    }

    #[test]
    fn spares_what_is_decided_above_a_gap() {
        let mut bench = compacting(1);
        teaches(&mut bench, 1, run(2, vec![say("c")], 3));
        teaches(&mut bench, 1, run(0, vec![say("a")], 1));
        let decided: Vec<_> = bench.state.learner.decided.keys().collect();
        assert_eq!(decided, [&Slot(2)]);
        assert_eq!(bench.state.durable.snapshot.upto, Slot(1));
    }

    #[test]
    fn never_happens_at_an_interval_of_zero() {
        let mut bench = compacting(0);
        let all = run(0, vec![say("a"), say("b"), say("c")], 3);
        assert!(!teaches(&mut bench, 1, all).save);
        assert_eq!(bench.state.durable.snapshot.upto, Slot(0));
    }
}
