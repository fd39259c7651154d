//! stateright's Explorer, as `check explore` serves it, asked over HTTP as its page asks.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A server, killed at the end.
pub(crate) struct Explorer {
    child: Child,
    pub(crate) address: String,
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Explorer {
    /// Has this program of ours serve this entry of the catalog on a free port.
    pub(crate) fn start(check: impl AsRef<OsStr>, entry: &str) -> Explorer {
        let child = Command::new(check)
            .args(["explore", entry, "--address", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut explorer = Explorer { child, address: String::new() };
        let mut lines = BufReader::new(explorer.child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, behind) = line.split_once("Explorer is on http://")?;
            behind.split(';').next().map(str::to_owned)
        });
        explorer.address = address.expect("it says where it is");
        explorer
    }

    /// What this path of the server holds; asked until the server is up.
    pub(crate) fn get(&self, path: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        let mut stream = loop {
            match TcpStream::connect(&self.address) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", self.address),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().ends_with(" 200 OK"), "{path}: {head}");
        body.to_owned()
    }

    /// What one may click on after these clicks, each a number among its choices.
    pub(crate) fn choices(&self, clicks: &[u64]) -> Vec<Value> {
        let path: String = clicks.iter().map(|click| format!("/{click}")).collect();
        serde_json::from_str(&self.get(&format!("/.states{path}"))).unwrap()
    }
}
