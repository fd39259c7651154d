//! The client in a pipe: what is sent arrives as it was, `tail` shows what is asked for, and
//! nothing grows without bound.

mod recordings;
mod screens;
mod support;

use screens::{CLIENT, Cluster};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{all_have, arg, eventually, run};

fn posts(json: &str) -> Vec<serde_json::Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A client that follows, killed at the end. What it shows has to fit into a pipe.
struct Following(Child);

impl Following {
    fn start(cluster: &Cluster, args: &[&str]) -> Following {
        let mut command = Command::new(CLIENT);
        command.args(cluster.client_args(args)).stdout(Stdio::piped());
        Following(command.spawn().unwrap())
    }

    fn has_ended(&mut self) -> bool {
        let status = self.0.try_wait().unwrap();
        status.inspect(|status| assert!(status.success(), "{status}")).is_some()
    }

    /// What it has shown, once it has ended.
    fn shown(&mut self) -> String {
        let mut shown = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        shown
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn any_text_arrives_in_its_room_as_it_was_sent() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let texts =
        ["", "two\nlines", "🙂𝄞", "\u{1}mark", "\u{1b}[2J", "ü".repeat(8191).as_str(), " # /me "]
            .map(str::to_owned);
    let mut said = 0;
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
        let sent = texts.iter().filter(|text| room == "lobby" || text.len() < 16_000);
        let sent: Vec<_> =
            sent.map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
        said += sent.len();
        all_have(cluster.config.parent().unwrap(), said);
        let tail = cluster.client(&["tail", "--json", "--room", room], "");
        let shown: Vec<_> = posts(&tail.stdout).iter().map(|p| p["text"].to_string()).collect();
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
    all_have(cluster.config.parent().unwrap(), 10);
    assert_eq!(tail(&[]).len(), 10);
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
    let follow = ["tail", "--follow", "--from", "end", "--count", "2", "--format", "{text}"];
    let mut follower = Following::start(&cluster, &follow);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!follower.has_ended(), "there is nothing to show yet");
    // When it has found the end, nobody but itself knows.
    let mut next = 6..;
    eventually("it has shown two", || {
        let text = next.next().unwrap().to_string();
        assert_eq!(cluster.client(&["--name", "bob", "send", &text], "").code, 0);
        follower.has_ended()
    });
    let shown = follower.shown();
    let shown: Vec<u32> = shown.lines().map(|line| line.parse().unwrap()).collect();
    assert!(shown.len() == 2 && shown[0] >= 6 && shown[1] == shown[0] + 1, "{shown:?}");
}

#[test]
fn a_follower_goes_on_where_it_was_when_replicas_come_back() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let follow = ["tail", "--follow", "--count", "200", "--format", "{text}"];
    let mut follower = Following::start(&cluster, &follow);
    for half in 0..2 {
        let lines: String = (0..100).map(|number| format!("{}\n", half * 100 + number)).collect();
        assert_eq!(cluster.client(&["--name", "ann", "send"], &lines).code, 0);
        if half == 0 {
            (0..3).for_each(|id| cluster.kill(id));
            std::thread::sleep(Duration::from_secs(1));
            (0..3).for_each(|id| cluster.start(id, &[]));
        }
    }
    eventually("it has shown all", || follower.has_ended());
    let expected: String = (0..200).map(|number| format!("{number}\n")).collect();
    assert_eq!(follower.shown(), expected);
}

#[test]
fn a_closed_pipe_ends_a_tail_quietly() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let lines: String = (0..2000).map(|number| format!("{number}\n")).collect();
    assert_eq!(cluster.client(&["--name", "ann", "send"], &lines).code, 0);
    for options in ["--follow --json", "--json", "--follow", ""] {
        let client = format!("{CLIENT} {} {options}", cluster.client_args(&["tail"]).join(" "));
        // The status is that of the client.
        let script = format!("set -o pipefail; {client} | head -n 5");
        let ended = run("bash", &["-c", &script]);
        assert_eq!((ended.code, ended.stdout.lines().count()), (141, 5), "{options}: {ended:?}");
        assert_eq!(ended.stderr, "", "{options}");
    }
}

/// Feeds a client for ever; gives it and the count of bytes that it has taken.
fn feed(cluster: &Cluster) -> (Child, Arc<AtomicU64>) {
    let mut child = Command::new(CLIENT)
        .args(cluster.client_args(&["--name", "yes", "send"]))
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
fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_endless_input_is_held_up_and_not_held_in_memory() {
    let mut cluster = Cluster::new();
    // Without replicas, it takes a window of messages and what pipes and buffers hold.
    let (mut child, taken) = feed(&cluster);
    let mut after = 0;
    eventually("it stops reading", || {
        let before = taken.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(1));
        after = taken.load(Ordering::Relaxed);
        // More than a pipe and a buffer hold before it has begun.
        after > 131_072 && after == before
    });
    assert!(after <= 256_000 + 65_536 + 16_384, "{after} bytes were taken");
    // With them, it goes on as fast as they acknowledge, in constant memory.
    cluster.start_all();
    eventually("it goes on", || taken.load(Ordering::Relaxed) > after + 2_000_000);
    let early = peak_kib(&child);
    eventually("much more is said", || taken.load(Ordering::Relaxed) > after + 8_000_000);
    let late = peak_kib(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(late < early + 4096, "its memory grows: {early} KiB, then {late} KiB");
    assert!(late < 64 * 1024, "{late} KiB");
}

/// What cannot be seen, or moves others, does not leave as it is; what joins or varies what is seen does.
#[test]
fn characters_that_cannot_be_seen_are_shown_for_what_they_are_wherever_a_text_leaves() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let joined = "👨\u{200d}👩 می\u{200c}خواهم 1\u{fe0f}\u{20e3} 葛\u{e0100}";
    let hidden = ['\u{3164}', '\u{e0101}', '\u{e01ef}', '\u{9b}', '\u{7f}', '\u{202e}', '\u{200d}'];
    let odd: String = hidden.iter().flat_map(|c| ['a', *c]).collect();
    for text in [joined, &odd] {
        assert_eq!(cluster.client(&["--name", "ann", "send", "--", text], "").code, 0);
    }
    all_have(cluster.config.parent().unwrap(), 2);
    let log = cluster.config.with_file_name("replica-0.log");
    let log = std::fs::read_to_string(log).unwrap();
    let [tail, json] = [&["tail"][..], &["tail", "--json"]].map(|args| cluster.client(args, ""));
    for (place, shown) in [("log", &log), ("tail", &tail.stdout)] {
        assert!(shown.contains(joined), "{place}: {shown}");
    }
    let texts: Vec<_> = posts(&json.stdout).iter().map(|post| post["text"].clone()).collect();
    assert_eq!(texts, [joined, &odd]);
    for (place, shown) in [("log", &log), ("tail", &tail.stdout), ("json", &json.stdout)] {
        let rest = shown.replace(joined, "");
        let raw: Vec<char> = rest.chars().filter(|c| hidden.contains(c)).collect();
        assert!(raw.is_empty(), "{place}: {raw:?} in {shown}");
    }
    assert!(
        log.contains("a\\u{3164}a\\u{e0101}a\\u{e01ef}a\\u{9b}a\\u{7f}a\\u{202e}a\\u{200d}"),
        "{log}"
    );
}

#[test]
fn a_line_that_is_no_message_ends_a_pipe_with_its_number_or_is_left_out() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let say = |args: &[&str], input: &str| {
        cluster.client(&[&["--name", "ann", "send"], args].concat(), input)
    };
    let long = format!("one\n{}\nthree\n", "x".repeat(20_000));
    let ended = say(&[], &long);
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in [
        "line 2 of the input, and everything after it, was not sent",
        "line 2 of the input: it has more than 16384 bytes",
        "--long split",
    ] {
        assert!(ended.stderr.contains(part), "does not say {part}: {ended:?}");
    }
    let ended = say(&["--long", "skip"], &long.replace("three", "skipped"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("line 2 of the input is left out"), "{ended:?}");
    assert_eq!(say(&["--long", "split"], &long).code, 0);
    let tailed = cluster.client(&["--name", "ann", "tail", "--format", "{raw}"], "").stdout;
    let lengths: Vec<usize> = tailed.lines().map(str::len).collect();
    assert_eq!(lengths, [3, 3, 7, 3, 16_384, 20_000 - 16_384, 5]);
}

#[test]
fn who_waits_for_a_cluster_that_is_not_there_is_told_so() {
    let cluster = Cluster::new();
    let args = ["--config", arg(&cluster.config), "--name", "ann", "--patience", "4", "send", "hi"];
    let ended = run(CLIENT, &args);
    assert_eq!(ended.code, 1, "{ended:?}");
    let config = arg(&cluster.config);
    let told = format!("client: no replica of {config} has acknowledged anything yet");
    assert!(ended.stderr.starts_with(&told), "{ended:?}");
}
