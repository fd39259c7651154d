//! The deployed actors bear every hardship. Each is a test of its own, so that they run side by side.

use paxos_chat_models::deployed::Deployed;
use paxos_chat_models::hardships::hardships;
use paxos_chat_models::mutants::{AVAILABILITY, availability};

/// How many runs this hardship had.
fn is_borne(name: &str) -> u32 {
    let hardship = hardships().into_iter().find(|known| known.name == name).expect(name);
    hardship.run(&Deployed::default()).unwrap_or_else(|what| panic!("{name}: {what}"))
}

#[test]
fn mutants_of_availability_die() {
    for row in AVAILABILITY {
        let killed =
            row.entries.iter().any(|name| availability::kill(name, row.mutant, 2).is_some());
        assert!(killed, "{:?} survives", row.mutant);
    }
}

macro_rules! are_borne {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                assert!(is_borne($name) > 0);
            }
        )*

        #[test]
        fn every_hardship_is_tested() {
            let names: Vec<&str> = hardships().iter().map(|known| known.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

are_borne! {
    nobody_who_says_anything "idle"
    disks_slower_than_the_time_out "slow-disks"
    round_trips_longer_than_the_time_out "long-round-trips"
    a_narrow_link "narrow-link"
    a_narrow_link_that_loses_a_tenth "lossy-link"
    a_candidate_that_was_cut_off_and_comes_back "cut-off-candidate"
    a_lost_acknowledgement_while_others_come "lost-acknowledgement"
    leaders_of_large_clusters_that_die "leaders-die"
    leaders_of_the_largest_clusters_that_die "leaders-of-63-die"
    leaders_that_die_as_soon_as_they_have_served "four-die-in-a-row"
    time_outs_that_an_operator_has_changed "other-time-outs"
    half_of_large_clusters_that_die "half-die"
    nothing_that_is_wrong "calm"
    sessions_of_thousands_of_messages "long-session"
    a_crowd_with_long_messages "crowd"
    slow_disks_long_round_trips_and_losses_that_ended "after-storms"
    a_dead_follower_beside_a_far_one "far-and-near"
    an_election_over_a_narrow_link "slow-election"
    a_follower_that_lags_on_a_narrow_link "lagging-follower"
    a_leader_that_lags_on_a_narrow_link "lagging-leader"
    who_lags_and_stands_first "who-lags-stands-first"
    long_packets_that_are_lost "long-packets-lost"
    a_client_that_reaches_who_hears_no_leader "one-replica-reached"
    readers_that_ask_stale_replicas "stale-replicas"
    a_reader_near_one_replica "near-replica"
    restarts_of_replicas_and_clients "restarts"
    evicted_sessions "evicted"
    a_number_that_is_nearly_forgotten "forgotten-number"
    a_leader_that_hears_nobody_for_a_while "back-together"
    a_queue_that_one_user_fills "shared-queue"
    users_who_are_refused "refused"
    clients_that_come_at_once "newcomers"
    a_client_that_does_not_reach_the_leader "leader-not-reached"
    a_slot_that_a_leader_skips "skipped-slot"
    messages_from_whom_they_should_not_come "not-theirs"
    another_user_s_session "stolen-session"
    answers_that_come_too_late "late-answers"
    sessions_that_never_were "made-up-sessions"
    everything_that_arrives_twice "twice"
}
