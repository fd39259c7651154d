use super::header::{BOOT_AT, CLUSTER_AT, DIRECTION_AT, NAME_AT, NUMBER_AT, SENDER_AT, VERSION_AT};
use super::*;
use crate::keys::KEY_BYTES;
use quickcheck::{Arbitrary, Gen, quickcheck};
use serde::{Deserialize, Serialize};

fn cluster() -> ClusterId {
    ClusterId::of("test")
}

/// The secret of all these tests.
fn secret() -> Secret {
    Secret::of([7; KEY_BYTES].into())
}

fn replica(id: u8) -> Codec {
    Codec::replica(&secret(), cluster(), id, 3, Generations::new())
}

fn client_of(user: &str, generation: u32) -> Codec {
    let name = UserName::new(user).unwrap();
    Codec::client(&secret().user(cluster(), user, generation), cluster(), name, 3)
}

fn client(user: &str) -> Codec {
    client_of(user, 0)
}

fn sealed(from: &mut Codec, to: Peer, message: &Toy) -> Vec<u8> {
    let mut datagram = Vec::new();
    from.seal(to, message, &mut datagram).unwrap();
    datagram
}

fn open(codec: &mut Codec, datagram: &[u8]) -> Result<(Peer, Toy), WireError> {
    codec.open(&mut datagram.to_vec())
}

/// A datagram from replica 0 to replica 1 with this body, whatever it is.
fn with_body(body: &[u8]) -> Vec<u8> {
    let (mut datagram, body) = (Vec::new(), fuzz::Raw(body.to_vec()));
    replica(0).seal(Peer::Replica(1), &body, &mut datagram).unwrap();
    datagram
}

/// What the actors of these tests say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Toy {
    Nothing,
    Number(u64),
    Text(String),
    Words(Vec<String>),
}

impl Payload for Toy {}

impl Arbitrary for Toy {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 4 {
            0 => Toy::Nothing,
            1 => Toy::Number(u64::arbitrary(g)),
            2 => Toy::Text(String::arbitrary(g)),
            count => Toy::Words((0..count).map(|_| String::arbitrary(g)).collect()),
        }
    }
}

const BUSY: Toy = Toy::Nothing;

fn encoded(message: &Toy) -> Vec<u8> {
    sealed(&mut replica(0), Peer::Replica(1), message)
}

fn decoded(datagram: &[u8]) -> Result<Toy, WireError> {
    open(&mut replica(1), datagram).map(|(_, message)| message)
}

#[test]
fn clients_and_replicas_talk_and_know_who_talks() {
    let (mut alice, mut one) = (client("größer"), replica(1));
    let asked = sealed(&mut alice, Peer::Replica(1), &Toy::Number(3));
    let (peer, message) = open(&mut one, &asked).unwrap();
    let user = UserName::new("größer").unwrap();
    assert_eq!(peer, Peer::Client(ClientId { user, boot: alice.boot() }));
    assert_eq!(message, Toy::Number(3));
    let answer = sealed(&mut one, peer, &BUSY);
    assert_eq!(open(&mut alice, &answer), Ok((Peer::Replica(1), BUSY)));
    let told = sealed(&mut one, Peer::Replica(2), &BUSY);
    assert_eq!(open(&mut replica(2), &told), Ok((Peer::Replica(1), BUSY)));
    assert_eq!(alice.seal(peer, &BUSY, &mut Vec::new()), Err(WireError::Nobody));
}

quickcheck! {
    fn any_bytes_are_refused(bytes: Vec<u8>) -> bool {
        let mut one = replica(1);
        open(&mut one, &bytes).is_err() && one.remembered() == 0
    }

    /// Behind a good header too, where keys are looked for.
    fn any_bytes_behind_a_header_are_refused(direction: u8, bytes: Vec<u8>) -> bool {
        let mut datagram = encoded(&BUSY);
        datagram[DIRECTION_AT] = direction % 4;
        datagram.truncate(BOOT_AT);
        datagram.extend(&bytes);
        [&mut replica(1), &mut client("ann")].into_iter().all(|codec| {
            open(codec, &datagram).is_err() && codec.remembered() == 0
        })
    }

    /// Behind a good seal, where the body is looked at.
    fn any_body_is_read_or_refused(body: Vec<u8>) -> bool {
        match decoded(&with_body(&body)) {
            Ok(message) => {
                encoded(&message).len() <= NAME_AT + KIND_BYTES + body.len() + TAG_BYTES
            }
            Err(WireError::Nothing) => body.is_empty(),
            Err(error) => matches!(error, WireError::Body(_) | WireError::Trailing(_)),
        }
    }

    fn a_truncated_datagram_is_refused(message: Toy, cut: usize) -> bool {
        let datagram = encoded(&message);
        decoded(&datagram[..cut % datagram.len()]).is_err()
    }

    fn what_follows_a_message_is_refused(message: Toy, tail: u8) -> bool {
        let mut datagram = encoded(&message);
        datagram.push(tail);
        decoded(&datagram).is_err()
    }
}

/// Encoded messages of which replica 0 makes one datagram for replica 1.
fn together(messages: &[Toy]) -> Vec<u8> {
    let encoded: Vec<_> = messages.iter().map(|m| postcard::to_allocvec(m).unwrap()).collect();
    let mut datagram = Vec::new();
    let messages = encoded.iter().map(Vec::as_slice);
    replica(0).append_whole((Peer::Replica(1), 1), None, messages, &mut datagram).unwrap();
    datagram
}

fn opened(codec: &mut Codec, datagram: &[u8]) -> Result<Vec<Toy>, WireError> {
    // What was there before must not be there after.
    let mut messages = vec![BUSY];
    let opened = codec.open_all(None, &mut datagram.to_vec(), &mut messages);
    if opened.is_err() {
        assert!(messages.is_empty(), "nothing is taken of what is refused");
    }
    opened.map(|_| messages)
}

quickcheck! {
    fn messages_of_one_datagram_read_back_in_order(messages: Vec<Toy>) -> bool {
        let messages: Vec<_> = messages;
        let read = opened(&mut replica(1), &together(&messages));
        match messages.len() {
            0..=MESSAGES_PER_DATAGRAM_MAX => read == Ok(messages),
            _ => read == Err(WireError::TooMany),
        }
    }

    /// At a replica of any kind of body, behind a good seal.
    fn any_kind_of_body_is_read_or_refused(body: Vec<u8>) -> bool {
        let (mut datagram, mut one) = (Vec::new(), replica(1));
        let written = replica(0).append((Peer::Replica(1), 1), None, &mut datagram, |to| {
            to.extend(&body);
            Ok(())
        });
        let read = opened(&mut one, &datagram).unwrap_or_default();
        let kept = one.of_replicas.bytes();
        written == Ok(()) && read.len() <= body.len() && kept <= MESSAGE_BYTES_MAX
    }
}

#[test]
fn a_malformed_message_voids_its_datagram_wherever_it_is() {
    let good = postcard::to_allocvec(&Toy::Number(3)).unwrap();
    for place in 0..3 {
        let mut parts = [&good[..], &good, &good];
        parts[place] = &[0xff, 0xff];
        let mut datagram = Vec::new();
        replica(0)
            .append_whole((Peer::Replica(1), 1), None, parts.into_iter(), &mut datagram)
            .unwrap();
        assert!(matches!(opened(&mut replica(1), &datagram), Err(WireError::Body(_))), "{place}");
    }
}

#[test]
fn a_datagram_has_a_limit_of_messages() {
    let mut messages = vec![BUSY; MESSAGES_PER_DATAGRAM_MAX];
    assert_eq!(opened(&mut replica(1), &together(&messages)), Ok(messages.clone()));
    messages.push(BUSY);
    assert_eq!(opened(&mut replica(1), &together(&messages)), Err(WireError::TooMany));
}

/// A message of this many bytes of text, and its parts, as `from` seals them for replica 1.
fn in_parts(from: &mut Codec, text_bytes: usize) -> (Toy, Vec<Vec<u8>>) {
    let message = Toy::Text("x".repeat(text_bytes));
    let encoded = postcard::to_allocvec(&message).unwrap();
    let mut datagrams = Vec::new();
    for part in from.split(&encoded).unwrap() {
        let mut datagram = Vec::new();
        from.append_part((Peer::Replica(1), 1), None, &part, &mut datagram).unwrap();
        datagrams.push(datagram);
    }
    (message, datagrams)
}

#[test]
fn a_long_message_travels_in_parts_in_any_order() {
    for mut sender in [replica(0), client("ann")] {
        let (message, mut parts) = in_parts(&mut sender, 30_000);
        assert!(parts.len() > 20 && parts.iter().all(|p| p.len() <= DATAGRAM_BYTES_INTERNET));
        parts.reverse();
        let (last, others) = parts.split_last().unwrap();
        let mut one = replica(1);
        for part in others {
            assert_eq!(opened(&mut one, part), Ok(vec![]));
            assert_eq!(opened(&mut one, part), Err(WireError::Replayed), "repeated");
        }
        assert_eq!(opened(&mut one, last), Ok(vec![message]));
        assert_eq!((one.of_replicas.bytes(), one.of_clients.bytes()), (0, 0));
    }
}

#[test]
fn a_message_that_lacks_a_part_is_lost_and_the_next_one_is_not() {
    let (mut zero, mut one) = (replica(0), replica(1));
    for lost in 0..20 * fragment::OF_REPLICAS.per_sender {
        let (_, parts) = in_parts(&mut zero, 30_000);
        for (at, part) in parts.iter().enumerate() {
            if at != lost % parts.len() {
                assert_eq!(opened(&mut one, part), Ok(vec![]));
            }
        }
    }
    assert!(
        one.of_replicas.bytes() <= fragment::OF_REPLICAS.per_sender * 30_100,
        "the older ones are forgotten"
    );
    let (message, parts) = in_parts(&mut zero, 30_000);
    let read: Vec<_> = parts.iter().flat_map(|part| opened(&mut one, part).unwrap()).collect();
    assert_eq!(read, [message]);
}

/// Alice sends first parts, from as many processes as she likes.
#[test]
fn parts_of_clients_take_bounded_memory_and_replicas_none_of_it() {
    let (mut zero, mut one) = (replica(0), replica(1));
    let (message, parts) = in_parts(&mut zero, 30_000);
    let (last, others) = parts.split_last().unwrap();
    for part in others {
        assert_eq!(opened(&mut one, part), Ok(vec![]));
    }
    for _ in 0..300 {
        let mut alice = client("alice");
        for _ in 0..10 {
            let (_, parts) = in_parts(&mut alice, 60_000);
            assert_eq!(opened(&mut one, &parts[0]), Ok(vec![]));
        }
    }
    assert!(one.of_clients.bytes() <= fragment::OF_CLIENTS.in_all * MESSAGE_BYTES_MAX);
    assert_eq!(opened(&mut one, last), Ok(vec![message]), "nobody else's parts are forgotten");
}

/// Parts that nobody has sealed, or that somebody has changed.
#[test]
fn nothing_is_kept_of_a_stranger_s_parts() {
    let (_, parts) = in_parts(&mut client("alice"), 60_000);
    let mut one = replica(1);
    for part in &parts {
        let mut forged = part.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(opened(&mut one, &forged), Err(WireError::Forged));
    }
    assert_eq!((one.of_clients.bytes(), one.remembered()), (0, 0));
}

#[test]
fn parts_of_any_packing_are_understood_and_the_longest_message_fits_the_shortest_datagrams() {
    for bytes in [0, DATAGRAM_BYTES_LEAST, 9000, DATAGRAM_BYTES_MAX, usize::MAX] {
        let packing = Packing { datagram_bytes_max: bytes, messages_per_datagram_max: 0 };
        let mut sender = client(&"u".repeat(USER_BYTES_MAX)).with_packing(packing);
        assert_eq!(sender.packing().messages_per_datagram_max, 1);
        let longest = vec![7; MESSAGE_BYTES_MAX];
        assert_eq!(sender.room() >= longest.len(), bytes >= DATAGRAM_BYTES_MAX, "{bytes}");
        let parts = sender.split(&longest).unwrap();
        let mut datagram = Vec::new();
        sender.append_part((Peer::Replica(1), 1), None, &parts[0], &mut datagram).unwrap();
        assert!(datagram.len() <= sender.packing().datagram_bytes_max);
        assert!(matches!(
            sender.split(&vec![7; MESSAGE_BYTES_MAX + 1]),
            Err(WireError::TooLong(_))
        ));
    }
}

/// Every bit of the header, the body and the tag, in each direction.
#[test]
fn a_flipped_bit_is_refused_wherever_it_is() {
    let (mut alice, mut one) = (client("alice"), replica(1));
    let asked = sealed(&mut alice, Peer::Replica(1), &Toy::Number(3));
    let (peer, _) = open(&mut replica(1), &asked).unwrap();
    let answer = sealed(&mut one, peer, &BUSY);
    let told = encoded(&Toy::Number(7));
    for (datagram, receiver) in [(asked, &mut one), (answer, &mut alice), (told, &mut replica(1))] {
        for bit in 0..datagram.len() * 8 {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(receiver, &flipped).is_err(), "bit {bit}");
        }
        assert_eq!(receiver.remembered(), 0, "nothing is kept of what is refused");
        assert!(open(receiver, &datagram).is_ok());
    }
}

#[test]
fn other_clusters_and_versions_are_told_apart() {
    let mut datagram = encoded(&BUSY);
    let mut named = Codec::replica(&secret(), ClusterId::of("other"), 1, 3, Generations::new());
    assert_eq!(open(&mut named, &datagram), Err(WireError::Cluster));
    // The same name and members, and another secret.
    let stolen = Secret::of([8; KEY_BYTES].into());
    let mut other = Codec::replica(&stolen, cluster(), 1, 3, Generations::new());
    assert_eq!(open(&mut other, &datagram), Err(WireError::Forged));
    // The same secret under another name is another cluster, even if the header says otherwise.
    datagram[CLUSTER_AT..BOOT_AT].copy_from_slice(&ClusterId::of("other").to_bytes());
    assert_eq!(open(&mut named, &datagram), Err(WireError::Forged));
    datagram[VERSION_AT] = 8;
    assert_eq!(decoded(&datagram), Err(WireError::Version(8)));
    datagram[0] = 0;
    assert_eq!(decoded(&datagram), Err(WireError::Foreign));
}

#[test]
fn a_datagram_is_for_one_receiver_and_never_for_its_sender() {
    let mut zero = replica(0);
    let datagram = sealed(&mut zero, Peer::Replica(1), &BUSY);
    assert_eq!(open(&mut zero, &datagram), Err(WireError::Forged), "reflected");
    assert_eq!(open(&mut replica(2), &datagram), Err(WireError::Forged), "diverted");
    assert_eq!(open(&mut client("alice"), &datagram), Err(WireError::Forged));
    let mut alice = client("alice");
    let asked = sealed(&mut alice, Peer::Replica(1), &Toy::Number(0));
    assert_eq!(open(&mut alice, &asked), Err(WireError::Forged), "reflected");
    assert_eq!(open(&mut replica(0), &asked), Err(WireError::Forged), "diverted");
    let mut one = replica(1);
    let (peer, _) = open(&mut one, &asked).unwrap();
    let answer = sealed(&mut one, peer, &BUSY);
    assert_eq!(open(&mut one, &answer), Err(WireError::Forged), "reflected");
    assert_eq!(open(&mut client("alice"), &answer), Err(WireError::Forged), "another process");
    assert!(open(&mut alice, &answer).is_ok());
}

/// Alice changes her client so that it names Bob, or a replica, as the sender.
#[test]
fn nobody_seals_in_another_s_name() {
    let mut one = replica(1);
    let bob = UserName::new("bob").unwrap();
    let key = secret().user(cluster(), "alice", 0);
    let mut as_bob = Codec::client(&key, cluster(), bob, 3);
    let datagram = sealed(&mut as_bob, Peer::Replica(1), &Toy::Number(0));
    assert_eq!(open(&mut one, &datagram), Err(WireError::Forged));
    let mut alice = client("alice");
    for direction in [0, 2, 3] {
        let mut datagram = sealed(&mut alice, Peer::Replica(1), &Toy::Number(7));
        datagram[DIRECTION_AT] = direction;
        datagram[SENDER_AT] = 0;
        assert!(open(&mut one, &datagram).is_err());
    }
    // A replica that does not exist.
    let mut far = Codec::replica(&secret(), cluster(), 9, 3, Generations::new());
    let datagram = sealed(&mut far, Peer::Replica(1), &BUSY);
    assert_eq!(open(&mut one, &datagram), Err(WireError::Forged));
    assert_eq!(one.remembered(), 0);
}

#[test]
fn none_is_taken_twice_and_order_does_not_matter() {
    let (mut zero, mut one) = (replica(0), replica(1));
    let mut datagrams: Vec<Vec<u8>> =
        (0..50).map(|_| sealed(&mut zero, Peer::Replica(1), &BUSY)).collect();
    datagrams.reverse();
    for datagram in &datagrams {
        assert!(open(&mut one, datagram).is_ok());
        assert_eq!(open(&mut one, datagram), Err(WireError::Replayed));
    }
    let mut alice = client("alice");
    let asked = sealed(&mut alice, Peer::Replica(1), &Toy::Number(0));
    assert!(open(&mut one, &asked).is_ok());
    assert_eq!(open(&mut one, &asked), Err(WireError::Replayed));
}

#[test]
fn a_restarted_sender_seals_under_another_key_and_is_understood() {
    let (mut before, mut after, mut one) = (replica(0), replica(0), replica(1));
    let first = sealed(&mut before, Peer::Replica(1), &BUSY);
    let again = sealed(&mut after, Peer::Replica(1), &BUSY);
    assert_ne!(before.boot(), after.boot());
    assert_eq!(first[NUMBER_AT..NAME_AT], again[NUMBER_AT..NAME_AT], "the nonce is the same");
    assert_ne!(first[NAME_AT..], again[NAME_AT..], "so the key is not");
    assert!(open(&mut one, &first).is_ok());
    assert!(open(&mut one, &again).is_ok());
    // To another receiver, too.
    let other = sealed(&mut replica(0), Peer::Replica(2), &BUSY);
    assert_ne!(first[NAME_AT..], other[NAME_AT..]);
}

#[test]
fn numbers_count_up_and_end() {
    let mut zero = replica(0);
    let number = |datagram: &[u8]| datagram[NUMBER_AT..SENDER_AT].to_vec();
    let mut numbers = std::collections::BTreeSet::new();
    for to in [1, 2, 1, 2] {
        assert!(numbers.insert(number(&sealed(&mut zero, Peer::Replica(to), &BUSY))));
    }
    zero.sealed = u64::MAX - 1;
    let end = zero.seal(Peer::Replica(1), &BUSY, &mut Vec::new());
    assert_eq!(end, Err(WireError::Exhausted));
}

#[test]
fn revoked_tokens_are_void_at_once_and_new_ones_are_not() {
    let (mut alice, mut bob, mut one) = (client("alice"), client("bob"), replica(1));
    let tail = Toy::Number(0);
    for codec in [&mut alice, &mut bob] {
        assert!(open(&mut one, &sealed(codec, Peer::Replica(1), &tail)).is_ok());
    }
    one.set_generations([("alice".into(), 1)].into());
    let refused = open(&mut one, &sealed(&mut alice, Peer::Replica(1), &tail));
    assert_eq!(refused, Err(WireError::Forged));
    assert!(open(&mut one, &sealed(&mut bob, Peer::Replica(1), &tail)).is_ok());
    let mut invited = client_of("alice", 1);
    assert!(open(&mut one, &sealed(&mut invited, Peer::Replica(1), &tail)).is_ok());
}

/// A replica of these secrets.
fn rotating(id: u8, keyring: &Keyring) -> Codec {
    Codec::replica(keyring.clone(), cluster(), id, 3, Generations::new())
}

#[test]
fn whoever_is_one_step_apart_in_a_rotation_understands_the_other_and_nobody_else_does() {
    let before = Keyring::from(&secret());
    let begun = before.begin(Secret::of([8; KEY_BYTES].into())).unwrap();
    let switched = begun.switch().unwrap();
    let steps = [before, begun.clone(), switched.clone(), switched.end().unwrap()];
    let hears = |listener: &Keyring, speaker: &Keyring| {
        let said = sealed(&mut rotating(1, speaker), Peer::Replica(0), &BUSY);
        open(&mut rotating(0, listener), &said).is_ok()
    };
    for (at, a) in steps.iter().enumerate() {
        for (other, b) in steps.iter().enumerate() {
            let both = hears(a, b) && hears(b, a);
            assert_eq!(both, at.abs_diff(other) < 2, "{at} and {other}");
        }
    }
    // A token of the old secret is good until the end, and its owner understands what comes back.
    let tail = Toy::Number(0);
    let mut alice = client("alice");
    let mut zero = rotating(0, &steps[0]);
    for (at, step) in steps.iter().enumerate() {
        zero.set_keyring(step.clone());
        let asked = open(&mut zero, &sealed(&mut alice, Peer::Replica(0), &tail));
        if at == 3 {
            assert_eq!(asked, Err(WireError::Forged));
        } else {
            let (from, _) = asked.unwrap();
            let (from, _) = open(&mut alice, &sealed(&mut zero, from, &BUSY)).unwrap();
            assert_eq!(from, Peer::Replica(0));
        }
    }
    assert_eq!(zero.packing(), rotating(0, &steps[0]).packing());
    let mut zero = reads(rotating(0, &steps[0]), 3, 5);
    zero.set_keyring(steps[1].clone());
    assert_eq!(zero.formats(), Formats::new(3, 5));
}

#[test]
fn what_is_remembered_is_bounded_and_strangers_are_not_remembered() {
    let mut one = replica(1);
    let asked = sealed(&mut client("alice"), Peer::Replica(1), &Toy::Number(0));
    for boot in 0..10_000_u32 {
        let mut forged = asked.clone();
        forged[BOOT_AT..BOOT_AT + 4].copy_from_slice(&boot.to_le_bytes());
        assert_eq!(open(&mut one, &forged), Err(WireError::Forged));
    }
    assert_eq!(one.remembered(), 0);
    for _ in 0..2 * REPLICA_BOOTS_MAX {
        assert!(open(&mut one, &encoded(&BUSY)).is_ok());
    }
    assert!(one.remembered() <= REPLICA_BOOTS_MAX);
}

#[test]
fn whoever_starts_processes_without_end_makes_nobody_else_s_datagrams_new_again() {
    let mut zero = replica(0);
    let [alice, bob] = ["alice", "bob"].map(|user| {
        let mut codec = client(user);
        sealed(&mut codec, Peer::Replica(0), &BUSY)
    });
    assert!(open(&mut zero, &alice).is_ok() && open(&mut zero, &bob).is_ok());
    for _ in 0..CLIENTS_MAX {
        let datagram = sealed(&mut client("bob"), Peer::Replica(0), &BUSY);
        assert!(open(&mut zero, &datagram).is_ok());
    }
    assert!(matches!(open(&mut zero, &alice), Err(WireError::Replayed)));
    assert!(open(&mut zero, &bob).is_ok(), "of his own processes the oldest is forgotten");
}

#[test]
fn oversized_messages_are_refused_on_both_sides() {
    let message = Toy::Text("x".repeat(DATAGRAM_BYTES_MAX));
    let (mut zero, mut datagram) = (replica(0), Vec::new());
    let result = zero.seal(Peer::Replica(1), &message, &mut datagram);
    assert!(matches!(result, Err(WireError::TooLong(_))));
    assert!(matches!(decoded(&datagram), Err(WireError::TooLong(_))));
    // The buffer can be used again.
    assert_eq!(zero.seal(Peer::Replica(1), &BUSY, &mut datagram), Ok(()));
    assert_eq!(decoded(&datagram), Ok(BUSY));
}

#[test]
fn a_length_that_lies_reserves_no_memory() {
    // 2^60 words announced and none there.
    let mut body = postcard::to_allocvec(&Toy::Words(Vec::new())).unwrap();
    body.truncate(1);
    body.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(decoded(&with_body(&body)), Err(WireError::Body(_))));
}

/// Says in which format it was written.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Dated(u8);

impl Payload for Dated {
    fn write(&self, format: u8, bytes: &mut Vec<u8>) -> postcard::Result<()> {
        bytes.push(format);
        Ok(())
    }
}

fn reads(codec: Codec, oldest: u8, newest: u8) -> Codec {
    codec.with_formats(Formats::new(oldest, newest))
}

/// What is said this time, there and back; none if it is not read.
fn exchange(there: &mut Codec, back: &mut Codec) -> [Option<u8>; 2] {
    let mut datagram = Vec::new();
    there.seal(Peer::Replica(1), &Dated(0), &mut datagram).unwrap();
    let mut said = Vec::<Dated>::new();
    let heard = back.open_all(None, &mut datagram, &mut said).unwrap();
    assert_eq!(matches!(heard.content, Content::Unread(_)), said.is_empty());
    let said = said.pop().map(|Dated(format)| format);
    back.seal(heard.peer, &Dated(0), &mut datagram).unwrap();
    [said, there.open::<Dated>(&mut datagram).ok().map(|(_, Dated(format))| format)]
}

#[test]
fn each_is_written_to_in_the_newest_format_that_both_read_and_in_the_oldest_until_heard() {
    for other in [replica(0), client("ann")] {
        let (mut other, mut one) = (reads(other, 3, 5), reads(replica(1), 2, 4));
        assert_eq!(exchange(&mut other, &mut one), [Some(3), Some(4)]);
        assert_eq!(exchange(&mut other, &mut one), [Some(4), Some(4)]);
    }
    // Each from its second release on: what one writes until it is heard is too old for the other.
    let (mut before, mut after) = (reads(replica(0), 1, 2), reads(replica(1), 2, 3));
    assert_eq!(exchange(&mut before, &mut after), [None, Some(2)]);
    assert_eq!(exchange(&mut before, &mut after), [Some(2), Some(2)]);
    // The release before the one before is too old.
    let (mut old, mut new) = (reads(replica(0), 1, 1), reads(replica(1), 2, 3));
    for _ in 0..2 {
        assert_eq!(exchange(&mut old, &mut new), [None, None]);
    }
}

#[test]
fn what_a_peer_reads_is_taken_from_what_it_has_sealed_and_from_nobody_else() {
    let (mut zero, mut one) = (reads(replica(0), 1, 2), reads(replica(1), 1, 2));
    let mut datagram = sealed(&mut zero, Peer::Replica(1), &BUSY);
    datagram[super::header::NEWEST_AT] = 1;
    assert_eq!(open(&mut one, &datagram), Err(WireError::Forged));
    assert_eq!(one.format_for(Peer::Replica(0)), 1, "it is not heard yet");
    datagram[super::header::NEWEST_AT] = 2;
    assert_eq!(open(&mut one, &datagram), Ok((Peer::Replica(0), BUSY)));
    assert_eq!(one.format_for(Peer::Replica(0)), 2);
    let told = open(&mut zero, &sealed(&mut one, Peer::Replica(0), &BUSY));
    assert_eq!(told, Ok((Peer::Replica(1), BUSY)));
    assert_eq!(zero.format_for(Peer::Replica(1)), 2);
}

/// A peer whose messages are not read is told so by a datagram without any, which is read in any format.
#[test]
fn a_datagram_without_messages_is_read_whatever_its_format() {
    for other in [replica(0), client("ann")] {
        let (mut other, mut one) = (reads(other, 1, 1), reads(replica(1), 7, 8));
        let mut datagram = Vec::new();
        other.append_whole((Peer::Replica(1), 1), None, std::iter::empty(), &mut datagram).unwrap();
        let mut said = vec![BUSY];
        let opened = one.open_all(None, &mut datagram, &mut said).unwrap();
        assert!(said.is_empty() && !matches!(opened.content, Content::Unread(_)), "{opened:?}");
    }
}

#[test]
fn nothing_is_kept_of_a_part_of_what_is_not_read() {
    let (mut zero, mut one) = (reads(replica(0), 2, 2), replica(1));
    let mut datagram = Vec::new();
    for part in zero.split(&[7; 3000]).unwrap() {
        datagram.clear();
        zero.append_part((Peer::Replica(1), 2), None, &part, &mut datagram).unwrap();
        let opened = one.open_all::<Toy>(None, &mut datagram, &mut Vec::new()).unwrap();
        assert_eq!(opened.content, Content::Unread(2));
    }
    assert_eq!(one.of_replicas.bytes(), 0);
}
