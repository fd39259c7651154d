//! The pictures of the README, recorded from real processes on pseudo-terminals:
//!
//! ```text
//! RECORD_PICTURES=1 cargo test --release -p paxos-chat-bins --test pictures
//! ```
//!
//! writes docs/client.svg and docs/view-change.svg. Without the variable nothing is written, and what the
//! pictures tell is tested all the same. (tests/tutorial.rs has the chart of a view change, which does not
//! depend on chance.)

mod recordings;
mod screens;
mod support;

use screens::{Cluster, Screen, record};
use support::arg;

/// Are the pictures to be written anew?
fn is_recording() -> bool {
    std::env::var_os("RECORD_PICTURES").is_some()
}

#[test]
fn a_conversation_goes_on_after_its_primary_is_killed() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let mut alice = Screen::start(&cluster, &["--name", "alice"], 96, 15);
    alice.shows_text("You are alice");
    let say = |cluster: &Cluster, name: &str, room: &str, texts: &[&str]| {
        let args = ["--name", name, "--room", room, "send"];
        let args: Vec<&str> = args.iter().chain(texts).copied().collect();
        assert_eq!(cluster.client(&args, "").code, 0);
    };
    alice.type_line("/join ops");
    say(
        &cluster,
        "bob",
        "ops",
        &["Shall I kill the primary?", "Everything is on a majority's disks."],
    );
    say(&cluster, "木村", "ops", &["どうぞ 🙂"]);
    say(&cluster, "bob", "lobby", &["Lunch?"]);
    alice.type_line("Go ahead; I go on typing.");
    alice.shows_text("on typing. ✓ committed at slot");
    cluster.kill_leader();
    alice.type_line("Does anybody hear me?");
    alice.shows_text("hear me? ✓ committed at slot");
    say(&cluster, "bob", "ops", &["Loud and clear, at the slot after yours."]);
    alice.shows_text("Loud and clear");
    alice.type_line("/me is impressed");
    alice.shows("it is in the log", |text| {
        let line = text.lines().find(|line| line.contains("* alice is impressed ✓ committed"));
        line.is_some_and(|line| line.trim_start().starts_with(char::is_numeric))
    });
    // All are killed, so that a message is seen on its way.
    (0..3).for_each(|id| cluster.kill(id));
    alice.type_line("And without a majority?");
    alice.shows_text("a majority? → sent");
    alice.shows_text("no answer for 3 s");
    if is_recording() {
        let title = "The full-screen client: two people in two rooms, after the primary was killed";
        record("client.svg", title, &[("", alice.snapshot())]);
    }
    alice.press("\u{3}\u{3}");
}

/// The bound that all who answer have applied up to, if it is the same and somebody leads.
fn applied_upto(text: &str) -> Option<u64> {
    let rows = text.lines().take_while(|line| !line.is_empty()).skip(1);
    let rows: Vec<&str> = rows.filter(|row| !row.contains("does not answer")).collect();
    let bound = |row: &&str| row.split_whitespace().nth(4)?.parse().ok();
    let first = bound(rows.first()?)?;
    let agree = rows.iter().all(|row| bound(row) == Some(first));
    (agree && text.contains("leading")).then_some(first)
}

#[test]
fn a_view_change_is_seen_by_who_watches() {
    let mut cluster = Cluster::with_timeout_ms(1500);
    cluster.start_all();
    let args = ["watch", "--interval", "50", "--patience", "400", "--config", arg(&cluster.config)];
    // As wide as the columns up to the hash of the log.
    let screen = Screen::of(env!("CARGO_BIN_EXE_cluster"), &[], &args, 74, 8);
    let say = |cluster: &Cluster, texts: &[&str]| {
        let ended = cluster.client(&[&["--name", "alice", "send"], texts].concat(), "");
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    // That nobody leads lasts for an election time-out only; who was not looking looks again.
    let mut seen = None;
    for _ in 0..10 {
        let text = screen.shows("all answer, and one leads", |text| {
            text.contains("all replicas answer") && applied_upto(text).is_some()
        });
        say(&cluster, &["one", "two", "three"]);
        screen.shows("all have it", |new| {
            new.contains("all replicas answer") && applied_upto(new) > applied_upto(&text)
        });
        let before = screen.snapshot();
        let killed = cluster.kill_leader();
        let moved = format!("leads after r{killed}");
        screen.shows("a change", |text| text.contains("no leader, or") || text.contains(&moved));
        let during = screen.snapshot();
        let gone = format!("{killed:>3}  does not answer");
        let shown = during.contents();
        let nobody_leads = shown.contains("no leader, or") && !shown.contains("leading");
        let is_whole = !before.contents().contains("does not answer");
        if nobody_leads && shown.contains(&gone) && is_whole {
            seen = Some((before, during, killed, moved));
            break;
        }
        cluster.start(killed, &[]);
    }
    let (before, during, killed, moved) = seen.expect("a moment in which nobody leads");
    let gone = format!("{killed:>3}  does not answer");
    say(&cluster, &["four", "five"]);
    screen.shows("another leader", |text| {
        let is_whole =
            text.contains(&gone) && text.contains("it serves; some replicas do not answer");
        is_whole && text.contains(&moved) && applied_upto(text) > applied_upto(&before.contents())
    });
    let after = screen.snapshot();
    for expected in [&moved, &gone, "it serves; some replicas do not answer"] {
        assert!(after.contents().contains(expected), "{expected}: {}", after.contents());
    }
    if is_recording() {
        let title = "cluster watch, before, while and after the primary is killed: \
                     another replica leads in a ballot of a higher round";
        let frames = [
            ("before", before),
            ("the primary has been killed", during),
            ("an election time-out later", after),
        ];
        record("view-change.svg", title, &frames);
    }
}
