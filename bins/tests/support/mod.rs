//! Runs the project's own executables.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The object that it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs an executable to its end, within [`LIMIT`].
pub(crate) fn run(program: &str, args: &[&str]) -> Ended {
    run_with_input(program, args, "")
}

/// Runs an executable that reads this input.
pub(crate) fn run_with_input(program: &str, args: &[&str], input: &str) -> Ended {
    run_within(LIMIT, program, args, input)
}

/// Runs an executable that reads this input, within a limit of its own.
pub(crate) fn run_within(limit: Duration, program: &str, args: &[&str], input: &str) -> Ended {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that a shell's children end with it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // Whoever ends early reads no further.
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    });
    let group = format!("-{}", child.id());
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(limit) else {
        Command::new("kill").args(["-9", "--", &group]).status().unwrap();
        panic!("{program} {args:?} has not ended within {limit:?}");
    };
    writer.join().unwrap();
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the logs of replicas 0 to 2 in this folder have so many posts: a tail shows what the
/// replica has that it asks.
pub(crate) fn all_have(folder: &Path, posts: usize) {
    let has_all = |id: u8| {
        // It may be read while it is written, and so end within a character.
        let log = std::fs::read(folder.join(format!("replica-{id}.log"))).unwrap();
        String::from_utf8_lossy(&log).matches("\tpost\tapplied\t").count() >= posts
    };
    eventually("all replicas have all posts", || (0..3).all(has_all));
}

/// The program `check`, which another crate makes, beside this one.
pub(crate) fn check_beside(program: &str) -> PathBuf {
    let check = Path::new(program).with_file_name("check");
    assert!(
        check.exists(),
        "{} is not there: `cargo build --release --bin check`",
        check.display()
    );
    check
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The first of some free UDP ports that follow one another. They are below those that a system gives
/// to whoever asks for any, and no two tests of a process are given the same.
pub(crate) fn free_ports(host: &str, count: u16) -> u16 {
    const FIRST: u32 = 20_000;
    const PORTS: u32 = 12_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Tests of other processes begin elsewhere.
    let begin = std::process::id().wrapping_mul(997);
    for _ in 0..PORTS {
        let at = begin.wrapping_add(GIVEN.fetch_add(u32::from(count), Ordering::Relaxed)) % PORTS;
        let first = u16::try_from(FIRST + at).expect("a port");
        let is_free = |offset| std::net::UdpSocket::bind((host, first + offset)).is_ok();
        if (0..count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}
