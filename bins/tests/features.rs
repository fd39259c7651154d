//! What clients say and how they insist, and configurations with faults, over real processes.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, Replica, TestCluster, leader_of, number, refused};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{arg, eventually, run};

/// The texts that took effect in a log, in its order.
fn said(log: &str) -> Vec<&str> {
    let posts = log.lines().filter(|line| line.contains("\tpost\tapplied\t"));
    posts.map(|line| line.split('\t').nth(9).unwrap().trim_matches('"')).collect()
}

#[test]
fn clients_of_a_run_say_what_is_in_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("alice.txt"), "first\n\nthird, größer\n").unwrap();
    std::fs::write(path("bob.txt"), "only one").unwrap();
    let (alice, logs) = (format!("alice={}", arg(&path("alice.txt"))), path("logs"));
    let args = ["--input", &alice, "--clients", "2", "--messages", "4", "--seed", "1"];
    let first = ["run", "--json", "--validate", "--log-dir", arg(&logs)];
    let ended = run(CLUSTER, &[&first[..], &args].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let verdict = ended.json();
    let sent = |name: &str| {
        let clients = verdict["clients"].as_array().unwrap().iter();
        clients.filter(|client| client["name"] == name).map(|c| c["sent"].as_u64().unwrap()).sum()
    };
    assert_eq!((sent("alice"), sent("client-0")), (3u64, 4u64), "the other's are generated");
    let log = std::fs::read_to_string(logs.join("replica-0.log")).unwrap();
    let of_alice: String = log
        .lines()
        .filter(|line| line.contains("\talice\t"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(said(&of_alice), ["first", "", "third, größer"]);
    // A folder, with a primary that is killed: shares of unequal lengths.
    let both = run(
        CLUSTER,
        &["run", "--json", "--validate", "--input", arg(folder.path()), "--kill", "1"],
    );
    assert_eq!(both.code, 0, "{both:?}");
    assert_eq!(both.json()["clients"].as_array().unwrap().len(), 2);
}

#[test]
fn wrong_message_files_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alice.txt");
    std::fs::write(&file, b"fine\n\xff\n").unwrap();
    let input = format!("alice={}", arg(&file));
    refused(CLUSTER, &["run", "--input", &input], &["alice.txt, line 2", "UTF-8", "convert"]);
    refused(CLUSTER, &["run", "--input", "alice=no/such"], &["no/such", "alice"]);
    refused(CLUSTER, &["run", "--input", "nothing"], &["NAME=FILE"]);
    let cluster = TestCluster::new(&["--user", "bob"]);
    std::fs::write(&file, "hi\n").unwrap();
    let args = ["run", "--config", arg(&cluster.config), "--input", &input];
    let logs = folder.path().join("logs");
    let args = [&args[..], &["--log-dir", arg(&logs)]].concat();
    refused(CLUSTER, &args, &["does not list alice", "add alice"]);
}

#[test]
fn a_file_is_said_once_and_in_order_though_the_primary_is_killed() {
    // Enough that a primary is still busy with them when it is killed.
    const LINES: usize = 20_000;
    let cluster = TestCluster::new(&["--timeout-ms", "300"]);
    let mut replicas: Vec<Replica> =
        (0..3).map(|id| Replica::start(&cluster, id, "--init")).collect();
    let file = cluster.folder.path().join("lines.txt");
    let lines: Vec<String> = (0..LINES).map(|line| format!("line {line}")).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut client = Command::new(CLIENT)
        .args(["--config", arg(&cluster.config), "--name", "alice"])
        .args(["--record-run", arg(&cluster.recordings().of("alice"))])
        .args(["send", "--file", arg(&file)])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is in the middle", || said(&cluster.log(0)).len() > 100);
    let primary = leader_of(&mut replicas);
    replicas[primary].type_line("kill me");
    assert_eq!(replicas[primary].child.wait().unwrap().code(), Some(137));
    let before = said(&cluster.log(primary as u8)).len();
    assert!(before < LINES, "it was killed too late: {before}");
    assert!(client.wait().unwrap().success());
    // It learns by the next heartbeat what the other one has acknowledged.
    let survivor = (primary as u8 + 1) % 3;
    eventually("a survivor has all", || said(&cluster.log(survivor)).len() >= LINES);
    assert_eq!(said(&cluster.log(survivor)), lines);
    let args = ["--config", arg(&cluster.config), "--name", "alice", "send", "--file", "no/such"];
    refused(CLIENT, &args, &["--file", "no/such"]);
}

/// When a client asks whom, where nobody answers: since its start, in milliseconds.
fn questions(
    cluster: &TestCluster,
    sockets: &[UdpSocket],
    seed: &str,
    count: usize,
) -> Vec<(u64, usize)> {
    let started = Instant::now();
    let mut client = Command::new(CLIENT)
        .args(["--config", arg(&cluster.config), "--name", "alice", "--seed", seed, "send", "hi"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut asked = Vec::new();
    while asked.len() < count {
        assert!(started.elapsed() < Duration::from_secs(30), "asked only {asked:?}");
        for (socket, id) in sockets.iter().zip(0..) {
            if socket.recv(&mut [0; 2048]).is_ok() {
                asked.push((started.elapsed().as_millis() as u64, id));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    asked
}

#[test]
fn a_client_asks_everybody_again_ever_later_and_never_in_step_with_others() {
    // Clients ask again after at least 60 ms; see `Timeouts`.
    const RETRY_MS: u64 = 60;
    let cluster = TestCluster::new(&["--timeout-ms", "300"]);
    let sockets: Vec<UdpSocket> = (0..3)
        .map(|id| UdpSocket::bind(("127.0.0.1", cluster.port + id)).unwrap())
        .inspect(|socket| socket.set_nonblocking(true).unwrap())
        .collect();
    let mut firsts = Vec::new();
    for seed in ["1", "2", "3"] {
        let all = questions(&cluster, &sockets, seed, 13);
        assert_eq!(all[0].1, 0, "the first one at first");
        let times = |id| all.iter().filter(|(_, whom)| *whom == id).copied().collect::<Vec<_>>();
        let asked = times(0);
        assert_eq!([5, 4, 4], [asked.len(), times(1).len(), times(2).len()], "then all at once");
        let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        // The time doubles twice. A question is never seen before it is asked, so these bounds hold
        // on a slow machine, too; without doubling, the last would be seen after at most 480 ms.
        let mut at_least = 0;
        for ((at, _), doublings) in asked[1..].iter().zip([0, 1, 2, 2]) {
            at_least += RETRY_MS << doublings;
            assert!(*at >= at_least, "{asked:?} with seed {seed}");
        }
        firsts.push(pauses);
    }
    let is_near =
        |left: &[u64], right: &[u64]| left.iter().zip(right).all(|(l, r)| l.abs_diff(*r) < 4);
    assert!(!is_near(&firsts[0], &firsts[1]) || !is_near(&firsts[1], &firsts[2]), "{firsts:?}");
}

#[test]
fn a_replica_that_hears_nothing_still_speaks_and_one_that_is_cut_off_does_not() {
    let deaf = TestCluster::new(&["--timeout-ms", "200", "--link-loss", "any:0=1"]);
    let mut replicas = deaf.start();
    assert_eq!(deaf.client(&["send", "without 0"], "").code, 0);
    eventually("the others agree", || (1..3).all(|id| deaf.log(id).contains("\"without 0\"")));
    eventually("it speaks", || number(&replicas[0].status(), "sent") > 0);
    assert_eq!(number(&replicas[0].status(), "received"), 0);
    assert!(!deaf.log(0).contains("without 0"));

    let cut = TestCluster::new(&["--timeout-ms", "200", "--link-loss", "0:1=1"]);
    let mut replicas = cut.start();
    assert_eq!(cut.client(&["send", "over two of three"], "").code, 0);
    // Whoever leads, replica 2 hears it.
    eventually("2 has it", || cut.log(2).contains("\"over two of three\""));
    eventually("1 hears replica 2, or clients", || number(&replicas[1].status(), "received") > 0);
}

#[test]
fn configurations_list_addresses_and_clients() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("five.toml");
    let address = |port: u16| format!("localhost:{port}");
    let list = (7601..7606).map(address).collect::<Vec<_>>().join(",");
    let args = ["config", "--address", &list, "--user", "alice", "--user", "bob,loss=0.25"];
    let ended = run(CLUSTER, &[&args[..], &["-o", arg(&file)]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    for line in
        ["f = 2", "address = \"localhost:7605\"", "users = [\"alice\", \"bob\"]", "loss = 0.25"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    refused(
        CLUSTER,
        &["config", "--address", "127.0.0.1:1,127.0.0.1:2"],
        &["2 are given", "needs 3"],
    );
    refused(CLUSTER, &["config", "--link-loss", "0:9=0.5"], &["links[0].to", "no replica 9"]);
    refused(CLUSTER, &["config", "--user", "bob,los=1"], &["NAME,loss=P"]);
    let broken = text.replace("\nloss = 0.0\n", "\nloss = 2.0\n");
    let line = 1 + broken.lines().position(|line| line == "loss = 2.0").unwrap();
    std::fs::write(&file, broken).unwrap();
    let place = format!("five.toml, line {line}: loss: 2 is not a probability; give a number");
    refused(CLUSTER, &["run", "--config", arg(&file)], &[&place]);
}
