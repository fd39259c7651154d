//! Datagrams of anybody, and bodies that peers have sealed, as functions of any bytes, for messages of any kind.

use super::fragment::Fragment;
use super::*;
use crate::keys::KEY_BYTES;
use serde::{Deserialize, Serialize};

/// Bytes that travel as they are, whatever the receiver reads in them.
#[derive(Serialize, Deserialize)]
pub struct Raw(pub Vec<u8>);

impl Payload for Raw {
    fn write(&self, _: u8, bytes: &mut Vec<u8>) -> postcard::Result<()> {
        bytes.extend_from_slice(&self.0);
        Ok(())
    }
}

fn cluster() -> ClusterId {
    ClusterId::of("fuzz")
}

fn secret() -> Secret {
    Secret::of([7; KEY_BYTES].into())
}

fn alice() -> UserName {
    UserName::new("alice").expect("it is a name")
}

/// A replica of three, always of the same boot.
pub fn replica(id: u8) -> Codec {
    let (secret, boot) = (secret(), Boot::of([id; KEY_BYTES]));
    let outbound = (0..3).map(|to| secret.replicas(cluster(), id, to)).collect();
    let inbound = (0..3).map(|from| vec![secret.replicas(cluster(), from, id)]).collect();
    let keyring = Keyring::from(&secret);
    let own = Party::Replica { id, keyring, generations: Generations::new() };
    Codec::new(cluster(), boot, own, outbound, inbound)
}

/// Alice's process, always of the same boot.
pub fn client() -> Codec {
    let (key, boot) = (secret().user(cluster(), "alice", 0), Boot::of([9; KEY_BYTES]));
    let outbound = (0..3).map(|to| key.to_replica(to)).collect();
    let inbound = (0..3).map(|from| vec![key.of_replica(from, boot)]).collect();
    Codec::new(cluster(), boot, Party::Client(alice()), outbound, inbound)
}

/// That process.
pub fn process() -> Peer {
    Peer::Client(ClientId { user: alice(), boot: client().boot() })
}

/// This message, sealed.
///
/// # Panics
/// When it is too long.
pub fn sealed(from: &mut Codec, to: Peer, message: &impl Payload) -> Vec<u8> {
    let mut datagram = Vec::new();
    from.seal(to, message, &mut datagram).expect("a short message");
    datagram
}

/// A datagram of anybody, to a replica and to a client. Nothing is taken that is not one of these, which honest
/// processes have sealed, and nothing is kept of anything else.
///
/// # Panics
/// When that is not so.
pub fn datagram<M: Payload>(input: &[u8], honest: &[Vec<u8>]) {
    for mut codec in [replica(1), client()] {
        let (mut datagram, mut taken) = (input.to_vec(), Vec::<M>::new());
        if codec.open_all(None, &mut datagram, &mut taken).is_ok() {
            assert!(honest.iter().any(|sealed| sealed == input), "nobody has sealed this");
            assert_eq!(taken.len(), 1);
        } else {
            assert!(taken.is_empty());
            assert_eq!(codec.remembered(), 0, "a stranger is remembered");
            assert_eq!(codec.of_clients.bytes() + codec.of_replicas.bytes(), 0);
        }
    }
    let claimed = claimed_user(input);
    assert!(claimed.is_none_or(|name| name.len() <= input.len()));
}

/// The body of a datagram with these encoded messages.
pub fn whole(encoded: &[u8]) -> Vec<u8> {
    [&[WHOLE], encoded].concat()
}

/// The bodies of datagrams with the parts of an encoded message.
///
/// # Panics
/// When there would be too many.
pub fn parts(encoded: &[u8], room: usize) -> Vec<Vec<u8>> {
    let parts = Fragment::split(encoded, room).expect("it has a few parts");
    let written = |part: &Fragment<'_>| {
        let mut bytes = Vec::new();
        part.write(&mut bytes);
        bytes
    };
    parts.iter().map(written).collect()
}

/// Bodies of datagrams that a replica has sealed for another, or a user where it says so. `check` sees what is read
/// of each, and of how many bytes it was read at most.
///
/// # Panics
/// When a datagram is taken in part, or too much is kept.
pub fn bodies<'a, M: Payload>(
    bodies: impl Iterator<Item = (bool, &'a [u8])>,
    check: impl Fn(&[M], usize),
) {
    let (mut zero, mut alice_s, mut one) = (replica(0), client(), replica(1));
    for (is_of_user, body) in bodies {
        let sender = if is_of_user { &mut alice_s } else { &mut zero };
        let mut datagram = Vec::new();
        let written = sender.append((Peer::Replica(1), 1), None, &mut datagram, |to| {
            to.extend_from_slice(body);
            Ok(())
        });
        if written.is_err() {
            continue;
        }
        let mut messages: Vec<M> = Vec::new();
        if one.open_all(None, &mut datagram, &mut messages).is_err() {
            assert!(messages.is_empty(), "all or nothing");
        }
        assert!(messages.len() <= MESSAGES_PER_DATAGRAM_MAX);
        // A whole body, or all parts of a message.
        let carried = if body.first() == Some(&WHOLE) { body.len() } else { MESSAGE_BYTES_MAX };
        check(&messages, carried);
        let begun = one.of_clients.bytes() + one.of_replicas.bytes();
        let senders = fragment::OF_CLIENTS.in_all + fragment::OF_REPLICAS.in_all;
        assert!(begun <= senders * MESSAGE_BYTES_MAX);
    }
}
