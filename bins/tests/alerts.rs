//! Each alert of `deploy/prometheus/alerts.yml`, by Prometheus itself, of a cluster that is brought into the state that it
//! tells of. Left out where Prometheus is not installed.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, Replica, TestCluster};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{arg, eventually, run};

const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus/alerts.yml");

/// A Prometheus that scrapes these, killed at the end.
struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    fn start(folder: &Path, targets: &[String]) -> Prometheus {
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{ALERTS}']\n\
             scrape_configs: [{{job_name: paxos-chat, static_configs: [{{targets: {targets:?}}}]}}]\n"
        );
        let path = folder.join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { child, port }
    }

    /// What it answers to this question; nothing, while it starts.
    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// How many replicas it has scraped.
    fn scraped(&self) -> usize {
        let answer = self.ask("query?query=up==1");
        answer.and_then(|answer| Some(answer["data"]["result"].as_array()?.len())).unwrap_or(0)
    }

    /// The alerts whose condition holds, whether for long enough or not.
    fn alerts(&self) -> BTreeSet<String> {
        let answer = self.ask("alerts");
        let alerts = answer.and_then(|answer| answer["data"]["alerts"].as_array().cloned());
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
        alerts.into_iter().flatten().map(|alert| name(&alert)).collect()
    }

    fn tells(&self, alert: &str) {
        eventually(alert, || self.alerts().contains(alert));
    }

    fn stops_telling(&self, alert: &str) {
        eventually(alert, || !self.alerts().contains(alert));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A client that has another secret says something, and is not heard.
fn forge(cluster: &TestCluster) -> Child {
    let folder = cluster.folder.path().join("strangers");
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join("cluster.toml");
    assert_eq!(run(CLUSTER, &["config", "-o", arg(&config)]).code, 0);
    std::fs::copy(&cluster.config, &config).unwrap();
    let mut command = Command::new(CLIENT);
    command.args([
        "--config",
        arg(&config),
        "--name",
        "eve",
        "--patience",
        "60",
        "send",
        "let me in",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Changes a letter of the first thing that was said.
fn damage(log: &Path) {
    let text = std::fs::read(log).unwrap();
    let at = text.windows(5).position(|said| said == b"first").unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(log).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(b"F").unwrap();
}

#[test]
fn each_alert_is_told_of_a_cluster_in_that_state_and_none_of_one_that_is_well() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        eprintln!("left out: prometheus is not installed");
        return;
    }
    let cluster = TestCluster::new(&[]);
    let metrics: Vec<String> = (0..3).map(|_| format!("127.0.0.1:{}", free_port())).collect();
    let start = |id: u8, args: &[&str]| {
        let more = ["--metrics", &metrics[usize::from(id)], "--enable-faults"];
        Replica::start_with(&cluster, id, &[&more, args].concat())
    };
    let mut replicas: Vec<Option<Replica>> =
        (0..3).map(|id| Some(start(id, &["--init"]))).collect();
    assert_eq!(cluster.client(&["send", "first"], "").code, 0);
    let prometheus = Prometheus::start(cluster.folder.path(), &metrics);
    eventually("all are scraped", || prometheus.scraped() == 3);
    prometheus.stops_telling("PaxosChatNoLeader");
    assert_eq!(prometheus.alerts(), BTreeSet::new());

    let mut eve = forge(&cluster);
    prometheus.tells("PaxosChatForgedDatagrams");
    eve.kill().unwrap();
    eve.wait().unwrap();

    let operator = ["--config", arg(&cluster.config)];
    for _ in 0..6 {
        assert_eq!(run(CLUSTER, &[&["move-leader"][..], &operator].concat()).code, 0);
    }
    prometheus.tells("PaxosChatLeaderChanges");

    replicas[2].as_mut().unwrap().type_line("stall disk 9000");
    assert_eq!(cluster.client(&["send", "while a disk stalls"], "").code, 0);
    prometheus.tells("PaxosChatSlowDisk");
    prometheus.tells("PaxosChatReplicaHangs");
    prometheus.stops_telling("PaxosChatReplicaHangs");

    replicas[0] = None;
    prometheus.tells("PaxosChatReplicaDown");
    damage(&cluster.folder.path().join("replica-1.log"));
    assert!(cluster.client(&["tail"], "").stdout.contains("first"), "another one answers");
    prometheus.tells("PaxosChatDamagedLog");

    replicas[0] = Some(start(0, &["--loss", "1"]));
    let load = ["load", "--messages", "1500", "--outstanding", "1"];
    assert_eq!(cluster.client(&load, "").code, 0);
    prometheus.tells("PaxosChatReplicaBehind");

    replicas[1] = None;
    prometheus.tells("PaxosChatNoLeader");
}
