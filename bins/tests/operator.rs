//! Operators at clusters of real processes: what they see, what they bring about, and who is none.

mod recordings;
mod replicas;
mod support;

use actor_runtime::keys::Secret;
use actor_runtime::wire::{Codec, Peer, UserName};
use paxos_chat_config::Config;
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_replica::action::{Action, Fault};
use paxos_chat_replica::operator::ask::Operator;
use paxos_chat_replica::operator::challenge::VALID;
use paxos_chat_replica::operator::codecs::{OPERATOR, of_operator};
use paxos_chat_replica::operator::message::{Answer, Question, Reply, Request};
use replicas::{CLUSTER, Replica, TestCluster, number};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::{Ended, arg, eventually, run};

/// How long one listens where nothing is to be heard. On a machine that is busy enough an answer takes
/// longer, so whoever expects one waits for more.
const MOMENT: Duration = Duration::from_millis(300);
/// How long something may take that happens in the end.
const LIMIT: Duration = Duration::from_secs(20);

/// Has replicas that are up do something.
fn operate(cluster: &TestCluster, args: &[&str]) -> Ended {
    operate_within(cluster, "20000", args)
}

/// The same where some replica does not answer, so that all of the patience is needed. Whoever expects
/// an answer of another one asks again.
fn operate_briefly(cluster: &TestCluster, args: &[&str]) -> Ended {
    operate_within(cluster, "500", args)
}

fn operate_within(cluster: &TestCluster, patience_ms: &str, args: &[&str]) -> Ended {
    let access = ["--config", arg(&cluster.config), "--patience", patience_ms];
    run(CLUSTER, &[args, &access[..]].concat())
}

/// How the cluster is; some replica may be silent.
fn status(cluster: &TestCluster) -> Value {
    operate_briefly(cluster, &["status", "--json"]).json()
}

fn leader(cluster: &TestCluster) -> Option<u64> {
    status(cluster)["leader"].as_u64()
}

/// Waits until a replica leads.
fn leads(cluster: &TestCluster) -> u64 {
    let mut found = None;
    eventually("somebody leads", || {
        found = leader(cluster);
        found.is_some()
    });
    found.unwrap()
}

fn start(cluster: &TestCluster, args: &[&str]) -> Vec<Replica> {
    let with = |id| Replica::start_with(cluster, id, &[&["--init"], args].concat());
    (0..3).map(with).collect()
}

fn open(cluster: &TestCluster) -> (Secret, Config) {
    let config = Config::read(&cluster.config).unwrap();
    (read_keyring(&secret_path(&cluster.config)).unwrap().seals().clone(), config)
}

#[test]
fn status_shows_all_replicas_and_its_exit_status_says_whether_the_cluster_serves() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = start(&cluster, &[]);
    assert_eq!(cluster.client(&["send", "one", "two"], "").code, 0);
    let mut last = None;
    eventually("all have applied the same, and follow one leader", || {
        let ended = last.insert(operate(&cluster, &["status", "--json"]));
        let status = ended.json();
        let all = status["replicas"].as_array().unwrap();
        status["leader"].is_u64()
            && all.iter().all(|r| r["leader"] == status["leader"])
            && all.iter().all(|r| r["lag"] == 0 && r["log_lines"].as_u64() >= Some(3))
    });
    let ended = last.unwrap();
    assert_eq!(ended.code, 0, "{ended:?}");
    let status = ended.json();
    let leader = status["leader"].as_u64().unwrap();
    assert_eq!((&status["health"], &status["logs_agree"]), (&"well".into(), &true.into()));
    for (id, report) in status["replicas"].as_array().unwrap().iter().enumerate() {
        let role = if id as u64 == leader { "leading" } else { "follower" };
        assert_eq!((&report["role"], &report["leader"]), (&role.into(), &leader.into()));
        assert_eq!(report["log_hash"], status["replicas"][0]["log_hash"]);
        assert_eq!(report["decided_upto"], report["applied_upto"]);
        let syncs = &report["syncs"];
        assert!(syncs["count"].as_u64() > Some(0) && syncs["last_us"].is_u64(), "{report}");
        assert!(syncs["p50_us"].as_u64() <= syncs["p99_us"].as_u64(), "{report}");
        assert!(report["rss_bytes"].as_u64() > Some(1 << 20) && report["uptime_ms"].is_u64());
        assert!(report["counters"]["received"].as_u64() > Some(0), "{report}");
        // It is what the console says.
        let line = replicas[id].status();
        assert_eq!(report["applied_upto"], number(&line, "applied_upto"), "{line}");
        assert!(line.contains(report["log_hash"].as_str().unwrap()), "{line}");
    }
    eventually("a table shows that it is well", || {
        let table = operate(&cluster, &["status"]);
        assert_eq!(table.stdout.lines().count(), 4, "{table:?}");
        table.code == 0
    });
    let follower = (leader + 1) % 3;
    drop(replicas.remove(follower as usize));
    eventually("it serves, and not well", || {
        let ended = operate_briefly(&cluster, &["status"]);
        assert!(ended.code != 0 && ended.stdout.contains("does not answer"), "{ended:?}");
        ended.code == 1
    });
    replicas.clear();
    let ended = operate_briefly(&cluster, &["status", "--json"]);
    assert_eq!((ended.code, &ended.json()["health"]), (3, &"down".into()));
}

#[test]
fn watch_prints_lines_where_there_is_no_terminal() {
    let cluster = TestCluster::new(&[]);
    let _replicas = start(&cluster, &[]);
    leads(&cluster);
    eventually("it shows a leader", || {
        let ended = operate(&cluster, &["watch", "--interval", "50", "--count", "3"]);
        assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1 + 3 * 3), "{ended:?}");
        assert!(!ended.stdout.contains('\u{1b}'), "{ended:?}");
        ended.stdout.contains("leading")
    });
}

#[test]
fn usage_errors_say_what_to_do() {
    let cluster = TestCluster::new(&[]);
    let config = arg(&cluster.config);
    replicas::refused(CLUSTER, &["status", "--config", "/none.toml"], &["/none.toml"]);
    replicas::refused(CLUSTER, &["move-leader", "7", "--config", config], &["replica 7", "0 to 2"]);
    replicas::refused(CLUSTER, &["fault", "0", "loss", "2", "--config", config], &["probability"]);
    replicas::refused(CLUSTER, &["fault", "0", "stall-disk", "600001"], &["600001"]);
    let ended = operate_briefly(&cluster, &["move-leader"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no replica that answers leads"), "{ended:?}");
    let ended = operate_briefly(&cluster, &["fault", "1", "kill"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("replica 1 does not answer"), "{ended:?}");
}

#[test]
fn faults_are_refused_unless_they_are_enabled() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = start(&cluster, &[]);
    let leader = leads(&cluster).to_string();
    let all: [&[&str]; 4] = [&["skip-slot"], &["stall-disk", "10"], &["kill"], &["loss", "1"]];
    for fault in all {
        let ended = operate(&cluster, &[&["fault", &leader], fault].concat());
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains("without --enable-faults"), "{ended:?}");
    }
    eventually("it is well", || {
        let status = operate(&cluster, &["status", "--json"]).json();
        let all = status["replicas"].as_array().unwrap();
        assert!(all.iter().all(|r| r["injected_loss"] == 0.0), "{status}");
        status["health"] == "well"
    });
    assert!(replicas.iter_mut().all(|replica| replica.child.try_wait().unwrap().is_none()));
}

#[test]
fn faults_are_injected_over_the_network() {
    let cluster = TestCluster::new(&[]);
    let mut replicas = start(&cluster, &["--enable-faults"]);
    let before = leads(&cluster);
    let id = before.to_string();
    // Whoever hears nothing is replaced, and can be heard again.
    assert_eq!(operate(&cluster, &["fault", &id, "loss", "1"]).code, 0);
    eventually("another leads", || leader(&cluster).is_some_and(|now| now != before));
    let status_now = operate(&cluster, &["status", "--json"]).json();
    assert_eq!(status_now["replicas"][before as usize]["injected_loss"], 1.0);
    assert_eq!(operate(&cluster, &["fault", &id, "loss", "0"]).code, 0);
    // A slot that is skipped is closed by another leader. Who leads may change before it has proposed
    // anything above that slot; then nothing was skipped.
    eventually("a slot is skipped and closed", || {
        let id = leads(&cluster).to_string();
        let told = operate(&cluster, &["fault", &id, "skip-slot"]).code == 0;
        assert_eq!(cluster.client(&["send", "over the gap"], "").code, 0);
        told && (0..3).any(|id| cluster.log(id).contains("noop"))
    });
    eventually("all have applied what was said above the gap", || {
        let log = cluster.log(0);
        log.contains("over the gap") && (1..3).all(|id| cluster.log(id) == log)
    });
    // A replica whose disk stalls answers nobody until it has ended, and then says how long it took.
    let before = leads(&cluster);
    let (id, index) = (before.to_string(), before as usize);
    assert_eq!(operate(&cluster, &["fault", &id, "stall-disk", "3000"]).code, 0);
    let (config, recording) = (cluster.config.clone(), cluster.recordings().of("bob"));
    let sends = std::thread::spawn(move || {
        let args = ["--config", arg(&config), "--name", "bob", "--patience", "20"];
        let record = ["--record-run", arg(&recording)];
        run(replicas::CLIENT, &[&args[..], &record, &["send", "slow"]].concat()).code
    });
    eventually("it hangs", || status(&cluster)["replicas"][index]["reachable"] == false);
    assert_eq!(sends.join().unwrap(), 0);
    eventually("its disk has come back", || {
        status(&cluster)["replicas"][index]["syncs"]["p99_us"].as_u64() >= Some(3_000_000)
    });
    // A kill is one.
    assert_eq!(operate(&cluster, &["fault", &id, "kill"]).code, 0);
    eventually("it has ended", || {
        replicas[index].child.try_wait().unwrap().is_some_and(|ended| ended.code() == Some(137))
    });
}

/// Somebody with a socket who knows how operators ask.
struct Asker {
    socket: UdpSocket,
    codec: Codec,
    port: u16,
    asked: u64,
}

impl Asker {
    fn new(cluster: &TestCluster, codec: Codec) -> Asker {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(MOMENT)).unwrap();
        // Numbers that begin no message of a user.
        Asker { socket, codec, port: cluster.port, asked: 1 << 40 }
    }

    fn sealed(&mut self, id: u8, request: Request) -> Vec<u8> {
        self.asked += 1;
        let mut datagram = Vec::new();
        let question = Question { id: self.asked, request };
        self.codec.seal(Peer::Replica(id), &question, &mut datagram).unwrap();
        datagram
    }

    fn send(&self, id: u8, datagram: &[u8]) {
        self.socket.send_to(datagram, ("127.0.0.1", self.port + u16::from(id))).unwrap();
    }

    fn hears(&mut self) -> Option<Answer> {
        let mut buffer = [0; 65_536];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(self.codec.open::<Answer>(&mut buffer[..length]).unwrap().1)
    }

    /// Waits longer than a moment, for the answer to what can't be asked again.
    fn hears_in_time(&mut self) -> Option<Reply> {
        self.socket.set_read_timeout(Some(LIMIT)).unwrap();
        let answer = self.hears();
        self.socket.set_read_timeout(Some(MOMENT)).unwrap();
        answer.map(|answer| answer.reply)
    }

    fn gets_no_reply(&mut self, id: u8, request: Request) -> bool {
        let datagram = self.sealed(id, request);
        self.send(id, &datagram);
        self.hears().is_none()
    }

    /// Asks until it is answered. Only the answer to the last question counts: none is left behind that
    /// could be taken for one to what is asked next.
    fn asks(&mut self, id: u8, request: &Request) -> Reply {
        let mut reply = None;
        eventually("it is answered", || {
            let datagram = self.sealed(id, request.clone());
            self.send(id, &datagram);
            let last = self.asked;
            let mut answers = std::iter::from_fn(|| self.hears());
            reply = answers.find(|answer| answer.id == last).map(|answer| answer.reply);
            reply.is_some()
        });
        reply.unwrap()
    }
}

#[test]
fn a_stranger_and_a_user_get_no_reply_to_an_operator_s_question() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start(&cluster, 0, "--volatile");
    let (secret, config) = open(&cluster);
    let id = config.cluster_id();
    let name = UserName::new(OPERATOR).unwrap();
    let strangers = [
        of_operator(&Secret::draw().unwrap(), &config),
        // A user of that name, if there could be one.
        Codec::client(&secret.user(id, OPERATOR, 0), id, name, 3),
        Token::issue(&secret, &config, "alice").unwrap().codec(),
        Token::issue(&secret, &config, "operator").unwrap().codec(),
    ];
    for codec in strangers {
        let mut stranger = Asker::new(&cluster, codec);
        assert!(stranger.gets_no_reply(0, Request::Report));
        assert!(stranger.gets_no_reply(0, Request::Challenge));
    }
    // A token's datagram under an operator's name, and an operator's under a user's.
    let mut operator = Asker::new(&cluster, of_operator(&secret, &config));
    let good = operator.sealed(0, Request::Report);
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        operator.send(0, &flipped);
    }
    assert_eq!(operator.hears(), None, "a flipped bit gets no reply");
    let Reply::Report(report) = operator.asks(0, &Request::Report) else { panic!("no report") };
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["operator_dropped"].as_u64() > Some(4), "{report}");
    assert_eq!(number(&replica.status(), "received"), 0, "nothing reached the actor");
}

#[test]
fn a_replayed_or_delayed_command_does_nothing() {
    let cluster = TestCluster::new(&[]);
    let mut replica = Replica::start_with(&cluster, 0, &["--volatile", "--enable-faults"]);
    let (secret, config) = open(&cluster);
    let mut operator = Asker::new(&cluster, of_operator(&secret, &config));
    let loss = |of: &mut Asker| {
        let Reply::Report(report) = of.asks(0, &Request::Report) else { panic!("no report") };
        serde_json::from_str::<Value>(&report).unwrap()["injected_loss"].as_f64().unwrap()
    };
    let act =
        |challenge, loss| Request::Act { challenge, action: Action::Fault(Fault::Loss { loss }) };
    let challenge = |of: &mut Asker| match of.asks(0, &Request::Challenge) {
        Reply::Challenge(challenge) => challenge,
        other => panic!("{other:?}"),
    };
    let first = challenge(&mut operator);
    let command = operator.sealed(0, act(first, 0.5));
    operator.send(0, &command);
    assert_eq!(operator.hears_in_time(), Some(Reply::Done));
    assert_eq!(loss(&mut operator), 0.5);
    let second = challenge(&mut operator);
    assert_eq!(operator.asks(0, &act(second, 0.0)), Reply::Done);
    // The first command once more: as it was recorded, and sealed anew.
    operator.send(0, &command);
    assert_eq!(operator.hears(), None);
    assert_eq!(operator.asks(0, &act(first, 0.5)), Reply::Done, "its old answer, and no more");
    assert_eq!(loss(&mut operator), 0.0);
    // With a challenge of another operator's process.
    let mut other = Asker::new(&cluster, of_operator(&secret, &config));
    let third = challenge(&mut operator);
    assert!(matches!(other.asks(0, &act(third, 0.5)), Reply::Refused(_)));
    // Held up for too long.
    let late = operator.sealed(0, act(third, 0.5));
    std::thread::sleep(VALID + MOMENT);
    operator.send(0, &late);
    assert!(matches!(operator.hears_in_time(), Some(Reply::Refused(_))));
    assert_eq!(loss(&mut operator), 0.0);
    // Recorded before a restart.
    let fourth = challenge(&mut operator);
    let recorded = operator.sealed(0, act(fourth, 0.5));
    replica.child.kill().unwrap();
    replica.child.wait().unwrap();
    std::fs::remove_file(cluster.folder.path().join("replica-0.log")).unwrap();
    let _again = Replica::start_with(&cluster, 0, &["--volatile", "--enable-faults"]);
    operator.send(0, &recorded);
    assert!(matches!(operator.hears_in_time(), Some(Reply::Refused(_))));
    assert_eq!(loss(&mut operator), 0.0);
}

#[test]
fn the_leader_moves_to_whom_one_wants_and_nobody_else_is_told_anything() {
    // So long that nobody is elected between two looks.
    let cluster = TestCluster::new(&["--timeout-ms", "3000"]);
    let _replicas = start(&cluster, &[]);
    let before = leads(&cluster);
    assert_eq!(cluster.client(&["send", "before"], "").code, 0);
    let ended = operate(&cluster, &["move-leader", &before.to_string()]);
    assert_eq!(ended.code, 0);
    assert!(ended.stdout.contains("leads already"), "{ended:?}");
    for target in [(before + 1) % 3, (before + 2) % 3, before] {
        let ended = operate(&cluster, &["move-leader", &target.to_string()]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains(&format!("replica {target} leads after")), "{ended:?}");
        assert_eq!(leads(&cluster), target);
    }
    let ended = operate(&cluster, &["move-leader"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_ne!(leads(&cluster), before);
    assert_eq!(cluster.client(&["send", "after"], "").code, 0);
}

#[test]
fn the_guide_s_commands_for_operators_work() {
    let cluster = TestCluster::unrecorded("an operator's reader records nothing", &[]);
    let _replicas = start(&cluster, &["--enable-faults"]);
    let guide = include_str!("../../docs/operate.md");
    let section =
        guide.split("\n## Look after it\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("    cluster ")).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.split(' ').collect();
        if words[0] == "watch" {
            words.extend(["--count", "2"]);
        }
        eventually("it is well", || operate(&cluster, &["status"]).code == 0);
        let mut cluster_command = std::process::Command::new(CLUSTER);
        let ended = cluster_command.args(&words).current_dir(cluster.folder.path()).output();
        let ended = ended.unwrap();
        assert!(ended.status.success(), "{command}: {ended:?}");
    }
}

#[test]
fn an_operator_s_patience_is_bounded() {
    let cluster = TestCluster::new(&[]);
    let (secret, config) = open(&cluster);
    let mut operator = Operator::new(&secret, &config, MOMENT).unwrap();
    let started = Instant::now();
    assert_eq!(operator.statuses().unwrap(), [None, None, None]);
    assert!((MOMENT..20 * MOMENT).contains(&started.elapsed()));
}
