//! `cluster watch` on a terminal, while the leader is killed.

mod recordings;
mod screens;
mod support;

use screens::{Cluster, Screen};
use support::arg;

#[test]
fn a_live_table_shows_who_leads_and_who_is_gone_and_a_key_ends_it() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let program = env!("CARGO_BIN_EXE_cluster");
    let args =
        ["watch", "--interval", "100", "--patience", "300", "--config", arg(&cluster.config)];
    let mut screen = Screen::of(program, &[], &args, 150, 14);
    let is_well = |text: &str| {
        text.contains("all replicas answer, and one leads") && text.contains("leading")
    };
    screen.shows("a leader", is_well);
    assert!(screen.has_colour());
    let killed = cluster.kill_leader();
    let moved = format!("leads after r{killed}");
    let text = screen
        .shows("another leader", |text| text.contains(&moved) && text.contains("does not answer"));
    assert!(text.contains("it serves; some replicas do not answer"), "{text}");
    screen.press("q");
    assert_eq!(screen.end(), 0);
}
