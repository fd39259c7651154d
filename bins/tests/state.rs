//! A client that keeps its state: killed whenever it may be, it says each message once and in order.

mod recordings;
mod screens;
mod support;

use actor_runtime::storage::StableStorage;
use paxos_chat::client::{ClientPhase, ClientStorage, PendingRequest};
use paxos_chat::types::{Body, Nonce, Seq, SessionId, Slot};
use paxos_chat_client::state::{Owner, State};
use paxos_chat_config::Config;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use screens::{CLIENT, Cluster, Screen};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{arg, eventually, run};

const MESSAGES: usize = 200;

/// The file of this name beside the configuration.
fn beside(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.config.with_file_name(name)
}

/// A `send` of a user with this state, fed by the test.
fn spawn(cluster: &Cluster, user: &str, state: &Path) -> Child {
    Command::new(CLIENT)
        .args(cluster.client_args(&["--name", user, "--state", arg(state), "send"]))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a client, and gives what it has said on standard error.
fn kill(mut client: Child) -> String {
    client.kill().unwrap();
    let mut said = String::new();
    client.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    client.wait().unwrap();
    said
}

/// How many messages an interrupted run had taken, if it is told.
fn told(stderr: &str) -> Option<usize> {
    let (_, rest) = stderr.split_once("interrupted after ")?;
    rest.split(' ').next()?.parse().ok()
}

/// What this user has said, in the order of the log.
fn said_by(cluster: &Cluster, user: &str) -> Vec<String> {
    let ended = cluster.client(&["tail", "--json"], "");
    assert_eq!(ended.code, 0, "{ended:?}");
    let posts = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let own = posts.filter(|post: &serde_json::Value| post["user"] == user);
    own.map(|post| post["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_client_killed_at_any_moment_says_everything_once_and_in_order() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let (mut kills, mut pending) = (0, 0);
    for seed in 0..3 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (user, state) = (format!("ann{seed}"), beside(&cluster, &format!("{seed}.state")));
        let lines: Vec<String> =
            (0..MESSAGES).map(|number| format!("message {number}\n")).collect();
        let mut taken = 0;
        while taken < MESSAGES {
            let kept = || std::fs::read(&state).unwrap_or_default();
            let before = kept();
            // It never sees the end of its input, so it is always killed before its own end.
            let mut client = spawn(&cluster, &user, &state);
            let some = &lines[taken..(taken + rng.random_range(1..60)).min(MESSAGES)];
            client.stdin.as_mut().unwrap().write_all(some.concat().as_bytes()).unwrap();
            // At any moment, or at any after it has begun.
            if rng.random() {
                eventually("it gets on", || kept() != before);
            }
            std::thread::sleep(Duration::from_millis(rng.random_range(0..60)));
            assert_eq!(told(&kill(client)), None, "whatever was before is told");
            // Killed while it completes what is pending, and then not.
            let mut interrupted = Vec::new();
            for _ in 0..rng.random_range(0..3) {
                let client = spawn(&cluster, &user, &state);
                std::thread::sleep(Duration::from_millis(rng.random_range(0..30)));
                interrupted.extend(told(&kill(client)));
                kills += 1;
            }
            let args = ["--name", user.as_str(), "--state", arg(&state), "send"];
            let ended = cluster.client(&args, "");
            assert_eq!(ended.code, 0, "{ended:?}");
            interrupted.extend(told(&ended.stderr));
            pending += usize::from(ended.stderr.contains(" messages were pending"));
            assert!(interrupted.windows(2).all(|pair| pair[0] == pair[1]), "{interrupted:?}");
            taken += interrupted.first().copied().unwrap_or(0);
            kills += 1;
            assert!(kills < 2000, "it does not get on: {taken} of {MESSAGES}");
        }
        let expected: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        eventually("whoever is asked has all", || said_by(&cluster, &user).len() >= MESSAGES);
        assert_eq!(said_by(&cluster, &user), expected, "seed {seed}");
    }
    assert!(kills > 10 && pending > 0, "{kills} kills, {pending} with something to tell");
    let verified =
        run(env!("CARGO_BIN_EXE_cluster"), &["verify", arg(cluster.config.parent().unwrap())]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn what_is_pending_is_completed_before_anything_new_is_said() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let state = beside(&cluster, "ann.state");
    let send = |cluster: &Cluster, texts: &[&str]| {
        let args = ["--name", "ann", "--state", arg(&state), "send"];
        cluster.client(&[&args, texts].concat(), "")
    };
    let first = send(&cluster, &["one"]);
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    (0..3).for_each(|id| cluster.kill(id));
    let mut client = spawn(&cluster, "ann", &state);
    client.stdin.as_mut().unwrap().write_all(b"two\nthree\n").unwrap();
    let holds = |text: &str| {
        let bytes = std::fs::read(&state).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    eventually("it is kept before it can be acknowledged", || holds("two") && holds("three"));
    // Nobody else may have the file meanwhile.
    let second = send(&cluster, &["four"]);
    assert_eq!(second.code, 2, "{second:?}");
    assert!(second.stderr.contains("ann.state is in use by another process"), "{second:?}");
    kill(client);
    // What cannot be acknowledged is kept, and said to be.
    let args = ["--name", "ann", "--state", arg(&state), "--patience", "1", "send", "four"];
    let args = cluster.client_args(&args);
    let ended = run(CLIENT, &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("3 of 3 messages were not acknowledged"), "{ended:?}");
    let safe = "2 of them are saved; run again with the same --state file to complete them; message 1 of this run and everything after it is not saved";
    assert!(ended.stderr.contains(safe), "{ended:?}");
    (0..3).for_each(|id| cluster.start(id, &[]));
    let resumed = send(&cluster, &["four"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let expected = "interrupted after 2 messages; 2 messages were pending, and all are";
    assert!(resumed.stderr.contains(expected), "{resumed:?}");
    let last = send(&cluster, &["five"]);
    assert_eq!((last.code, last.stderr.as_str()), (0, ""), "there is nothing left to tell");
    eventually("whoever is asked has all", || said_by(&cluster, "ann").len() >= 5);
    assert_eq!(said_by(&cluster, "ann"), ["one", "two", "three", "four", "five"]);
}

/// Leaves the state of a client that was killed in this session, with these messages pending.
fn leave(cluster: &Cluster, state: &Path, session: SessionId, pending: &[(u64, &str)], next: u64) {
    let owner =
        Owner { cluster: Config::read(&cluster.config).unwrap().cluster_id(), user: "ann".into() };
    let (mut state, _lock) = State::open(state, &owner).unwrap();
    let pending = pending.iter().map(|(seq, text)| {
        (Seq(*seq), PendingRequest { acked_below: Seq(1), body: Body::write(text) })
    });
    let client = ClientStorage {
        nonce: Nonce(7),
        phase: ClientPhase::Open(session),
        waiting: [Body::write("never sent")].into(),
        next_seq: Seq(next),
        unacknowledged: pending.collect(),
    };
    state.save(client).unwrap();
}

#[test]
fn an_expired_session_names_each_message_and_the_next_run_begins_anew() {
    let mut cluster =
        Cluster::unrecorded("the test writes a client's state that no client has saved");
    cluster.start_all();
    assert_eq!(cluster.client(&["--name", "bob", "send", "a", "b"], "").code, 0);
    let state = beside(&cluster, "ann.state");
    // No replica knows this session, as if it had been evicted. A window is 16 messages.
    let gone = SessionId { slot: Slot(0), index: 7 };
    let texts: Vec<(u64, String)> =
        (1..18).filter(|n| *n != 2).map(|n| (n, format!("m{n}"))).collect();
    let pending: Vec<(u64, &str)> = texts.iter().map(|(n, text)| (*n, text.as_str())).collect();
    leave(&cluster, &state, gone, &pending, 18);
    let send = || cluster.client(&["--name", "ann", "--state", arg(&state), "send", "new"], "");
    let ended = send();
    assert_eq!(ended.code, 1, "{ended:?}");
    for (number, text) in &texts {
        let line = format!("\n  outcome unknown: #{number} {text:?}\n");
        assert!(ended.stderr.contains(&line), "{line}: {ended:?}");
    }
    assert!(!ended.stderr.contains("#2 "), "that one was acknowledged: {ended:?}");
    assert!(ended.stderr.contains("\n  not sent: #18 \"never sent\"\n"), "{ended:?}");
    let ended = send();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    eventually("whoever is asked has it", || !said_by(&cluster, "ann").is_empty());
    assert_eq!(said_by(&cluster, "ann"), ["new"]);
}

#[test]
fn the_screen_goes_on_where_a_killed_one_ended() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let state = beside(&cluster, "ann.state");
    let args = ["--name", "ann", "--state", arg(&state)];
    let first = cluster.client(&[&args[..], &["send", "before"]].concat(), "");
    assert_eq!(first.code, 0, "{first:?}");
    (0..3).for_each(|id| cluster.kill(id));
    let mut client = spawn(&cluster, "ann", &state);
    client.stdin.as_mut().unwrap().write_all(b"unheard\n").unwrap();
    eventually("it is kept", || {
        std::fs::read(&state).unwrap().windows(7).any(|window| window == b"unheard")
    });
    kill(client);
    let mut screen = Screen::start(&cluster, &args, 80, 16);
    screen.shows_text("1 messages that you said before are still pending");
    (0..3).for_each(|id| cluster.start(id, &[]));
    eventually("it is said once", || said_by(&cluster, "ann") == ["before", "unheard"]);
    screen.type_line("after");
    eventually("and then what is new", || {
        said_by(&cluster, "ann") == ["before", "unheard", "after"]
    });
    screen.type_line("/quit");
    assert_eq!(screen.end(), 0);
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_that_says_what_to_do() {
    let cluster = Cluster::new();
    let state = beside(&cluster, "ann.state");
    let refused = |args: &[&str], expected: &[&str]| {
        let ended = cluster.client(&[&["--state", arg(&state)], args].concat(), "");
        assert_eq!(ended.code, 2, "{ended:?}");
        for expected in expected {
            assert!(ended.stderr.contains(expected), "{expected}: {ended:?}");
        }
    };
    let send = ["--name", "ann", "send", "a"];
    refused(&["--name", "ann", "tail"], &["--state", "`tail`, `read` and `load` keep nothing"]);
    refused(&["--name", "ann", "load"], &["--state", "leave it out"]);
    let record = arg(&cluster.config.with_file_name("r.jsonl")).to_owned();
    refused(&["--record", &record, "--name", "ann", "send"], &["cannot be used with"]);
    leave(&cluster, &state, SessionId { slot: Slot(0), index: 0 }, &[], 1);
    refused(&["--name", "bob", "send", "a"], &["ann.state", "of user ann, and you are bob"]);
    let whole = std::fs::read(&state).unwrap();
    let mut newer = whole.clone();
    newer[4] = 9;
    std::fs::write(&state, newer).unwrap();
    refused(&send, &["ann.state", "version 9", "that wrote it"]);
    std::fs::write(&state, &whole[..whole.len() - 1]).unwrap();
    refused(&send, &["ann.state, offset 24", "read the log"]);
    std::fs::write(&state, "notes").unwrap();
    refused(&send, &["ann.state", "no state file", "a new one"]);
    let nowhere = cluster.config.with_file_name("no").join("such.state");
    let ended = cluster.client(&["--state", arg(&nowhere), "--name", "ann", "send", "a"], "");
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("such.state"), "{ended:?}");
}

/// No save of this file succeeds while this is there, for whatever reason a disk may have.
struct Blocked(PathBuf);

impl Blocked {
    fn new(state: &Path) -> Blocked {
        let mut temporary = state.as_os_str().to_owned();
        temporary.push(".tmp");
        std::fs::create_dir(&temporary).unwrap();
        Blocked(temporary.into())
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn what_the_file_does_not_have_is_not_said_to_be_safe_and_whoever_obeys_loses_nothing() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let state = beside(&cluster, "ann.state");
    let args = ["--name", "ann", "--state", arg(&state), "send"];
    let lines: Vec<String> = (1..=1000).map(|number| format!("line {number}")).collect();
    // Nothing of it is saved.
    let blocked = Blocked::new(&state);
    let ended = cluster.client(&args, &lines.join("\n"));
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in
        ["nothing more is sent", "ann.state", "of the input, and everything after it, was not sent"]
    {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
    let none = "none of them is saved;";
    let from_line =
        format!("{none} line 1 of the input and everything after it is not saved: send that again");
    // Or it could not even begin.
    let unsaid = "client: line 1 of the input, and everything after it, was not sent";
    assert!(ended.stderr.contains(&from_line) || ended.stderr.contains(unsaid), "{ended:?}");
    let ended = cluster.client(&[&args[..], &["one", "two", "three"]].concat(), "");
    assert!(ended.stderr.contains("3 of 3 messages were not acknowledged"), "{ended:?}");
    let none = format!(
        "{none} message 1 of this run and everything after it is not saved: send that again"
    );
    assert!(ended.stderr.contains(&none) && ended.code == 1, "{ended:?}");
    drop(blocked);
    let ended = cluster.client(&args, &lines.join("\n"));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "as if for the first time");
    assert_eq!(said_by(&cluster, "ann"), lines);
}

#[test]
fn a_save_that_fails_in_the_middle_is_told_at_once_and_names_the_first_that_is_not_safe() {
    let mut cluster = Cluster::new();
    cluster.start_all();
    let state = beside(&cluster, "ann.state");
    let mut client = spawn(&cluster, "ann", &state);
    let mut input = client.stdin.take().unwrap();
    writeln!(input, "one\ntwo").unwrap();
    eventually("both are said", || said_by(&cluster, "ann").len() == 2);
    // Acknowledgements are saved, too; then the file changes no more.
    let kept = || std::fs::read(&state).unwrap();
    let mut before = kept();
    eventually("all is saved", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = kept();
        std::mem::replace(&mut before, now.clone()) == now
    });
    let blocked = Blocked::new(&state);
    writeln!(input, "three").unwrap();
    // Its input goes on.
    let mut stderr = std::io::BufReader::new(client.stderr.take().unwrap());
    let mut said = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut said).unwrap();
    assert!(said.contains("nothing more is sent") && said.contains("ann.state"), "{said}");
    // Whether or not anybody reads what comes now.
    let _ = writeln!(input, "four\nfive");
    drop(input);
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("line 4 of the input, and everything after it, was not sent"), "{said}");
    assert!(said.contains("1 of 3 messages were not acknowledged"), "{said}");
    assert!(said.contains("none of them is saved; line 3 of the input"), "{said}");
    drop(blocked);
    let args = ["--name", "ann", "--state", arg(&state), "send", "three", "four", "five"];
    assert_eq!(cluster.client(&args, "").code, 0);
    assert_eq!(said_by(&cluster, "ann"), ["one", "two", "three", "four", "five"]);
}
