//! A cluster's secret is replaced while the cluster serves.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster, refused};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{Ended, all_have, arg, eventually, run};

/// Three durable replicas, each with a copy of the secret of its own, and whoever runs them.
struct Site {
    replicas: Vec<Replica>,
    cluster: TestCluster,
}

impl Site {
    fn start() -> Site {
        let cluster = TestCluster::new(&[]);
        let mut site = Site { cluster, replicas: Vec::new() };
        for id in 0..3 {
            site.give(id);
            let secret = site.copy_of(id);
            let args = ["--init", "--secret", arg(&secret)];
            site.replicas.push(Replica::start_with(&site.cluster, id, &args));
        }
        site
    }

    fn secret(&self) -> PathBuf {
        self.cluster.folder.path().join("cluster.secret")
    }

    fn copy_of(&self, id: u8) -> PathBuf {
        self.cluster.folder.path().join(format!("secret-of-{id}"))
    }

    /// Gives a replica the file as it is now.
    fn give(&self, id: u8) {
        std::fs::copy(self.secret(), self.copy_of(id)).unwrap();
    }

    /// Has a replica read what it was given.
    fn reload(&mut self, id: u8) -> String {
        let replica = &mut self.replicas[usize::from(id)];
        replica.type_line("reload");
        replica.line()
    }

    fn rotate(&self, args: &[&str]) -> Ended {
        run(CLUSTER, &[&["rotate", "--config", arg(&self.cluster.config)], args].concat())
    }

    fn status(&self) -> Ended {
        run(CLUSTER, &["status", "--config", arg(&self.cluster.config)])
    }

    fn token(&self, name: &str) -> PathBuf {
        let path = self.cluster.folder.path().join(name);
        let args = ["invite", "--config", arg(&self.cluster.config), "--user", "alice"];
        assert_eq!(run(CLUSTER, &[&args[..], &["-o", arg(&path)]].concat()).code, 0);
        path
    }

    fn says(&self, token: &Path, patience: &str) -> i32 {
        let recording = self.cluster.recordings().of("alice");
        let args = ["--config", arg(&self.cluster.config), "--token", arg(token)];
        let args = [&args[..], &["--record-run", arg(&recording)]].concat();
        run(CLIENT, &[&args[..], &["--patience", patience, "send", "hello"]].concat()).code
    }

    fn posts(&self, id: u8) -> usize {
        self.cluster.log(id).matches("\tpost\tapplied\t").count()
    }
}

/// Somebody who talks all the time.
struct Talker(Child);

impl Talker {
    fn start(site: &Site, token: &Path) -> Talker {
        let mut command = Command::new(CLIENT);
        command.args(["--config", arg(&site.cluster.config), "--token", arg(token)]);
        command.args(["--record-run", arg(&site.cluster.recordings().of("talker"))]);
        command.args(["--patience", "60", "send"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Talker(command.spawn().unwrap())
    }

    fn says(&mut self, text: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{text}").unwrap();
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_secret_is_replaced_step_by_step_while_the_cluster_serves_and_the_old_one_is_void_at_the_end() {
    let mut site = Site::start();
    let before = std::fs::read_to_string(site.secret()).unwrap();
    let (old, mut said) = (site.token("old.token"), 0);
    let mut talker = Talker::start(&site, &old);
    refused(CLUSTER, &["rotate", "switch", "--config", arg(&site.cluster.config)], &["begin"]);
    for step in ["begin", "switch"] {
        let stepped = site.rotate(&[step]);
        assert_eq!(stepped.code, 0, "{stepped:?}");
        assert!(stepped.stderr.contains("SIGHUP"), "{stepped:?}");
        let next = if step == "begin" { "switch" } else { "end" };
        for id in 0..3 {
            // Nobody is left behind.
            let file = std::fs::read_to_string(site.secret()).unwrap();
            let early = site.rotate(&[next]);
            let told = [&format!("replica {id} seals"), "is as it was", "--force"];
            assert_eq!(early.code, 1, "{early:?}");
            assert!(told.iter().all(|told| early.stderr.contains(told)), "{early:?}");
            assert_eq!(std::fs::read_to_string(site.secret()).unwrap(), file);
            site.give(id);
            assert!(site.reload(id).contains("opens under"), "it says what it does");
            talker.says("still here");
            said += 1;
            eventually("who talks is heard by all", || (0..3).all(|id| site.posts(id) >= said));
        }
        let status = site.status();
        assert!(status.stdout.contains("replica 2 seals under"), "{status:?}");
    }
    // What is replaced does not seal again, whoever brings the older file.
    std::fs::write(site.copy_of(0), &before).unwrap();
    site.replicas[0].type_line("reload");
    assert!(site.replicas[0].status().starts_with("status"), "nothing is reloaded");
    site.give(0);
    let new = site.token("new.token");
    for token in [&old, &new] {
        assert_eq!(site.says(token, "20"), 0);
        said += 1;
    }
    let ended = site.rotate(&["end"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    drop(talker.0.stdin.take());
    assert!(talker.0.wait().unwrap().success(), "no step disturbs who talks");
    for id in 0..3 {
        site.give(id);
        assert!(site.reload(id).contains("seals and opens under"));
    }
    assert_eq!(site.says(&old, "1"), 1, "the old token is void");
    assert_eq!(site.says(&new, "20"), 0);
    all_have(site.cluster.folder.path(), said + 1);
    assert!(!site.status().stdout.contains("opens under"), "nothing is left to say");
    // Nor does another life obey the old secret.
    drop(site.replicas.remove(0));
    std::fs::write(site.copy_of(0), &before).unwrap();
    let (config, folder) = (arg(&site.cluster.config), arg(site.cluster.folder.path()));
    let copy = site.copy_of(0);
    let args = ["--config", config, "--id", "0", "--log-dir", folder, "--secret", arg(&copy)];
    refused(REPLICA, &args, &["secret-of-0", "was replaced", "newest copy"]);
    site.give(0);
    let mut again = Command::new(REPLICA);
    again.arg("--record").arg(site.cluster.recordings().of_replica(0_u8));
    Replica::spawn(again.args(args).arg("--stop-at-end-of-input"));
}

#[test]
fn a_replica_that_is_down_holds_up_a_rotation_unless_it_is_forced_and_comes_back_with_the_file() {
    let mut site = Site::start();
    drop(site.replicas.pop());
    let patience = ["--patience", "500"];
    // The status tells of the file, whatever has become of the outputs.
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut untold = Command::new(CLUSTER);
    untold.args(["rotate", "begin", "--force", "--config", arg(&site.cluster.config)]);
    let before = std::fs::read_to_string(site.secret()).unwrap();
    let status = untold.args(patience).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(site.secret()).unwrap().lines().count(), 2);
    std::fs::write(site.secret(), before).unwrap();
    let stuck = site.rotate(&[&["begin"], &patience[..]].concat());
    assert_eq!(stuck.code, 1, "{stuck:?}");
    assert!(stuck.stderr.contains("replica 2 does not answer"), "{stuck:?}");
    for (step, says) in [("begin", "opens under"), ("switch", "opens under"), ("end", "seals and")]
    {
        let forced = site.rotate(&[&[step, "--force"], &patience[..]].concat());
        assert_eq!(forced.code, 0, "{forced:?}");
        for id in 0..2 {
            site.give(id);
            assert!(site.reload(id).contains(says));
        }
    }
    site.give(2);
    let secret = site.copy_of(2);
    site.replicas.push(Replica::start_with(&site.cluster, 2, &["--secret", arg(&secret)]));
    assert_eq!(site.says(&site.token("new.token"), "20"), 0);
    all_have(site.cluster.folder.path(), 1);
}

/// Operators are answered while it warms up, and its driver is not there yet.
#[test]
fn a_replica_that_waits_has_not_taken_a_step_that_it_was_told_of() {
    let cluster = TestCluster::new(&[]);
    let mut site = Site { cluster, replicas: Vec::new() };
    site.give(0);
    let copy = site.copy_of(0);
    let args = ["--init", "--wait", "--secret", arg(&copy)];
    site.replicas.push(Replica::start_with(&site.cluster, 0, &args));
    let patience = ["--patience", "500", "--force"];
    assert_eq!(site.rotate(&[&["begin"], &patience[..]].concat()).code, 0);
    site.give(0);
    let pid = site.replicas[0].child.id().to_string();
    assert_eq!(run("kill", &["-HUP", &pid]).code, 0);
    assert!(site.replicas[0].line().contains("not in effect yet"));
    let ended = site.rotate(&["switch", "--patience", "500"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("replica 0 seals and opens under"), "{ended:?}");
    // It takes the step when it begins.
    site.replicas[0].type_line("start");
    eventually("it has taken the step", || {
        let ended = site.rotate(&["switch", "--patience", "500"]);
        ended.code == 1 && !ended.stderr.contains("replica 0 ")
    });
}

/// Nothing that is read by mistake keeps a replica from what it should read.
#[test]
fn another_cluster_s_secret_and_half_a_file_are_refused_and_the_right_file_is_taken_afterwards() {
    let mut site = Site::start();
    assert_eq!(site.rotate(&["begin"]).code, 0);
    (0..3).for_each(|id| site.give(id));
    for id in 0..3 {
        assert!(site.reload(id).contains("opens under"));
    }
    assert_eq!(site.rotate(&["switch"]).code, 0);
    let other = TestCluster::new(&[]);
    let foreign = std::fs::read_to_string(other.folder.path().join("cluster.secret")).unwrap();
    let whole = std::fs::read_to_string(site.secret()).unwrap();
    let half = whole.lines().next().unwrap().to_owned() + "\n";
    for wrong in [foreign.as_str(), half.as_str()] {
        std::fs::write(site.copy_of(2), wrong).unwrap();
        let replica = &mut site.replicas[2];
        replica.type_line("reload");
        assert!(replica.status().starts_with("status"), "nothing is reloaded");
    }
    site.give(2);
    assert!(site.reload(2).contains("opens under"), "the right file is taken");
    drop(site.replicas.remove(2));
    std::fs::write(site.copy_of(2), foreign).unwrap();
    let (config, folder, copy) =
        (arg(&site.cluster.config), arg(site.cluster.folder.path()), site.copy_of(2));
    let args = ["--config", config, "--id", "2", "--log-dir", folder, "--secret", arg(&copy)];
    refused(REPLICA, &args, &["secret-of-2", "another cluster's", "the file of any replica"]);
    site.give(2);
    let mut again = Command::new(REPLICA);
    again.arg("--record").arg(site.cluster.recordings().of_replica(2_u8));
    Replica::spawn(again.args(args).arg("--stop-at-end-of-input"));
}
