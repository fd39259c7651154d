//! What a running replica shows to others than operators: metrics and logs.

mod recordings;
mod replicas;
mod support;

use replicas::{Replica, TestCluster};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::{arg, eventually, run, run_with_input};

/// The status and the content of what is answered for this path.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    (status.unwrap(), body.to_owned())
}

/// The samples of a page, by name and labels.
fn scrape(address: &str) -> BTreeMap<String, f64> {
    let (status, body) = get(address, "/metrics");
    assert_eq!(status, 200, "{body}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Where a replica serves its metrics, as it says.
fn metrics_of(replica: &Replica) -> String {
    let line = replica.line();
    let address = line.strip_prefix("metrics on http://");
    address.and_then(|rest| rest.strip_suffix("/metrics")).unwrap().to_owned()
}

#[test]
fn a_replica_is_ready_while_a_majority_is_there_and_alive_without_it() {
    let cluster = TestCluster::new(&[]);
    let args = ["--init", "--metrics", "127.0.0.1:0"];
    let mut replicas: Vec<_> = (0..3).map(|id| Replica::start_with(&cluster, id, &args)).collect();
    let addresses: Vec<String> = replicas.iter().map(metrics_of).collect();
    eventually("all are ready", || {
        let answers = addresses.iter().map(|address| get(address, "/readyz"));
        let mut ready: Vec<String> =
            answers.filter(|(status, _)| *status == 200).map(|(_, body)| body).collect();
        ready.sort();
        ready == ["ready: it follows\n", "ready: it follows\n", "ready: it leads\n"]
    });
    assert_eq!(cluster.client(&["send", "one", "two"], "").code, 0);
    let pages: Vec<_> = addresses.iter().map(|address| scrape(address)).collect();
    let sum = |name: &str| pages.iter().map(|page| page[name]).sum::<f64>();
    assert!(
        sum("paxos_chat_commit_seconds_count") >= 2.0 && sum("paxos_chat_requests_total") >= 2.0
    );
    assert!(sum("paxos_chat_elections_won_total") >= 1.0);
    assert_eq!(sum("paxos_chat_has_leader"), 3.0);
    for (file, text) in [
        ("alerts.yml", include_str!("../../deploy/prometheus/alerts.yml")),
        ("paxos-chat.json", include_str!("../../deploy/grafana/paxos-chat.json")),
    ] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("paxos_chat_")) {
            let is_it = |sample: &String| sample.split('{').next() == Some(word);
            let is_there = pages.iter().any(|page| page.keys().any(is_it));
            assert!(is_there, "{file}: there is no {word}");
        }
    }
    let dashboard = include_str!("../../deploy/grafana/paxos-chat.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    assert_eq!(dashboard["panels"].as_array().unwrap().len(), 12);
    replicas.truncate(1);
    eventually("it is not ready any more", || {
        get(&addresses[0], "/readyz")
            == (503, "neither leads nor hears a leader that makes progress\n".into())
    });
    assert_eq!(get(&addresses[0], "/healthz"), (200, "alive\n".into()));
    assert_eq!(get(&addresses[0], "/").0, 404);
}

/// Where Prometheus is not installed, its own conventions are not checked; its format is, by a test beside the page.
#[test]
fn promtool_has_nothing_to_say_against_the_metrics() {
    let cluster = TestCluster::new(&[]);
    let args = ["--volatile", "--metrics", "127.0.0.1:0"];
    let replica = Replica::start_with(&cluster, 0, &args);
    let address = metrics_of(&replica);
    let (_, page) = get(&address, "/metrics");
    let Ok(found) = std::process::Command::new("promtool").arg("--version").output() else {
        eprintln!("left out: promtool is not installed");
        return;
    };
    assert!(found.status.success());
    let checked = run_with_input("promtool", &["check", "metrics"], &page);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{checked:?}");
}

#[test]
fn a_scrape_shows_what_the_replica_does_even_while_its_disk_hangs() {
    let cluster = TestCluster::new(&[]);
    let args = ["--init", "--metrics", "127.0.0.1:0"];
    let mut replicas: Vec<_> = (0..3).map(|id| Replica::start_with(&cluster, id, &args)).collect();
    let addresses: Vec<String> = replicas.iter().map(metrics_of).collect();
    assert_eq!(cluster.client(&["send", "one", "two", "three"], "").code, 0);
    eventually("all have applied it", || {
        let upto = |address: &String| scrape(address)["paxos_chat_applied_slots_total"];
        addresses.iter().all(|address| upto(address) >= 2.0)
    });
    let leads = |page: &&BTreeMap<String, f64>| page[r#"paxos_chat_role{role="leading"}"#] == 1.0;
    let mut pages: Vec<_> = Vec::new();
    eventually("one leads", || {
        pages = addresses.iter().map(|address| scrape(address)).collect();
        pages.iter().filter(leads).count() == 1
    });
    for page in &pages {
        assert!(page["paxos_chat_sync_seconds_count"] >= 1.0);
        assert!(page["paxos_chat_received_messages_total"] > 0.0);
        assert!(page["process_resident_memory_bytes"] > 1e6);
    }
    // A counter never goes back.
    let later = scrape(&addresses[0]);
    for (name, value) in pages[0].iter().filter(|(name, _)| name.contains("_total")) {
        assert!(later[name] >= *value, "{name}");
    }
    // It is killed before that.
    replicas[0].type_line("stall disk 60000");
    assert_eq!(replicas[0].line(), "the next sync takes 60000 ms");
    assert_eq!(cluster.client(&["send", "four"], "").code, 0);
    eventually("the sync that hangs is seen", || {
        scrape(&addresses[0])["paxos_chat_sync_running_seconds"] > 0.5
    });
    assert_eq!(get(&addresses[0], "/healthz"), (200, "alive\n".into()), "a slow disk is no hang");
    eventually("a probe tells the hang", || get(&addresses[0], "/healthz").0 == 503);
    let (status, why) = get(&addresses[0], "/readyz");
    assert!(status == 503 && why.contains("has hung"), "{status}: {why}");
    assert_eq!(get(&addresses[1], "/healthz").0, 200);
}

#[test]
fn an_address_that_can_t_be_listened_on_is_refused() {
    let cluster = TestCluster::new(&[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (config, folder) = (arg(&cluster.config), arg(cluster.folder.path()));
    let args = ["--config", config, "--id", "0", "--volatile", "--log-dir", folder];
    replicas::refused(
        replicas::REPLICA,
        &[&args[..], &["--metrics", &address]].concat(),
        &["--metrics", &address, "cannot listen"],
    );
}

/// Ends a replica, and gives what it logged.
fn logged(mut replica: Replica) -> String {
    let pid = replica.child.id().to_string();
    assert_eq!(run("kill", &["-TERM", &pid]).code, 0);
    assert_eq!(replica.child.wait().unwrap().code(), Some(0));
    replica.said()
}

/// The disk of a busy machine may be slow in truth.
const SLOW: &str = "sync of the disk was slow";

#[test]
fn a_log_in_json_tells_a_replica_s_life() {
    let cluster = TestCluster::new(&[]);
    let args = ["--init", "--log-format", "json", "--log-level", "info"];
    let mut replicas: Vec<_> = (0..3).map(|id| Replica::start_with(&cluster, id, &args)).collect();
    assert_eq!(cluster.client(&["send", "one"], "").code, 0);
    // Ten forged datagrams, and a slow disk.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..10 {
        socket.send_to(b"not a datagram of this program", ("127.0.0.1", cluster.port)).unwrap();
    }
    replicas[0].type_line("stall disk 150");
    replicas[0].line();
    assert_eq!(cluster.client(&["send", "two"], "").code, 0);
    eventually("it is counted", || replicas[0].status().contains("malformed=10"));
    let parsed = |text: String| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let lines: Vec<_> = replicas.into_iter().map(logged).map(parsed).collect();
    let is = |line: &&Value, what: &str| line["message"].as_str().unwrap().contains(what);
    let all = lines.concat();
    assert!(all.iter().any(|line| is(&line, "leads") && line["level"] == "INFO"), "{all:?}");
    for of_one in &lines {
        let first = of_one.iter().find(|line| !is(line, SLOW)).unwrap();
        assert_eq!(first["message"], "started", "{of_one:?}");
        assert_eq!(of_one.last().unwrap()["message"], "ended", "{of_one:?}");
    }
    let warnings: Vec<_> = lines[0].iter().filter(|line| line["level"] == "WARN").collect();
    let dropped: Vec<_> =
        warnings.iter().filter(|w| is(w, "of another cluster, version or format")).collect();
    let sum: u64 = dropped.iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert!(dropped.len() == 1 && (1..=10).contains(&sum), "one line in ten seconds: {dropped:?}");
    assert!(warnings.iter().any(|line| is(line, SLOW)), "{warnings:?}");
}

#[test]
fn a_replica_that_is_well_logs_nothing_unless_it_is_asked_to() {
    let cluster = TestCluster::new(&[]);
    let mut replicas: Vec<_> = (0..3).map(|id| Replica::start(&cluster, id, "--init")).collect();
    assert_eq!(cluster.client(&["send", "one"], "").code, 0);
    let text = logged(replicas.remove(0));
    assert!(text.lines().all(|line| line.contains(SLOW)), "{text}");
}
