use super::*;
use paxos_chat::types::{Body, Command, Nonce, Operation, Seq, SessionId, Timestamp, User};
use quickcheck::{Arbitrary, Gen, quickcheck};

fn session(g: &mut Gen) -> SessionId {
    SessionId { slot: Slot(u64::arbitrary(g)), index: u32::arbitrary(g) }
}

fn outcome(g: &mut Gen) -> Outcome {
    match u8::arbitrary(g) % 7 {
        0 => Outcome::Opened(session(g)),
        1 => Outcome::OpenedBefore(session(g)),
        2 => Outcome::Applied,
        3 => Outcome::Duplicate(Option::arbitrary(g).map(Slot)),
        4 => Outcome::Gap,
        5 => Outcome::NoSession,
        _ => Outcome::WrongUser,
    }
}

fn command(g: &mut Gen) -> Command {
    let operation = match u8::arbitrary(g) % 5 {
        0 => Operation::OpenSession { nonce: Nonce(u64::arbitrary(g)) },
        kind => Operation::InSession {
            session: session(g),
            seq: Seq(u64::arbitrary(g)),
            acked_below: Seq(u64::arbitrary(g)),
            body: match kind {
                1 => Body::Sync,
                2 => Body::write(Vec::<u8>::arbitrary(g)),
                _ => Body::write(String::arbitrary(g)),
            },
        },
    };
    let user = User::new(&String::arbitrary(g));
    Command { stamp: Timestamp(u64::arbitrary(g)), user, operation }
}

#[derive(Clone, Debug)]
struct Entries(Vec<Entry>);

impl Arbitrary for Entries {
    fn arbitrary(g: &mut Gen) -> Self {
        let count = u64::from(u8::arbitrary(g) % 8);
        let entry = |slot| {
            let commands: Vec<Command> = (0..u8::arbitrary(g) % 4).map(|_| command(g)).collect();
            let outcomes = commands.iter().map(|_| outcome(g)).collect();
            let value = if bool::arbitrary(g) || !commands.is_empty() {
                Value::batch(commands)
            } else {
                Value::Noop
            };
            Entry { slot: Slot(slot), value, outcomes }
        };
        Entries((0..count).map(entry).collect())
    }
}

fn written(entries: &[Entry]) -> (Vec<u8>, Chain) {
    let mut bytes = Vec::new();
    let mut writer = LogWriter::create(&mut bytes, ClusterId::of("test")).unwrap();
    for entry in entries {
        writer.append(entry).unwrap();
    }
    let chain = writer.chain();
    (bytes, chain)
}

quickcheck! {
    fn any_entries_read_back(entries: Entries) -> bool {
        let (bytes, chain) = written(&entries.0);
        let log = ChatLog::parse(&bytes).unwrap();
        log.entries == entries.0 && log.chain == chain && log.torn_at.is_none()
    }

    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) -> bool {
        let mut with_header = ChatLog::head(ClusterId::of("test")).into_bytes();
        with_header.extend(&bytes);
        // Random lines follow from nothing, so at most a torn one can be passed over.
        let behind = ChatLog::parse(&with_header).map_or(0, |log| log.entries.len());
        ChatLog::parse(&bytes).is_err() && behind == 0
    }

    fn a_log_cut_anywhere_is_a_prefix(entries: Entries, cut: usize) -> bool {
        let (bytes, _) = written(&entries.0);
        let whole = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        let cut = whole + cut % (bytes.len() - whole + 1);
        let log = ChatLog::parse(&bytes[..cut]).unwrap();
        entries.0.starts_with(&log.entries)
    }
}

fn sample() -> Vec<Entry> {
    let id = SessionId { slot: Slot(0), index: 0 };
    let command = |operation| Command {
        stamp: Timestamp(1_795_211_232_345),
        user: User::new("alice"),
        operation,
    };
    let post = |seq, text| {
        let body = Body::write(text);
        command(Operation::InSession { session: id, seq: Seq(seq), acked_below: Seq(1), body })
    };
    let open = command(Operation::OpenSession { nonce: Nonce(0x1f) });
    let entry = |slot, value, outcomes| Entry { slot: Slot(slot), value, outcomes };
    vec![
        entry(0, Value::batch([open]), vec![Outcome::Opened(id)]),
        entry(1, Value::Noop, vec![]),
        entry(2, Value::batch([post(1, "hi\n\"you\"")]), vec![Outcome::Applied]),
        entry(
            3,
            Value::batch([post(1, "again"), post(3, "early")]),
            vec![Outcome::Duplicate(Some(Slot(2))), Outcome::Gap],
        ),
    ]
}

#[test]
fn a_person_can_read_it() {
    let (bytes, _) = written(&sample());
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> =
        text.lines().map(|line| line.rsplit_once('\t').map_or(line, |l| l.0)).collect();
    let head = ChatLog::head(ClusterId::of("test"));
    let expected = [
        head.trim_end(),
        "0\t0/1\t2026-11-20T21:47:12.345Z\talice\t-\t-\t-\topen:1f\topened s0.0\t-",
        "1\t-\t-\t-\t-\t-\t-\tnoop\t-\t-",
        "2\t0/1\t2026-11-20T21:47:12.345Z\talice\ts0.0\t1\t<1\tpost\tapplied\t\"hi\\n\\\"you\\\"\"",
        "3\t0/2\t2026-11-20T21:47:12.345Z\talice\ts0.0\t1\t<1\tpost\tduplicate 2\t\"again\"",
        "3\t1/2\t2026-11-20T21:47:12.345Z\talice\ts0.0\t3\t<1\tpost\tgap\t\"early\"",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_line_deleted_doubled_swapped_or_altered_is_found() {
    let (bytes, _) = written(&sample());
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let parse = |lines: &[&str]| ChatLog::parse((lines.join("\n") + "\n").as_bytes());
    assert!(parse(&lines).is_ok());
    for at in 1..lines.len() {
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        assert!(parse(&doubled).is_err(), "line {at} doubled");
        let altered_line = lines[at].replacen("0", "1", 1);
        let mut altered = lines.clone();
        altered[at] = &altered_line;
        assert!(parse(&altered).is_err(), "line {at} altered");
        if at + 1 < lines.len() {
            let mut deleted = lines.clone();
            deleted.remove(at);
            assert!(parse(&deleted).is_err(), "line {at} deleted");
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert!(parse(&swapped).is_err(), "line {at} swapped");
        }
    }
}

#[test]
fn errors_say_where_and_what() {
    let (bytes, _) = written(&sample());
    let text = String::from_utf8(bytes).unwrap();
    let error = ChatLog::parse(text.replace("\tgap\t", "\tgape\t").as_bytes()).unwrap_err();
    let offset = text.len() - text.lines().last().unwrap().len() - 1;
    let expected = format!("line 6, offset {offset}: \"gape\" is not an outcome");
    assert_eq!(error.to_string(), expected);
    let error = ChatLog::parse(b"hello\n").unwrap_err();
    assert_eq!(error.line, 1);
}
