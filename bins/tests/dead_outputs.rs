//! Standard output and standard error that nobody reads, that are full, or closed: what each program's status is
//! then, and that a replica serves on and obeys.

mod dead;
mod recordings;
mod replicas;
mod senders;
mod support;

use dead::{are_all, ends_as_documented};
use paxos_chat_config::credentials::Token;
use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster, leader_of};
use senders::*;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{arg, eventually, run};

/// What each program is asked for: something of each command that ends by itself.
fn commands<'a>(
    cluster: &'a TestCluster,
    gone: &'a str,
    man: &'a str,
) -> Vec<(&'static str, Vec<&'a str>)> {
    let (config, folder) = (arg(&cluster.config), arg(cluster.folder.path()));
    let at = ["--config", config];
    let with = |program, first: &[&'a str], rest: &[&'a str]| (program, [first, rest].concat());
    let client = ["--config", config, "--name", "alice"];
    let mut all = vec![
        with(CLUSTER, &["config"], &[]),
        with(CLUSTER, &["config", "-o"], &[config]),
        with(CLUSTER, &["invite", "--user", "bob"], &at),
        with(CLUSTER, &["revoke", "--user", "eve"], &at),
        with(CLUSTER, &["run", "--messages", "1", "--clients", "1"], &[]),
        with(CLUSTER, &["scenarios"], &[]),
        with(CLUSTER, &["simulate", "--seed", "1", "--faulty", "1"], &[]),
        with(CLUSTER, &["soak", "--messages", "10", "--clients", "1"], &[]),
        with(CLUSTER, &["verify"], &[folder]),
        with(CLUSTER, &["verify"], &[gone]),
        with(CLUSTER, &["status"], &at),
        with(CLUSTER, &["status", "--current"], &at),
        with(CLUSTER, &["watch", "--count", "1"], &at),
        with(CLUSTER, &["move-leader"], &at),
        with(CLUSTER, &["rotate", "end"], &at),
        with(CLUSTER, &["fault", "0", "skip-slot"], &at),
        with(CLUSTER, &["completions", "bash"], &[]),
        with(CLUSTER, &["man"], &[man]),
        with(CLIENT, &client, &["send", "hello"]),
        with(CLIENT, &client, &["tail"]),
        with(CLIENT, &client, &["tail", "--current"]),
        with(CLIENT, &client, &["read"]),
        with(CLIENT, &client, &["read", "--json"]),
        with(CLIENT, &client, &["load", "--messages", "1"]),
        with(CLIENT, &client, &["load", "--messages", "1", "--reads"]),
        with(CLIENT, &client, &["--token", gone, "send", "hello"]),
        with(CLIENT, &["completions", "bash"], &[]),
        with(CLIENT, &["man"], &[man]),
        with(REPLICA, &["--id", "9", "--volatile"], &at),
    ];
    for program in [CLUSTER, CLIENT, REPLICA] {
        all.push(with(program, &["--help"], &[]));
        all.push(with(program, &["--nonsense"], &[]));
    }
    all
}

#[test]
fn every_command_ends_with_a_documented_status_whatever_has_become_of_its_outputs() {
    let cluster = TestCluster::unrecorded("clients are started by a shell", &[]);
    let _replicas = cluster.start();
    assert_eq!(cluster.client(&["send"], "first").code, 0);
    let [gone, man] = ["gone", "man"].map(|name| cluster.folder.path().join(name));
    let commands = commands(&cluster, arg(&gone), arg(&man));
    for program in [CLUSTER, CLIENT] {
        are_all(program, &commands);
    }
    for (program, args) in commands {
        ends_as_documented(program, &args);
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
    let cluster = TestCluster::unrecorded("nobody records what a stranger sends", &[]);
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
    let cluster = TestCluster::unrecorded("a replica loses its memory", &[]);
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
fn a_leader_that_can_make_no_thread_any_more_hands_over_and_ends() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    let cluster = TestCluster::unrecorded("its replicas are started by hand", &[]);
    let folder = cluster.folder.path();
    let program = folder.join("replica");
    // Not by this process: a sibling's fork would hold the copy open for writing, and a file that
    // is being written cannot be run.
    assert_eq!(run("cp", &[REPLICA, arg(&program)]).code, 0);
    // The system counts nobody's threads for root.
    let other = rustix::process::getuid().is_root().then_some(65_534);
    if other.is_some() {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.chain([folder.to_owned()]).for_each(|path| chown(path, other, other).unwrap());
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let as_other = |mut command: Command| {
        if let Some(other) = other {
            command.uid(other).gid(other);
        }
        command
    };
    let start = |id: u8| {
        let mut command = Command::new(&program);
        command.args(["--config", arg(&cluster.config), "--id", &id.to_string(), "--volatile"]);
        command.args(["--log-dir", arg(folder), "--log-level", "info", "--stop-at-end-of-input"]);
        Replica::spawn(&mut as_other(command))
    };
    let mut replicas: Vec<_> = (0..3).map(start).collect();
    assert_eq!(cluster.client(&["send"], "before").code, 0);
    let leader = leader_of(&mut replicas);
    let mut leader = replicas.remove(leader);
    // Of util-linux, which is wherever there is a shell.
    let mut no_threads = Command::new("prlimit");
    no_threads.args(["--nproc=0", "--pid", &leader.child.id().to_string()]);
    assert!(as_other(no_threads).status().unwrap().success());
    assert_eq!(run("kill", &["-TERM", &leader.child.id().to_string()]).code, 0);
    let mut status = None;
    eventually("it ends", || {
        status = leader.child.try_wait().unwrap();
        status.is_some()
    });
    let said = leader.said();
    assert_eq!(status.unwrap().code(), Some(0), "{said}");
    assert!(said.contains("has handed over"), "{said}");
    assert_eq!(cluster.client(&["send"], "after").code, 0);
}

/// An output whose reader has stopped, and not gone: a pipe that is full.
fn stuck() -> (std::io::PipeReader, std::io::PipeWriter) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for bytes in [&[b'x'; 4096][..], b"x"] {
        while std::io::Write::write(&mut writer, bytes).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_replica_starts_obeys_and_ends_though_whoever_reads_its_outputs_has_stopped() {
    let cluster = TestCluster::unrecorded("its replicas are started by hand", &[]);
    let (config_path, folder) = (arg(&cluster.config), arg(cluster.folder.path()));
    let mut readers = Vec::new();
    let mut replicas: Vec<_> = (0..3)
        .map(|id: u8| {
            let [(out_reader, out), (err_reader, err)] = [stuck(), stuck()];
            readers.extend([out_reader, err_reader]);
            let mut command = Command::new(REPLICA);
            command.args(["--config", config_path, "--id", &id.to_string(), "--volatile"]);
            command.args(["--log-dir", folder, "--log-level", "debug", "--stop-at-end-of-input"]);
            Child(command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().unwrap())
        })
        .collect();
    let token = cluster.folder.path().join("eve");
    Token::issue(&secret(&cluster), &config(&cluster), "eve").unwrap().write(&token).unwrap();
    let mut eve = Sender::user(&cluster, "eve");
    eventually("eve is served", || eve.is_answered(0));
    let hang_up = || {
        for replica in &replicas {
            assert_eq!(run("kill", &["-HUP", &replica.0.id().to_string()]).code, 0);
        }
        // Two that come at once are one.
        std::thread::sleep(Duration::from_millis(300));
    };
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(&cluster.config, format!("{text}\nnonsense")).unwrap();
    hang_up();
    std::fs::write(&cluster.config, text).unwrap();
    let revoked = run(CLUSTER, &["revoke", "--config", config_path, "--user", "eve"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    hang_up();
    for id in 0..3 {
        eventually("eve is refused", || !eve.is_answered(id));
    }
    for replica in &mut replicas {
        // A signal that is one too many ends it at once, with another status.
        assert_eq!(run("kill", &["-TERM", &replica.0.id().to_string()]).code, 0);
        let mut status = None;
        eventually("it ends", || {
            status = replica.0.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
    }
}

/// A process that is killed at the end.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
