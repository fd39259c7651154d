//! The command lines in `deploy/` are ones that `replica` takes.

mod recordings;
mod replicas;
mod support;

use clap::Parser;
use paxos_chat_replica::process::Args;
use replicas::{REPLICA, Replica, TestCluster};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;
use support::{arg, run};

/// The command lines of `replica` in a file, with lines that go on joined, and variables filled in.
fn commands(text: &str, begin: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let filled =
        joined.replace("%i", "0").replace("\"$ID\"", "0").replace("${RUNTIME_DIRECTORY}", "/run");
    let filled = filled.replace("${STATE_DIRECTORY}", "/var/lib/paxos-chat/0");
    let filled = filled.replace("${METRICS}", "127.0.0.1:9100");
    let lines = filled.lines().filter_map(|line| line.trim().strip_prefix(begin));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn parsed(text: &str, begin: &str) -> Vec<Args> {
    let parse = |words: Vec<String>| {
        let all = std::iter::once("replica".to_owned()).chain(words);
        Args::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"))
    };
    commands(text, begin).into_iter().map(parse).collect()
}

/// Storage is formatted in a step of its own, and by nothing that serves.
fn formats_and_serves(formats: &[Args], serves: &[Args]) {
    assert!(formats.len() == 1 && formats[0].init_only && !formats[0].init);
    assert!(serves.len() == 1 && !serves[0].init_only && !serves[0].init && !serves[0].volatile);
    assert!(serves[0].metrics.is_some() && !serves[0].enable_faults);
    assert_eq!(formats[0].log_dir, serves[0].log_dir);
}

#[test]
fn the_units_of_systemd() {
    let unit = |text| parsed(text, "ExecStart=/usr/bin/replica ");
    let formats = unit(include_str!("../../deploy/paxos-chat-init@.service"));
    formats_and_serves(&formats, &unit(include_str!("../../deploy/paxos-chat@.service")));
}

/// What systemd listens to.
#[test]
fn a_replica_says_when_it_serves_that_it_lives_and_that_it_ends() {
    let cluster = TestCluster::new(&[]);
    let path = cluster.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = Command::new(REPLICA);
    command.args(["--config", arg(&cluster.config), "--id", "0", "--volatile"]);
    command.args(["--log-dir", arg(cluster.folder.path()), "--enable-faults"]);
    command.arg("--record").arg(cluster.recordings().of_replica(0_u8));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
    let mut replica = Replica::spawn(&mut command);
    let hears = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("it says something");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut heard = Vec::new();
    while !heard.iter().any(|said: &String| said.starts_with("READY=1"))
        || heard.iter().filter(|said| said.contains("WATCHDOG=1")).count() < 3
    {
        heard.push(hears());
    }
    assert!(heard.iter().any(|said| said.contains("STATUS=replica 0 serves")), "{heard:?}");
    assert_eq!(run("kill", &["-TERM", &replica.child.id().to_string()]).code, 0);
    while !heard.iter().any(|said| said.contains("STOPPING=1")) {
        heard.push(hears());
    }
    assert_eq!(replica.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_stateful_set() {
    let text = include_str!("../../deploy/kubernetes/paxos-chat.yaml");
    let (formats, serves): (Vec<_>, Vec<_>) =
        parsed(text, "exec replica ").into_iter().partition(|args| args.init_only);
    formats_and_serves(&formats, &serves);
    for probe in ["path: /healthz", "path: /readyz", "publishNotReadyAddresses: true"] {
        assert!(text.contains(probe), "{probe}");
    }
}

#[test]
fn the_image_s_entry_point() {
    let text = include_str!("../../deploy/Dockerfile");
    let entry = text.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).unwrap();
    let mut words: Vec<String> = serde_json::from_str(entry).unwrap();
    words.extend(["--config", "c", "--id", "0"].map(str::to_owned));
    let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(args.log_dir, std::path::Path::new("/data"));
}
