use super::*;
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
        config.users = (0..u8::arbitrary(g) % 3).map(|i| format!("user-{i}")).collect();
        config.revoked =
            (0..u8::arbitrary(g) % 3).map(|i| (format!("ü.{i}"), u32::arbitrary(g))).collect();
        config.timeouts = Timeouts::with_election_ms(20 + u64::from(u16::arbitrary(g)));
        for replica in &mut config.replicas {
            replica.loss = bool::arbitrary(g).then(|| f64::from(u8::arbitrary(g)) / 255.0);
            replica.skip_slots = (0..u8::arbitrary(g) % 3).map(u64::from).collect();
            if bool::arbitrary(g) {
                let ip = std::net::Ipv6Addr::LOCALHOST;
                replica.address = SocketAddr::new(ip.into(), replica.address.port());
            }
        }
        AnyConfig(config)
    }
}

quickcheck! {
    fn every_configuration_reads_back(any: AnyConfig) -> bool {
        read(&any.0.to_toml()).unwrap() == any.0
    }
}

#[test]
fn defaults_may_be_left_out() {
    let text = "cluster = 'c'\nf = 1\n[[replicas]]\nid = 0\naddress = '127.0.0.1:1'\n\
                [[replicas]]\nid = 1\naddress = '127.0.0.1:2'\n\
                [[replicas]]\nid = 2\naddress = '[::1]:2'\n";
    let config = read(text).unwrap();
    assert_eq!(config.timeouts, Timeouts::default());
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
    assert!(misspelt.contains("`los`") && misspelt.contains("line 3"), "{misspelt}");
    let nested = error(&text.replace("election_ms", "electoin_ms"));
    assert!(nested.contains("electoin_ms"), "{nested}");
    assert!(error(&text.replace("f = 1", "f = 'one'")).contains("line 2"));
    assert!(error(&text.replace("127.0.0.1:7101", "localhost")).contains("line"));
}

#[test]
fn wrong_values_are_named_with_key_and_remedy() {
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil); 13] = [
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
            c.replicas[2].address = c.replicas[0].address;
        }),
        ("timeouts.election_ms: 1 is out of range", |c| c.timeouts.election_ms = 1),
        ("users[0]: the name \"a b\" has white space", |c| c.users = vec!["a b".into()]),
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
fn more_replicas_than_a_machine_word_are_refused() {
    let mut config = config(31);
    let mut extra = config.replicas[0].clone();
    (extra.id, extra.address) = (63, ([127, 0, 0, 1], 9000).into());
    config.replicas.push(extra.clone());
    assert!(error(&config.to_toml()).contains("even"));
    (extra.id, extra.address) = (64, ([127, 0, 0, 1], 9001).into());
    config.replicas.push(extra);
    assert!(error(&config.to_toml()).contains("at most 64"));
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
    for wrong in ["", "a b", "a\n", "\u{1b}[2J", long.as_str()] {
        assert!(check_user(wrong).is_err(), "{wrong:?}");
    }
}
