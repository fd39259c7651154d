//! Replicas that are killed with SIGKILL and come back, and storage that must not be used.

mod support;

use std::path::{Path, PathBuf};
use support::{arg, free_ports, run};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");

/// Runs a cluster under a loop of kills; everything must be acknowledged, and once.
fn survives(args: &[&str]) {
    // The cluster starts the executables beside it.
    let _ = env!("CARGO_BIN_EXE_client");
    let folder = tempfile::tempdir().unwrap();
    let first =
        ["run", "--json", "--validate", "--timeout-ms", "300", "--log-dir", arg(folder.path())];
    let all: Vec<&str> = first.iter().chain(args).copied().collect();
    let ended = run(CLUSTER, &all);
    assert_eq!(ended.code, 0, "{ended:?}");
    let verdict = ended.json();
    assert_eq!((&verdict["ok"], &verdict["logs_identical"]), (&true.into(), &true.into()));
    assert_eq!((&verdict["lost"], &verdict["duplicates"]), (&0.into(), &0.into()));
    for client in verdict["clients"].as_array().unwrap() {
        assert_eq!(client["sent"], client["acknowledged"], "{verdict}");
    }
    let replicas = verdict["replicas"].as_array().unwrap();
    let restarts: u64 = replicas.iter().map(|r| r["restarts"].as_u64().unwrap()).sum();
    assert!(restarts >= 12, "{verdict}");
    assert!(replicas.iter().all(|replica| replica["killed"] == false));
}

#[test]
fn one_replica_is_killed_again_and_again() {
    survives(&["--messages", "300", "--kill-loop", "1", "--seed", "21"]);
}

#[test]
fn any_replica_the_primary_or_all_are_killed_again_and_again() {
    for seed in ["1", "2"] {
        survives(&["--clients", "4", "--messages", "400", "--kill-loop", "all", "--seed", seed]);
    }
}

#[test]
fn kills_and_losses_together() {
    let args = ["--messages", "60", "--kill-loop", "all", "--loss", "0.05", "--seed", "23"];
    survives(&args);
}

/// A replica's folder and the configuration of its cluster.
struct Site {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cluster.toml");
        let port = free_ports("127.0.0.1", 3).to_string();
        let ended = run(CLUSTER, &["config", "--base-port", &port, "-o", arg(&config)]);
        assert_eq!(ended.code, 0, "{ended:?}");
        Site { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts replica `id`, which ends because its input does.
    fn start(&self, id: &str, config: &Path, more: &[&str]) -> support::Ended {
        let first = ["--config", arg(config), "--id", id, "--log-dir", arg(self.folder.path())];
        let last = ["--stop-at-end-of-input"];
        let all: Vec<&str> = first.iter().chain(more).chain(&last).copied().collect();
        run(REPLICA, &all)
    }

    fn refused(&self, id: &str, config: &Path, more: &[&str], expected: &[&str]) {
        let ended = self.start(id, config, more);
        assert_eq!(ended.code, 2, "{ended:?}");
        for text in expected {
            assert!(ended.stderr.contains(text), "does not say {text}: {}", ended.stderr);
        }
    }
}

#[test]
fn storage_is_formatted_once_and_a_lost_one_is_not_replaced() {
    let site = Site::new();
    let lost = ["replica-0.journal", "--init", "must not come back under its id", "DISC 2017"];
    site.refused("0", &site.config, &[], &lost);
    assert_eq!(site.start("0", &site.config, &["--init"]).code, 0);
    site.refused("0", &site.config, &["--init"], &["replica-0.journal", "without --init"]);
    assert_eq!(site.start("0", &site.config, &[]).code, 0, "it comes back");
    std::fs::remove_dir_all(site.path("replica-0.journal")).unwrap();
    site.refused("0", &site.config, &[], &lost);
    site.refused("0", &site.config, &["--init"], &["replica-0.log", "without --init"]);
    std::fs::remove_file(site.path("replica-0.log")).unwrap();
    site.refused("0", &site.config, &[], &lost);
}

#[test]
fn storage_of_another_replica_or_cluster_is_refused() {
    let site = Site::new();
    assert_eq!(site.start("0", &site.config, &["--init"]).code, 0);
    let renamed = site.path("other.toml");
    let text = std::fs::read_to_string(&site.config).unwrap();
    std::fs::write(&renamed, text.replace("cluster = \"", "cluster = \"not-")).unwrap();
    site.refused("0", &renamed, &[], &["snapshot, offset 8", "of cluster", "--log-dir"]);
    for end in ["journal", "log"] {
        let (from, to) = (format!("replica-0.{end}"), format!("replica-1.{end}"));
        std::fs::rename(site.path(&from), site.path(&to)).unwrap();
    }
    site.refused("1", &site.config, &[], &["snapshot, offset 5", "of replica 0, not of 1", "--id"]);
}

#[test]
fn a_flipped_byte_and_a_missing_segment_are_refused() {
    let site = Site::new();
    assert_eq!(site.start("0", &site.config, &["--init"]).code, 0);
    let journal = site.path("replica-0.journal");
    let snapshot = journal.join("snapshot");
    let intact = std::fs::read(&snapshot).unwrap();
    let mut flipped = intact.clone();
    flipped[40] ^= 1;
    std::fs::write(&snapshot, flipped).unwrap();
    let expected = ["snapshot, offset 32", "checksum", "leave this replica down for good"];
    site.refused("0", &site.config, &[], &expected);
    std::fs::write(&snapshot, intact).unwrap();
    std::fs::remove_file(journal.join("segment-0000000002")).unwrap();
    site.refused("0", &site.config, &[], &["segment-0000000002", "missing"]);
}

#[test]
fn two_processes_cannot_open_one_storage() {
    let site = Site::new();
    assert_eq!(site.start("0", &site.config, &["--init"]).code, 0);
    let journal = std::fs::File::open(site.path("replica-0.journal")).unwrap();
    journal.try_lock().unwrap();
    site.refused("0", &site.config, &[], &["in use by another process"]);
    drop(journal);
    assert_eq!(site.start("0", &site.config, &[]).code, 0);
}
