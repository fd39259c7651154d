//! What clients are answered, each rule as the exact effects it wants.

use super::*;
use crate::askers::Waiter;
use crate::effects::Effects;
use crate::effects::Timer;
use crate::learner;
use crate::message::{Accept, Accepted};
use crate::queue::Queue;
use crate::testing::*;
use crate::types::{Body, ReplicaId, Vote};
use crate::types::{Nonce, User};
use std::collections::BTreeMap;

fn asks(bench: &mut Bench, client: NodeId, command: Command) -> Effects {
    bench.step(|step| on_request(step, client, command))
}

fn is_answered(bench: &mut Bench, client: NodeId, command: Command) -> Effects {
    bench.step_untouched(|step| on_request(step, client, command))
}

fn decides(bench: &mut Bench, slot: u64, value: Value) -> Effects {
    bench.step(|step| learner::decide(step, vec![(Slot(slot), value)]))
}

/// Leads in ballot b1.r0 from slot 1 on; slot 0 has opened Ann's session `s0.0`.
fn leader() -> Bench {
    Bench::new(0, 3).applied([one(open("ann", 7))]).leading(1, 1)
}

/// Ann's message of this number.
fn ann(seq: u64) -> Command {
    post("ann", session(0, 0), seq, "hi")
}

/// What proposing this value sends, of a leader whose bound is 1.
fn proposal(slot: u64, value: Value) -> Effects {
    Effects::saved().proposed_to([1, 2], accept(ballot(1, 0), slot, value, 1))
}

fn opened(nonce: u64, session: SessionId) -> Message {
    Message::ToClient(ToClient::SessionOpened(SessionOpened { nonce: Nonce(nonce), session }))
}

fn waiting(asker: NodeId, upto: u64) -> Waiter {
    Waiter { asker, upto: Seq(upto) }
}

mod admission {
    use super::*;

    #[test]
    fn a_leader_puts_the_next_number_of_a_session_into_the_log() {
        let mut bench = leader();
        assert_eq!(asks(&mut bench, ANN, ann(1)), proposal(1, one(ann(1))));
        assert_eq!(bench.leader().intake.proposed, BTreeMap::from([(session(0, 0), Seq(1))]));
        assert_eq!(bench.state.askers.sessions, BTreeMap::from([(session(0, 0), waiting(ANN, 1))]));
    }

    #[test]
    fn a_number_may_follow_one_that_is_still_in_flight() {
        let mut bench = leader();
        bench.tuning.eager_slots = 2;
        asks(&mut bench, ANN, ann(1));
        assert_eq!(asks(&mut bench, ANN, ann(2)), proposal(2, one(ann(2))));
    }

    #[test]
    fn a_gap_in_a_session_s_numbers_is_not_put_into_the_log() {
        assert_eq!(is_answered(&mut leader(), ANN, ann(2)), Effects::none());
    }

    #[test]
    fn a_number_in_flight_is_put_into_the_log_once() {
        let mut bench = leader();
        asks(&mut bench, ANN, ann(1));
        assert_eq!(is_answered(&mut bench, ANN, ann(1)), Effects::none());
    }

    #[test]
    fn a_client_that_moved_is_answered_where_it_asked_last() {
        let mut bench = leader();
        asks(&mut bench, ANN, ann(1));
        assert_eq!(asks(&mut bench, BOB, ann(1)), Effects::none());
        let answer = (BOB, acknowledged(session(0, 0), 1, 1).into());
        assert_eq!(decides(&mut bench, 1, one(ann(1))).ahead[0], answer);

        asks(&mut bench, ANN, open("cy", 9));
        assert_eq!(asks(&mut bench, BOB, open("cy", 9)), Effects::none());
        let answer = (BOB, opened(9, session(2, 0)));
        assert_eq!(decides(&mut bench, 2, one(open("cy", 9))).ahead[0], answer);
    }

    #[test]
    fn an_opening_in_flight_is_put_into_the_log_once() {
        let mut bench = leader();
        let opening = open("bob", 8);
        assert_eq!(asks(&mut bench, BOB, opening.clone()), proposal(1, one(opening.clone())));
        assert_eq!(is_answered(&mut bench, BOB, opening), Effects::none());
    }

    #[test]
    fn another_user_s_session_is_not_served() {
        let theirs = post("bob", session(0, 0), 1, "hi");
        assert_eq!(is_answered(&mut leader(), BOB, theirs), Effects::none());
    }

    #[test]
    fn a_session_that_this_leader_has_not_learned_of_is_not_served_nor_expired() {
        let theirs = post("bob", session(1, 0), 1, "hi");
        assert_eq!(is_answered(&mut leader(), BOB, theirs), Effects::none());
    }

    #[test]
    fn a_full_queue_answers_busy_and_keeps_what_it_has() {
        let mut bench = leader();
        bench.tuning.window_slots = 0;
        bench.tuning.queue_commands_max = 1;
        assert_eq!(asks(&mut bench, ANN, ann(1)), Effects::none());
        assert_eq!(is_answered(&mut bench, ANN, ann(2)), busy(ANN, 1));
        // Another user has a share of its own, until there are too many.
        assert_eq!(asks(&mut bench, BOB, open("bob", 8)), Effects::none());
        assert_eq!(is_answered(&mut bench, BOB, open("bob", 9)), busy(BOB, 1));
        assert_eq!(is_answered(&mut bench, BOB, open("cy", 9)), busy(BOB, 1));
        // What waits in the queue is no news, however full it is.
        assert_eq!(is_answered(&mut bench, ANN, ann(1)), Effects::none());
        assert_eq!(bench.leader().intake.queue, Queue::from_iter([ann(1), open("bob", 8)]));
    }

    #[test]
    fn what_came_too_early_is_held_and_the_last_ones_give_way() {
        let mut bench = leader();
        bench.tuning.held_commands_max = 2;
        let held = |bench: &Bench| -> Vec<u64> {
            bench.leader().intake.held.keys().map(|(_, seq)| seq.0).collect()
        };
        assert_eq!(asks(&mut bench, ANN, ann(3)), Effects::none());
        assert_eq!(asks(&mut bench, ANN, ann(5)), Effects::none());
        assert_eq!(is_answered(&mut bench, ANN, ann(5)), Effects::none(), "it is held already");
        assert_eq!(is_answered(&mut bench, ANN, ann(6)), Effects::none());
        assert_eq!(held(&bench), [3, 5]);
        assert_eq!(asks(&mut bench, ANN, ann(2)), Effects::none());
        assert_eq!(held(&bench), [2, 3]);
        let all = Value::batch(vec![ann(1), ann(2), ann(3)]);
        assert_eq!(asks(&mut bench, ANN, ann(1)), proposal(1, all));
        assert_eq!((held(&bench), bench.leader().intake.held_bytes), (vec![], 0));
    }

    #[test]
    fn what_is_held_is_queued_when_there_is_room_again() {
        let mut bench = leader();
        bench.tuning.held_commands_max = 2;
        bench.tuning.queue_commands_max = 1;
        bench.tuning.batch_commands_max = 1;
        bench.tuning.window_slots = 1;
        asks(&mut bench, ANN, ann(3));
        asks(&mut bench, ANN, ann(2));
        asks(&mut bench, ANN, ann(1));
        assert_eq!(bench.leader().intake.queue.len(), 1);
        for slot in 2..4 {
            decides(&mut bench, slot - 1, one(ann(slot - 1)));
            bench.leader_mut().in_flight.clear();
            let next = bench.step(proposer::propose_queued);
            let (_, accepts) = &next.ahead[0];
            let of = matches!(accepts, Message::ToPeer(ToPeer::Accept(Accept { value, .. })) if *value == one(ann(slot)));
            assert!(of, "{next:?}");
        }
        assert_eq!(bench.leader().intake.held_bytes, 0);
    }

    #[test]
    fn what_is_held_goes_on_when_others_have_proposed_what_was_missing() {
        let mut bench = leader();
        bench.tuning.held_commands_max = 4;
        bench.tuning.window_slots = 0;
        for seq in [1025, 2, 3, 4] {
            // The first is further than any client goes.
            bench.step(|step| on_request(step, ANN, ann(seq)));
        }
        decides(&mut bench, 1, one(ann(1)));
        let intake = &bench.leader().intake;
        assert_eq!((intake.queue.len(), intake.held.len(), intake.held_bytes), (3, 0, 0));
    }

    #[test]
    fn what_is_held_and_applied_or_of_no_session_is_forgotten() {
        let mut bench = leader();
        (bench.tuning.held_commands_max, bench.tuning.sessions_max) = (4, 1);
        asks(&mut bench, ANN, ann(2));
        asks(&mut bench, ANN, ann(4));
        decides(&mut bench, 1, Value::batch(vec![ann(1), ann(2)]));
        let held: Vec<_> = bench.leader().intake.held.keys().map(|(_, seq)| seq.0).collect();
        assert_eq!(held, [4]);
        decides(&mut bench, 2, one(open("bob", 8)));
        assert_eq!((bench.leader().intake.held.len(), bench.leader().intake.held_bytes), (0, 0));
    }

    #[test]
    fn held_bytes_are_bounded_too() {
        let mut bench = leader();
        bench.tuning.held_commands_max = 9;
        bench.tuning.queue_bytes_max = 2 * ann(2).size_bytes();
        asks(&mut bench, ANN, ann(4));
        asks(&mut bench, ANN, ann(5));
        assert_eq!(asks(&mut bench, ANN, ann(3)), Effects::none());
        assert_eq!(bench.leader().intake.held_bytes, bench.tuning.queue_bytes_max);
    }

    fn busy(client: NodeId, queued: u32) -> Effects {
        Effects::none().sent_to(client, Message::ToClient(ToClient::Busy(Busy { queued })))
    }
}

mod redirection {
    use super::*;

    #[test]
    fn a_follower_names_the_replica_that_leads() {
        let mut bench = Bench::new(0, 3).promised(ballot(4, 2));
        let redirect = Message::ToClient(ToClient::Redirect(Redirect { leader: ReplicaId(2) }));
        let expected = Effects::none().sent_to(ANN, redirect);
        assert_eq!(is_answered(&mut bench, ANN, open("ann", 7)), expected);
    }

    #[test]
    fn a_replica_that_knows_of_no_leader_says_nothing() {
        assert_eq!(is_answered(&mut Bench::new(0, 3), ANN, open("ann", 7)), Effects::none());
    }

    #[test]
    fn one_that_promised_its_own_ballot_and_does_not_lead_says_nothing() {
        let mut bench = Bench::new(0, 3).promised(ballot(4, 0));
        assert_eq!(is_answered(&mut bench, ANN, open("ann", 7)), Effects::none());
    }
}

mod answers_from_the_session_table {
    use super::*;

    #[test]
    fn an_applied_command_is_acknowledged_again_by_any_replica() {
        let log = [one(open("ann", 7)), one(ann(1))];
        let again = Effects::none().sent_to(ANN, acknowledged(session(0, 0), 1, 1));
        let mut follower = Bench::new(0, 3).promised(ballot(1, 1)).applied(log.clone());
        assert_eq!(is_answered(&mut follower, ANN, ann(1)), again);
        let mut leader = Bench::new(0, 3).applied(log).leading(1, 2);
        assert_eq!(is_answered(&mut leader, ANN, ann(1)), again);
    }

    #[test]
    fn an_acknowledgement_that_the_client_has_is_forgotten() {
        let operation = Operation::InSession {
            session: session(0, 0),
            seq: Seq(2),
            acked_below: Seq(2),
            body: Body::Sync,
        };
        let second = Command { operation, ..ann(1) };
        let log = [one(open("ann", 7)), one(ann(1)), one(second.clone())];
        let mut bench = Bench::new(0, 3).applied(log).leading(1, 3);
        assert_eq!(is_answered(&mut bench, ANN, ann(1)), Effects::none());
        let again = Effects::none().sent_to(ANN, acknowledged(session(0, 0), 2, 2));
        assert_eq!(is_answered(&mut bench, ANN, second), again);
    }

    #[test]
    fn a_nonce_finds_the_session_that_it_opened() {
        let again = Effects::none().sent_to(BOB, opened(7, session(0, 0)));
        assert_eq!(is_answered(&mut leader(), BOB, open("ann", 7)), again);
    }

    #[test]
    fn the_same_nonce_of_another_user_opens_another_session() {
        let opening = open("bob", 7);
        assert_eq!(asks(&mut leader(), BOB, opening.clone()), proposal(1, one(opening)));
    }

    #[test]
    fn an_evicted_session_has_expired_at_every_replica() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        bench.tuning.sessions_max = 1;
        let mut bench = bench.applied([one(open("ann", 7)), one(open("bob", 8))]);
        let expired =
            Message::ToClient(ToClient::SessionExpired(SessionExpired { session: session(0, 0) }));
        let expected = Effects::none().sent_to(ANN, expired);
        assert_eq!(is_answered(&mut bench, ANN, ann(1)), expected);
    }
}

mod answers_at_the_slot {
    use super::*;

    #[test]
    fn whoever_has_asked_here_what_it_has_asked_and_no_more() {
        let mut bench = leader();
        bench.tuning.eager_slots = 2;
        asks(&mut bench, ANN, ann(1));
        asks(&mut bench, ANN, ann(2));
        let told = |effects: &Effects| effects.ahead.iter().any(|(to, _)| *to == ANN);
        assert!(told(&decides(&mut bench, 1, one(ann(1)))));
        assert_eq!(bench.state.askers.sessions, BTreeMap::from([(session(0, 0), waiting(ANN, 2))]));
        assert!(told(&decides(&mut bench, 2, one(ann(2)))));
        assert_eq!(bench.state.askers.sessions, BTreeMap::new());
        assert!(!told(&decides(&mut bench, 3, one(ann(3)))), "that was asked elsewhere");
    }

    #[test]
    fn an_acknowledgement_names_the_slot_and_comes_only_when_the_command_is_applied() {
        let mut bench = leader();
        asks(&mut bench, ANN, ann(1));
        asks(&mut bench, ANN, ann(2));
        // Slot 2 is decided before slot 1: nothing is applied, and nobody is answered.
        assert_eq!(decides(&mut bench, 2, one(ann(2))), Effects::none());
        let expected = Effects::none()
            .answered(ANN, acknowledged(session(0, 0), 1, 1))
            .reported(applied(1, one(ann(1)), vec![Outcome::Applied]))
            .answered(ANN, acknowledged(session(0, 0), 2, 2))
            .reported(applied(2, one(ann(2)), vec![Outcome::Applied]))
            .set(Timer::Election);
        assert_eq!(decides(&mut bench, 1, one(ann(1))), expected);
    }

    #[test]
    fn an_opened_session_is_named_and_its_place_forgotten() {
        let mut bench = leader();
        asks(&mut bench, BOB, open("bob", 8));
        let effects = decides(&mut bench, 1, one(open("bob", 8)));
        assert_eq!(effects.ahead[0], (BOB, opened(8, session(1, 0))));
        assert!(bench.leader().intake.openings.is_empty());
    }

    #[test]
    fn an_opening_that_was_applied_before_names_the_first_session() {
        let mut bench = leader();
        bench.state.askers.openings.insert((User::new("ann"), Nonce(7)), ANN);
        let effects = decides(&mut bench, 1, one(open("ann", 7)));
        let expected = Effects::none()
            .answered(ANN, opened(7, session(0, 0)))
            .reported(applied(1, one(open("ann", 7)), vec![Outcome::OpenedBefore(session(0, 0))]))
            .set(Timer::Election);
        assert_eq!(effects, expected);
    }

    #[test]
    fn a_duplicate_is_suppressed_and_not_acknowledged_at_its_second_slot() {
        let mut bench = leader();
        asks(&mut bench, ANN, ann(1));
        decides(&mut bench, 1, one(ann(1)));
        let duplicate = Outcome::Duplicate(Some(Slot(1)));
        let expected =
            Effects::none().reported(applied(2, one(ann(1)), vec![duplicate])).set(Timer::Election);
        assert_eq!(decides(&mut bench, 2, one(ann(1))), expected);
    }

    #[test]
    fn a_session_evicted_before_its_command_is_applied_has_expired() {
        let mut bench = leader();
        bench.tuning.sessions_max = 1;
        asks(&mut bench, ANN, ann(1));
        let eviction = decides(&mut bench, 1, one(open("bob", 8)));
        assert!(eviction.ahead.is_empty(), "only the driver hears of it: {eviction:?}");
        let expired =
            Message::ToClient(ToClient::SessionExpired(SessionExpired { session: session(0, 0) }));
        let no_session = vec![Outcome::NoSession];
        let expected = Effects::none()
            .answered(ANN, expired)
            .reported(applied(2, one(ann(1)), no_session))
            .set(Timer::Election);
        assert_eq!(decides(&mut bench, 2, one(ann(1))), expected);
        assert!(bench.leader().intake.proposed.is_empty());
    }

    #[test]
    fn whom_to_answer_is_forgotten_before_there_are_more_of_them_than_sessions() {
        let mut bench = leader();
        bench.tuning.sessions_max = 1;
        asks(&mut bench, ANN, ann(1));
        decides(&mut bench, 1, one(open("bob", 8)));
        asks(&mut bench, BOB, post("bob", session(1, 0), 1, "hi"));
        assert_eq!(bench.leader().intake.proposed.len(), 2);
        decides(&mut bench, 2, Value::Noop);
        let left: Vec<_> = bench.leader().intake.proposed.keys().collect();
        assert_eq!(left, [&session(1, 0)]);
    }

    #[test]
    fn sessions_that_nobody_has_opened_are_forgotten_before_there_are_too_many() {
        let mut bench = Bench::new(0, 3).promised(ballot(4, 2));
        (bench.tuning.relay, bench.tuning.sessions_max) = (true, 2);
        for slot in 0..5 {
            asks(&mut bench, ANN, post("ann", session(slot, 0), 1, "hi"));
            asks(&mut bench, BOB, post("ann", session(slot, 0), 1, "hi"));
        }
        let known: Vec<_> = bench.state.askers.sessions.keys().collect();
        assert_eq!(known, [&session(4, 0)], "after four all were forgotten");
    }

    #[test]
    fn a_follower_answers_nobody() {
        let mut bench = Bench::new(0, 3).applied([one(open("ann", 7))]);
        let expected = Effects::none().reported(applied(1, one(ann(1)), vec![Outcome::Applied]));
        assert_eq!(decides(&mut bench, 1, one(ann(1))), expected);
    }
}

mod batches {
    use super::*;

    #[test]
    fn commands_that_arrive_while_the_window_is_full_share_a_slot() {
        let mut bench = leader();
        bench.tuning.window_slots = 1;
        asks(&mut bench, ANN, ann(1));
        assert_eq!(asks(&mut bench, ANN, ann(2)), Effects::none());
        assert_eq!(asks(&mut bench, BOB, open("bob", 8)), Effects::none());
        for voter in [0, 1] {
            bench.step(|step| {
                proposer::on_accepted(
                    step,
                    ReplicaId(voter),
                    Accepted { ballot: ballot(1, 0), slot: Slot(1) },
                );
            });
        }
        let both = Value::batch([ann(2), open("bob", 8)]);
        let vote = Vote { ballot: ballot(1, 0), value: both };
        assert_eq!(bench.state.durable.votes[&Slot(2)], vote);
    }
}
