//! The table of docs/ancestors.md, of what older projects could do: every command in it is run, over real
//! processes, in a folder of its own.

mod recordings;
mod replicas;
mod support;

use paxos_chat_replica::console::ConsoleCommand;
use replicas::{CLIENT, CLUSTER, REPLICA, Replica, TestCluster};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use support::{Ended, arg, run, run_with_input};

const TABLE: &str = include_str!("../../docs/ancestors.md");
/// Commands that run at the same time; each waits for its processes most of the time.
const WORKERS: usize = 4;

/// The code in the right column, row by row.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let (_, behind) = TABLE.split_once("| there | here |\n|---|---|\n").expect("the table");
    let rows = behind.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [feature, here] = cells[..] else { panic!("not two cells: {row}") };
        (feature, here.split('`').skip(1).step_by(2).collect())
    })
    .collect()
}

/// The command, run by a shell in this folder; what is typed is its standard input.
fn in_folder(folder: &Path, command: &str) -> Ended {
    let (program, args) = command.split_once(' ').unwrap();
    let program = if program == "cluster" { CLUSTER } else { CLIENT };
    let script = format!("cd '{}' && exec '{program}' {args}", arg(folder));
    run_with_input("sh", &["-c", &script], "typed\n")
}

fn succeeds(folder: &Path, command: &str) -> Ended {
    let ended = in_folder(folder, command);
    assert_eq!(ended.code, 0, "{command}: {ended:?}");
    ended
}

/// Starts a replica with what the table says.
fn start(cluster: &TestCluster, command: &str) -> (u8, Replica) {
    let args = command.strip_prefix("replica --config cluster.toml --id ").expect("its id first");
    let (id, args) = args.split_once(' ').unwrap();
    let id = id.parse().unwrap();
    (id, Replica::start_with(cluster, id, &args.split(' ').collect::<Vec<_>>()))
}

#[test]
fn every_command_of_the_table_works() {
    // The cluster starts the executables beside it.
    let _ = REPLICA;
    let why = "clients run as the table has them";
    let cluster = TestCluster::unrecorded(why, &["--timeout-ms", "300"]);
    let folder = cluster.folder.path();
    std::fs::write(folder.join("alice.txt"), "one\ntwo\n").unwrap();
    std::fs::write(folder.join("bob.txt"), "three\n").unwrap();
    std::fs::create_dir(folder.join("messages")).unwrap();
    std::fs::write(folder.join("messages/carol.txt"), "four\n").unwrap();

    let commands: Vec<&str> = table().into_iter().flat_map(|(_, commands)| commands).collect();
    let of = |program: &str| {
        let commands = commands.iter().copied().filter(|c| c.split(' ').next() == Some(program));
        commands.collect::<Vec<&str>>()
    };
    let (mut batches, clients, replicas) = (of("cluster"), of("client"), of("replica"));
    let consoles: Vec<&str> = commands
        .iter()
        .copied()
        .filter(|c| !["cluster", "client", "replica"].contains(&c.split(' ').next().unwrap()))
        .collect();

    // By hand: the replicas of the table, the others, then clients, then the consoles.
    let mut running: Vec<(u8, Replica)> = replicas.iter().map(|c| start(&cluster, c)).collect();
    for id in 0..3 {
        if running.iter().all(|(own, _)| *own != id) {
            running
                .push(start(&cluster, &format!("replica --config cluster.toml --id {id} --init")));
        }
    }
    for command in &clients {
        succeeds(folder, command);
    }
    let (_, first) = running.iter_mut().find(|(id, _)| *id == 0).unwrap();
    for command in consoles.iter().filter(|command| **command != "kill me") {
        let _: ConsoleCommand = command.parse().unwrap_or_else(|e| panic!("{command}: {e}"));
        first.type_line(command);
        assert!(!first.line().is_empty(), "{command} is answered");
    }
    assert!(consoles.contains(&"kill me"));
    first.type_line("kill me");
    assert_eq!(first.child.wait().unwrap().code(), Some(137));
    drop(running);

    // Batches, some at a time; the one that judges the folder of another comes last.
    let place = batches.iter().position(|c| c.starts_with("cluster verify ")).unwrap();
    let verify = batches.remove(place);
    let queue = Mutex::new(batches.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(command) = queue.lock().unwrap().next() else { break };
                    succeeds(folder, command);
                }
            });
        }
    });
    let verdict = succeeds(folder, verify);
    assert!(verdict.stdout.contains("ok: the logs are identical"), "{verdict:?}");
}

#[test]
fn the_table_is_whole() {
    let rows = table();
    for (feature, commands) in &rows {
        assert!(!feature.is_empty() && !commands.is_empty(), "{feature}: {commands:?}");
    }
    assert!(rows.len() >= 20, "{} rows", rows.len());
    let commands: BTreeSet<&str> = rows.into_iter().flat_map(|(_, commands)| commands).collect();
    for name in run(CLUSTER, &["scenarios", "--names"]).stdout.lines() {
        let command = format!("cluster run --scenario {name}");
        assert!(commands.contains(command.as_str()), "{name} is not in the table");
    }
    for flag in ["--wait", "--input", "--link-loss", "--address", "--skip-slots", "--kill"] {
        assert!(commands.iter().any(|command| command.contains(flag)), "{flag}");
    }
}
