//! Replicas that are configured by name: looked up when they start, and again when they fall silent. Each process sees a
//! file of hosts that the test changes, in a mount namespace of its own.

mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, REPLICA, Replica};
use std::path::PathBuf;
use std::process::Command;
use support::{Ended, arg, eventually, free_ports, run};

/// Shows these files to a command in place of the system's.
const IN_PLACE: &str = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";

struct Names {
    folder: tempfile::TempDir,
    port: u16,
}

impl Names {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on, these replicas are at the addresses 127.0.0.N.
    fn are(&self, hosts: &[(u8, u8)]) {
        let line = |(id, at): &(u8, u8)| format!("127.0.0.{at} chat-{id}.test\n");
        std::fs::write(self.file("hosts"), hosts.iter().map(line).collect::<String>()).unwrap();
    }

    /// A command to which names are what this says.
    fn command(&self, program: &str) -> Vec<String> {
        let (hosts, order) = (self.file("hosts"), self.file("nsswitch.conf"));
        let words = ["-rm", "sh", "-c", IN_PLACE, "sh", arg(&hosts), arg(&order), program];
        words.map(str::to_owned).to_vec()
    }

    fn start(&self, id: u8, at: u8, init: &[&str]) -> Replica {
        let (config, listen) = (self.file("cluster.toml"), format!("127.0.0.{at}:{}", self.port));
        let mut command = Command::new("unshare");
        command.args(self.command(REPLICA)).args(["--config", arg(&config), "--listen", &listen]);
        command.args(["--id", &id.to_string(), "--log-dir", arg(self.folder.path())]).args(init);
        Replica::spawn(command.arg("--stop-at-end-of-input"))
    }

    fn says(&self, text: &str) -> Ended {
        let config = self.file("cluster.toml");
        let mut words = self.command(CLIENT);
        let rest = ["--config", arg(&config), "--name", "ann", "--patience", "30", "send", text];
        words.extend(rest.map(str::to_owned));
        run("unshare", &words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn who_is_not_there_yet_and_who_comes_back_elsewhere_is_found_by_its_name() {
    if run("unshare", &["-rm", "true"]).code != 0 {
        eprintln!("left out: this machine makes no mount namespaces");
        return;
    }
    let names = Names { folder: tempfile::tempdir().unwrap(), port: free_ports("127.0.0.1", 1) };
    std::fs::write(names.file("nsswitch.conf"), "hosts: files\n").unwrap();
    let all: Vec<String> = (0..3).map(|id| format!("chat-{id}.test:{}", names.port)).collect();
    let config = names.file("cluster.toml");
    let ended = run(CLUSTER, &["config", "--address", &all.join(","), "-o", arg(&config)]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("cannot be looked up here"), "{ended:?}");
    assert!(std::fs::read_to_string(&config).unwrap().contains("\"chat-2.test:"));
    names.are(&[(0, 31), (1, 32)]);
    let zero = names.start(0, 31, &["--init"]);
    let one = names.start(1, 32, &["--init"]);
    assert_eq!(names.says("two of three").code, 0);
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
    let ended = names.says("from elsewhere");
    assert_eq!(ended.code, 0, "{ended:?}");
    eventually("both have it", || has(0, "from elsewhere") && has(2, "from elsewhere"));
}
