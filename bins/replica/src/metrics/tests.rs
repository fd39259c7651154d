//! What a scraper reads, and what a hostile one can do.

use super::*;
use actor_runtime::disk::hook::SyncHook;
use actor_runtime::driver::Counters;
use paxos_chat::state::State;
use paxos_chat::state::Storage;
use std::collections::{BTreeMap, BTreeSet};

fn served() -> SocketAddr {
    let status = Status {
        replica: 2,
        log_hash: "01".repeat(32),
        counters: Counters { forged: 7, ..Counters::default() },
        ..Status::of(&State::restored(Storage::default()))
    };
    let meter = SyncMeter::default();
    meter.around(&mut || Ok(())).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    serve(listener, move || page(&status, &meter)).unwrap()
}

fn asks(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

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
    let answer = asks(served(), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4") && body.ends_with('\n'), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let samples = parse(body);
    assert_eq!(samples[r#"paxos_chat_dropped_datagrams_total{reason="forged"}"#], 7.0);
    assert_eq!(samples[r#"paxos_chat_role{role="follower"}"#], 1.0);
    assert_eq!(samples[r#"paxos_chat_sync_seconds_bucket{le="+Inf"}"#], 1.0);
    assert_eq!(samples["paxos_chat_sync_seconds_count"], 1.0);
    assert!(samples["process_start_time_seconds"] > 1.7e9);
    let mut buckets: Vec<_> = samples.iter().filter(|(name, _)| name.contains("{le=")).collect();
    buckets.sort_by(|a, b| a.1.total_cmp(b.1));
    assert_eq!(buckets.len(), SYNC_BOUNDS_US.len() + 1);
}

#[test]
fn others_are_told_what_to_ask() {
    let address = served();
    assert!(asks(address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(asks(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert!(asks(address, "\r\n\r\n").starts_with("HTTP/1.1 405 "));
}

#[test]
fn whoever_says_nothing_or_too_much_is_hung_up_on() {
    let address = served();
    let started = Instant::now();
    let _silent = TcpStream::connect(address).unwrap();
    let mut endless = TcpStream::connect(address).unwrap();
    // It may be hung up on while it is still writing.
    let _ = endless.write_all(&[b'x'; 4 * REQUEST_BYTES_MAX]);
    let answer = asks(address, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert!(started.elapsed() < 5 * PATIENCE, "{:?}", started.elapsed());
}
