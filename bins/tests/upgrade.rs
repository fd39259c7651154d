//! Two builds side by side: a cluster goes from one to the other and back, one replica after the other, while clients of
//! both talk, and operators of both ask. `deploy/try-upgrade` makes the other build, and runs this.

mod recordings;
mod replicas;
mod support;

use replicas::{REPLICA, Replica, TestCluster};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{Ended, arg, eventually, run};

/// Where the other build's programs are.
const OTHER: &str = "OTHER_BUILD";

/// The programs of one build.
struct Build {
    name: &'static str,
    folder: PathBuf,
}

impl Build {
    fn program(&self, name: &str) -> String {
        arg(&self.folder.join(name)).to_owned()
    }

    fn run(&self, program: &str, cluster: &TestCluster, args: &[&str]) -> Ended {
        let config = ["--config", arg(&cluster.config)];
        let all: Vec<&str> = args[..1].iter().chain(&config).chain(&args[1..]).copied().collect();
        run(&self.program(program), &all)
    }

    /// The newest format that it reads.
    fn newest(&self) -> u64 {
        let said = run(&self.program("replica"), &["--version"]).stdout;
        let newest = said.trim_end().trim_end_matches('.').rsplit(' ').next().unwrap().parse();
        newest.unwrap_or_else(|_| panic!("it tells no formats: {said}"))
    }

    fn start(&self, cluster: &TestCluster, id: u8, more: &[&str]) -> Replica {
        let mut command = Command::new(self.program("replica"));
        command.args(["--config", arg(&cluster.config), "--id", &id.to_string()]).args(more);
        command.args(["--log-dir", arg(cluster.folder.path()), "--stop-at-end-of-input"]);
        Replica::spawn(&mut command)
    }

    fn statuses(&self, cluster: &TestCluster) -> Vec<Value> {
        let told = self.run("cluster", cluster, &["status", "--json"]).json();
        told["replicas"].as_array().unwrap_or_else(|| panic!("{told}")).clone()
    }

    /// Somebody of this build who talks until told to stop, and records what was acknowledged.
    fn talk(&self, cluster: &TestCluster) -> Talker {
        let mut send = Command::new(self.program("client"));
        let record = cluster.folder.path().join(format!("{}.jsonl", self.name));
        send.args(["--config", arg(&cluster.config), "--name", self.name, "send"]);
        send.args(["--record", arg(&record)]).stdin(Stdio::piped());
        let mut child = send.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = child.stdin.take().unwrap();
        let (stop, stopped) = channel::<()>();
        let talks = std::thread::spawn(move || {
            let mut said = 0;
            while stopped.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                said += 1;
                writeln!(lines, "word {said}").unwrap();
            }
            said
        });
        Talker { child, stop, talks }
    }

    fn follow(&self, cluster: &TestCluster) -> Reader {
        let mut tail = Command::new(self.program("client"));
        tail.args(["--config", arg(&cluster.config), "--name", self.name, "tail"]);
        tail.args(["--from", "end", "--follow", "--format", "{text}"]).stdin(Stdio::null());
        let mut child = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Reader { child, shown, silence: Duration::ZERO, last: None, count: 0 }
    }
}

/// Between two messages of somebody who talks.
const BETWEEN: Duration = Duration::from_millis(10);

/// Somebody who talks.
struct Talker {
    child: Child,
    stop: Sender<()>,
    talks: JoinHandle<u64>,
}

impl Talker {
    /// All that was said is acknowledged.
    fn end(self) -> u64 {
        drop(self.stop);
        let said = self.talks.join().unwrap();
        let ended = self.child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        said
    }
}

/// Somebody who reads, and how long nothing was shown.
struct Reader {
    child: Child,
    shown: Receiver<(Instant, String)>,
    silence: Duration,
    last: Option<Instant>,
    count: u64,
}

impl Reader {
    /// Waits until this is shown.
    fn hears(&mut self, text: &str) {
        loop {
            let shown = self.shown.recv_timeout(Duration::from_secs(60));
            let (at, line) = shown.unwrap_or_else(|_| panic!("{text:?} is not shown"));
            self.silence = self.silence.max(self.last.map_or(Duration::ZERO, |last| at - last));
            self.last = Some(at);
            self.count += 1;
            if line == text {
                return;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever says something, reads or asks is served, by replicas that all follow or lead, and have caught up.
fn serves_both(builds: &[Build; 2], cluster: &TestCluster, readers: &mut [Reader], said: &mut u64) {
    for build in builds {
        *said += 1;
        let text = format!("message {said}");
        let record = cluster.folder.path().join(format!("message-{said}.jsonl"));
        let who = ["--config", arg(&cluster.config), "--name", build.name];
        let what = ["send", "--record", arg(&record), &text];
        let sent = run(&build.program("client"), &[&who[..], &what].concat());
        assert_eq!(sent.code, 0, "{}: {sent:?}", build.name);
        readers.iter_mut().for_each(|reader| reader.hears(&text));
        let ready = |status: &Value| status["is_led"] == true && status["is_behind"] == false;
        eventually("all are led, and have caught up", || {
            let statuses = build.statuses(cluster);
            statuses.len() == 3 && statuses.iter().all(ready)
        });
    }
}

/// The formats in which whoever leads writes to the others.
fn written(build: &Build, cluster: &TestCluster) -> Option<Vec<u64>> {
    let statuses = build.statuses(cluster);
    let leader = statuses.iter().find(|status| status["role"] == "leading")?;
    let formats = leader["formats"].as_array()?.iter().enumerate();
    let others = formats.filter(|(id, _)| *id as u64 != leader["replica"]);
    Some(others.map(|(_, format)| format.as_u64().unwrap()).collect())
}

#[test]
#[ignore = "needs a second build: deploy/try-upgrade"]
fn a_cluster_goes_to_another_build_and_back_and_costs_no_message() {
    let other = std::env::var_os(OTHER).unwrap_or_else(|| panic!("{OTHER} is not set"));
    let other = std::fs::canonicalize(&other).unwrap_or_else(|e| panic!("{OTHER}: {e}"));
    let builds = [
        Build { name: "this", folder: Path::new(REPLICA).parent().unwrap().to_owned() },
        Build { name: "other", folder: other },
    ];
    let newest = [0, 1].map(|which: usize| builds[which].newest());
    println!("this build reads format {}, the other one {}, at most", newest[0], newest[1]);
    for (from, to) in [(0, 1), (1, 0)] {
        let why = "what the other build does is not what the actors of this one do";
        let cluster = TestCluster::unrecorded(why, &[]);
        let start = |build: usize, id: u8, more: &[&str]| builds[build].start(&cluster, id, more);
        let mut replicas: Vec<Option<Replica>> =
            (0..3).map(|id| Some(start(from, id, &["--init"]))).collect();
        let talkers = [0, 1].map(|which: usize| builds[which].talk(&cluster));
        let mut readers = [0, 1].map(|which: usize| builds[which].follow(&cluster));
        let mut said = 0;
        for (build, order) in [(to, [2, 1, 0]), (from, [0, 1, 2])] {
            for id in order {
                replicas[usize::from(id)].take().unwrap().end();
                replicas[usize::from(id)] = Some(start(build, id, &[]));
                serves_both(&builds, &cluster, &mut readers, &mut said);
            }
            eventually("the newest format of all is written", || {
                written(&builds[build], &cluster) == Some(vec![newest[build]; 2])
            });
        }
        let words: u64 = talkers.into_iter().map(Talker::end).sum();
        for Reader { silence, count, .. } in &readers {
            println!(
                "from {} to {} and back: {words} said, {count} shown, {silence:?} of silence at most",
                builds[from].name, builds[to].name
            );
            assert!(*count >= said, "{count} of {said}");
            // About one election time-out here; a busy machine may take longer.
            assert!(*silence < Duration::from_secs(20), "{silence:?}");
        }
        replicas.into_iter().flatten().for_each(|replica| drop(replica.end()));
        for build in &builds {
            let args = ["verify", "--json", arg(cluster.folder.path())];
            let verified = run(&build.program("cluster"), &args);
            assert_eq!(verified.code, 0, "{}: {verified:?}", build.name);
            let told = verified.json();
            let clients = told["clients"].as_array().unwrap().iter();
            let acknowledged: u64 =
                clients.map(|client| client["acknowledged"].as_u64().unwrap()).sum();
            assert_eq!(acknowledged, words + said, "{told}");
        }
    }
}
