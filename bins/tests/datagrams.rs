//! `max_datagram` of real replicas: nothing longer leaves, and what is longer arrives all the same.

mod recordings;
mod replicas;
mod support;

use replicas::{REPLICA, Replica, TestCluster, refused};
use std::net::UdpSocket;
use std::time::Duration;
use support::{arg, eventually};

/// A cluster whose datagrams have at most so many bytes.
fn cluster(max_datagram: usize, args: &[&str]) -> TestCluster {
    let cluster = TestCluster::new(args);
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    let key = "max_datagram = 65000";
    assert!(text.contains(key), "what loopback carries is the default there: {text}");
    let text = text.replace(key, &format!("max_datagram = {max_datagram}"));
    std::fs::write(&cluster.config, text).unwrap();
    cluster
}

#[test]
fn messages_longer_than_a_datagram_are_agreed_on_under_loss() {
    let cluster = cluster(512, &["--loss", "0.002"]);
    let _replicas = cluster.start();
    let text = "long ".repeat(3200);
    let ended = cluster.client(&["send", &text], "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let many: String = (0..50).map(|at| format!("line {at} {}\n", "y".repeat(at * 50))).collect();
    assert_eq!(cluster.client(&[], &many).code, 0);
    eventually("all have all of it", || {
        (0..3).all(|id| {
            let log = cluster.log(id);
            log.contains(&text) && (0..50).all(|at| log.contains(&format!("line {at} ")))
        })
    });
}

/// The test sits at the address of replica 2, and measures what the others send there.
#[test]
fn no_datagram_is_longer_than_the_configuration_says() {
    let cluster = cluster(600, &[]);
    let _replicas = [0, 1].map(|id| Replica::start(&cluster, id, "--volatile"));
    let two = UdpSocket::bind(("127.0.0.1", cluster.port + 2)).unwrap();
    two.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let text = "long ".repeat(2000);
    assert_eq!(cluster.client(&["send", &text], "").code, 0);
    let (mut buffer, mut lengths) = (vec![0; 65_536], Vec::new());
    while lengths.len() < 200
        && let Ok(length) = two.recv(&mut buffer)
    {
        lengths.push(length);
    }
    let longest = lengths.iter().copied().max().unwrap_or_default();
    assert!((500..=600).contains(&longest), "{longest} of {}", lengths.len());
}

#[test]
fn a_length_that_no_datagram_has_is_refused() {
    let cluster = cluster(100, &[]);
    let expected = ["max_datagram: 100 bytes are out of range", "give 512 to 65507 bytes"];
    refused(REPLICA, &["--config", arg(&cluster.config), "--id", "0", "--volatile"], &expected);
}
