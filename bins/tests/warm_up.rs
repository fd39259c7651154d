//! Replicas in terminals of their own that wait for one another.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, Replica, TestCluster};
use rustix::process::{Pid, Signal, kill_process};
use support::{arg, eventually, run};

fn waiting(cluster: &TestCluster, id: u8) -> Replica {
    Replica::start_with(cluster, id, &["--init", "--wait"])
}

#[test]
fn replicas_that_wait_serve_once_all_were_heard() {
    let cluster = TestCluster::new(&["--timeout-ms", "200"]);
    let mut first: Vec<Replica> = (0..2).map(|id| waiting(&cluster, id)).collect();
    eventually("each has heard the other", || {
        first[0].status() == "waits for replica 2; `start` starts without"
            && first[1].status() == "waits for replica 2; `start` starts without"
    });
    first[0].type_line("skip slot");
    assert!(first[0].line().starts_with("waits for replica 2"));
    // Two of three are a majority, and do not serve: there is no actor yet.
    let args = ["--config", arg(&cluster.config), "--name", "bob", "--patience", "1", "send", "x"];
    let refused = run(CLIENT, &args);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(cluster.log(0).lines().count() == 1, "{}", cluster.log(0));
    let last = waiting(&cluster, 2);
    for replica in first.iter().chain([&last]) {
        let line = replica.line();
        assert!(line.starts_with("serves: "), "{line}");
    }
    assert_eq!(cluster.client(&["send", "in time"], "").code, 0);
    eventually("it is in every log", || (0..3).all(|id| cluster.log(id).contains("\"in time\"")));
    assert!(first[0].status().starts_with("status replica=0 "));
    first[0].type_line("start");
    assert_eq!(first[0].line(), "serves already");
}

#[test]
fn start_ends_the_waiting_and_one_that_comes_late_finds_the_leader() {
    let cluster = TestCluster::new(&["--timeout-ms", "200"]);
    let mut first: Vec<Replica> = (0..2).map(|id| waiting(&cluster, id)).collect();
    for replica in &mut first {
        replica.type_line("start");
        assert_eq!(replica.line(), "starts");
        assert_eq!(replica.line(), "serves: told to");
    }
    assert_eq!(cluster.client(&["send", "two of three"], "").code, 0);
    // It hears a leader, or both others.
    let late = waiting(&cluster, 2);
    let line = late.line();
    assert!(line.starts_with("serves: "), "{line}");
    eventually("it catches up", || cluster.log(2).contains("\"two of three\""));
}

#[test]
fn one_that_waits_obeys_and_ends_with_its_input() {
    let cluster = TestCluster::new(&[]);
    let mut replica = waiting(&cluster, 0);
    replica.type_line("help");
    assert!(replica.line().starts_with("status"));
    // The other's console ends with it, and takes the place of this one's.
    let mut other = waiting(&cluster, 1);
    std::mem::swap(&mut replica.console, &mut other.console);
    drop(other);
    eventually("it ends", || replica.child.try_wait().unwrap().is_some());
    assert_eq!(replica.child.wait().unwrap().code(), Some(0));
    let mut killed = waiting(&cluster, 2);
    killed.type_line("kill me");
    assert_eq!(killed.child.wait().unwrap().code(), Some(137));
}

#[test]
fn one_that_waits_answers_operators_and_ends_at_once_when_it_is_told_to() {
    let cluster = TestCluster::new(&[]);
    let mut waits = waiting(&cluster, 0);
    // Two replicas are not there, so each look takes all of the patience.
    let operate = |args: &[&str]| {
        run(CLUSTER, &[args, &["--config", arg(&cluster.config), "--patience", "500"]].concat())
    };
    eventually("it answers that it waits", || {
        let status = operate(&["status", "--json"]);
        assert_eq!(status.code, 3, "nobody serves: {status:?}");
        let json = status.json();
        let shown = &json["replicas"][0];
        assert!(shown["reachable"] == false || shown["waits"] == true, "{json}");
        shown["reachable"] == true
    });
    eventually("it is shown", || operate(&["status"]).stdout.contains("waits for others"));
    assert!(operate(&["move-leader", "0"]).code != 0);
    let process = Pid::from_child(&waits.child);
    kill_process(process, Signal::TERM).unwrap();
    eventually("it ends", || waits.child.try_wait().unwrap().is_some());
    assert_eq!(waits.child.wait().unwrap().code(), Some(0));
}
