//! Runs that are kept, and killed.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An entry of half a million states, in 32 levels.
const ENTRY: &str = "rivals";

fn check(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(["run", ENTRY, "--checkpoint"]).arg(folder).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// The number of the last checkpoint; nothing, if there is none.
fn checkpoint(folder: &Path) -> Option<u64> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.file_name()));
    names.filter_map(|name| name.to_str()?.strip_prefix("checkpoint-")?.parse().ok()).max()
}

#[test]
fn a_run_that_is_killed_goes_on_from_its_last_checkpoint_and_leaves_nothing_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("run");
    for round in 0..3 {
        let more: &[&str] = if round == 0 { &[] } else { &["--resume"] };
        let mut child = check(&folder, more).spawn().expect("check starts");
        let (started, before) = (Instant::now(), checkpoint(&folder));
        // Each gets some levels further.
        for _ in 0..3 {
            let known = checkpoint(&folder);
            while known == checkpoint(&folder) || before == checkpoint(&folder) {
                assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint is written");
                assert!(child.try_wait().expect("it can be asked").is_none(), "it has ended");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("not 0");
        kill_process(pid, Signal::KILL).expect("it is still running");
        child.wait().expect("it has ended");
    }
    let again = check(&folder, &[]).output().expect("check starts");
    assert!(!again.status.success(), "{}", text(&again));
    assert!(text(&again).contains("--resume goes on with it"), "{}", text(&again));
    let ended = check(&folder, &["--resume"]).output().expect("check starts");
    // The catalog's count is compared.
    assert!(ended.status.success() && text(&ended).contains("  holds"), "{}", text(&ended));
    assert!(text(&ended).contains("check: goes on "), "{}", text(&ended));
    assert!(!folder.exists(), "it is complete");
}

#[test]
fn what_a_checkpoint_counts_on_stays_until_the_next_one_though_files_are_merged_in_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("run");
    // So many times within a level are states told from known ones, and files merged.
    let small = ["--seen-kib", "256", "--threads", "1"];
    for round in 0..6 {
        let more: &[&str] = if round == 0 { &[] } else { &["--resume"] };
        let mut child = check(&folder, more).args(small).spawn().expect("check starts");
        let (started, known) = (Instant::now(), checkpoint(&folder));
        while known == checkpoint(&folder) {
            assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint is written");
            assert!(child.try_wait().expect("it can be asked").is_none(), "it has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        // In the middle of the next level, somewhere.
        std::thread::sleep(Duration::from_millis(40 * round));
        let _ = child.kill();
        child.wait().expect("it has ended");
    }
    let ended = check(&folder, &["--resume"]).args(small).output().expect("check starts");
    assert!(ended.status.success() && text(&ended).contains("  holds"), "{}", text(&ended));
}

#[test]
fn a_limit_leaves_a_run_that_can_go_on_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for (limit, value, says) in
        [("--max-states", "2000", "--max-states"), ("--max-disk-mib", "0", "--max-disk-mib")]
    {
        let folder = folder.path().join(limit);
        let limited = check(&folder, &[limit, value]).output().expect("check starts");
        let said = text(&limited);
        assert!(said.contains("incomplete: ") && said.contains(says), "{said}");
        assert!(said.contains("--resume goes on"), "{said}");
    }
    let ended = check(&folder.path().join("--max-states"), &["--resume"]).output();
    assert!(ended.expect("check starts").status.success());
}

#[test]
fn what_cannot_be_kept_or_taken_up_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let file = path.join("file");
    std::fs::write(&file, "x").expect("a file");
    let damaged = path.join("damaged");
    std::fs::create_dir(&damaged).expect("a folder");
    std::fs::write(damaged.join("checkpoint-1"), "x").expect("a file");
    for (folder, more, says) in [
        (path, &["--resume"][..], "leave --resume out to begin"),
        (path, &["--engine", "stateright"], "only --engine compact"),
        (path, &["--unjudged"], "only those that are judged"),
        (&file, &[], "give another folder"),
        (&damaged, &["--resume"], "begin again in another folder"),
    ] {
        let refused = check(folder, more).output().expect("check starts");
        let said = text(&refused);
        assert!(!refused.status.success() && said.contains(says), "{more:?}: {said}");
    }
}

#[test]
fn a_result_that_nobody_reads_can_be_had_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("run");
    let mut child = check(&folder, &[]).spawn().expect("check starts");
    // It says what it is going to do; behind the head of the table comes the result.
    let told = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = told.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("entry ")), "it begins");
    drop(lines);
    let unread = child.wait().expect("it ends");
    assert_eq!(unread.code(), Some(141));
    let ended = check(&folder, &["--resume"]).output().expect("check starts");
    assert!(ended.status.success() && text(&ended).contains("  holds"), "{}", text(&ended));
    assert!(!folder.exists());
}
