//! Runs in several processes, and processes that are lost.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn check(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.arg("run").args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// What a run has come to, without times and memory.
fn content(args: &[&str]) -> serde_json::Value {
    let output = check(args).arg("--json").output().expect("check starts");
    let mut content: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    for changes in ["seconds", "peak_rss_bytes", "threads"] {
        content.as_object_mut().expect("an object").remove(changes);
    }
    content
}

#[test]
fn one_two_and_four_processes_report_what_threads_do() {
    let expected = content(&["real-time"]);
    assert_eq!(expected["complete"], true);
    for processes in ["1", "2", "4"] {
        assert_eq!(content(&["real-time", "--processes", processes]), expected, "{processes}");
    }
}

/// The processes that this one has started.
fn children(of: u32) -> Vec<Pid> {
    let path = format!("/proc/{of}/task/{of}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[test]
fn a_process_that_is_killed_leaves_an_incomplete_run_that_names_it() {
    let run = check(&["rivals-two-rounds", "--processes", "2"]).spawn().expect("check starts");
    let started = Instant::now();
    let child = loop {
        // It is connected once it has threads of its own.
        let connected = |pid: &Pid| {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
            tasks.is_ok_and(|tasks| tasks.count() > 3)
        };
        if let Some(child) = children(run.id()).into_iter().find(connected) {
            break child;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no process is connected");
        std::thread::sleep(Duration::from_millis(1));
    };
    kill_process(child, Signal::KILL).expect("it is still running");
    let output = run.wait_with_output().expect("it ends");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("incomplete: process 1 does not answer any more"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// The number of a process' last checkpoint.
fn checkpoint(folder: &Path, process: usize) -> Option<u64> {
    let files = std::fs::read_dir(folder.join(format!("process-{process}"))).ok()?;
    let names = files.filter_map(|file| Some(file.ok()?.file_name()));
    names.filter_map(|name| name.to_str()?.strip_prefix("checkpoint-")?.parse().ok()).max()
}

#[test]
fn a_run_of_which_any_process_is_killed_goes_on_and_comes_to_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("run");
    let path = folder.to_str().expect("text");
    let args = ["rivals", "--processes", "3", "--checkpoint", path];
    for victim in 0..3 {
        let more: &[&str] = if victim == 0 { &[] } else { &["--resume"] };
        let mut run = check(&args).args(more).spawn().expect("check starts");
        let (started, before) = (Instant::now(), checkpoint(&folder, victim));
        while checkpoint(&folder, victim) < before.max(Some(0)).map(|before| before + 4) {
            assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint is written");
            assert!(run.try_wait().expect("it can be asked").is_none(), "it has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        let all = children(run.id());
        let first = Pid::from_raw(i32::try_from(run.id()).expect("an id")).expect("not 0");
        let killed = if victim == 0 { first } else { all[victim - 1] };
        kill_process(killed, Signal::KILL).expect("it is still running");
        let output = run.wait_with_output().expect("it ends");
        if victim > 0 {
            let said = text(&output);
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(said.contains("does not answer any more"), "{said}");
            assert!(said.contains(&format!("kept in {path}: --resume goes on")), "{said}");
        }
        // Whoever is left of it has noticed.
        for pid in all {
            let started = Instant::now();
            while Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists() {
                assert!(started.elapsed() < Duration::from_secs(60), "{pid:?} does not end");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    let others = ["rivals", "--processes", "2", "--checkpoint", path, "--resume"];
    let refused = check(&others).output().expect("check starts");
    let said = text(&refused);
    assert!(refused.status.code() == Some(2) && said.contains("is of another run"), "{said}");
    let alone = check(&["rivals", "--checkpoint", path]).output().expect("check starts");
    let said = text(&alone);
    assert!(alone.status.code() == Some(2) && said.contains("parts of a run in several"), "{said}");
    let ended = check(&args).arg("--resume").output().expect("check starts");
    let said = text(&ended);
    // The catalog's count is compared.
    assert!(ended.status.success() && said.contains("  holds"), "{said}");
    assert!(said.contains("check: goes on ") && !folder.exists(), "{said}");
}

#[test]
fn processes_do_not_begin_in_the_folder_of_a_plain_run_which_goes_on() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("run");
    let path = folder.to_str().expect("text");
    let begun = ["real-time", "--checkpoint", path, "--max-states", "1000"];
    let begun = check(&begun).output().expect("check starts");
    assert_eq!(begun.status.code(), Some(3), "{}", text(&begun));
    let several = ["real-time", "--processes", "2", "--checkpoint", path];
    for option in [None, Some("--resume"), Some("--resume-or-begin")] {
        let refused = check(&several).args(option).output().expect("check starts");
        let said = text(&refused);
        assert!(refused.status.code() == Some(2) && said.contains("not in several"), "{said}");
    }
    let ended = ["real-time", "--checkpoint", path, "--resume"];
    let ended = check(&ended).output().expect("check starts");
    assert!(ended.status.success() && !folder.exists(), "{}", text(&ended));
}

fn hosts(folder: &Path, text: &str, mode: u32) -> String {
    let path = folder.join(format!("hosts-{}", text.len()));
    let mut file =
        std::fs::File::options().write(true).create(true).truncate(true).mode(mode).open(&path);
    file.as_mut().expect("a file").write_all(text.as_bytes()).expect("it is written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn what_is_wrong_with_a_list_of_hosts_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = format!("secret {}", "5f".repeat(32));
    let of = |text: &str, mode| hosts(folder.path(), text, mode);
    for (file, process, says) in [
        (of(&secret, 0o644), "0", "`chmod 600` it"),
        (of("127.0.0.1:1", 0o600), "0", "is not `secret` and 64 hexadecimal digits"),
        (of(&format!("{secret}\n127.0.0.1:1\n"), 0o600), "1", "names 1 processes, from 0 on"),
        (of(&format!("{secret}\n192.0.2.1:7\n"), 0o600), "0", "say so with --listen 192.0.2.1:7"),
        (folder.path().join("none").display().to_string(), "0", "none: No such file"),
    ] {
        let refused = check(&["real-time", "--hosts", &file, "--process", process]).output();
        let refused = refused.expect("check starts");
        let said = text(&refused);
        assert!(refused.status.code() == Some(2) && said.contains(says), "{said}");
    }
}
