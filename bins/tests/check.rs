//! The `check` command as a person runs it: results, exit status, errors, the Explorer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_check")).args(args).output().expect("check starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_entry_holds_and_its_json_says_so() {
    let run = check(&["run", "sessions", "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let line: serde_json::Value = serde_json::from_slice(&run.stdout).expect("one JSON object");
    assert_eq!(line["name"], "sessions");
    assert_eq!(line["engine"], "compact");
    assert_eq!(line["complete"], true);
    assert_eq!(line["unique_states"], line["expected_unique_states"]);
    for key in ["generated_states", "depth", "seconds", "peak_rss_bytes"] {
        assert!(line[key].is_number(), "{key}");
    }
    let properties = line["properties"].as_array().expect("a list");
    assert!(properties.len() >= 17);
    for property in properties {
        assert_eq!(property["holds"], true, "{property}");
        assert!(property["expectation"] == "always" || property["expectation"] == "sometimes");
    }
}

#[test]
fn all_engines_run_bounds_given_by_hand() {
    let bounds = ["--clients", "1", "--candidates", "1", "--max-round", "1"];
    for engine in ["compact", "stateright", "actor-model"] {
        let args = [&["run", "--engine", engine, "--threads", "2"], &bounds[..]].concat();
        let run = check(&args);
        assert_eq!(run.status.code(), Some(0), "{engine}: {}", text(&run.stdout));
        assert!(text(&run.stdout).contains("ballots b1.r0;"), "{}", text(&run.stdout));
    }
}

#[test]
fn the_catalog_is_listed_with_bounds() {
    let list = check(&["list"]);
    assert_eq!(list.status.code(), Some(0));
    let list = text(&list.stdout);
    for expected in ["rivals", "3 ballots, and rival commands", "ballots b1.r0 b1.r1 b2.r2"] {
        assert!(list.contains(expected), "{expected}: {list}");
    }
}

#[test]
fn a_run_that_stops_early_is_incomplete() {
    for limit in [["--max-states", "1000"], ["--max-memory-mib", "0"]] {
        let run = check(&["run", "rivals", limit[0], limit[1]]);
        assert_eq!(run.status.code(), Some(3), "{}", text(&run.stdout));
        assert!(text(&run.stdout).contains("incomplete"), "{}", text(&run.stdout));
        assert!(!text(&run.stdout).contains("  holds\n"), "{}", text(&run.stdout));
    }
}

#[test]
fn wrong_usage_says_what_and_what_to_do() {
    for (args, expected) in [
        (&["run", "nonsense"][..], "check list"),
        (&["run", "--replicas", "1", "--crashes", "1"], "--replicas 3"),
        (&["run", "--candidates", "9"], "--candidates 9"),
        (&["run", "rivals", "--replicas", "5"], "cannot be used with"),
        (&["mutants", "X99"], "names them all"),
        (&["explore", "rivals", "--address", "nowhere"], "--address nowhere"),
        (&["explore", "nonsense"], "check list"),
    ] {
        let run = check(args);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(text(&run.stderr).contains(expected), "{args:?}: {}", text(&run.stderr));
    }
}

#[test]
fn a_mutant_is_killed_by_a_path_that_can_be_read_and_drawn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let svg = folder.path().join("m26.svg");
    let run = check(&["mutants", "m26", "--svg", svg.to_str().expect("UTF-8")]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let out = text(&run.stdout);
    assert!(out.contains("acknowledged means chosen"), "{out}");
    assert!(out.contains("   1. ") && out.contains(": Election time-out"), "{out}");
    let drawn = std::fs::read_to_string(&svg).expect("the chart was written");
    assert!(drawn.contains("client ann") && drawn.contains("Acknowledged("), "{drawn}");
    let line = check(&["mutants", "M26", "--json"]);
    let line: serde_json::Value = serde_json::from_slice(&line.stdout).expect("one JSON object");
    assert_eq!(line["killed"], true);
    for key in ["mutant", "config", "property", "depth", "unique_states", "seconds"] {
        assert!(!line[key].is_null(), "{key}");
    }
}

/// Ends the process when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_explorer_shows_readable_steps_and_refuses_a_port_in_use() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    let refused = check(&["explore", "rivals", "--address", &address]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("choose another port"), "{}", text(&refused.stderr));
    drop(free);
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(["explore", "rivals", "--address", &address]).stdout(Stdio::piped());
    let mut explorer = Running(command.spawn().expect("check starts"));
    let mut lines = BufReader::new(explorer.0.stdout.take().expect("a pipe")).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("Explorer is on")));
    let body = get(&address, "/.states/0");
    for expected in ["replica 0: Election time-out", "client ann: Retry time-out", "<svg"] {
        assert!(body.contains(expected), "{expected}: {}", &body[..body.len().min(2000)]);
    }
}

/// One HTTP request, tried until the server is up.
fn get(address: &str, path: &str) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Ok(mut stream) => {
                let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
                stream.write_all(request.as_bytes()).expect("the server listens");
                let mut body = String::new();
                stream.read_to_string(&mut body).expect("the server answers");
                return body;
            }
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
