//! The secrets that a replica's driver has taken, for what serves operators beside it.
//!
//! **Invariant**: whoever asks gets those of one reading, and never some of each.

use super::codecs::of_replica;
use actor_runtime::keys::Keyring;
use actor_runtime::wire::Codec;
use paxos_chat_config::Config;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Secrets that threads share.
#[derive(Clone)]
pub struct OperatorKeys(Arc<Mutex<Keys>>);

struct Keys {
    keyring: Keyring,
    codec: Codec,
}

impl OperatorKeys {
    /// Those of this replica.
    pub fn new(keyring: Keyring, config: &Config, id: u8) -> OperatorKeys {
        let codec = of_replica(&keyring, config, id);
        OperatorKeys(Arc::new(Mutex::new(Keys { keyring, codec })))
    }

    /// From now on, these.
    pub fn replace(&self, keyring: Keyring) {
        let mut inner = self.lock();
        inner.codec.set_keyring(keyring.of_operators());
        inner.keyring = keyring;
    }

    /// Those that are held now.
    pub fn keyring(&self) -> Keyring {
        self.lock().keyring.clone()
    }

    /// Seals or opens with what is held now.
    pub(super) fn with_codec<T>(&self, does: impl FnOnce(&mut Codec) -> T) -> T {
        does(&mut self.lock().codec)
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
