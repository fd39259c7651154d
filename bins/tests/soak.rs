//! A long log under load: memory stays, a replica that was away catches up from its peers' disks
//! while clients write, and a start reads the log's end only.

mod support;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::{arg, run_within};

/// One at a time: each takes the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");

/// Few messages at once make small values, hence more slots than a replica keeps in memory.
#[test]
fn a_replica_away_for_50_000_messages_catches_up_from_disk_while_clients_write() {
    let report = soak(80_000, &["--clients", "4", "--outstanding", "8", "--validate"]);
    let told = report["validated"]["lines"][0].as_str().unwrap();
    assert!(told.starts_with("valid: "), "{told}");
    let catch_up = &report["catch_up"];
    assert!(number(&catch_up["chunks_read"]) > 10, "it came from disk: {catch_up}");
}

/// The log grows as fast as the others can write it. That is not recorded: a replica would record tens of MB a second, and
/// at most 8 MiB wait to be written, so on a busy machine the recording may end before the run.
#[test]
fn a_replica_catches_up_under_full_load() {
    soak(150_000, &["--clients", "32", "--outstanding", "64"]);
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Takes replica 2 away for 50,000 of so many messages of this load.
fn soak(messages: u64, load: &[&str]) -> serde_json::Value {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The cluster starts the executables beside it.
    let _ = (env!("CARGO_BIN_EXE_replica"), env!("CARGO_BIN_EXE_client"));
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("soak.svg");
    let log_dir = folder.path().join("logs");
    let count = messages.to_string();
    let args = ["soak", "--json", "--messages", &count, "--away", "50000", "--seed", "5"];
    let more = ["--log-dir", arg(&log_dir), "--svg", arg(&svg)];
    // With a slow disk it takes minutes; that it makes progress, it sees to itself.
    let limit = Duration::from_secs(900);
    let ended = run_within(limit, CLUSTER, &[&args[..], &more[..], load].concat(), "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    assert_eq!(report["ok"], true, "{report}");
    assert!(number(&report["acknowledged"]) >= messages);
    let catch_up = &report["catch_up"];
    assert!(number(&catch_up["behind"]) >= 50_000, "{catch_up}");
    assert!(number(&catch_up["served_meanwhile"]) > 0, "clients were served: {catch_up}");
    for seconds in report["restart_seconds"].as_array().unwrap() {
        assert!(seconds.as_f64().unwrap() < 2.0, "{report}");
    }
    assert!(std::fs::read_to_string(&svg).unwrap().contains("replica 2"));
    let logs = [0, 1, 2].map(|id| log_dir.join(format!("replica-{id}.log")));
    let logs = logs.map(|log| std::fs::read(log).unwrap());
    assert!(logs[0] == logs[1] && logs[0] == logs[2], "equal byte for byte");
    report
}
