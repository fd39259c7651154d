//! However a run of `check` ends, it says so, and never that anything holds: signals, too little memory,
//! failing assertions, a reader that goes away, files that cannot be written.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn check(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    check(args).output().expect("check starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_nothing_holds(run: &Output) {
    let out = text(&run.stdout);
    for line in out.lines() {
        assert!(!line.ends_with("  holds") && !line.ends_with("  they do"), "{out}");
    }
    assert!(!out.contains("every property holds"), "{out}");
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("not 0");
    kill_process(pid, signal).expect("it is still running");
}

#[test]
fn a_signal_ends_a_run_as_incomplete() {
    // None of them is done within a second.
    for args in [
        &["run", "rivals-crash"][..],
        &["run", "rivals-crash", "--engine", "stateright"],
        &["run", "real-time", "--engine", "actor-model"],
        &["run", "rivals-crash", "--unjudged", "--no-reductions"],
        &["refine", "rivals-crash"],
        &["progress", "rivals-crash"],
    ] {
        for which in [Signal::INT, Signal::TERM] {
            let mut command = check(args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("check starts");
            // It tells what it is going to do, and begins.
            let mut told = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut first = String::new();
            told.read_line(&mut first).expect("it says something");
            signal(&child, which);
            let sent = Instant::now();
            let mut rest = Vec::new();
            told.read_to_end(&mut rest).expect("the rest");
            let mut run = child.wait_with_output().expect("it ends");
            run.stdout = rest;
            assert!(sent.elapsed() < Duration::from_secs(30), "{args:?}: {:?}", sent.elapsed());
            assert_eq!(run.status.code(), Some(3), "{args:?}: {}", text(&run.stdout));
            assert!(text(&run.stdout).contains("incomplete: interrupted"), "{}", text(&run.stdout));
            assert_nothing_holds(&run);
        }
    }
}

#[test]
fn limits_of_time_and_memory_end_a_run_as_incomplete() {
    for (limit, expected) in
        [(["--max-seconds", "1"], "--max-seconds"), (["--max-memory-mib", "20"], "--max-memory")]
    {
        for engine in ["compact", "stateright", "actor-model"] {
            // No machine is done with this within a second.
            let bounds = ["--messages", "3", "--max-round", "4"];
            let more = ["--engine", engine, limit[0], limit[1]];
            let run = output(&[&["run"][..], &bounds, &more].concat());
            assert_eq!(run.status.code(), Some(3), "{engine} {limit:?}: {}", text(&run.stdout));
            assert!(text(&run.stdout).contains(expected), "{}", text(&run.stdout));
            assert_nothing_holds(&run);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_is_said_and_nothing_holds() {
    for kib in [60_000, 200_000, 400_000] {
        let command = format!("ulimit -v {kib}; exec \"$0\" run rivals-crash --max-seconds 600");
        let run = Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_check")])
            .output()
            .expect("sh starts");
        assert_ne!(run.status.code(), Some(0), "{kib}");
        let said = text(&run.stdout) + &text(&run.stderr);
        let names_it =
            ["too little memory", "memory allocation", "Cannot allocate", "ResourceBusy"];
        let names_it = names_it.iter().any(|words| said.contains(words))
            || said.contains("Resource temporarily unavailable");
        assert!(names_it, "{kib}: {:?} {said}", run.status);
        assert_nothing_holds(&run);
    }
}

#[test]
fn a_failing_assertion_of_an_actor_is_a_failure() {
    for (plant, engine) in [
        ("handler", "compact"),
        ("handler", "stateright"),
        ("handler", "actor-model"),
        ("claims", "compact"),
        ("claims", "stateright"),
    ] {
        let run = output(&["run", "real-time", "--plant", plant, "--engine", engine]);
        assert_eq!(run.status.code(), Some(1), "{plant} {engine}: {}", text(&run.stdout));
        let expected = "an actor or a property panicked: planted: an assertion";
        assert!(text(&run.stdout).contains(expected), "{}", text(&run.stdout));
        assert_nothing_holds(&run);
    }
    // Without the plant the same bounds hold.
    assert_eq!(output(&["run", "real-time"]).status.code(), Some(0));
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["all"],
        &["full", "--max-states", "1000"],
        &["run", "sessions"],
        &["run", "sessions", "--json"],
        &["mutants"],
        &["mutants", "M26", "--json"],
        &["refine", "sessions"],
        &["refine", "sessions", "--json"],
        &["progress", "sessions"],
        &["progress", "sessions", "--json"],
        &["compare", "reader", "--max-states", "1000"],
        &["compare", "reader", "--max-states", "1000", "--json"],
        &["explore", "sessions", "--address", "127.0.0.1:0"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = check(args).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
        assert_eq!(run.status.code(), Some(141), "{args:?}: {}", text(&run.stderr));
        assert_eq!(text(&run.stderr), "", "{args:?}");
    }
    // Nor need anybody read the errors.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let run = check(&["run", "nonsense"]).stderr(writer).output().expect("it starts");
    assert_eq!(run.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_an_error() {
    for args in [&["list"][..], &["run", "sessions", "--json"]] {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let run = check(args).stdout(full).stderr(Stdio::piped()).output().expect("it starts");
        assert_eq!(run.status.code(), Some(74), "{args:?}: {}", text(&run.stderr));
        assert!(text(&run.stderr).contains("standard output"), "{}", text(&run.stderr));
    }
    // The run holds, but what was asked for is not there.
    let run = output(&["run", "sessions", "--plot", "/dev/full"]);
    assert_eq!(run.status.code(), Some(74), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("/dev/full: No space left"), "{}", text(&run.stderr));
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_the_run() {
    for args in [
        &["run", "rivals-crash", "--svg", "no/such/folder.svg"][..],
        &["run", "rivals-crash", "--plot", "no/such/folder.svg"],
        &["full", "--plot", "no/such/folder.svg"],
        &["mutants", "M06", "--svg", "no/such/folder.svg"],
        &["progress", "rivals-crash", "--svg", "no/such/folder.svg"],
        &["refine", "rivals-crash", "--svg", "no/such/folder.svg"],
    ] {
        let started = Instant::now();
        let run = output(args);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{args:?} ran first");
        let error = text(&run.stderr);
        assert!(error.contains(args[args.len() - 2]) && error.contains("name a file"), "{error}");
    }
}

/// The processes that this one has started and that still run.
#[cfg(target_os = "linux")]
fn children_of(process: u32) -> Vec<String> {
    let file = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(file).unwrap_or_default();
    children.split_whitespace().map(String::from).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_comparison_that_is_ended_leaves_no_process_behind() {
    for which in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut command = check(&["compare", "rivals"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut parent = command.spawn().expect("check starts");
        // The head is printed before the first entry is run.
        let mut lines = BufReader::new(parent.stdout.take().expect("a pipe")).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("one state")));
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut children = children_of(parent.id());
        while children.is_empty() {
            assert!(Instant::now() < deadline, "no run is started");
            std::thread::sleep(Duration::from_millis(5));
            children = children_of(parent.id());
        }
        signal(&parent, which);
        let run = parent.wait_with_output().expect("it ends");
        if which != Signal::KILL {
            assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
            assert!(text(&run.stderr).contains("interrupted"), "{}", text(&run.stderr));
        }
        let runs = |child: &String| {
            // A process that has ended and was not waited for by its new parent yet is none.
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        while children.iter().any(runs) {
            assert!(Instant::now() < deadline, "{which:?} leaves {children:?} behind");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
