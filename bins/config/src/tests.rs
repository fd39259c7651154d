use super::*;
use actor_runtime::wire::DATAGRAM_BYTES_LEAST;
use paxos_chat::tuning::USER_BYTES_MAX;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::io::Write;

pub(super) fn config(f: u8) -> Config {
    let addresses = (0..2 * u16::from(f) + 1).map(|i| ([127, 0, 0, 1], 7100 + i).into()).collect();
    Config::new("test".into(), f, addresses).unwrap()
}

fn read(text: &str) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::read(file.path())
}

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[derive(Clone, Debug)]
struct AnyConfig(Config);

impl Arbitrary for AnyConfig {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut config = config(1 + u8::arbitrary(g) % 4);
        config.cluster = format!("cluster {}", String::arbitrary(g));
        config.loss = f64::from(u8::arbitrary(g)) / 255.0;
        config.max_datagram = DATAGRAM_BYTES_LEAST + usize::from(u16::arbitrary(g) % 60_000);
        config.users = (0..u8::arbitrary(g) % 3).map(|i| format!("user-{i}")).collect();
        config.revoked =
            (0..u8::arbitrary(g) % 3).map(|i| (format!("ü.{i}"), u32::arbitrary(g))).collect();
        config.clients = config.users.iter().map(|user| (user.clone(), any_client(g))).collect();
        if config.users.is_empty() {
            config.clients = (0..u8::arbitrary(g) % 3)
                .map(|i| (AWKWARD[i as usize].to_owned(), any_client(g)))
                .collect();
        }
        config.timeouts = Timeouts::with_election_ms(20 + u64::from(u16::arbitrary(g)));
        for replica in &mut config.replicas {
            replica.loss = bool::arbitrary(g).then(|| f64::from(u8::arbitrary(g)) / 255.0);
            replica.skip_slots = (0..u8::arbitrary(g) % 3).map(u64::from).collect();
            if bool::arbitrary(g) {
                let ip = std::net::Ipv6Addr::LOCALHOST;
                replica.address =
                    std::net::SocketAddr::new(ip.into(), replica.address.port()).into();
            }
        }
        let mut ends: Vec<(End, End)> =
            (0..u8::arbitrary(g) % 4).map(|_| (any_end(g), any_end(g))).collect();
        ends.sort();
        ends.dedup();
        ends.retain(|(from, to)| from != to);
        let loss = |g: &mut Gen| f64::from(u8::arbitrary(g)) / 255.0;
        config.links =
            ends.into_iter().map(|(from, to)| LinkConfig { from, to, loss: loss(g) }).collect();
        AnyConfig(config)
    }
}

/// Names that need quotes in a table's head.
const AWKWARD: [&str; 3] = ["a.b", "\"'\\", "größer"];

fn any_client(g: &mut Gen) -> ClientConfig {
    ClientConfig { loss: bool::arbitrary(g).then(|| f64::from(u8::arbitrary(g)) / 255.0) }
}

fn any_end(g: &mut Gen) -> End {
    if bool::arbitrary(g) { End::Any } else { End::Replica(u8::arbitrary(g) % 3) }
}

quickcheck! {
    fn every_configuration_reads_back(any: AnyConfig) -> bool {
        read(&any.0.to_toml()).unwrap() == any.0
    }
}

#[test]
fn datagrams_are_as_long_as_the_replicas_place_allows_and_within_limits() {
    let config = |host: &str| {
        let address = |port| format!("{host}:{port}").parse().unwrap();
        Config::new("c".into(), 1, vec![address(1), address(2), address(3)]).unwrap()
    };
    assert_eq!(config("127.0.0.1").max_datagram, 65_000);
    assert_eq!(config("[::1]").max_datagram, 65_000);
    let mut elsewhere = config("10.0.0.1");
    assert_eq!(elsewhere.max_datagram, 1232);
    assert_eq!(elsewhere.packing().datagram_bytes_max, 1232);
    for (bytes, is_valid) in [(511, false), (512, true), (65_507, true), (65_508, false)] {
        elsewhere.max_datagram = bytes;
        let checked = elsewhere.check().map_err(|problem| problem.to_string());
        assert_eq!(checked.is_ok(), is_valid, "{bytes}");
        if let Err(problem) = checked {
            assert!(problem.starts_with("max_datagram: ") && problem.contains("512 to 65507"));
        }
    }
}

#[test]
fn defaults_may_be_left_out() {
    let text = "cluster = 'c'\nf = 1\n[[replicas]]\nid = 0\naddress = '127.0.0.1:1'\n\
                [[replicas]]\nid = 1\naddress = '127.0.0.1:2'\n\
                [[replicas]]\nid = 2\naddress = '[::1]:2'\n";
    let config = read(text).unwrap();
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.max_datagram, 1232);
    assert_eq!(config.size().len(), 3);
}

#[test]
fn a_missing_file_names_itself_and_the_remedy() {
    let error = Config::read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml") && error.contains("cluster config"), "{error}");
}

#[test]
fn unknown_keys_and_wrong_types_are_named_with_their_line() {
    let text = config(1).to_toml();
    let misspelt = error(&text.replace("loss = ", "los = "));
    let line = 1 + text.lines().position(|line| line.starts_with("loss = ")).unwrap();
    assert!(misspelt.contains(&format!("line {line}: unknown field `los`")), "{misspelt}");
    assert!(misspelt.contains("; correct this line"), "{misspelt}");
    let nested = error(&text.replace("election_ms", "electoin_ms"));
    assert!(nested.contains("electoin_ms"), "{nested}");
    let typed = error(&text.replace("\nf = 1", "\nf = 'one'"));
    assert!(typed.contains(&format!("line {}: ", line - 2)), "{typed}");
    assert!(error(&text.replace("127.0.0.1:7101", "localhost")).contains("line"));
    let link = format!("{text}[[links]]\nfrom = 0\nto = 'all'\nloss = 0.5\n");
    let last = text.lines().count();
    let wrong = error(&link);
    assert!(wrong.contains(&format!("line {}: \"all\" is neither", last + 3)), "{wrong}");
}

#[test]
fn wrong_values_are_named_with_key_and_remedy() {
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil); 21] = [
        ("cluster: is empty", |c| c.cluster.clear()),
        ("f: f = 0", |c| c.f = 0),
        ("f: f = 32", |c| c.f = 32),
        ("loss: 1.5", |c| c.loss = 1.5),
        ("loss: NaN", |c| c.loss = f64::NAN),
        ("replicas[1].loss: -0.1", |c| c.replicas[1].loss = Some(-0.1)),
        ("replicas: 2 replicas are an even number", |c| {
            c.replicas.pop();
        }),
        ("replicas: 3 replicas are not 2f+1", |c| c.f = 2),
        ("replicas[2].id: 1 is the id of replicas[1] too", |c| c.replicas[2].id = 1),
        ("replicas[2].id: is 7 where 2 is expected", |c| c.replicas[2].id = 7),
        ("replicas[2].address: 127.0.0.1:7100 is the address of replicas[0] too", |c| {
            c.replicas[2].address = c.replicas[0].address.clone();
        }),
        ("replicas[1].address: chat-1:0 is no address that others can send to", |c| {
            c.replicas[1].address = "chat-1:0".parse().unwrap();
        }),
        ("links[0]: replica 1 has a name for an address", |c| {
            c.replicas[1].address = "chat-1:7100".parse().unwrap();
            c.links = vec!["0:1=0.5".parse().unwrap()];
        }),
        ("timeouts.election_ms: 1 is out of range", |c| c.timeouts.election_ms = 1),
        ("users[0]: the name \"a b\" has white space", |c| c.users = vec!["a b".into()]),
        ("clients.bob: users does not list bob", |c| {
            c.users = vec!["ann".into()];
            c.clients.insert("bob".into(), ClientConfig::default());
        }),
        ("clients.bob.loss: 7", |c| {
            c.clients.insert("bob".into(), ClientConfig { loss: Some(7.0) });
        }),
        ("links[0].to: there is no replica 3", |c| c.links = vec!["0:3=0.5".parse().unwrap()]),
        ("links[0]: it begins where it ends", |c| c.links = vec!["1:1=0.5".parse().unwrap()]),
        ("links[0]: from any to any", |c| c.links = vec!["any:any=0.5".parse().unwrap()]),
        ("links[1]: it is the link of links[0] again", |c| {
            c.links = vec!["0:any=0.5".parse().unwrap(), "0:any=0.6".parse().unwrap()];
        }),
    ];
    for (expected, spoil) in cases {
        let mut config = config(1);
        spoil(&mut config);
        let error = error(&config.to_toml());
        assert!(error.contains(expected), "{error} lacks {expected}");
        assert!(error.contains("; "), "{error} lacks a remedy");
    }
}

#[test]
fn wrong_values_are_named_with_file_and_line() {
    let text = config(1).to_toml();
    for (good, wrong) in [
        ("\nloss = 0.0", "\nloss = 1.5"),
        ("\nelection_ms = 500", "\nelection_ms = 1"),
        ("\naddress = \"127.0.0.1:7102\"", "\naddress = \"127.0.0.1:7100\""),
    ] {
        let changed = text.replace(good, wrong);
        let line = 1 + changed.lines().position(|line| line == wrong.trim_start()).unwrap();
        let line = if wrong.contains("7100") { line + 8 } else { line };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(changed.as_bytes()).unwrap();
        let error = Config::read(file.path()).unwrap_err().to_string();
        let place = format!("{}, line {line}: ", file.path().display());
        assert!(error.starts_with(&place), "{error} is not in line {line} of\n{changed}");
    }
}

#[test]
fn what_is_written_explains_every_key() {
    let mut all = config(1);
    all.users = vec!["bob".into()];
    all.clients.insert("bob".into(), ClientConfig { loss: Some(0.1) });
    all.links = vec!["0:any=0.5".parse().unwrap()];
    all.revoked.insert("bob".into(), 1);
    let text = all.to_toml();
    let comments: String =
        text.lines().filter(|line| line.starts_with('#')).map(str::to_lowercase).collect();
    for word in ["tells this cluster", "may fail", "dropped", "may speak", "suspects", "asks again"]
        .into_iter()
        .chain(["clients of one user", "listens", "jumps", "one direction", "revoked"])
    {
        assert!(comments.contains(word), "nothing explains {word}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
}

#[test]
fn more_replicas_than_a_machine_word_are_refused() {
    let mut config = config(31);
    let mut extra = config.replicas[0].clone();
    (extra.id, extra.address) = (63, ([127, 0, 0, 1], 9000).into());
    config.replicas.push(extra.clone());
    assert!(error(&config.to_toml()).contains("even"));
    (extra.id, extra.address) = (64, ([127, 0, 0, 1], 9001).into());
    config.replicas.push(extra);
    assert!(error(&config.to_toml()).contains("at most 63"));
}

#[test]
fn clusters_differ_by_name_and_by_members() {
    let (one, mut other) = (config(1), config(1));
    assert_eq!(one.cluster_id(), other.cluster_id());
    other.cluster = "other".into();
    assert_ne!(one.cluster_id(), other.cluster_id());
    other = config(1);
    other.replicas[0].address = ([127, 0, 0, 1], 9).into();
    assert_ne!(one.cluster_id(), other.cluster_id());
}

#[test]
fn names_of_users_are_limited() {
    assert!(check_user("größer").is_ok());
    let long = "x".repeat(USER_BYTES_MAX + 1);
    let hidden =
        ["bob\u{3164}", "\u{200d}bob", "bob\u{fe0f}", "bob\u{e0100}", "\u{202e}bob", "b\u{9b}b"];
    for wrong in
        ["", "a b", "a\n", "a/b", "..", "\u{1b}[2J", long.as_str()].into_iter().chain(hidden)
    {
        assert!(check_user(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_replica_may_be_at_a_name_which_is_kept() {
    let mut config = config(1);
    for (id, address) in
        ["chat-0.chat:7100", "[fe80::1%eth0]:7100", "[::1]:7100"].iter().enumerate()
    {
        config.replicas[id].address = address.parse().unwrap();
    }
    let text = config.to_toml();
    assert_eq!(read(&text).unwrap(), config);
    assert!(text.contains("address = \"chat-0.chat:7100\""), "{text}");
    let wrong = error(&text.replace("chat-0.chat:7100", "10.0.0.300:7100"));
    assert!(
        wrong.contains("line ") && wrong.contains("\"10.0.0.300:7100\" is no address"),
        "{wrong}"
    );
}
