//! Standard output and standard error that nobody reads, that are full, or closed: what each program's status is
//! then, and that a replica serves on and obeys.

mod replicas;
mod senders;
mod support;

use paxos_chat_runtime::credentials::Token;
use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster};
use senders::*;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{arg, eventually, run};

const CHECK: &str = env!("CARGO_BIN_EXE_check");

/// How an output is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dead {
    /// It is a pipe without a reader.
    Pipe,
    /// It is a disk without space.
    Full,
    /// There is none.
    Closed,
}

impl Dead {
    /// How a shell redirects a descriptor so. Of a pipe, its other end has gone when the program starts.
    fn redirection(self, descriptor: u8) -> String {
        match self {
            Dead::Pipe => format!("{descriptor}>&9"),
            Dead::Full => format!("{descriptor}>/dev/full"),
            Dead::Closed => format!("{descriptor}>&-"),
        }
    }

    /// The status, with these descriptors dead.
    fn status(self, program: &str, args: &[&str], descriptors: &[u8]) -> Option<i32> {
        let redirections: Vec<_> = descriptors.iter().map(|d| self.redirection(*d)).collect();
        let script = format!("exec \"$@\" {} 9>&-", redirections.join(" "));
        // The shell has the pipe as its own standard output, and as descriptor 9.
        let script = format!("exec 9>&1; exec >/dev/null; {script}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", program]).args(args);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
        command.status().unwrap().code()
    }
}

/// What each program is asked for: something of each command that ends by itself.
fn commands<'a>(cluster: &'a TestCluster, gone: &'a str) -> Vec<(&'static str, Vec<&'a str>)> {
    let (config, folder) = (arg(&cluster.config), arg(cluster.folder.path()));
    let at = ["--config", config];
    let with = |program, first: &[&'a str], rest: &[&'a str]| (program, [first, rest].concat());
    let client = ["--config", config, "--name", "alice"];
    let mut all = vec![
        with(CHECK, &["list"], &[]),
        with(CHECK, &["run", "sessions"], &[]),
        with(CHECK, &["refine", "sessions", "--json"], &[]),
        with(CHECK, &["run", "nonsense"], &[]),
        with(CLUSTER, &["config"], &[]),
        with(CLUSTER, &["config", "-o"], &[config]),
        with(CLUSTER, &["invite", "--user", "bob"], &at),
        with(CLUSTER, &["revoke", "--user", "eve"], &at),
        with(CLUSTER, &["scenarios"], &[]),
        with(CLUSTER, &["verify"], &[folder]),
        with(CLUSTER, &["verify"], &[gone]),
        with(CLUSTER, &["status"], &at),
        with(CLUSTER, &["watch", "--count", "1"], &at),
        with(CLUSTER, &["move-leader"], &at),
        with(CLUSTER, &["manual", "completions", "bash"], &[]),
        with(CLIENT, &client, &["send", "hello"]),
        with(CLIENT, &client, &["tail"]),
        with(CLIENT, &client, &["load", "--messages", "1"]),
        with(CLIENT, &client, &["--token", gone, "send", "hello"]),
        with(CLIENT, &["manual", "completions", "bash"], &[]),
        with(REPLICA, &["--id", "9", "--volatile"], &at),
    ];
    for program in [CHECK, CLUSTER, CLIENT, REPLICA] {
        all.push(with(program, &["--help"], &[]));
        all.push(with(program, &["--nonsense"], &[]));
    }
    all
}

#[test]
fn every_command_ends_with_a_documented_status_whatever_has_become_of_its_outputs() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    assert_eq!(cluster.client(&["send"], "first").code, 0);
    let gone = cluster.folder.path().join("gone");
    for (program, args) in commands(&cluster, arg(&gone)) {
        let alive = run(program, &args);
        let shown = format!("{program} {args:?}: {alive:?}");
        assert!((0..=3).contains(&alive.code), "{shown}");
        for dead in [Dead::Pipe, Dead::Full, Dead::Closed] {
            // Nobody need read the errors.
            assert_eq!(dead.status(program, &args, &[2]), Some(alive.code), "{dead:?} {shown}");
            let expected = match dead {
                _ if alive.stdout.is_empty() => alive.code,
                Dead::Pipe => 141,
                Dead::Full => 74,
                Dead::Closed => alive.code,
            };
            for descriptors in [&[1][..], &[1, 2]] {
                let found = dead.status(program, &args, descriptors);
                assert_eq!(found, Some(expected), "{dead:?} {descriptors:?} {shown}");
            }
        }
    }
}

/// A cluster whose replicas' standard error nobody reads.
fn unread(cluster: &TestCluster) -> Vec<Replica> {
    let mut replicas = cluster.start();
    replicas.iter_mut().for_each(|replica| drop(replica.child.stderr.take()));
    replicas
}

/// Has all replicas read the configuration again. What comes of it shows elsewhere.
fn reload(replicas: &[Replica]) {
    for replica in replicas {
        assert_eq!(run("kill", &["-HUP", &replica.child.id().to_string()]).code, 0);
    }
    // Two that come at once are one.
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_revoked_token_is_refused_though_an_earlier_error_could_not_be_told() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = unread(&cluster);
    let token = cluster.folder.path().join("eve");
    Token::issue(&secret(&cluster), &config(&cluster), "eve").unwrap().write(&token).unwrap();
    let mut eve = Sender::user(&cluster, "eve");
    eventually("eve is served", || eve.is_answered(0));
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(&cluster.config, format!("{text}\nnonsense")).unwrap();
    reload(&replicas);
    std::fs::write(&cluster.config, text).unwrap();
    let revoked = run(CLUSTER, &["revoke", "--config", arg(&cluster.config), "--user", "eve"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    reload(&replicas);
    for id in 0..3 {
        eventually("eve is refused", || !eve.is_answered(id));
    }
    assert_eq!(cluster.client(&["send"], "still here").code, 0);
    replicas.iter_mut().for_each(|replica| assert!(replica.child.try_wait().unwrap().is_none()));
}

#[test]
fn another_cluster_s_file_ends_no_replica_whose_errors_nobody_reads() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = unread(&cluster);
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    let name = text.lines().find(|line| line.starts_with("cluster = ")).unwrap();
    std::fs::write(&cluster.config, text.replace(name, "cluster = \"another\"")).unwrap();
    reload(&replicas);
    std::fs::write(&cluster.config, &text).unwrap();
    assert_eq!(cluster.client(&["send"], "still here").code, 0);
    replicas.iter_mut().for_each(|replica| assert!(replica.child.try_wait().unwrap().is_none()));
}

#[test]
fn a_replica_serves_and_ends_in_good_order_with_every_output_dead() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = unread(&cluster);
    // From now on nobody reads what the consoles print either.
    let (config, folder) = (arg(&cluster.config), arg(cluster.folder.path()));
    drop(replicas.pop());
    std::fs::remove_file(cluster.folder.path().join("replica-2.log")).unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut third = Command::new(REPLICA)
        .args(["--config", config, "--id", "2", "--volatile", "--log-dir", folder])
        .args(["--log-level", "debug"])
        .stdin(Stdio::null())
        .stdout(full())
        .stderr(full())
        .spawn()
        .unwrap();
    drop(replicas.remove(0));
    assert_eq!(cluster.client(&["send"], "by two of three").code, 0);
    eventually("it has it", || cluster.log(2).contains("by two of three"));
    assert_eq!(run("kill", &["-TERM", &third.id().to_string()]).code, 0);
    assert_eq!(third.wait().unwrap().code(), Some(0));
}

/// Where no thread can be made any more, a signal still does what it says.
#[cfg(target_os = "linux")]
#[test]
fn the_threads_that_signals_need_are_there_from_the_start() {
    let cluster = TestCluster::new(&[]);
    let replica = Replica::start(&cluster, 0, "--volatile");
    let mut names = Vec::new();
    eventually("they are there", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", replica.child.id())).unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("comm"))
        };
        names =
            tasks.filter_map(|task| name(task).ok()).map(|name| name.trim().to_owned()).collect();
        let needed = ["signals", "bound", "end", "reload", "console"];
        needed.iter().all(|needed| names.iter().any(|name| name == needed))
    });
}
