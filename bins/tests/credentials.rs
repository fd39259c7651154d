//! Secret files on the command line: who makes them, with which mode, and what is said when one is
//! missing, damaged, or for other eyes too.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster, number, refused};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Ended, all_have, arg, eventually, free_ports, run};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn secret_of(cluster: &TestCluster) -> PathBuf {
    cluster.folder.path().join("cluster.secret")
}

/// The key in a secret's or a token's text: the field before the last one.
fn key(text: &str) -> String {
    text.trim().rsplit(' ').nth(1).unwrap().to_owned()
}

fn invite(cluster: &TestCluster, args: &[&str]) -> Ended {
    run(CLUSTER, &[&["invite", "--config", arg(&cluster.config)], args].concat())
}

#[test]
fn the_secret_is_in_a_file_of_its_own_and_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.toml");
    let made = run(CLUSTER, &["config", "-o", arg(&path)]);
    assert_eq!(made.code, 0, "{made:?}");
    let secret = folder.path().join("cluster.secret");
    assert_eq!(mode(&secret), 0o600);
    let text = std::fs::read_to_string(&secret).unwrap();
    let key = key(&text);
    assert_eq!(key.len(), 64);
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(!config.contains(&key) && !config.contains("secret"), "{config}");
    assert!(!made.stdout.contains(&key) && !made.stderr.contains(&key));
    let again = run(CLUSTER, &["config", "--force", "-o", arg(&path)]);
    assert_eq!(again.code, 0);
    assert!(again.stderr.contains("is kept") && !again.stderr.contains(&key), "{again:?}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), text, "nor replaced");
    let shown = run(CLUSTER, &["config"]);
    assert!(shown.stdout.contains("[[replicas]]") && !shown.stdout.contains("paxos-chat-secret"));
}

#[test]
fn the_configuration_of_a_cluster_is_not_replaced_by_another_one_unasked() {
    let cluster = TestCluster::new(&["--user", "alice", "--user", "bob"]);
    let _replicas = cluster.start();
    let revoked = run(CLUSTER, &["revoke", "--config", arg(&cluster.config), "--user", "bob"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    let list = || {
        let names = std::fs::read_dir(cluster.folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, files) = (std::fs::read_to_string(&cluster.config).unwrap(), list());
    let again = ["config", "-o", arg(&cluster.config)];
    refused(CLUSTER, &again, &[arg(&cluster.config), "already", "revocations", "--force"]);
    assert_eq!(std::fs::read_to_string(&cluster.config).unwrap(), before);
    assert_eq!(list(), files, "nothing is left behind");
    assert_eq!(cluster.client(&["send"], "still served").code, 0);
    let forced = run(CLUSTER, &[&again[..], &["--force"]].concat());
    assert_eq!(forced.code, 0, "{forced:?}");
    let old = cluster.folder.path().join("cluster.toml.old");
    assert!(forced.stderr.contains(arg(&old)), "{forced:?}");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), before);
    assert_ne!(std::fs::read_to_string(&cluster.config).unwrap(), before);
}

/// Logs, journals, states and records hold what was said.
#[test]
fn what_is_kept_is_for_its_owner_only() {
    let cluster = TestCluster::new(&[]);
    let folder = cluster.folder.path().join("made/here");
    let start = |id: u8| {
        let mut command = Command::new(REPLICA);
        command.args(["--config", arg(&cluster.config), "--id", &id.to_string(), "--init"]);
        command.args(["--log-dir", arg(&folder), "--stop-at-end-of-input"]);
        command.arg("--record").arg(cluster.recordings().of_replica(id));
        Replica::spawn(&mut command)
    };
    let _replicas: Vec<_> = (0..3).map(start).collect();
    let [state, record] = ["ann.state", "ann.record"].map(|name| folder.join(name));
    // A link that somebody has put where a file is to be made is not followed.
    let elsewhere = cluster.folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "untouched").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("ann.state.tmp")).unwrap();
    for keeps in [["--state", arg(&state)], ["--record", arg(&record)]] {
        let ended = cluster.client(&[&keeps[..], &["send", "between us"]].concat(), "");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!(mode(&folder), 0o700);
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        kinds.insert(path.extension().unwrap().to_string_lossy().into_owned());
        if path.is_file() {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        } else {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
        }
    }
    let expected = ["index", "journal", "lock", "log", "record", "revoked", "state"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn a_replica_refuses_a_secret_that_is_missing_damaged_or_exposed() {
    let cluster = TestCluster::new(&[]);
    let secret = secret_of(&cluster);
    let logs = arg(cluster.folder.path());
    let args = ["--config", arg(&cluster.config), "--id", "0", "--volatile", "--log-dir", logs];
    set_mode(&secret, 0o644);
    refused(REPLICA, &args, &["cluster.secret has mode 0644", "chmod 600"]);
    set_mode(&secret, 0o600);
    let text = std::fs::read_to_string(&secret).unwrap();
    std::fs::write(&secret, &text[..60]).unwrap();
    refused(REPLICA, &args, &["cluster.secret is no cluster secret", "fields", "copy"]);
    std::fs::remove_file(&secret).unwrap();
    refused(REPLICA, &args, &["cluster.secret", "No such file", "cluster config"]);
    let elsewhere = cluster.folder.path().join("elsewhere");
    std::fs::write(&elsewhere, &text).unwrap();
    set_mode(&elsewhere, 0o400);
    Replica::start_with(&cluster, 0, &["--volatile", "--secret", arg(&elsewhere)]);
}

#[test]
fn a_token_is_all_that_a_client_needs_beside_the_configuration() {
    let cluster = TestCluster::new(&[]);
    let _replicas = cluster.start();
    let token = cluster.folder.path().join("t");
    let ended = invite(&cluster, &["--user", "alice", "-o", arg(&token)]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    assert_eq!(mode(&token), 0o600);
    let printed = invite(&cluster, &["--user", "alice"]).stdout;
    assert_eq!(printed, std::fs::read_to_string(&token).unwrap());
    // A machine that has the configuration and the token, and no secret.
    let machine = tempfile::tempdir().unwrap();
    let config = machine.path().join("cluster.toml");
    std::fs::copy(&cluster.config, &config).unwrap();
    let recording = cluster.recordings().of("alice");
    let first = ["--config", arg(&config), "--record-run", arg(&recording), "--name", "alice"];
    refused(CLIENT, &[&first[..], &["send", "hi"]].concat(), &["alice.token", "cluster invite"]);
    let own = machine.path().join("alice.token");
    std::fs::copy(&token, &own).unwrap();
    assert_eq!(run(CLIENT, &[&first[..], &["send", "hi"]].concat()).code, 0);
    let with_token =
        ["--config", arg(&config), "--record-run", arg(&recording), "--token", arg(&own)];
    assert_eq!(run(CLIENT, &[&with_token[..], &["send", "there"]].concat()).code, 0);
    all_have(cluster.folder.path(), 2);
    let shown = run(CLIENT, &[&with_token[..], &["tail"]].concat());
    assert_eq!((shown.code, shown.stdout.matches("alice: ").count()), (0, 2), "{shown:?}");
    let load = run(CLIENT, &[&with_token[..], &["load", "--messages", "10", "--json"]].concat());
    assert_eq!(load.json()["errors"], 0);
    let as_bob = [&with_token[..], &["--name", "bob", "send", "hi"]].concat();
    refused(CLIENT, &as_bob, &["the token of alice, not of bob"]);
    set_mode(&own, 0o644);
    refused(CLIENT, &[&first[..], &["send", "hi"]].concat(), &["mode 0644", "chmod 600"]);
    set_mode(&own, 0o600);
    std::fs::write(&own, &printed[..printed.len() - 20]).unwrap();
    refused(CLIENT, &[&first[..], &["send", "hi"]].concat(), &["alice.token is no token"]);
}

#[test]
fn only_listed_users_are_invited_and_revoking_keeps_the_file() {
    let cluster = TestCluster::new(&["--user", "alice"]);
    let config = arg(&cluster.config);
    let mallory = ["invite", "--user", "mallory", "--config", config];
    refused(CLUSTER, &mallory, &["--user mallory", "alice"]);
    refused(CLUSTER, &["invite", "--user", "a", "--config", "no.toml"], &["no.toml"]);
    refused(CLUSTER, &["revoke", "--user", "a b", "--config", config], &["white space"]);
    let before = std::fs::read_to_string(&cluster.config).unwrap();
    let old = invite(&cluster, &["--user", "alice"]).stdout;
    assert_eq!(run(CLUSTER, &["revoke", "--user", "alice", "--config", config]).code, 0);
    let after = std::fs::read_to_string(&cluster.config).unwrap();
    assert_eq!(after, before.clone() + "\n[revoked]\n\"alice\" = 1\n");
    let new = invite(&cluster, &["--user", "alice"]).stdout;
    assert_ne!(key(&new), key(&old));
}

/// An older copy of the configuration, in which a revocation is missing.
#[test]
fn an_older_configuration_revives_no_token() {
    let cluster = TestCluster::new(&["--user", "alice", "--user", "eve"]);
    let start = |id: u8, storage| Replica::start(&cluster, id, storage);
    let mut replicas: Vec<_> = (0..3).map(|id| start(id, "--init")).collect();
    let older = std::fs::read_to_string(&cluster.config).unwrap();
    let token = cluster.folder.path().join("eve.token");
    assert_eq!(invite(&cluster, &["--user", "eve", "-o", arg(&token)]).code, 0);
    let (config, recording) = (arg(&cluster.config), cluster.recordings().of("eve"));
    let eve = ["--config", config, "--token", arg(&token), "--patience", "1"];
    let eve = [&eve[..], &["--record-run", arg(&recording)]].concat();
    let says = || run(CLIENT, &[&eve[..], &["send", "hello"]].concat()).code;
    eventually("eve is served", || says() == 0);
    let revokes = ["revoke", "--config", arg(&cluster.config), "--user", "eve"];
    assert_eq!(run(CLUSTER, &revokes).code, 0);
    for replica in &mut replicas {
        replica.type_line("reload");
        assert!(replica.line().starts_with("reloaded: 2 users, tokens of 1 revoked"));
    }
    let newest = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(&cluster.config, &older).unwrap();
    for replica in &mut replicas {
        replica.type_line("reload");
        assert!(
            replica.status().starts_with("status"),
            "it says on standard error that nothing changes"
        );
    }
    assert_eq!(says(), 1, "her token is void");
    // Nor does another life obey it.
    drop(replicas.remove(0));
    let args =
        ["--config", arg(&cluster.config), "--id", "0", "--log-dir", arg(cluster.folder.path())];
    refused(REPLICA, &args, &["cluster.toml", "eve", "0 times", "1 times", "older copy"]);
    std::fs::write(&cluster.config, &newest).unwrap();
    let mut command = Command::new(REPLICA);
    command.arg("--record").arg(cluster.recordings().of_replica(0_u8));
    Replica::spawn(command.args(args).arg("--stop-at-end-of-input"));
}

/// Another secret, and a wrong address, are told from both sides, as far as one can know.
#[test]
fn whoever_has_another_secret_or_a_wrong_address_is_named() {
    let (cluster, elsewhere) = (TestCluster::new(&[]), TestCluster::new(&[]));
    let other = secret_of(&elsewhere);
    let mut first = Replica::start(&cluster, 0, "--volatile");
    // The third has a copy of the file with another port for the second.
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    let port = |port: u16| format!(":{port}\"");
    let misled = text.replace(&port(cluster.port + 1), &port(free_ports("127.0.0.1", 1)));
    assert_ne!(text, misled);
    let copy = cluster.folder.path().join("misled.toml");
    std::fs::write(&copy, misled).unwrap();
    let mut command = Command::new(REPLICA);
    command.args(["--config", arg(&copy), "--id", "2", "--volatile", "--stop-at-end-of-input"]);
    command.args(["--log-dir", arg(cluster.folder.path()), "--secret", arg(&secret_of(&cluster))]);
    let mut third = Replica::spawn(&mut command);
    eventually("the third has heard the first", || number(&third.status(), "malformed") > 0);
    let stranger = Replica::start_with(&cluster, 1, &["--volatile", "--secret", arg(&other)]);
    eventually("the first has heard the second", || number(&first.status(), "forged") > 0);
    drop(stranger);
    let status = ["status", "--config", arg(&cluster.config), "--secret", arg(&other)];
    let ended = run(CLUSTER, &[&status[..], &["--patience", "200"]].concat());
    assert_eq!(ended.code, 3, "{ended:?}");
    for part in ["none of them answers", arg(&other), arg(&cluster.config)] {
        assert!(ended.stderr.contains(part), "does not say {part}: {ended:?}");
    }
    let told = [
        (first, "it has another secret"),
        (third, "of another cluster, which the replica is of, too"),
    ];
    for (replica, part) in told {
        let said = replica.end();
        assert!(said.contains(part), "does not say {part}: {said}");
    }
}

#[test]
fn a_token_of_somebody_who_is_not_listed_is_told_at_once() {
    let cluster = TestCluster::new(&["--user", "alice"]);
    let token = cluster.folder.path().join("alice.token");
    assert_eq!(invite(&cluster, &["--user", "alice", "-o", arg(&token)]).code, 0);
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(&cluster.config, text.replace("[\"alice\"]", "[\"bob\"]")).unwrap();
    let args = ["--config", arg(&cluster.config), "--token", arg(&token), "send", "hi"];
    refused(CLIENT, &args, &["alice", "lists other users: bob"]);
}
