//! What seals and opens the datagrams between operators and replicas.
//!
//! **Invariant**: an operator speaks under a name that no user can have, and under keys from a secret
//! that is derived for operators only. So no token opens or seals such a datagram, and none of them is
//! ever a message of a user or of a replica.
//!
//! They are all in the first format: what is asked and done may be joined by more at the end, and a status is JSON.

use actor_runtime::keys::{Keyring, Secret};
use actor_runtime::wire::{Codec, Generations, UserName};
use paxos_chat_config::Config;

/// The name in the datagrams of operators. [`paxos_chat_config::check_user`] refuses it.
pub const OPERATOR: &str = "\u{1}operator";

/// What an operator's process seals and opens with.
///
/// # Panics
/// Never: the name is one.
pub fn of_operator(secret: &Secret, config: &Config) -> Codec {
    let cluster = config.cluster_id();
    let name = UserName::new(OPERATOR).expect("the name is short");
    let key = secret.of_operators().user(cluster, OPERATOR, 0);
    Codec::client(&key, cluster, name, config.replicas.len())
}

/// What replica `id` seals and opens operators' datagrams with.
pub fn of_replica(keyring: &Keyring, config: &Config, id: u8) -> Codec {
    let (cluster, count) = (config.cluster_id(), config.replicas.len());
    Codec::replica(keyring.of_operators(), cluster, id, count, Generations::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_runtime::wire::{Peer, WireError};
    use paxos_chat_config::check_user;

    fn config() -> Config {
        let address = |port| ([127, 0, 0, 1], port).into();
        Config::new("test".into(), 1, (1..4).map(address).collect()).unwrap()
    }

    #[test]
    fn operators_and_replicas_understand_each_other() {
        let (secret, config) = (Secret::draw().unwrap(), config());
        let (mut operator, mut replica) =
            (of_operator(&secret, &config), of_replica(&Keyring::from(&secret), &config, 1));
        let mut datagram = Vec::new();
        operator.seal(Peer::Replica(1), &7u8, &mut datagram).unwrap();
        let (from, heard) = replica.open::<u8>(&mut datagram).unwrap();
        assert_eq!(heard, 7);
        replica.seal(from, &8u8, &mut datagram).unwrap();
        assert_eq!(operator.open::<u8>(&mut datagram).unwrap(), (Peer::Replica(1), 8));
    }

    #[test]
    fn no_user_speaks_as_an_operator_and_no_operator_as_a_user_or_a_replica() {
        let (secret, config) = (Secret::draw().unwrap(), config());
        assert!(check_user(OPERATOR).is_err());
        let cluster = config.cluster_id();
        let name = UserName::new(OPERATOR).unwrap();
        let user = Codec::client(&secret.user(cluster, OPERATOR, 0), cluster, name, 3);
        let mut datagram = Vec::new();
        for mut stranger in [user, of_operator(&Secret::draw().unwrap(), &config)] {
            stranger.seal(Peer::Replica(1), &7u8, &mut datagram).unwrap();
            let opened = of_replica(&Keyring::from(&secret), &config, 1).open::<u8>(&mut datagram);
            assert_eq!(opened, Err(WireError::Forged));
        }
        of_operator(&secret, &config).seal(Peer::Replica(1), &7u8, &mut datagram).unwrap();
        let mut own = Codec::replica(&secret, cluster, 1, 3, Generations::new());
        assert_eq!(own.open::<u8>(&mut datagram), Err(WireError::Forged));
        of_replica(&Keyring::from(&secret), &config, 0)
            .seal(Peer::Replica(1), &7u8, &mut datagram)
            .unwrap();
        assert_eq!(own.open::<u8>(&mut datagram), Err(WireError::Forged));
    }
}
