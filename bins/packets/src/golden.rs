//! The bytes of messages, as they are pinned in `golden.txt`: whoever changes them is told to raise the
//! version of the format.

use crate::Packet;
use crate::examples::examples;
use actor_runtime::wire::VERSION;
use paxos_chat::message::numbers::{HOSTS_NUMBER, Numbered};
use paxos_chat::message::{ToClient, ToPeer, ToReplica};
use std::collections::BTreeMap;
use std::path::Path;

/// The name of what travels, whatever it says.
fn name(packet: &Packet) -> &'static str {
    match packet {
        Packet::ToReplica(message) => message.class().name(),
        Packet::ToClient(message) => message.class().name(),
        Packet::ToPeer(message) => message.class().name(),
        Packet::Leadership(_) => "Leadership",
    }
}

/// What `golden.txt` must say.
fn actual() -> String {
    let mut packets = examples();
    // Its first byte is its number.
    packets.sort_by_key(|packet| encoded(packet)[0]);
    let mut lines = vec![format!("version = {VERSION}")];
    for kind in packets.chunk_by(|one, next| name(one) == name(next)) {
        for (place, packet) in (1..).zip(kind) {
            let hex: String = encoded(packet).iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{}.{place} = {hex}", name(packet)));
        }
    }
    lines.join("\n") + "\n"
}

fn encoded(packet: &Packet) -> Vec<u8> {
    postcard::to_stdvec(packet).expect("a packet can be written")
}

fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[test]
fn everything_that_travels_has_an_example() {
    let mut numbers: Vec<u8> = examples().iter().map(|packet| encoded(packet)[0]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let given = [ToReplica::NUMBERS, ToClient::NUMBERS, &[HOSTS_NUMBER], ToPeer::NUMBERS].concat();
    assert_eq!(numbers, given.iter().map(|number| *number as u8).collect::<Vec<_>>());
}

#[test]
fn the_bytes_of_messages_change_only_with_the_version() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden.txt");
    let (actual, expected) = (actual(), std::fs::read_to_string(&file).unwrap_or_default());
    if actual == expected {
        return;
    }
    let (new, old) = (pairs(&actual), pairs(&expected));
    let names = new.keys().chain(old.keys()).filter(|name| new.get(*name) != old.get(*name));
    let changed: Vec<&str> = names.copied().collect();
    assert!(
        expected.is_empty() || new.get("version") != old.get("version"),
        "the bytes of {changed:?} have changed, so older programs would misread them: raise VERSION in \
         bins/runtime/src/wire/header.rs, which makes them refuse such datagrams; then UPDATE_EXPECT=1 rewrites {} \
         (if that was done already, and not committed, restore the committed file first)",
        file.display()
    );
    assert!(
        std::env::var_os("UPDATE_EXPECT").is_some(),
        "the version of the format is raised: UPDATE_EXPECT=1 rewrites {}, and the commit says why",
        file.display()
    );
    std::fs::write(&file, actual).expect("the file can be written");
}
