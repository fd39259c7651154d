//! Whole exchanges, each told by a transcript that a person can read: `tests/scenarios/*.txt`.
//!
//! A transcript is compared exactly. `UPDATE_EXPECT=1 cargo test` rewrites it; the commit that
//! changes one says why.

mod world;

use paxos_chat::effects::Timer::{Election, Heartbeat, Resend, Retry};
use paxos_chat::message::{Input, Message};
use paxos_chat::state::Storage;
use paxos_chat::tuning::Tuning;
use world::{FIRST_SESSION, World, storage_with_session_of};

/// Nothing is passed on, and no time-out adapts: other scenarios and tests tell of that.
fn plain() -> Tuning {
    Tuning { relay: false, doublings_max: 0, held_commands_max: 0, ..Tuning::default() }
}

/// Elections without the question whether they would be supported, which other scenarios tell.
fn without_pre_votes() -> Tuning {
    Tuning { pre_vote: false, ..plain() }
}

/// Three replicas in which Alice has a session, and Alice.
fn three_and_alice(tuning: &Tuning) -> World {
    let mut world = World::new(3, tuning, &storage_with_session_of("alice"));
    world.client("alice", Some(FIRST_SESSION));
    world
}

#[test]
fn normal_commit() {
    let mut world = World::new(3, &plain(), &Storage::default());
    world.client("alice", None);
    world.reader("bob");

    world.then("r0 asks for support, and is elected");
    world.times_out("r0", Election);
    world.delivers_all();

    world.then("Alice finds the leader, and opens her session through the log");
    world.times_out("alice", Retry);
    world.delivers_all();
    world.times_out("alice", Retry);
    world.delivers_all();

    world.then("Alice says something");
    world.says("alice", "hi");
    world.delivers_all();

    world.then("Bob reads the log from a follower");
    world.times_out("bob", Retry);
    world.loses_all();
    world.times_out("bob", Retry);
    world.delivers_all();

    for name in ["r0", "r1", "r2", "bob"] {
        assert_eq!(world.log(name), ["0: Open(alice, nonce 1)", "1: \"hi\"#alice.1"]);
    }
    world.matches("normal_commit");
}

#[test]
fn highest_ballot_wins() {
    let mut world = three_and_alice(&without_pre_votes());
    world.then("r0 leads in b1, and only it votes for \"a\"");
    world.times_out("r0", Election);
    world.delivers_all();
    world.says("alice", "a");
    world.delivers("alice", "r0", "Request");
    world.loses_all();

    world.then(
        "r1 leads in b2 with r2's promise, and only it votes for the opening of Bob's session",
    );
    world.cuts_off("r0");
    world.times_out("r1", Election);
    world.delivers_all();
    world.client("bob", None);
    world.times_out("bob", Retry);
    world.delivers("bob", "r1", "Request");
    world.loses_all();

    world.then("r0, unheard, steps down; its next ballot is below r1's, the one after that is not");
    world.times_out("r0", Election);
    world.cuts_off("r2");
    world.reconnects("r0");
    world.times_out("r0", Election);
    world.delivers_all();
    world.times_out("r0", Election);
    world.delivers_all();
    assert_eq!(world.log("r0"), ["1: Open(bob, nonce 1)"]);

    world.then("what Alice said had not been chosen; it goes to the next slot");
    world.times_out("alice", Retry);
    world.delivers_all();
    for name in ["r0", "r1"] {
        assert_eq!(world.log(name), ["1: Open(bob, nonce 1)", "2: \"a\"#alice.1"]);
    }
    world.matches("highest_ballot_wins");
}

#[test]
fn skipped_slot() {
    let mut world = three_and_alice(&plain());
    world.then("r0 leads, and jumps over slot 1");
    world.times_out("r0", Election);
    world.delivers_all();
    world.tells("r0", Message::Input(Input::SkipSlot));
    world.says("alice", "a");
    world.delivers_all();

    world.then("its heartbeats are no sign of life while its bound stands still");
    world.times_out("r0", Heartbeat);
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert!(world.log(name).is_empty(), "nothing is applied over a gap");
    }

    world.then("r2 suspects it first, without support; then r1, with r2's");
    world.times_out("r2", Election);
    world.delivers_all();
    world.times_out("r1", Election);
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert_eq!(world.log(name), ["1: Noop", "2: \"a\"#alice.1"]);
    }
    world.matches("skipped_slot");
}

#[test]
fn chunked_promise() {
    let tuning = Tuning { chunk_entries_max: 1, eager_slots: 3, ..without_pre_votes() };
    let mut world = three_and_alice(&tuning);
    world.then("r0 proposes three values; r1 votes, and r0 crashes before it hears of it");
    world.times_out("r0", Election);
    world.delivers_all();
    for text in ["a", "b", "c"] {
        world.says("alice", text);
        world.delivers("alice", "r0", "Request");
        world.delivers("r0", "r1", "Accept");
    }
    world.loses_all();
    world.crashes("r0");

    world.then("r2 pulls r1's votes one at a time; a chunk is lost, and one comes twice");
    world.times_out("r2", Election);
    world.delivers("r2", "r1", "Prepare");
    world.delivers("r1", "r2", "Promise");
    world.delivers("r2", "r1", "Prepare");
    world.loses("r1", "r2", "Promise");
    world.times_out("r2", Resend);
    world.times_out("r2", Resend);
    world.delivers_all();
    for name in ["r1", "r2"] {
        let log = ["1: \"a\"#alice.1", "2: \"b\"#alice.2", "3: \"c\"#alice.3"];
        assert_eq!(world.log(name), log);
    }
    world.matches("chunked_promise");
}

#[test]
fn duplicate_suppressed() {
    let mut world = three_and_alice(&Tuning { eager_slots: 2, ..without_pre_votes() });
    world.then("what Alice says has r0's vote and r1's, and r0 crashes before it answers");
    world.times_out("r0", Election);
    world.delivers_all();
    world.says("alice", "hi");
    world.delivers("alice", "r0", "Request");
    world.delivers("r0", "r1", "Accept");
    world.loses_all();
    world.crashes("r0");

    world.then("r1 leads, and adopts it at slot 1");
    world.times_out("r1", Election);
    world.delivers("r1", "r2", "Prepare");
    world.delivers("r2", "r1", "Promise");

    world.then("Alice asks r1 before slot 1 is decided: it goes to slot 2 as well");
    world.times_out("alice", Retry);
    world.times_out("alice", Retry);
    world.delivers("alice", "r1", "Request");

    world.then("it is applied once, and acknowledged at slot 1; the next number follows it");
    world.delivers_all();
    world.tells("alice", Message::Input(Input::Submit(paxos_chat::types::Body::Sync)));
    world.delivers_all();
    for name in ["r1", "r2"] {
        let log = ["1: \"hi\"#alice.1", "2: \"hi\"#alice.1", "3: Sync#alice.2"];
        assert_eq!(world.log(name), log);
    }
    world.matches("duplicate_suppressed");
}

#[test]
fn lost_acknowledgement() {
    let mut world = three_and_alice(&without_pre_votes());
    world.then("what Alice says is applied, but its acknowledgement is lost");
    world.times_out("r0", Election);
    world.delivers_all();
    world.says("alice", "hi");
    world.delivers("alice", "r0", "Request");
    world.delivers("r0", "r1", "Accept");
    world.delivers("r1", "r0", "Accepted");
    world.loses("r0", "alice", "Acknowledged");
    world.delivers_all();

    world.then("Alice asks again, and a follower acknowledges it with the same slot");
    world.times_out("alice", Retry);
    world.loses_all();
    world.times_out("alice", Retry);
    world.delivers_all();
    world.matches("lost_acknowledgement");
}

#[test]
fn lagging_leader() {
    let mut world = three_and_alice(&Tuning { snapshot_slots: 1, ..without_pre_votes() });
    world.then("r2 misses two slots, whose votes r0 and r1 drop");
    world.times_out("r0", Election);
    world.delivers_all();
    world.cuts_off("r2");
    for text in ["a", "b"] {
        world.says("alice", text);
        world.delivers_all();
    }
    world.crashes("r0");

    world.then("r2 leads from r1's compacted bound on, and fetches what is below it");
    world.reconnects("r2");
    world.times_out("r2", Election);
    world.delivers("r2", "r1", "Prepare");
    world.delivers("r1", "r2", "Promise");
    world.loses("r2", "r1", "Fetch");

    world.then("the opening of Bob's session is chosen meanwhile, and not applied over the gap");
    world.client("bob", None);
    world.times_out("bob", Retry);
    world.delivers_all();
    world.times_out("bob", Retry);
    world.delivers_all();
    assert!(world.log("r2").is_empty());

    world.then("the rest comes, and all is applied");
    world.times_out("r2", Resend);
    world.delivers_all();
    world.times_out("r2", Heartbeat);
    world.delivers_all();
    for name in ["r1", "r2"] {
        let log = ["1: \"a\"#alice.1", "2: \"b\"#alice.2", "3: Open(bob, nonce 1)"];
        assert_eq!(world.log(name), log);
    }
    world.matches("lagging_leader");
}

#[test]
fn read_from_log() {
    let tuning = Tuning { snapshot_slots: 1, recent_slots: 0, ..without_pre_votes() };
    let mut world = three_and_alice(&tuning);
    world.then("r2 misses two slots, which the others forget once they are in their logs");
    world.times_out("r0", Election);
    world.delivers_all();
    world.cuts_off("r2");
    for text in ["a", "b"] {
        world.says("alice", text);
        world.delivers_all();
    }

    world.then("r0 starts again, and knows of them only that they are below its snapshot");
    world.crashes("r0");
    world.restarts("r0");

    world.then("it leads, r2 asks it for them, and its driver answers from the log");
    world.reconnects("r2");
    world.times_out("r0", Election);
    world.delivers_all();
    for name in ["r1", "r2"] {
        assert_eq!(world.log(name), ["1: \"a\"#alice.1", "2: \"b\"#alice.2"]);
    }
    world.matches("read_from_log");
}

#[test]
fn deposed_leader() {
    let mut world = three_and_alice(&Tuning { snapshot_slots: 1, ..without_pre_votes() });
    world.then("r0 leads and proposes \"a\" at slot 1, which nobody hears");
    world.times_out("r0", Election);
    world.delivers_all();
    world.says("alice", "a");
    world.delivers("alice", "r0", "Request");
    world.loses_all();
    world.cuts_off("r0");

    world.then("r1 leads, and another value is chosen at slot 1");
    world.times_out("r1", Election);
    world.delivers_all();
    world.client("bob", None);
    world.times_out("bob", Retry);
    world.delivers_all();

    world.then("r0, still leading, sends its proposal again, and is told what was decided");
    world.reconnects("r0");
    world.times_out("r0", Resend);
    world.delivers("r0", "r1", "Accept");
    world.delivers("r1", "r0", "Decided");
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert_eq!(world.log(name), ["1: Open(bob, nonce 1)"]);
    }
    world.matches("deposed_leader");
}

#[test]
fn session_eviction() {
    let mut world = three_and_alice(&Tuning { sessions_max: 1, ..without_pre_votes() });
    world.client("bob", None);
    world.times_out("r0", Election);
    world.loses("r0", "r2", "Prepare");
    world.delivers_all();

    world
        .then("Alice says something that is under way while Bob's session takes the place of hers");
    world.says("alice", "a");
    world.times_out("bob", Retry);
    world.delivers("bob", "r1", "Request");
    world.delivers("r1", "bob", "Redirect");
    world.times_out("bob", Retry);
    world.delivers("bob", "r0", "Request");
    world.delivers("r0", "r1", "Accept");
    world.delivers("r1", "r0", "Accepted");

    world.then("her session has expired: she is told what is unknown, and nothing is sent again");
    world.delivers_all();
    world.says("alice", "b");
    world.delivers_all();
    assert_eq!(world.log("r0"), ["1: Open(bob, nonce 1)"]);
    world.matches("session_eviction");
}

#[test]
fn recovery_in_phase_2() {
    let mut world = three_and_alice(&without_pre_votes());
    world.then("\"a\" has two votes, and both voters crash before anyone counts them");
    world.times_out("r0", Election);
    world.delivers_all();
    world.cuts_off("r2");
    world.says("alice", "a");
    world.delivers("alice", "r0", "Request");
    world.delivers("r0", "r1", "Accept");
    world.crashes("r0");
    world.crashes("r1");
    world.delivers_all();

    world.then("both start again from what they saved, and r1 leads above the ballot it promised");
    world.restarts("r0");
    world.restarts("r1");
    world.times_out("r1", Election);
    world.delivers_all();

    world.then("r2 returns, and fetches what it missed");
    world.reconnects("r2");
    world.times_out("r1", Heartbeat);
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert_eq!(world.log(name), ["1: \"a\"#alice.1"]);
    }

    world.then("Alice asks again, and has her answer");
    world.times_out("alice", Retry);
    world.delivers_all();
    world.matches("recovery_in_phase_2");
}

#[test]
fn returned_replica() {
    let mut world = three_and_alice(&plain());
    world.times_out("r0", Election);
    world.delivers_all();

    world.then("r2 is cut off, and suspects the leader again and again");
    world.cuts_off("r2");
    world.times_out("r2", Election);
    world.times_out("r2", Election);
    world.says("alice", "a");
    world.delivers_all();

    world.then("back again, it finds no support, and does not depose the leader");
    world.reconnects("r2");
    world.times_out("r2", Election);
    world.delivers_all();

    world.then("the next heartbeat takes it back");
    world.times_out("r0", Heartbeat);
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert_eq!(world.log(name), ["1: \"a\"#alice.1"]);
    }
    world.matches("returned_replica");
}

#[test]
fn relayed_request() {
    let mut world = three_and_alice(&Tuning::default());
    world.then("r1 leads");
    world.times_out("r1", Election);
    world.delivers_all();

    world.then("Alice does not reach the leader; r0 passes on what she says, and answers her");
    world.says("alice", "hi");
    world.delivers("alice", "r0", "Request");
    world.loses("r0", "alice", "Redirect");
    world.delivers_all();
    for name in ["r0", "r1", "r2"] {
        assert_eq!(world.log(name), ["1: \"hi\"#alice.1"]);
    }
    world.matches("relayed_request");
}
