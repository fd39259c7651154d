//! Single processes: wrong input and what is answered, the console, hostile datagrams, and that
//! nothing is left behind.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster, leader_of, number, refused};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{all_have, arg, eventually, run};

#[test]
fn wrong_input_to_a_cluster_is_answered() {
    refused(CLUSTER, &["run", "-f", "0"], &["f = 0", "at least 1"]);
    refused(CLUSTER, &["config", "-f", "0"], &["f = 0", "at least 1"]);
    refused(CLUSTER, &["config", "-f", "40"], &["at most 31"]);
    refused(CLUSTER, &["run", "--loss", "1.5"], &["1.5", "from 0", "to 1"]);
    refused(CLUSTER, &["config", "--loss", "-1"], &["-1", "from 0"]);
    refused(CLUSTER, &["config", "--replica-loss", "3=0.1"], &["--replica-loss 3", "0 to 2"]);
    refused(CLUSTER, &["config", "--skip", "1:2"], &["ID=VALUE"]);
    refused(CLUSTER, &["run", "--kill", "2"], &["--kill 2", "f = 1"]);
    refused(CLUSTER, &["run", "--config", "no/such.toml"], &["no/such.toml", "cluster config"]);
    refused(CLUSTER, &["verify", "no/such/folder"], &["no/such/folder"]);
    let empty = tempfile::tempdir().unwrap();
    refused(CLUSTER, &["verify", arg(empty.path())], &["no logs"]);
}

#[test]
fn wrong_input_to_a_replica_is_answered() {
    let cluster = TestCluster::new(&[]);
    let config = arg(&cluster.config);
    refused(
        REPLICA,
        &["--config", "no/such.toml", "--id", "0"],
        &["no/such.toml", "cluster config"],
    );
    refused(REPLICA, &["--config", config, "--id", "3"], &["--id 3", "0 to 2", config]);
    refused(REPLICA, &["--config", config, "--id", "0", "--loss", "1.5"], &["1.5", "from 0"]);
    let held = UdpSocket::bind(("127.0.0.1", cluster.port)).unwrap();
    let logs = arg(cluster.folder.path());
    let args = ["--config", config, "--id", "0", "--log-dir", logs, "--init"];
    refused(REPLICA, &args, &["in use", &cluster.port.to_string(), config]);
    drop(held);
    // Refused before anything is written, so that the same command works once the port is free.
    let scraped = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let metrics = scraped.local_addr().unwrap().to_string();
    let with_metrics = [&args[..], &["--metrics", &metrics]].concat();
    refused(REPLICA, &with_metrics, &["--metrics", &metrics, "in use", "another address"]);
    assert!(!cluster.folder.path().join("replica-0.journal").exists());
    let broken = cluster.folder.path().join("broken.toml");
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(&broken, text.replace("loss =", "lost =")).unwrap();
    refused(REPLICA, &["--config", arg(&broken), "--id", "0"], &["lost", "line", "broken.toml"]);
}

#[test]
fn a_replica_that_ran_before_does_not_come_back_empty() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    replica.type_line("kill me");
    assert_eq!(replica.child.wait().unwrap().code(), Some(137));
    let logs = arg(cluster.folder.path());
    let args = ["--config", arg(&cluster.config), "--id", "0", "--log-dir", logs, "--volatile"];
    refused(REPLICA, &args, &["ran before", "replica-0.log", "empty folder"]);
}

#[test]
fn wrong_input_to_a_client_is_answered() {
    let cluster = TestCluster::new(&["--user", "alice", "--user", "bob"]);
    let config = arg(&cluster.config);
    refused(CLIENT, &["--config", config], &["--name"]);
    refused(CLIENT, &["--config", config, "--name", "eve"], &["eve", "alice, bob"]);
    let long = "x".repeat(65);
    refused(CLIENT, &["--config", config, "--name", &long], &["65 bytes", "64"]);
    let ended = cluster.client(&["--record", config, "send", "hi"], "");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("exists"), "{ended:?}");
    for option in ["--record", "--state"] {
        for command in ["tail", "load"] {
            let file = cluster.folder.path().join("new");
            refused(CLIENT, &["--config", config, option, arg(&file), command], &[option, command]);
            assert!(!file.exists());
        }
    }
    refused(CLIENT, &["--config", config, "--plain", "tail"], &["--plain", "leave it out"]);
    let ended = cluster.client(&["send", &"x".repeat(16 * 1024 + 1)], "");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("16385 bytes"), "{ended:?}");
    let args = ["--config", config, "--name", "bob", "--patience", "1", "send", "hi"];
    let ended = run(CLIENT, &args);
    assert_eq!(ended.code, 1, "no replica is there: {ended:?}");
    assert!(ended.stderr.contains("1 of 1 messages were not acknowledged"), "{ended:?}");
}

#[test]
fn messages_arrive_as_they_were_sent() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let long = "ü".repeat(8 * 1024);
    let texts = ["hi", "", "tab\tand\u{1b}[2J", "two\nlines", "🙂 \"quoted\\\"", &long];
    let args: Vec<&str> = ["send"].iter().chain(&texts).copied().collect();
    let ended = cluster.client(&args, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(cluster.client(&[], "from\na pipe\n").code, 0);
    all_have(cluster.folder.path(), 8);
    let tail = cluster.client(&["tail", "--json"], "").stdout;
    let shown: Vec<String> = tail
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].clone())
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, texts.iter().copied().chain(["from", "a pipe"]).collect::<Vec<_>>());
    let plain = cluster.client(&["tail"], "").stdout;
    assert!(plain.contains("alice: two\\nlines") && !plain.contains('\u{1b}'));
    assert!(cluster.client(&["tail", "--from", "99"], "").stdout.is_empty());
}

/// That tests of processes fail, if what was recorded in them is not valid.
#[test]
fn a_client_that_is_not_recorded_is_missed_when_a_test_ends() {
    let cluster = TestCluster::new(&[]);
    let replicas = cluster.start();
    let unrecorded = ["--config", arg(&cluster.config), "--name", "bob", "--patience", "20"];
    assert_eq!(run(CLIENT, &[&unrecorded[..], &["send", "hello"]].concat()).code, 0);
    drop(replicas);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(cluster)));
    let told = *ended.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains("is a process missing?"), "{told}");
}

#[test]
fn a_tail_that_follows_ends_with_its_reader() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let lines: String = (0..20).map(|number| format!("{number}\n")).collect();
    assert_eq!(cluster.client(&["send"], &lines).code, 0);
    let (config, recording) = (arg(&cluster.config), cluster.recordings().of("reader"));
    let client = format!("{CLIENT} --config {config} --record-run {}", arg(&recording));
    let script = format!("{client} tail --follow --json | head -n 5");
    let ended = run("sh", &["-c", &script]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 5), "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn load_is_measured() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let ended = cluster.client(&["load", "--clients", "3", "--messages", "200", "--json"], "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    for key in ["seconds", "errors", "ops_per_s", "p50_us", "p99_us", "p999_us"] {
        assert!(report[key].is_number(), "{report}");
    }
    assert_eq!((&report["errors"], &report["outstanding"]), (&0.into(), &48.into()));
    // Little's law: what is outstanding on average is throughput times mean latency. It cannot be
    // above the limit, and is not far below it while every client keeps its window full.
    let number = |key: &str| report[key].as_f64().unwrap();
    let on_average = number("ops_per_s") * number("mean_us") / 1e6;
    assert!((5.0..=49.0).contains(&on_average), "{on_average} outstanding: {report}");
    assert!(number("p50_us") <= number("p99_us") && number("p99_us") <= number("p999_us"));
}

#[test]
fn load_ends_in_time_and_counts_nothing_of_the_warm_up() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let load = ["load", "--seconds", "0.6", "--warmup", "0.3", "--outstanding", "4", "--json"];
    let ended = cluster.client(&load, "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!((number("seconds") - 0.6).abs() < 1e-3, "{report}");
    assert_eq!(number("errors"), 0.0);
    let per_second = number("acknowledged") / number("seconds");
    assert!((number("ops_per_s") - per_second).abs() < 1.0, "{report}");
    assert!(number("silence_us_max") <= 0.6e6, "{report}");
    // What came in the warm-up is in the log, and is not counted.
    all_have(cluster.folder.path(), 1 + number("acknowledged") as usize);
    let said = cluster.client(&["tail", "--json"], "").stdout.lines().count();
    assert!(said as f64 > number("acknowledged"), "{said} messages: {report}");

    let both = cluster.client(&["load", "--seconds", "60", "--messages", "50", "--json"], "");
    assert_eq!((both.code, &both.json()["acknowledged"]), (0, &50.into()), "{both:?}");
    let negative = cluster.client(&["load", "--seconds=-1"], "");
    assert_eq!(negative.code, 2);
    assert!(negative.stderr.contains("give 0 to 86400 seconds"), "{negative:?}");
}

/// Strangers send garbage, and forged messages of replicas; the cluster goes on.
#[test]
fn garbage_is_dropped_and_counted_while_a_replica_serves() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = cluster.start();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 16, 17, 100, 9000, 65_000] {
        for port in cluster.port..cluster.port + 3 {
            let garbage: Vec<u8> = (0..length).map(|i: u32| (i * 31 % 251) as u8).collect();
            stranger.send_to(&garbage, ("127.0.0.1", port)).unwrap();
        }
    }
    assert_eq!(cluster.client(&["send", "still", "here"], "").code, 0);
    // A replica obeys its console before it looks at what has arrived.
    for replica in &mut replicas {
        eventually("all are counted", || number(&replica.status(), "malformed") >= 7);
        assert_eq!(number(&replica.status(), "malformed"), 7);
    }
}

#[test]
fn a_reload_names_what_waits_for_a_restart() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    let changed =
        text.replace("election_ms = 500", "election_ms = 700").replace("loss = 0.0", "loss = 0.1");
    assert_ne!(text, changed);
    std::fs::write(&cluster.config, changed).unwrap();
    replica.type_line("reload");
    assert_eq!(replica.line(), "reloaded: any user, tokens of 0 revoked");
    let waits = "of the file, these keys wait until this replica is started again: loss, timeouts";
    assert_eq!(replica.line(), waits);
    std::fs::write(&cluster.config, text).unwrap();
    replica.type_line("reload");
    replica.type_line("status");
    assert_eq!(replica.line(), "reloaded: any user, tokens of 0 revoked");
    assert!(replica.line().starts_with("status"));
}

#[test]
fn the_console_tells_and_obeys() {
    let cluster = TestCluster::new(&["--timeout-ms", "200"]);
    let mut replicas = cluster.start();
    assert_eq!(cluster.client(&["send", "one"], "").code, 0);
    // Who leads may change after every look, on a machine that is busy enough.
    eventually("one that follows refuses", || {
        let follower = (leader_of(&mut replicas) + 1) % 3;
        replicas[follower].type_line("skip slot");
        replicas[follower].line().contains("does not lead")
    });
    // The next message lands behind a hole, which only another leader repairs. A leader that has lost
    // its office before it proposed that message has skipped nothing.
    eventually("a slot is skipped and closed", || {
        let leader = leader_of(&mut replicas);
        replicas[leader].type_line("Skip Slot");
        let is_told = replicas[leader].line().contains("skips");
        assert_eq!(cluster.client(&["send", "two"], "").code, 0);
        is_told && (0..3).any(|id| cluster.log(id).contains("\tnoop\t"))
    });
    eventually("the hole is filled everywhere", || {
        (0..3).all(|id| cluster.log(id).contains("\tnoop\t"))
    });
    replicas[0].type_line("help");
    assert!(replicas[0].line().starts_with("status"));
}

#[test]
fn a_replica_that_comes_back_alone_shows_and_serves_what_it_had() {
    let cluster = TestCluster::new(&[]);
    let mut replicas: Vec<_> = (0..3).map(|id| Replica::start(&cluster, id, "--init")).collect();
    assert_eq!(cluster.client(&["send", "one", "two", "three"], "").code, 0);
    eventually("all have it", || (0..3).all(|id| cluster.log(id).contains("three")));
    let before = replicas[0].status();
    // Killed, so that nothing is tidied up.
    drop(replicas);
    let mut alone = Replica::start_with(&cluster, 0, &[]);
    let after = alone.status();
    for key in ["applied_upto", "log_lines"] {
        assert_eq!(number(&after, key), number(&before, key), "{key}: {after}");
    }
    let tailed = cluster.client(&["tail"], "");
    assert_eq!((tailed.code, tailed.stdout.lines().count()), (0, 3), "{tailed:?}");
}

#[test]
fn old_entries_are_read_from_disk_and_damage_that_is_met_there_is_told_and_ends_no_replica() {
    let cluster = TestCluster::new(&["--timeout-ms", "300"]);
    let mut replicas = cluster.start();
    // One message at a time, so that each has a slot.
    let load = ["load", "--messages", "1500", "--outstanding", "1", "--size", "200"];
    assert_eq!(cluster.client(&load, "").code, 0);
    all_have(cluster.folder.path(), 1500);
    assert_eq!(cluster.client(&["tail"], "").stdout.lines().count(), 1500);
    let reads: u64 = replicas.iter_mut().map(|r| number(&r.status(), "log_reads")).sum();
    assert!(reads > 0, "the first entries are in memory no more");

    // All but one are damaged, and whoever reads gets all from that one.
    for id in 0..2 {
        let path = cluster.folder.path().join(format!("replica-{id}.log"));
        let mut bytes = std::fs::read(&path).unwrap();
        let place =
            bytes.len() / 3 + bytes[bytes.len() / 3..].iter().position(|b| *b == b'x').unwrap();
        bytes[place] = b'y';
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[place..=place], place as u64)
            .unwrap();
    }
    let mut errors = |id: usize| number(&replicas[id].status(), "read_errors");
    let mut tailed = Vec::new();
    eventually("the damage is met", || {
        tailed.push(cluster.client(&["tail"], "").stdout.lines().count());
        errors(0) > 0 && errors(1) > 0
    });
    assert!(tailed.iter().all(|lines| *lines == 1500), "{tailed:?}");
    assert_eq!(errors(2), 0);
    assert_eq!(cluster.client(&["send", "still here"], "").code, 0);
    all_have(cluster.folder.path(), 1501);
    let said = replicas.remove(0).end();
    for part in [".log, line ", "offset ", "running hash", "copy the chat log of another replica"] {
        assert!(said.contains(part), "does not say {part}: {said}");
    }
}

#[test]
fn leadership_moves_away_from_a_replica_whose_disk_stalls() {
    let cluster = TestCluster::new(&["--timeout-ms", "200"]);
    let mut replicas: Vec<Replica> =
        (0..3).map(|id| Replica::start(&cluster, id, "--init")).collect();
    assert_eq!(cluster.client(&["send", "one"], "").code, 0);
    let old = leader_of(&mut replicas);
    let stall = Duration::from_secs(6);
    replicas[old].type_line(&format!("stall disk {}", stall.as_millis()));
    assert!(replicas[old].line().contains("the next sync takes"));
    let started = Instant::now();
    assert_eq!(cluster.client(&["send", "two"], "").code, 0);
    let others = [(old + 1) % 3, (old + 2) % 3];
    eventually("one of them leads", || {
        others.iter().any(|id| replicas[*id].status().contains("role=leading"))
    });
    let served = started.elapsed();
    assert!(served < stall, "the others served while it stalled: {served:?}");
    eventually("it follows, and has what it missed", || {
        replicas[old].status().contains("role=follower")
            && (0..3).all(|id| cluster.log(id).contains("\"two\""))
    });
    assert!(started.elapsed() >= stall, "its sync has stalled");
    assert_eq!(cluster.client(&["send", "three"], "").code, 0);
    eventually("each message is there, and once", || {
        (0..3).all(|id| cluster.log(id).matches("\tpost\tapplied\t").count() == 3)
    });
}

#[test]
fn a_replica_without_a_terminal_outlives_its_standard_input() {
    let cluster = TestCluster::new(&[]);
    let mut child = Command::new(REPLICA)
        .args(["--config", arg(&cluster.config), "--id", "0"])
        .args(["--log-dir", arg(cluster.folder.path()), "--init"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Is any process of this folder still there?
fn processes_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(arg(folder)) {
            found.push(command);
        }
    }
    found
}

#[test]
fn an_interrupted_or_killed_run_leaves_no_process_behind() {
    for signal in ["-INT", "-TERM", "-KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(CLUSTER)
            .args(["run", "--messages", "100000", "--loss", "0.1"])
            .args(["--log-dir", arg(folder.path())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it runs", || folder.path().join("client-2.jsonl").exists());
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        if signal != "-KILL" {
            assert_eq!(status.code(), Some(130));
        }
        eventually("nothing is left", || processes_of(folder.path()).is_empty());
    }
}
