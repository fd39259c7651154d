//! The StatefulSet of `deploy/kubernetes`, played: its commands run as its pods would, each under a name whose address
//! changes with every restart, and are updated one after the other under load. Each process sees the names in a mount
//! namespace of its own.

mod hosts;
mod recordings;
mod replicas;
mod support;

use hosts::Hosts;
use recordings::Recordings;
use replicas::{CLIENT, CLUSTER};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::{arg, eventually, free_ports, run};

const MANIFEST: &str = include_str!("../../deploy/kubernetes/paxos-chat.yaml");

/// The scripts of the manifest's containers: the one that formats, and the one that serves.
fn scripts() -> [String; 2] {
    let blocks: Vec<&str> = MANIFEST.split("args:\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    [0, 1].map(|which| {
        let mut lines = blocks[which].lines();
        assert_eq!(lines.next().map(str::trim), Some("- |"));
        let block = lines.take_while(|line| line.starts_with("              "));
        block.map(|line| format!("{}\n", line.trim())).collect()
    })
}

/// Pods, and where they are. What they and the clients do is recorded, and validated at the end.
struct Set {
    // Each goes after what is above it: first the pods, and the folder last.
    pods: Vec<Pod>,
    recordings: Recordings,
    folder: tempfile::TempDir,
    hosts: Hosts,
    port: u16,
    next_address: u8,
}

struct Pod {
    id: u8,
    address: String,
    child: Option<Child>,
}

impl Drop for Pod {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn name(id: u8) -> String {
    format!("paxos-chat-{id}.paxos-chat.paxos-chat.svc")
}

impl Set {
    /// None, where names can't be made to mean what this says.
    fn new() -> Option<Set> {
        let folder = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(folder.path())?;
        // One for replicas, one for metrics.
        let port = free_ports("127.0.0.1", 2);
        let recordings = Recordings::within(folder.path());
        let mut set = Set { pods: Vec::new(), recordings, folder, hosts, port, next_address: 41 };
        let all: Vec<String> = (0..3).map(|id| format!("{}:{port}", name(id))).collect();
        let config = set.config();
        let ended = run(CLUSTER, &["config", "--address", &all.join(","), "-o", arg(&config)]);
        assert_eq!(ended.code, 0, "{ended:?}");
        for id in 0..3 {
            let address = set.new_address();
            set.pods.push(Pod { id, address, child: None });
        }
        set.publish();
        Some(set)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.file("cluster.toml")
    }

    fn new_address(&mut self) -> String {
        self.next_address += 1;
        format!("127.0.0.{}", self.next_address)
    }

    /// What the headless service says.
    fn publish(&self) {
        self.hosts.are(self.pods.iter().map(|pod| (name(pod.id), pod.address.clone())));
    }

    /// A script of the manifest, as a pod runs it: with folders and ports of this machine.
    fn script(&self, script: &str, pod: &Pod) -> Command {
        let data = self.file(&format!("data-{}", pod.id));
        std::fs::create_dir_all(&data).unwrap();
        let script = script
            .replace("/config/cluster.toml", arg(&self.config()))
            .replace("/secret/cluster.secret", arg(&self.file("cluster.secret")))
            .replace("/data", arg(&data))
            .replace("0.0.0.0:7100", &format!("{}:{}", pod.address, self.port))
            .replace("0.0.0.0:9100", &format!("{}:{}", pod.address, self.port + 1));
        let programs = Path::new(CLUSTER).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = self.hosts.command("sh");
        command.args(["-ec", &script]).env("PATH", path).env("ID", pod.id.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn format(&self) {
        for pod in &self.pods {
            let formatted = self.script(&scripts()[0], pod).env("FORMAT", "yes").status().unwrap();
            assert!(formatted.success());
        }
    }

    fn start(&mut self, id: usize) {
        let pod = &self.pods[id];
        let recorded =
            format!("exec replica --record {} ", arg(&self.recordings.of_replica(pod.id)));
        let script = scripts()[1].replace("exec replica ", &recorded);
        let child = self.script(&script, pod).spawn().unwrap();
        self.pods[id].child = Some(child);
    }

    /// The kubelet's probe.
    fn is_ready(&self, id: usize) -> bool {
        let ask = || -> Option<String> {
            let mut stream = TcpStream::connect((&*self.pods[id].address, self.port + 1)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: pod\r\n\r\n").ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer)
        };
        ask().is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    fn all_are_ready(&self) -> bool {
        (0..3).all(|id| self.is_ready(id))
    }

    /// A pod is ended, and made anew, somewhere else.
    fn replace(&mut self, id: usize) {
        let mut child = self.pods[id].child.take().unwrap();
        assert_eq!(run("kill", &["-TERM", &child.id().to_string()]).code, 0);
        eventually("it has ended in good order", || {
            child.try_wait().unwrap().is_some_and(|status| status.success())
        });
        self.pods[id].address = self.new_address();
        self.publish();
        self.start(id);
        eventually("it is ready again", || self.is_ready(id));
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut command = self.hosts.command(CLIENT);
        command.args(["--config", arg(&self.config()), "--name", "ann"]).args(args);
        command.arg("--record-run").arg(self.recordings.of_client(args));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// When each message was shown to somebody who reads.
fn follow(set: &Set) -> (Child, Receiver<Instant>) {
    let tail = ["tail", "--from", "end", "--follow", "--format", "{seq}"];
    let mut reader = set.client(&tail).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    let (sender, shown) = channel();
    std::thread::spawn(move || {
        for _ in lines.map_while(Result::ok) {
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    (reader, shown)
}

#[test]
fn a_rolling_update_under_load_costs_no_message() {
    let Some(mut set) = Set::new() else {
        eprintln!("left out: this machine makes no mount namespaces");
        return;
    };
    set.format();
    (0..3).for_each(|id| set.start(id));
    eventually("all are ready", || set.all_are_ready());
    let (mut reader, shown) = follow(&set);
    // It says something now and then until it is told to stop, and waits for all acknowledgements.
    let load = ["load", "--clients", "4", "--outstanding", "4", "--seconds", "600", "--json"];
    let load = set.client(&load).spawn().unwrap();
    shown.recv_timeout(Duration::from_secs(20)).expect("something is said");
    for id in [2, 1, 0] {
        eventually("one is stopped only when all are ready", || set.all_are_ready());
        set.replace(id);
    }
    eventually("all are ready again", || set.all_are_ready());
    assert_eq!(run("kill", &["-INT", &load.id().to_string()]).code, 0);
    let loaded = load.wait_with_output().unwrap();
    assert!(loaded.status.success(), "{loaded:?}");
    let told: serde_json::Value = serde_json::from_slice(&loaded.stdout).unwrap();
    assert_eq!(told["errors"], 0, "{told}");
    reader.kill().unwrap();
    reader.wait().unwrap();
    let shown: Vec<Instant> = shown.iter().collect();
    let silence = shown.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("{} messages were shown, with {silence:?} of silence at most", shown.len());
    // About one election time-out here; a busy machine may take longer.
    assert!(silence < Duration::from_secs(20), "{silence:?}");
}
