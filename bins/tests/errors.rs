//! The exact words of errors, in `errors.txt`, which a person reads; `UPDATE_EXPECT=1` writes it anew.
//!
//! Each says what is wrong, where, and what to do, ends with a documented status, and shows nothing that a terminal
//! would act on.

mod recordings;
mod replicas;
mod support;

use replicas::{CLIENT, CLUSTER, REPLICA, TestCluster};
use std::fmt::Write;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use support::{arg, check_beside, run};

/// What stands for the folder of the files, for a port that is taken, and for one that is free.
const FOLDER: &str = "DIR";
const TAKEN: &str = "TAKEN";

/// What is wrong, a line each: the program, and its arguments.
const WRONG: &str = r"
check run rivls
check run rivals --svg DIR/none/chart.svg
check run rivals --plot DIR/none/plot.svg
check run --max-states many
check mutants M99
check mutants \e[31mM99
check explore rivals --address TAKEN
check explore rivals --address nowhere
check progress rivls
check refine rivls
check links nowhere
check hardships nothing
check coverage nothing
cluster config -f 0
cluster config -f 40
cluster config -f 2 --address a:1,b:2,c:3
cluster config --address 127.0.0.1:1,127.0.0.1:2
cluster config --loss 1.5
cluster config --replica-loss 3=0.1
cluster config --skip 1:2
cluster config --timeout-ms 1
cluster config --user a/b
cluster config -o DIR/cluster.toml
cluster config -o DIR/none/cluster.toml
cluster run --kill 2
cluster run --scenario nothing
cluster run --input ann=DIR/none.txt
cluster run --log-dir DIR/cluster.toml/logs
cluster verify DIR/none
cluster verify DIR/empty
cluster invite --config DIR/cluster.toml --user a/b
cluster invite --config DIR/none.toml --user ann
cluster revoke --config DIR/none.toml --user ann
cluster status --config DIR/none.toml
cluster status --config DIR/cluster.toml --secret DIR/none.secret
cluster fault --config DIR/cluster.toml 7 skip-slot
cluster fault --config DIR/cluster.toml 1 explode
cluster move-leader --config DIR/cluster.toml --patience 50 1
replica --config DIR/none.toml --id 0
replica --config DIR/\e[31mnone.toml --id 0
replica --config DIR/broken.toml --id 0
replica --config DIR/cluster.toml --id 3
replica --config DIR/cluster.toml --id 0 --log-dir DIR
replica --config DIR/cluster.toml --id 0 --log-dir DIR --init
replica --config DIR/cluster.toml --id 1 --log-dir DIR --init --metrics TAKEN
replica --config DIR/cluster.toml --id 1 --log-dir DIR --init --loss 2
cluster config --address 10.0.0.300:7100,b:7100,c:7100
cluster config --host 10.0.0.300
client --config DIR/none.toml --name ann send hi
client --config DIR/cluster.toml send hi
client --config DIR/cluster.toml --name a/b send hi
client --config DIR/cluster.toml --name \e[31mann send hi
client --config DIR/cluster.toml --name ann --room \e[31mops send hi
client --config DIR/cluster.toml --name ann --record DIR/none/record.jsonl send hi
client --config DIR/cluster.toml --name ann --record DIR/cluster.toml send hi
client --config DIR/cluster.toml --name ann --record DIR/record.jsonl tail
client --config DIR/cluster.toml --name ann --state DIR/ann.state load
client --config DIR/cluster.toml --name ann --state DIR/none/ann.state send hi
client --config DIR/cluster.toml --name ann --token DIR/none.token send hi
client --config DIR/cluster.toml --name ann --plain send hi
client --config DIR/cluster.toml --name ann send --file DIR/none.txt
client --config DIR/cluster.toml --name ann load --size 20000
client --config DIR/cluster.toml --name ann load --seconds soon
client --config DIR/cluster.toml --name ann tail --from tomorrow
client --config DIR/cluster.toml --name ann tail --format {who}
client --config DIR/cluster.toml --name ann --patience 1 send hi
client --config DIR/listed.toml --name ann send hi
";

#[test]
fn errors_say_what_is_wrong_where_and_what_to_do() {
    let cluster = TestCluster::new(&[]);
    let folder = cluster.folder.path();
    std::fs::create_dir(folder.join("empty")).unwrap();
    let text = std::fs::read_to_string(&cluster.config).unwrap();
    std::fs::write(folder.join("broken.toml"), text.replace("loss =", "lost =")).unwrap();
    let listed = text.replace("users = []", "users = [\"bob\"]");
    std::fs::write(folder.join("listed.toml"), listed).unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    // Nobody answers at the addresses of the replicas, the first of which is in use.
    let _held = UdpSocket::bind(("127.0.0.1", cluster.port)).unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let stands_for = [(FOLDER, arg(folder)), (TAKEN, &taken.1), (r"\e", "\u{1b}")];
    let check = check_beside(REPLICA);
    let mut found = String::new();
    for line in WRONG.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let program = match words.next().unwrap() {
            "check" => arg(&check),
            "cluster" => CLUSTER,
            "replica" => REPLICA,
            _ => CLIENT,
        };
        let real = |word: &str| {
            stands_for.iter().fold(word.to_owned(), |word, (name, of)| word.replace(name, of))
        };
        let args: Vec<String> = words.map(real).collect();
        let ended = run(program, &args.iter().map(String::as_str).collect::<Vec<_>>());
        let said = ended.stderr.replace(arg(folder), FOLDER).replace(&taken.1, TAKEN);
        let said = said.replace(&cluster.port.to_string(), "PORT");
        let is_harmless = |c: char| !c.is_control() || c == '\n';
        assert!(said.chars().all(is_harmless), "{line}: {said:?}");
        assert_ne!(ended.code, 0, "{line}: {ended:?}");
        writeln!(found, "$ {line}\n{}\n[{}]\n", said.trim_end(), ended.code).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.split("\n\n").zip(expected.split("\n\n")).find(|(new, old)| new != old);
    assert!(
        found == expected,
        "another error than in {}; UPDATE_EXPECT=1 writes it anew: {differs:?}",
        file.display()
    );
}
