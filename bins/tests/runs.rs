//! Clusters of real processes over loopback, with faults; each ends in a verdict on its files.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::{Ended, arg, run};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");

/// Runs a cluster whose files stay in `folder`; the verdict must be good, and every step of its processes valid.
fn good_run(folder: &Path, args: &[&str]) -> Value {
    // The cluster starts the executables beside it.
    let _ = (env!("CARGO_BIN_EXE_replica"), env!("CARGO_BIN_EXE_client"));
    let all: Vec<&str> = ["run", "--validate", "--json", "--log-dir", arg(folder)]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let ended = run(CLUSTER, &all);
    assert_eq!(ended.code, 0, "{ended:?}");
    let verdict = ended.json();
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(verdict["logs_identical"], true);
    assert_eq!((&verdict["lost"], &verdict["duplicates"]), (&0.into(), &0.into()));
    for client in verdict["clients"].as_array().unwrap() {
        assert_eq!(client["sent"], client["acknowledged"], "{verdict}");
    }
    verdict
}

/// The logs of survivors, which must be equal byte for byte.
fn surviving_log(folder: &Path, verdict: &Value) -> String {
    let replicas = verdict["replicas"].as_array().unwrap();
    let survivors = replicas.iter().filter(|replica| replica["killed"] == false);
    let logs: Vec<String> = survivors
        .map(|replica| {
            std::fs::read_to_string(folder.join(format!("replica-{}.log", replica["id"]))).unwrap()
        })
        .collect();
    assert!(logs.len() > 1 && logs.iter().all(|log| *log == logs[0]));
    logs[0].clone()
}

fn killed(verdict: &Value) -> usize {
    let replicas = verdict["replicas"].as_array().unwrap();
    replicas.iter().filter(|replica| replica["killed"] == true).count()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn normal_operation_with_two_clients_at_once() {
    let folder = folder();
    let args = ["--clients", "2", "--messages", "60", "--seed", "1"];
    let verdict = good_run(folder.path(), &args);
    let log = surviving_log(folder.path(), &verdict);
    assert_eq!(log.matches("\tpost\tapplied\t").count(), 120);
    assert_eq!(log.matches("\topened s").count(), 2);
}

#[test]
fn the_primary_is_killed_while_clients_write() {
    let folder = folder();
    let verdict = good_run(folder.path(), &["--messages", "40", "--kill", "1", "--seed", "2"]);
    assert_eq!(killed(&verdict), 1);
    surviving_log(folder.path(), &verdict);
}

#[test]
fn two_primaries_of_five_are_killed_one_after_another() {
    let folder = folder();
    let args = ["-f", "2", "--messages", "30", "--kill", "2", "--seed", "3"];
    let verdict = good_run(folder.path(), &args);
    assert_eq!(killed(&verdict), 2);
    surviving_log(folder.path(), &verdict);
}

#[test]
fn a_skipped_slot_is_repaired_by_a_noop() {
    let folder = folder();
    let args = ["--messages", "20", "--skip-slots", "4", "--seed", "4", "--timeout-ms", "300"];
    let verdict = good_run(folder.path(), &args);
    let log = surviving_log(folder.path(), &verdict);
    assert!(log.lines().any(|line| line.starts_with("4\t-\t") && line.contains("\tnoop\t")));
}

#[test]
fn five_percent_of_all_datagrams_are_lost() {
    let folder = folder();
    let verdict = good_run(folder.path(), &["--messages", "25", "--loss", "0.05", "--seed", "5"]);
    surviving_log(folder.path(), &verdict);
}

#[test]
fn twenty_percent_of_all_datagrams_are_lost() {
    let folder = folder();
    let args = ["--clients", "2", "--messages", "15", "--loss", "0.2", "--seed", "6"];
    let verdict = good_run(folder.path(), &args);
    surviving_log(folder.path(), &verdict);
}

#[test]
fn ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let folder = folder();
    let config = folder.path().join("v6.toml");
    let port = support::free_ports("::1", 3).to_string();
    let args = ["config", "--host", "::1", "--base-port", &port, "-o", arg(&config)];
    assert_eq!(run(CLUSTER, &args).code, 0);
    let logs = folder.path().join("logs");
    good_run(&logs, &["--config", arg(&config), "--messages", "20", "--seed", "7"]);
}

fn verify(folder: &Path) -> Ended {
    run(CLUSTER, &["verify", arg(folder)])
}

fn log_path(folder: &Path, id: u8) -> PathBuf {
    folder.join(format!("replica-{id}.log"))
}

#[test]
fn tampered_logs_are_rejected() {
    let folder = folder();
    let args = ["--clients", "2", "--messages", "10", "--seed", "8"];
    let verdict = good_run(folder.path(), &args);
    let good = surviving_log(folder.path(), &verdict);
    let intact = verify(folder.path());
    assert_eq!(intact.code, 0, "{intact:?}");
    assert!(intact.stdout.contains(&verdict["replicas"][0]["log_hash"].as_str().unwrap()[..12]));
    let lines: Vec<&str> = good.lines().collect();
    let (middle, last) = (lines.len() / 2, lines.len() - 1);
    let mut tampered: Vec<(&str, Vec<String>)> = Vec::new();
    let mut tamper = |what, change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        tampered.push((what, lines));
    };
    tamper("deleted", &|lines| drop(lines.remove(middle)));
    tamper("deleted at the end", &|lines| drop(lines.remove(last)));
    tamper("doubled", &|lines| lines.insert(middle, lines[middle].clone()));
    tamper("swapped", &|lines| lines.swap(middle, middle + 1));
    tamper("altered", &|lines| lines[middle] = lines[middle].replace("applied", "gap"));
    tamper("altered text", &|lines| lines[middle] = lines[middle].replace(": ", "; "));
    for (what, lines) in tampered {
        std::fs::write(log_path(folder.path(), 1), lines.join("\n") + "\n").unwrap();
        let ended = verify(folder.path());
        assert_eq!(ended.code, 1, "{what}: {ended:?}");
        assert!(
            ended.stdout.contains("replica 1") || ended.stdout.contains("replicas 1"),
            "{ended:?}"
        );
    }
    std::fs::write(log_path(folder.path(), 1), &good).unwrap();
    assert_eq!(verify(folder.path()).code, 0);
}

/// All logs agree, and still not with what the clients know.
#[test]
fn logs_that_agree_are_judged_by_the_records() {
    let folder = folder();
    let args = ["--clients", "1", "--messages", "10", "--seed", "9"];
    let verdict = good_run(folder.path(), &args);
    let good = surviving_log(folder.path(), &verdict);
    let last = good.lines().last().unwrap();
    let shorter = good.strip_suffix(&format!("{last}\n")).unwrap();
    for id in 0..3 {
        std::fs::write(log_path(folder.path(), id), shorter).unwrap();
    }
    let ended = verify(folder.path());
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("acknowledged"), "{ended:?}");
    for id in 0..3 {
        std::fs::write(log_path(folder.path(), id), &good).unwrap();
    }
    assert_eq!(verify(folder.path()).code, 0);
    let record = folder.path().join("client-0.jsonl");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("client-0 #5", "client-0 #6")).unwrap();
    let ended = verify(folder.path());
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("nobody submitted"), "{ended:?}");
}
