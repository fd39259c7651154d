//! What a scraper reads.

use super::*;
use actor_runtime::driver::Counters;
use paxos_chat::state::State;
use paxos_chat::state::Storage;
use std::collections::{BTreeMap, BTreeSet};

/// The samples of a page whose every line is what the format wants.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(helped.insert(name) && !text.is_empty(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name) && typed.insert(name, kind).is_none(), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"];
            let family = of_histogram.iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| typed.get(family) == Some(&"histogram"));
            assert!(typed.contains_key(family.unwrap_or(name)), "{line}");
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    samples
}

#[test]
fn a_page_is_what_prometheus_reads() {
    let status = Status {
        replica: 2,
        log_hash: "01".repeat(32),
        counters: Counters { forged: 7, ..Counters::default() },
        ..Status::of(&State::restored(Storage::default()))
    };
    let mut syncs = Durations::default();
    syncs.record(Duration::from_millis(3));
    let page = measured(&status, &syncs, &Durations::default());
    let samples = parse(&page);
    assert!(page.ends_with('\n'));
    assert_eq!(samples[r#"paxos_chat_dropped_datagrams_total{reason="forged"}"#], 7.0);
    assert_eq!(samples[r#"paxos_chat_role{role="follower"}"#], 1.0);
    assert_eq!(samples[r#"paxos_chat_sync_seconds_bucket{le="+Inf"}"#], 1.0);
    assert_eq!(samples[r#"paxos_chat_sync_seconds_bucket{le="0.0025"}"#], 0.0);
    assert_eq!(samples["paxos_chat_sync_seconds_count"], 1.0);
    assert_eq!(samples["paxos_chat_commit_seconds_count"], 0.0);
    assert!(samples["process_start_time_seconds"] > 1.7e9);
    let is_bucket = |name: &&String| name.starts_with("paxos_chat_sync_seconds_bucket{le=");
    assert_eq!(samples.keys().filter(is_bucket).count(), BOUNDS_US.len() + 1);
}
