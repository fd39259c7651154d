//! The client in a pipe: what is sent arrives as it was, `tail` shows what is asked for, and
//! nothing grows without bound.

mod screens;
mod support;

use screens::Cluster;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{arg, run};

const CLIENT: &str = env!("CARGO_BIN_EXE_client");

fn posts(json: &str) -> Vec<serde_json::Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn any_text_arrives_in_its_room_as_it_was_sent() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let texts =
        ["", "two\nlines", "🙂𝄞", "\u{1}mark", "\u{1b}[2J", "ü".repeat(8191).as_str(), " # /me "]
            .map(str::to_owned);
    for room in ["lobby", "größe"] {
        let mut args = vec!["--name", "ann", "--room", room, "send", "--"];
        args.extend(texts.iter().map(String::as_str));
        let ended = cluster.client(&args, "");
        if room == "lobby" {
            assert_eq!(ended.code, 0, "{ended:?}");
        } else {
            assert_eq!(ended.code, 1, "the envelope of a room takes 9 bytes: {ended:?}");
            assert!(ended.stderr.contains("16382 bytes, and at most 16375"), "{ended:?}");
            args.retain(|text| text.len() < 16_000);
            assert_eq!(cluster.client(&args, "").code, 0);
        }
        let tail = cluster.client(&["tail", "--json", "--room", room], "");
        let shown: Vec<_> = posts(&tail.stdout).iter().map(|p| p["text"].to_string()).collect();
        let sent = texts.iter().filter(|text| room == "lobby" || text.len() < 16_000);
        let sent: Vec<_> =
            sent.map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
        assert_eq!(shown, sent, "in #{room}");
    }
}

#[test]
fn tail_shows_what_is_asked_for() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    for room in ["lobby", "ops"] {
        let args = ["--name", "ann", "--room", room, "send", "1", "2", "3", "4", "5"];
        assert_eq!(cluster.client(&args, "").code, 0);
    }
    let tail = |args: &[&str]| {
        let args: Vec<&str> =
            ["tail", "--format", "{room} {text}"].iter().chain(args).copied().collect();
        let ended = cluster.client(&args, "");
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // Whichever replica is asked may lag for a moment.
    support::eventually("all is there", || tail(&[]).len() == 10);
    assert_eq!(tail(&["--from", "-2"]), ["ops 4", "ops 5"]);
    assert_eq!(tail(&["--from=-2", "--room", "lobby"]), ["lobby 4", "lobby 5"]);
    assert_eq!(tail(&["--from", "beginning", "--count", "2", "--room", "ops"]), ["ops 1", "ops 2"]);
    assert_eq!(tail(&["--from", "end"]), [""; 0]);
    assert_eq!(tail(&["--count", "0"]), [""; 0]);
    let slot = cluster.client(&["tail", "--format", "{slot}", "--room", "ops", "--count", "1"], "");
    assert_eq!(tail(&["--from", slot.stdout.trim(), "--count", "1"]), ["ops 1"]);
    for wrong in [&["--from", "soon"][..], &["--format", "{nick}"], &["--json", "--format", "x"]] {
        let args: Vec<&str> = ["tail"].iter().chain(wrong).copied().collect();
        assert_eq!(cluster.client(&args, "").code, 2, "{wrong:?}");
    }
    // With --follow and --count, it waits for what is still to come, and ends.
    let mut follower = Command::new(CLIENT)
        .args(["--config", arg(&cluster.config), "tail", "--follow", "--from", "end"])
        .args(["--count", "2", "--format", "{text}"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(follower.try_wait().unwrap().is_none(), "there is nothing to show yet");
    assert_eq!(cluster.client(&["--name", "bob", "send", "6", "7", "8"], "").code, 0);
    let shown = follower.wait_with_output().unwrap();
    assert!(shown.status.success());
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), "6\n7\n");
}

#[test]
fn a_follower_goes_on_where_it_was_when_replicas_come_back() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let follower = Command::new(CLIENT)
        .args(["--config", arg(&cluster.config), "tail", "--follow", "--count", "200"])
        .args(["--format", "{text}"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for half in 0..2 {
        let lines: String = (0..100).map(|number| format!("{}\n", half * 100 + number)).collect();
        assert_eq!(cluster.client(&["--name", "ann", "send"], &lines).code, 0);
        if half == 0 {
            (0..3).for_each(|id| cluster.kill(id));
            std::thread::sleep(Duration::from_secs(1));
            (0..3).for_each(|id| cluster.start(id, &[]));
        }
    }
    let shown = follower.wait_with_output().unwrap();
    let expected: String = (0..200).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), expected);
}

#[test]
fn a_closed_pipe_ends_a_tail_quietly() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let lines: String = (0..2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(cluster.client(&["--name", "ann", "send"], &lines).code, 0);
    for options in ["--follow --json", "--json", "--follow", ""] {
        let client = format!("{CLIENT} --config {} tail {options}", arg(&cluster.config));
        // The status is that of the client.
        let script = format!("set -o pipefail; {client} | head -n 5");
        let ended = run("bash", &["-c", &script]);
        assert_eq!((ended.code, ended.stdout.lines().count()), (0, 5), "{options}: {ended:?}");
        assert_eq!(ended.stderr, "", "{options}");
    }
}

/// Feeds a client for ever; gives it and the count of bytes that it has taken.
fn feed(cluster: &Cluster) -> (std::process::Child, Arc<AtomicU64>) {
    let mut child = Command::new(CLIENT)
        .args(["--config", arg(&cluster.config), "--name", "yes", "send"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        let line = format!("{}\n", "y".repeat(999));
        while stdin.write_all(line.as_bytes()).is_ok() {
            count.fetch_add(line.len() as u64, Ordering::Relaxed);
        }
    });
    (child, taken)
}

/// The peak of a process's resident set, in KiB.
fn peak_kib(child: &std::process::Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_endless_input_is_held_up_and_not_held_in_memory() {
    let mut cluster = Cluster::new();
    // Without replicas, it takes a window of messages and what pipes and buffers hold.
    let (mut child, taken) = feed(&cluster);
    std::thread::sleep(Duration::from_secs(2));
    let before = taken.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(1));
    let after = taken.load(Ordering::Relaxed);
    assert_eq!(before, after, "it goes on reading");
    assert!(after <= 256_000 + 65_536 + 16_384, "{after} bytes were taken");
    // With them, it goes on as fast as they acknowledge, in constant memory.
    cluster.start_all();
    support::eventually("it goes on", || taken.load(Ordering::Relaxed) > after + 2_000_000);
    let early = peak_kib(&child);
    support::eventually("much more is said", || taken.load(Ordering::Relaxed) > after + 8_000_000);
    let late = peak_kib(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(late < early + 4096, "its memory grows: {early} KiB, then {late} KiB");
    assert!(late < 64 * 1024, "{late} KiB");
}
