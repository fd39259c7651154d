//! Replicas that are configured by name: looked up when they start, and again when they fall silent. Each process sees a
//! file of hosts that the test changes, in a mount namespace of its own.

mod hosts;
mod recordings;
mod replicas;
mod support;

use hosts::Hosts;
use recordings::Recordings;
use replicas::{CLIENT, CLUSTER, REPLICA, Replica};
use std::path::PathBuf;
use std::process::Output;
use support::{arg, eventually, free_ports, run};

/// Where the processes are whose names a test changes. What they do is recorded, and validated at the end.
struct Names {
    // Before the folder that it is in, which the end of this removes.
    recordings: Recordings,
    folder: tempfile::TempDir,
    hosts: Hosts,
    port: u16,
}

impl Names {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on, these replicas are at the addresses 127.0.0.N.
    fn are(&self, hosts: &[(u8, u8)]) {
        let host = |(id, at): &(u8, u8)| (format!("chat-{id}.test"), format!("127.0.0.{at}"));
        self.hosts.are(hosts.iter().map(host));
    }

    fn start(&self, id: u8, at: u8, init: &[&str]) -> Replica {
        let (config, listen) = (self.file("cluster.toml"), format!("127.0.0.{at}:{}", self.port));
        let mut command = self.hosts.command(REPLICA);
        command.args(["--config", arg(&config), "--listen", &listen]);
        command.args(["--id", &id.to_string(), "--log-dir", arg(self.folder.path())]).args(init);
        command.arg("--record").arg(self.recordings.of_replica(id));
        Replica::spawn(command.arg("--stop-at-end-of-input"))
    }

    fn says(&self, text: &str) -> Output {
        let mut command = self.hosts.command(CLIENT);
        command.args(["--config", arg(&self.file("cluster.toml")), "--name", "ann"]);
        command.arg("--record-run").arg(self.recordings.of_client(&[]));
        command.args(["--patience", "30", "send", text]).output().unwrap()
    }
}

/// RFC 2606, section 2: there is no such name.
#[test]
fn a_name_that_cannot_be_looked_up_is_told_and_the_replica_serves() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings::within(folder.path());
    let (config, port) = (folder.path().join("cluster.toml"), free_ports("127.0.0.1", 2));
    let all = format!("127.0.0.1:{port},127.0.0.1:{},nobody.invalid:7100", port + 1);
    assert_eq!(run(CLUSTER, &["config", "--address", &all, "-o", arg(&config)]).code, 0);
    let start = |id: u8| {
        let mut command = std::process::Command::new(REPLICA);
        command.args(["--config", arg(&config), "--id", &id.to_string(), "--init"]);
        command.args(["--log-dir", arg(folder.path()), "--stop-at-end-of-input"]);
        command.arg("--record").arg(recordings.of_replica(id));
        Replica::spawn(&mut command)
    };
    let replicas = [start(0), start(1)];
    let recording = recordings.of_client(&[]);
    let args = ["--config", arg(&config), "--record-run", arg(&recording), "--name", "ann"];
    let sent = run(CLIENT, &[&args[..], &["--patience", "30", "send", "one"]].concat());
    assert_eq!(sent.code, 0, "{sent:?}");
    for replica in replicas {
        let said = replica.end();
        let told = "the name of a replica cannot be looked up; it is tried again";
        assert_eq!(said.matches(told).count(), 1, "{said}");
        assert!(said.contains("nobody.invalid:7100"), "{said}");
    }
}

#[test]
fn who_is_not_there_yet_and_who_comes_back_elsewhere_is_found_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(hosts) = Hosts::new(folder.path()) else {
        eprintln!("left out: this machine makes no mount namespaces");
        return;
    };
    let recordings = Recordings::within(folder.path());
    let names = Names { recordings, folder, hosts, port: free_ports("127.0.0.1", 1) };
    let all: Vec<String> = (0..3).map(|id| format!("chat-{id}.test:{}", names.port)).collect();
    let config = names.file("cluster.toml");
    let ended = run(CLUSTER, &["config", "--address", &all.join(","), "-o", arg(&config)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("cannot be looked up here"), "{ended:?}");
    assert!(std::fs::read_to_string(&config).unwrap().contains("\"chat-2.test:"));
    names.are(&[(0, 31), (1, 32)]);
    let zero = names.start(0, 31, &["--init"]);
    let one = names.start(1, 32, &["--init"]);
    let said = names.says("two of three");
    assert!(said.status.success(), "{said:?}");
    // One that had no address when the others began.
    names.are(&[(0, 31), (1, 32), (2, 33)]);
    let _two = names.start(2, 33, &["--init"]);
    let has = |id: u8, text: &str| {
        let log = std::fs::read(names.file(&format!("replica-{id}.log"))).unwrap();
        String::from_utf8_lossy(&log).contains(text)
    };
    eventually("the third has it", || has(2, "two of three"));
    // One that comes back at another address; without it there is no majority.
    drop(zero);
    names.are(&[(0, 34), (1, 32), (2, 33)]);
    let _zero = names.start(0, 34, &[]);
    drop(one);
    let said = names.says("from elsewhere");
    assert!(said.status.success(), "{said:?}");
    eventually("both have it", || has(0, "from elsewhere") && has(2, "from elsewhere"));
}
