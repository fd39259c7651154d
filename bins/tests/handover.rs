//! The leadership moves while clients write: how long nothing is acknowledged, and that nothing is lost.
//! An election time-out is long here, so that an ordinary election can't be taken for a move.

mod recordings;
mod replicas;
mod support;

use paxos_chat_client::envelope::{Room, Said};
use paxos_chat_client::host::Event;
use paxos_chat_client::meter::Meter;
use paxos_chat_client::{Access, Speaker};
use paxos_chat_config::Config;
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_replica::action::Action;
use paxos_chat_replica::operator::ask::Operator;
use replicas::{CLUSTER, Replica, TestCluster};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{arg, eventually, run};

/// An election takes at least so long, without a move.
const ELECTION: Duration = Duration::from_millis(6000);
/// The longest time without an acknowledgement that passes for a move. It takes some 20 ms on a
/// machine that has nothing else to do; but a disk that others use may hold one sync up for a second.
const GAP_MAX: Duration = Duration::from_millis(ELECTION.as_millis() as u64 / 2);
/// Clients that write.
const CLIENTS: usize = 4;
/// Time between two messages of a client.
const PACE: Duration = Duration::from_millis(2);

fn cluster(args: &[&str]) -> TestCluster {
    let millis = ELECTION.as_millis().to_string();
    let why = "its clients are threads of this process, which can't keep what they record";
    TestCluster::unrecorded(why, &[&["--timeout-ms", &millis], args].concat())
}

/// Starts the replicas, and has one stand: nobody needs to wait until an election timer goes off.
fn start(cluster: &TestCluster, count: u8) -> Vec<Replica> {
    let replicas = (0..count).map(|id| Replica::start(cluster, id, "--init")).collect();
    let config = Config::read(&cluster.config).unwrap();
    let secret = read_keyring(&secret_path(&cluster.config)).unwrap().seals().clone();
    let mut operator = Operator::new(&secret, &config, Duration::from_secs(20)).unwrap();
    // Refused, if there has been an election already.
    let _ = operator.act(0, Action::Stand).unwrap();
    replicas
}

fn status(cluster: &TestCluster) -> Value {
    run(CLUSTER, &["status", "--json", "--config", arg(&cluster.config)]).json()
}

fn leads(cluster: &TestCluster) -> u64 {
    let mut found = None;
    eventually("somebody leads", || {
        found = status(cluster)["leader"].as_u64();
        found.is_some()
    });
    found.unwrap()
}

/// Clients that write until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Instant>>>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(cluster: &TestCluster) -> Load {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let config = Config::read(&cluster.config).unwrap();
        let secret = read_keyring(&secret_path(&cluster.config)).unwrap().seals().clone();
        let client = |index: usize| {
            let user = format!("user{index}");
            let token = Token::issue(&secret, &config, &user).unwrap();
            let access = Access::of(config.clone(), token, Duration::from_secs(30)).unwrap();
            let access = Access { seed: index as u64, ..access };
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            let listener = Box::new(move |event, _| {
                if matches!(event, Event::Confirmed { .. }) {
                    acknowledged.lock().unwrap().push(Instant::now());
                }
            });
            let speaker =
                Speaker::start(&access, &user, |_| Ok(None), listener, &Meter::default()).unwrap();
            std::thread::spawn(move || speak(speaker, &user, &stop))
        };
        let clients = (0..CLIENTS).map(client).collect();
        let load = Load { stop, acknowledged, clients };
        eventually("all write", || load.acknowledged.lock().unwrap().len() > 50 * CLIENTS);
        load.acknowledged.lock().unwrap().clear();
        load
    }

    /// Waits until a good deal was acknowledged since then.
    fn goes_on(&self) {
        let before = self.acknowledged.lock().unwrap().len();
        eventually("all go on", || self.acknowledged.lock().unwrap().len() > before + 50 * CLIENTS);
    }

    /// Everything that was said, all of which was acknowledged, and the longest time in which nothing
    /// was.
    fn ends(self) -> (BTreeSet<String>, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let said = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let times = self.acknowledged.lock().unwrap();
        let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        (said, gap)
    }
}

fn speak(mut speaker: Speaker, user: &str, stop: &AtomicBool) -> Vec<String> {
    let mut said = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("{user}-{}", said.len());
        speaker.say(&Said::new(&Room::default(), text.as_str())).unwrap();
        said.push(text);
        std::thread::sleep(PACE);
    }
    let summary = speaker.wait_for_all();
    assert!(summary.is_complete(), "{summary:?}");
    said
}

/// Each of these was applied once.
fn has_each_once(log: &str, said: &BTreeSet<String>) {
    let mut found = BTreeSet::new();
    for line in log.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let Some(text) = fields.get(9).map(|text| text.trim_matches('"')) else { continue };
        if fields[8] == "applied" && said.contains(text) {
            assert!(found.insert(text.to_owned()), "{text} was applied twice");
        }
    }
    assert_eq!(found.len(), said.len(), "some are lost");
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

fn ends_within(child: &mut Child, limit: Duration) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn agree(cluster: &TestCluster, replicas: usize) {
    eventually("all have the same log", || {
        let status = status(cluster);
        let all = status["replicas"].as_array().unwrap();
        let hashes: BTreeSet<_> = all.iter().filter_map(|r| r["log_hash"].as_str()).collect();
        all.iter().filter(|r| r["reachable"] == true).count() == replicas && hashes.len() == 1
    });
}

#[allow(clippy::print_stdout, reason = "figures, for whoever wants to see them")]
fn moves_under_load(f: &str, count: u8) {
    let cluster = cluster(&["-f", f]);
    let _replicas = start(&cluster, count);
    let mut before = leads(&cluster);
    let load = Load::start(&cluster);
    for _ in 0..3 {
        let ended = run(CLUSTER, &["move-leader", "--config", arg(&cluster.config)]);
        assert_eq!(ended.code, 0, "{ended:?}");
        println!("{}", ended.stdout.trim());
        let after = leads(&cluster);
        assert_ne!(before, after);
        before = after;
        load.goes_on();
    }
    let (said, gap) = load.ends();
    println!("{count} replicas: {} messages, nothing acknowledged for {gap:?}", said.len());
    assert!(gap < GAP_MAX, "nothing was acknowledged for {gap:?}");
    agree(&cluster, count.into());
    has_each_once(&cluster.log(0), &said);
}

#[test]
fn three_replicas_move_the_leader_under_load_and_clients_hardly_wait() {
    moves_under_load("1", 3);
}

#[test]
fn five_replicas_move_the_leader_under_load_and_clients_hardly_wait() {
    moves_under_load("2", 5);
}

#[test]
fn a_leader_that_is_told_to_end_hands_over_and_nothing_is_lost() {
    let cluster = cluster(&[]);
    let mut replicas = start(&cluster, 3);
    let leader = leads(&cluster) as usize;
    let load = Load::start(&cluster);
    let started = Instant::now();
    signal(&replicas[leader].child, "-TERM");
    let status = ends_within(&mut replicas[leader].child, 5 * ELECTION);
    println!("ended after {:?}", started.elapsed());
    assert_eq!(status.code(), Some(0), "{}", replicas[leader].said());
    assert_ne!(leads(&cluster), leader as u64);
    load.goes_on();
    let (said, gap) = load.ends();
    println!("{} messages, nothing acknowledged for {gap:?}", said.len());
    assert!(gap < GAP_MAX, "nothing was acknowledged for {gap:?}");
    agree(&cluster, 2);
    has_each_once(&cluster.log((leader as u8 + 1) % 3), &said);
    replicas[leader] = Replica::start_with(&cluster, leader as u8, &[]);
    agree(&cluster, 3);
}

#[test]
fn a_follower_that_is_told_to_end_ends_at_once() {
    let cluster = cluster(&[]);
    let mut replicas = start(&cluster, 3);
    let leader = leads(&cluster);
    let follower = (leader as usize + 1) % 3;
    signal(&replicas[follower].child, "-INT");
    let status = ends_within(&mut replicas[follower].child, ELECTION);
    assert_eq!(status.code(), Some(0), "{}", replicas[follower].said());
    assert_eq!(leads(&cluster), leader);
}

#[test]
fn the_end_is_bounded_and_a_second_signal_does_not_wait_for_it() {
    let cluster = TestCluster::new(&["--timeout-ms", "300"]);
    // A process stays for twice the time after which clients ask again.
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    let text = text.replace("retry_ms = 60", "retry_ms = 60000");
    assert!(text.contains("60000"), "{text}");
    std::fs::write(&cluster.config, text).unwrap();
    let mut replicas = start(&cluster, 3);
    let leader = leads(&cluster) as usize;
    signal(&replicas[leader].child, "-TERM");
    eventually("another leads", || status(&cluster)["leader"].as_u64() != Some(leader as u64));
    assert!(replicas[leader].child.try_wait().unwrap().is_none(), "it stays for its clients");
    signal(&replicas[leader].child, "-TERM");
    let status = ends_within(&mut replicas[leader].child, Duration::from_secs(20));
    assert_eq!(status.code(), Some(128 + 15));
}

#[test]
fn a_replica_whose_disk_hangs_ends_in_time() {
    let cluster = TestCluster::new(&["--timeout-ms", "300"]);
    let mut replicas: Vec<_> = (0..3)
        .map(|id| Replica::start_with(&cluster, id, &["--init", "--enable-faults"]))
        .collect();
    let follower = (leads(&cluster) as usize + 1) % 3;
    let (id, config) = (follower.to_string(), arg(&cluster.config));
    let ended = run(CLUSTER, &["fault", &id, "stall-disk", "600000", "--config", config]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(cluster.client(&["send", "something to sync"], "").code, 0);
    eventually("its sync hangs", || status(&cluster)["replicas"][follower]["reachable"] == false);
    signal(&replicas[follower].child, "-TERM");
    let status = ends_within(&mut replicas[follower].child, Duration::from_secs(30));
    assert_eq!(status.code(), Some(1));
    assert!(replicas[follower].said().contains("does its disk hang?"));
}
