//! The rules of elections, each as the exact effects it wants.

use super::*;
use crate::effects::Effects;
use crate::message::{Message, ToPeer};
use crate::state::Preparing;
use crate::testing::*;
use crate::types::Slot;
use crate::types::Value;

fn times_out(bench: &mut Bench) -> Effects {
    bench.step(on_election_timeout)
}

fn beats(bench: &mut Bench, ballot: Ballot, upto: u64) -> Effects {
    bench.step(|step| {
        on_heartbeat(step, ballot.replica, Heartbeat { ballot, decided_upto: Slot(upto) })
    })
}

fn acknowledges(bench: &mut Bench, follower: u8, ballot: Ballot) -> Effects {
    bench.step(|step| on_heartbeat_ack(step, ReplicaId(follower), HeartbeatAck { ballot }))
}

fn rejects(bench: &mut Bench, promised: Ballot) -> Effects {
    bench.step(|step| on_reject(step, Reject { promised }))
}

fn grants(bench: &mut Bench, supporter: u8, asked: Ballot, promised: Ballot) -> Effects {
    let supporter = ReplicaId(supporter);
    bench.step(|step| on_pre_vote_granted(step, supporter, PreVoteGranted { asked, promised }))
}

fn answers_pre_vote(bench: &mut Bench, asked: Ballot) -> Effects {
    bench.step_untouched(|step| {
        on_pre_vote(step, ReplicaId(2), PreVote { promised: asked, applied_upto: Slot(0) })
    })
}

fn set(replicas: impl IntoIterator<Item = u8>) -> ReplicaSet {
    replicas.into_iter().map(ReplicaId).collect()
}

mod a_time_out {
    use super::*;

    #[test]
    fn makes_a_follower_ask_for_support_before_it_uses_a_ballot() {
        let mut bench = Bench::new(0, 3).promised(ballot(3, 1));
        bench.state.leader_alive = true;
        let promised = ballot(3, 1);
        let expected = Effects::none()
            .sent_to_all(
                [1, 2],
                Message::ToPeer(ToPeer::PreVote(PreVote { promised, applied_upto: Slot(0) })),
            )
            .set(Timer::Election);
        assert_eq!(times_out(&mut bench), expected);
        let attempt =
            PreVoting { asked: promised, granted: set([0]), highest: promised, guide: None };
        assert_eq!(bench.state.phase, Phase::PreVoting(attempt));
        assert!(!bench.state.leader_alive, "nor does it hold others back any more");
    }

    #[test]
    fn makes_one_that_asks_already_ask_again_and_keep_its_support() {
        let mut bench = Bench::new(0, 5).promised(ballot(3, 1));
        times_out(&mut bench);
        grants(&mut bench, 4, ballot(3, 1), ballot(2, 0));
        let promised = ballot(3, 1);
        let expected = Effects::none()
            .sent_to_all(
                [1, 2, 3, 4],
                Message::ToPeer(ToPeer::PreVote(PreVote { promised, applied_upto: Slot(0) })),
            )
            .set(Timer::Election);
        assert_eq!(bench.step_untouched(on_election_timeout), expected);
        let attempt =
            PreVoting { asked: promised, granted: set([0, 4]), highest: promised, guide: None };
        assert_eq!(bench.state.phase, Phase::PreVoting(attempt));
    }

    #[test]
    fn starts_phase_1_at_once_where_nobody_is_asked_first() {
        let mut bench = Bench::new(0, 3).promised(ballot(3, 1));
        bench.tuning.pre_vote = false;
        let expected = Effects::saved()
            .sent_to_all([1, 2], prepare(ballot(4, 0), 0))
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(times_out(&mut bench), expected);
        assert_eq!(bench.state.durable.promised, ballot(4, 0));
    }

    #[test]
    fn makes_a_single_replica_lead() {
        let mut bench = Bench::new(0, 1);
        assert!(times_out(&mut bench).save);
        assert_eq!(bench.leader().ballot, ballot(1, 0));
    }

    #[test]
    fn leaves_a_candidate_in_its_ballot_where_nobody_is_asked_first() {
        let mut bench = Bench::new(0, 3);
        bench.tuning.pre_vote = false;
        bench.step(|step| proposer::start(step, ballot(1, 0)));
        let effects = bench.step_untouched(on_election_timeout);
        assert_eq!(effects, Effects::none().set(Timer::Election));
    }

    #[test]
    fn makes_a_candidate_give_up_its_ballot_and_ask_for_support_again() {
        let mut bench = Bench::new(0, 3);
        bench.step(|step| proposer::start(step, ballot(1, 0)));
        let promised = ballot(1, 0);
        let expected = Effects::none()
            .sent_to_all(
                [1, 2],
                Message::ToPeer(ToPeer::PreVote(PreVote { promised, applied_upto: Slot(0) })),
            )
            .cancelled(Timer::Resend)
            .set(Timer::Election)
            .set(Timer::Election);
        assert_eq!(times_out(&mut bench), expected);
        assert_eq!(bench.state.durable.promised, promised, "the promise is kept");
    }

    #[test]
    fn that_ends_a_candidacy_or_a_leadership_doubles_the_next_one() {
        let doubled = |mut bench: Bench| {
            bench.tuning.doublings_max = 4;
            let effects = times_out(&mut bench);
            let (timer, delay) = effects.timers.last().unwrap().clone();
            assert_eq!((timer, delay), (Timer::Election, Some(bench.tuning.election_delay(1))));
            bench.state.patience.doublings
        };
        let mut candidate = Bench::new(0, 3);
        candidate.step(|step| proposer::start(step, ballot(1, 0)));
        assert_eq!(doubled(candidate), 1);
        assert_eq!(doubled(Bench::new(0, 3).leading(2, 0)), 1);
        let mut follower = Bench::new(0, 3);
        follower.tuning.doublings_max = 4;
        times_out(&mut follower);
        assert_eq!(follower.state.patience.doublings, 0, "to ask for support harms nobody");
    }

    #[test]
    fn makes_a_leader_unheard_by_a_majority_step_down() {
        let mut bench = Bench::new(0, 3).leading(2, 0);
        let expected = Effects::none()
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election);
        assert_eq!(times_out(&mut bench), expected);
        assert_eq!(bench.state.phase, Phase::Follower);
        assert_eq!(bench.state.durable.promised, ballot(2, 0));
    }
}

mod a_pre_vote {
    use super::*;

    #[test]
    fn is_granted_by_one_that_hears_no_leader_whatever_was_promised() {
        for (own, asked) in [(ballot(3, 1), ballot(1, 1)), (ballot(1, 1), ballot(3, 1))] {
            let mut bench = Bench::new(0, 3).promised(own);
            let granted =
                Message::ToPeer(ToPeer::PreVoteGranted(PreVoteGranted { asked, promised: own }));
            assert_eq!(answers_pre_vote(&mut bench, asked), Effects::none().sent(2, granted));
        }
    }

    #[test]
    fn of_one_that_lags_makes_this_replica_ask_before_it_supports_it() {
        let log = (0..70).map(|_| Value::Noop);
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).applied(log);
        let asks = |bench: &mut Bench| {
            let asked = ballot(1, 1);
            bench.step(|step| {
                on_pre_vote(step, ReplicaId(2), PreVote { promised: asked, applied_upto: Slot(0) })
            })
        };
        let promised = ballot(1, 1);
        let expected = Effects::none()
            .sent_to_all(
                [1, 2],
                Message::ToPeer(ToPeer::PreVote(PreVote { promised, applied_upto: Slot(70) })),
            )
            .set(Timer::Election);
        assert_eq!(asks(&mut bench), expected);
        let granted =
            Message::ToPeer(ToPeer::PreVoteGranted(PreVoteGranted { asked: promised, promised }));
        assert_eq!(asks(&mut bench), Effects::none().sent(2, granted), "preferred, never required");
    }

    #[test]
    fn is_refused_while_a_leader_is_alive_and_whoever_lags_is_helped_on() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).applied([say("a")]).relaying();
        bench.state.leader_alive = true;
        let asked = ballot(9, 2);
        let expected = Effects::none()
            .sent(2, Message::ToPeer(ToPeer::PreVoteRefused(PreVoteRefused { asked })))
            .sent(2, Message::ToPeer(ToPeer::Decided(run(0, vec![say("a")], 1))));
        assert_eq!(answers_pre_vote(&mut bench, asked), expected);
    }

    #[test]
    fn that_is_refused_names_a_guide() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).relaying();
        times_out(&mut bench);
        for asked in [ballot(7, 1), ballot(1, 1)] {
            bench.step(|step| on_pre_vote_refused(step, ReplicaId(2), PreVoteRefused { asked }));
            let Phase::PreVoting(attempt) = &bench.state.phase else { panic!("it asks") };
            assert_eq!(attempt.guide, (asked == ballot(1, 1)).then_some(ReplicaId(2)));
        }
    }

    #[test]
    fn is_not_granted_while_a_leader_is_alive() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        bench.state.leader_alive = true;
        assert_eq!(answers_pre_vote(&mut bench, ballot(9, 2)), Effects::none());
    }

    #[test]
    fn is_not_granted_by_a_leader() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        assert_eq!(answers_pre_vote(&mut bench, ballot(9, 2)), Effects::none());
    }

    #[test]
    fn is_granted_by_rival_candidates() {
        let mut bench = Bench::new(0, 3);
        times_out(&mut bench);
        let (asked, promised) = (Ballot::ZERO, Ballot::ZERO);
        let granted = Message::ToPeer(ToPeer::PreVoteGranted(PreVoteGranted { asked, promised }));
        assert_eq!(answers_pre_vote(&mut bench, asked), Effects::none().sent(2, granted.clone()));
        bench.step(|step| proposer::start(step, ballot(1, 0)));
        let granted = Message::ToPeer(ToPeer::PreVoteGranted(PreVoteGranted {
            asked,
            promised: ballot(1, 0),
        }));
        assert_eq!(answers_pre_vote(&mut bench, asked), Effects::none().sent(2, granted));
    }

    #[test]
    fn granted_by_a_majority_starts_phase_1_above_all_that_they_promised() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        times_out(&mut bench);
        let expected = Effects::saved()
            .sent_to_all([1, 2], prepare(ballot(8, 0), 0))
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(grants(&mut bench, 2, ballot(1, 1), ballot(7, 2)), expected);
        assert_eq!(bench.state.durable.promised, ballot(8, 0));
        assert!(matches!(&bench.state.phase, Phase::Preparing(Preparing { .. })));
    }

    #[test]
    fn granted_by_a_minority_is_counted_and_no_more() {
        let mut bench = Bench::new(0, 5).promised(ballot(1, 1));
        times_out(&mut bench);
        assert_eq!(grants(&mut bench, 2, ballot(1, 1), ballot(7, 2)), Effects::none());
        let attempt = PreVoting {
            asked: ballot(1, 1),
            granted: set([0, 2]),
            highest: ballot(7, 2),
            guide: None,
        };
        assert_eq!(bench.state.phase, Phase::PreVoting(attempt));
        // The highest promise counts, even if the last supporter's is lower.
        let effects = grants(&mut bench, 3, ballot(1, 1), ballot(4, 3));
        assert_eq!(effects.sends[0].1, prepare(ballot(8, 0), 0).into());
    }

    #[test]
    fn granted_twice_or_to_another_attempt_is_ignored() {
        let mut bench = Bench::new(0, 5).promised(ballot(1, 1));
        times_out(&mut bench);
        grants(&mut bench, 2, ballot(1, 1), ballot(1, 1));
        for (supporter, asked) in [(2, ballot(1, 1)), (0, ballot(1, 1)), (3, ballot(0, 0))] {
            let supporter = ReplicaId(supporter);
            let effects = bench.step_untouched(|step| {
                on_pre_vote_granted(
                    step,
                    supporter,
                    PreVoteGranted { asked, promised: ballot(9, 4) },
                );
            });
            assert_eq!(effects, Effects::none());
        }
    }

    #[test]
    fn granted_to_one_that_follows_again_is_ignored() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        times_out(&mut bench);
        beats(&mut bench, ballot(1, 1), 0);
        let effects = bench.step_untouched(|step| {
            on_pre_vote_granted(
                step,
                ReplicaId(2),
                PreVoteGranted { asked: ballot(1, 1), promised: ballot(1, 1) },
            );
        });
        assert_eq!(effects, Effects::none());
    }
}

mod a_change_of_members {
    use super::*;
    use crate::membership::Membership;
    use crate::message::Fetch;
    use crate::quorum::Cluster;

    /// Replica `me` of the founders 0, 1 and 2 has applied three slots, and that 0, 1 and 3 are the members from slot 2 on.
    fn changed(me: u8) -> Bench {
        let mut bench = Bench::new(me, 3).applied([say("a"), say("b"), say("c")]);
        bench.cluster = Cluster::new(4).founded_by(set([0, 1, 2])).with_alpha(1);
        let since = Slot(2);
        bench.state.learner.memberships.current =
            Some(Membership { since, members: set([0, 1, 3]) });
        bench
    }

    #[test]
    fn makes_whoever_is_no_member_ask_for_what_it_lacks_and_stand_for_nothing() {
        for me in [2, 3] {
            let mut bench = changed(me);
            if me == 3 {
                bench.state.learner.memberships.current = None;
            }
            let members: Vec<u8> = if me == 3 { vec![0, 1, 2] } else { vec![0, 1, 3] };
            let fetch = Fetch { from: Slot(3) };
            let asks = members.into_iter().fold(Effects::none(), |all, to| all.sent(to, fetch));
            assert_eq!(times_out(&mut bench), asks.set(Timer::Election), "{me}");
            assert_eq!(bench.state.phase, Phase::Follower);
        }
    }

    #[test]
    fn is_told_to_a_candidate_that_has_missed_it_and_that_is_granted_nothing() {
        let mut bench = changed(0);
        let asks =
            |applied_upto| PreVote { promised: ballot(1, 2), applied_upto: Slot(applied_upto) };
        let effects = bench.step_untouched(|step| on_pre_vote(step, ReplicaId(2), asks(1)));
        let missed = run(1, vec![say("b"), say("c")], 3);
        assert_eq!(effects, Effects::none().sent(2, Message::ToPeer(ToPeer::Decided(missed))));
        let effects = bench.step_untouched(|step| on_pre_vote(step, ReplicaId(2), asks(2)));
        let granted = PreVoteGranted { asked: ballot(1, 2), promised: Ballot::ZERO };
        assert_eq!(effects, Effects::none().sent(2, granted));
    }

    #[test]
    fn makes_a_leader_count_those_who_are_members_of_what_is_in_flight() {
        let mut bench = changed(0).leading(1, 3);
        bench.state.learner.memberships.next =
            Some(Membership { since: Slot(4), members: set([0, 4, 5]) });
        bench = bench.proposed(say("d")).proposed(say("e"));
        acknowledges(&mut bench, 2, ballot(1, 0));
        acknowledges(&mut bench, 3, ballot(1, 0));
        assert_eq!(bench.leader().heard, set([2, 3]), "slot 4 has other members");
        acknowledges(&mut bench, 4, ballot(1, 0));
        assert_eq!(bench.leader().heard, set([]), "a quorum of both");
    }
}

mod a_reject {
    use super::*;

    #[test]
    fn is_promised_so_that_the_next_attempt_is_above_it() {
        let mut bench = Bench::new(0, 3);
        bench.tuning.pre_vote = false;
        times_out(&mut bench);
        let expected = Effects::saved().cancelled(Timer::Resend).set(Timer::Election);
        assert_eq!(rejects(&mut bench, ballot(5, 2)), expected);
        assert_eq!(bench.state.durable.promised, ballot(5, 2));
        let effects = times_out(&mut bench);
        assert_eq!(effects.sends[0].1, prepare(ballot(6, 0), 0).into());
    }

    #[test]
    fn leaves_a_leader_which_takes_a_higher_ballot_once_it_is_heard() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        rejects(&mut bench, ballot(4, 1));
        assert_eq!(bench.leader().ballot, ballot(1, 0), "it goes on");
        let own = ballot(1, 0);
        let effects =
            bench.step(|step| on_heartbeat_ack(step, ReplicaId(2), HeartbeatAck { ballot: own }));
        let expected = Effects::saved()
            .sent_to_all([1, 2], prepare(ballot(5, 0), 0))
            .set(Timer::Resend)
            .set(Timer::Election);
        assert_eq!(effects, expected);
    }

    #[test]
    fn that_is_not_above_the_promise_is_ignored() {
        let mut bench = Bench::new(0, 3).leading(2, 0);
        for stale in [ballot(1, 2), ballot(2, 0)] {
            let effects = bench.step_untouched(|step| on_reject(step, Reject { promised: stale }));
            assert_eq!(effects, Effects::none());
        }
    }
}

mod a_heartbeat {
    use super::*;

    fn ack(ballot: Ballot) -> Effects {
        Effects::none().sent(1, HeartbeatAck { ballot })
    }

    #[test]
    fn of_the_promised_ballot_is_acknowledged_and_is_a_sign_of_life() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        assert_eq!(beats(&mut bench, ballot(1, 1), 0), ack(ballot(1, 1)).set(Timer::Election));
        assert!(bench.state.leader_alive);
    }

    #[test]
    fn of_a_lower_ballot_is_rejected_with_the_promise() {
        let mut bench = Bench::new(0, 3).promised(ballot(2, 2));
        let effects = bench.step_untouched(|step| {
            on_heartbeat(
                step,
                ReplicaId(1),
                Heartbeat { ballot: ballot(1, 1), decided_upto: Slot(9) },
            );
        });
        let promised = ballot(2, 2);
        assert_eq!(effects, Effects::none().sent(1, Reject { promised }));
    }

    #[test]
    fn of_a_higher_ballot_is_promised_and_followed() {
        let mut bench = Bench::new(0, 3).leading(1, 0);
        let expected = Effects::saved()
            .sent(1, HeartbeatAck { ballot: ballot(2, 1) })
            .cancelled(Timer::Resend)
            .cancelled(Timer::Heartbeat)
            .set(Timer::Election)
            .set(Timer::Election);
        assert_eq!(beats(&mut bench, ballot(2, 1), 0), expected);
        assert_eq!(bench.state.durable.promised, ballot(2, 1));
        assert_eq!(bench.state.phase, Phase::Follower);
    }

    #[test]
    fn ends_the_question_whether_an_election_would_be_supported() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        times_out(&mut bench);
        beats(&mut bench, ballot(1, 1), 0);
        assert_eq!(bench.state.phase, Phase::Follower);
    }

    #[test]
    fn without_progress_is_no_sign_of_life_while_a_vote_is_held_above_it() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).voted(0, ballot(1, 1), say("a"));
        let effects = bench.step_untouched(|step| {
            on_heartbeat(
                step,
                ReplicaId(1),
                Heartbeat { ballot: ballot(1, 1), decided_upto: Slot(0) },
            );
        });
        assert_eq!(effects, ack(ballot(1, 1)));
    }

    #[test]
    fn with_a_vote_held_below_its_bound_is_a_sign_of_life() {
        let mut bench = Bench::new(0, 3)
            .promised(ballot(1, 1))
            .voted(0, ballot(1, 1), say("a"))
            .applied([say("a")]);
        assert_eq!(beats(&mut bench, ballot(1, 1), 1), ack(ballot(1, 1)).set(Timer::Election));
    }

    #[test]
    fn above_a_hole_in_one_s_own_log_is_a_sign_of_life_and_the_hole_is_fetched() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).voted(2, ballot(1, 1), say("c"));
        let expected = ack(ballot(1, 1)).sent(1, fetch(0)).set(Timer::Election);
        assert_eq!(beats(&mut bench, ballot(1, 1), 2), expected);
        assert!(bench.state.leader_alive);
    }

    #[test]
    fn that_fills_the_log_is_not_followed_by_a_fetch() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1)).voted(0, ballot(1, 1), Value::Noop);
        let expected = Effects::none()
            .reported(applied(0, Value::Noop, vec![]))
            .sent(1, HeartbeatAck { ballot: ballot(1, 1) })
            .set(Timer::Election);
        assert_eq!(beats(&mut bench, ballot(1, 1), 1), expected);
    }

    #[test]
    fn is_not_remembered_where_nobody_asks_for_support() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 1));
        bench.tuning.pre_vote = false;
        assert_eq!(beats(&mut bench, ballot(1, 1), 0), ack(ballot(1, 1)).set(Timer::Election));
        assert!(!bench.state.leader_alive);
    }

    #[test]
    fn is_sent_by_a_leader_alone_and_names_its_bound() {
        let mut leader = Bench::new(0, 3).applied([say("a")]).leading(1, 1);
        let expected =
            Effects::none().sent_to_all([1, 2], heartbeat(ballot(1, 0), 1)).set(Timer::Heartbeat);
        let tick = |bench: &mut Bench| bench.step_untouched(on_heartbeat_timeout);
        assert_eq!(tick(&mut leader), expected);
        assert_eq!(tick(&mut Bench::new(0, 3)), Effects::none());
    }
}

mod an_acknowledged_heartbeat {
    use super::*;

    #[test]
    fn of_a_majority_is_the_leader_s_own_sign_of_life() {
        let mut bench = Bench::new(0, 5).leading(1, 0);
        assert_eq!(acknowledges(&mut bench, 3, ballot(1, 0)), Effects::none());
        assert_eq!(bench.leader().heard, set([3]));
        let expected = Effects::none().set(Timer::Election);
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0)), expected);
        assert_eq!(bench.leader().heard, set([]), "the next one counts anew");
    }

    #[test]
    fn is_no_sign_of_life_while_slots_below_the_base_are_missing() {
        // Whoever told of them may be dead, and nobody else need know that they are decided.
        let mut bench = Bench::new(0, 3).leading(1, 1);
        assert_eq!(acknowledges(&mut bench, 2, ballot(1, 0)), Effects::none());
        let mut bench = Bench::new(0, 3).applied([say("a")]).leading(1, 1);
        let expected = Effects::none().set(Timer::Election);
        assert_eq!(acknowledges(&mut bench, 2, ballot(1, 0)), expected);
    }

    #[test]
    fn is_no_sign_of_life_while_a_vote_is_not_decided() {
        let mut bench = Bench::new(0, 5).leading(1, 0).proposed(say("a"));
        acknowledges(&mut bench, 3, ballot(1, 0));
        assert_eq!(acknowledges(&mut bench, 1, ballot(1, 0)), Effects::none());
        assert_eq!(bench.leader().heard, set([]));
    }

    #[test]
    fn of_another_ballot_or_a_second_time_is_ignored() {
        let mut bench = Bench::new(0, 5).leading(2, 0);
        acknowledges(&mut bench, 3, ballot(2, 0));
        for (follower, of) in [(3, ballot(2, 0)), (1, ballot(1, 0))] {
            let effects = bench.step_untouched(|step| {
                on_heartbeat_ack(step, ReplicaId(follower), HeartbeatAck { ballot: of });
            });
            assert_eq!(effects, Effects::none());
        }
    }

    #[test]
    fn at_a_follower_is_ignored() {
        let mut bench = Bench::new(0, 3).promised(ballot(1, 0));
        let effects = bench.step_untouched(|step| {
            on_heartbeat_ack(step, ReplicaId(1), HeartbeatAck { ballot: ballot(1, 0) });
        });
        assert_eq!(effects, Effects::none());
    }
}
