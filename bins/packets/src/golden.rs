//! The bytes of packets in each format, as they are pinned in `golden-N.txt`: whoever changes them is told to make a
//! format of it.

use crate::Packet;
use crate::examples::examples;
use crate::formats::FORMATS;
use actor_runtime::wire::Payload;
use paxos_chat::message::numbers::{HOSTS_NUMBER, Numbered};
use paxos_chat::message::{ToClient, ToPeer, ToReplica};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of what travels, whatever it says.
fn name(packet: &Packet) -> &'static str {
    match packet {
        Packet::ToReplica(message) => message.class().name(),
        Packet::ToClient(message) => message.class().name(),
        Packet::ToPeer(message) => message.class().name(),
        Packet::Leadership(_) => "Leadership",
    }
}

/// What the pinned bytes of this format must be.
fn actual(format: u8) -> String {
    let mut packets = examples();
    // Its first byte is its number.
    packets.sort_by_key(number);
    let mut lines = Vec::new();
    for kind in packets.chunk_by(|one, next| name(one) == name(next)) {
        for (place, packet) in (1..).zip(kind) {
            let Some(bytes) = encoded(packet, format) else { continue };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{}.{place} = {hex}", name(packet)));
        }
    }
    lines.join("\n") + "\n"
}

/// Its bytes, if it can be said in this format.
fn encoded(packet: &Packet, format: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    packet.write(format, &mut bytes).ok()?;
    Some(bytes)
}

/// The number of what travels, whatever it says.
fn number(packet: &Packet) -> u8 {
    postcard::to_stdvec(packet).expect("a packet can be written")[0]
}

fn file(format: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/golden-{format}.txt"))
}

fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn everything_that_travels_has_an_example() {
    let mut numbers: Vec<u8> = examples().iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let given = [ToReplica::NUMBERS, ToClient::NUMBERS, &[HOSTS_NUMBER], ToPeer::NUMBERS].concat();
    let mut given: Vec<u8> = given.iter().map(|number| *number as u8).collect();
    given.sort_unstable();
    assert_eq!(numbers, given);
}

#[test]
fn the_bytes_of_a_format_stay_and_are_read_back() {
    for format in FORMATS.oldest()..=FORMATS.newest() {
        for packet in examples() {
            let Some(bytes) = encoded(&packet, format) else { continue };
            let followed = [&bytes[..], &[7]].concat();
            let (read, rest) = Packet::read(format, &followed).expect("it can be read");
            // An older format may say less.
            assert!(read == packet || format < FORMATS.newest(), "{packet:?} in format {format}");
            assert_eq!((encoded(&read, format), rest), (Some(bytes), &[7][..]), "format {format}");
        }
        let (actual, file) = (actual(format), file(format));
        let Ok(expected) = std::fs::read_to_string(&file) else {
            assert!(
                std::env::var_os("UPDATE_EXPECT").is_some(),
                "format {format} is new: UPDATE_EXPECT=1 writes {}, and the commit says why",
                file.display()
            );
            std::fs::write(&file, actual).expect("the file can be written");
            continue;
        };
        let (new, old) = (pairs(&actual), pairs(&expected));
        let names = new.keys().chain(old.keys()).filter(|name| new.get(*name) != old.get(*name));
        let changed: Vec<&str> = names.copied().collect();
        assert!(
            changed.is_empty(),
            "the bytes of {changed:?} in format {format} have changed, so builds that have it would misread each \
             other: add a format to FORMATS in bins/packets/src/formats.rs, and write what it was in this one (before \
             format {format} was released, delete {} and run this with UPDATE_EXPECT=1)",
            file.display()
        );
    }
}
