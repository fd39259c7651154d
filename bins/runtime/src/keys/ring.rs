//! The secrets of a cluster that are valid at one time: one, and two while one replaces the other.
//!
//! | step | seals | opens |
//! |---|---|---|
//! | before | old | old |
//! | begun | old | old, new |
//! | switched | new | new, old |
//! | ended | new | new |
//!
//! **Invariants**
//! - *Neighbours understand each other*: whoever is one step ahead of another, or behind, opens what that one seals.
//!   So replicas take each step one at a time, in any order, and serve meanwhile.
//! - *Descent shows*: a ring names the secrets that those in it have replaced, by their fingerprints. So whoever has
//!   missed steps knows what comes of its own secret from what is another cluster's.
//!
//! **Absent**: files, and who waits for whom between the steps.

use super::{Secret, derive};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// The secrets that are valid at one time.
#[derive(Clone, Debug)]
pub struct Keyring {
    seals: Secret,
    beside: Option<Beside>,
    /// What was replaced, the latest last.
    replaced: Vec<Fingerprint>,
}

/// So many secrets that were replaced are remembered.
const REPLACED_MAX: usize = 32;

/// A secret that opens, and does not seal.
#[derive(Clone, Debug)]
pub enum Beside {
    /// It is to seal next.
    Next(Secret),
    /// It has sealed until now.
    Previous(Secret),
}

/// Tells secrets apart, and is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(String);

/// Why a rotation does not take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// The one before has not ended.
    #[error("a rotation is under way, and its next step is `{0}`")]
    UnderWay(&'static str),
    /// None has begun.
    #[error("no rotation is under way; `begin` begins one")]
    None,
}

impl Keyring {
    /// One that was read: this secret seals.
    pub fn of(seals: Secret, beside: Option<Beside>, replaced: Vec<Fingerprint>) -> Keyring {
        Keyring { seals, beside, replaced }
    }

    /// The secrets that those in it have replaced, the latest last. They include one that still opens.
    pub fn replaced(&self) -> &[Fingerprint] {
        &self.replaced
    }

    /// The secret that seals.
    pub fn seals(&self) -> &Secret {
        &self.seals
    }

    /// The one that does not, if there are two.
    pub fn beside(&self) -> Option<&Beside> {
        self.beside.as_ref()
    }

    /// All that open, first the one that seals, too.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.seals).chain(self.beside.as_ref().map(Beside::secret))
    }

    /// The fingerprints of all.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.all().map(Secret::fingerprint).collect()
    }

    /// The same for everything between operators and replicas.
    pub fn of_operators(&self) -> Keyring {
        let beside = self.beside.as_ref().map(|beside| match beside {
            Beside::Next(secret) => Beside::Next(secret.of_operators()),
            Beside::Previous(secret) => Beside::Previous(secret.of_operators()),
        });
        Keyring { seals: self.seals.of_operators(), beside, replaced: Vec::new() }
    }

    /// From now on the next secret opens, too.
    ///
    /// # Errors
    /// When another rotation has not ended.
    pub fn begin(&self, next: Secret) -> Result<Keyring, RotationError> {
        match &self.beside {
            None => Ok(Keyring { beside: Some(Beside::Next(next)), ..self.clone() }),
            Some(Beside::Next(_)) => Err(RotationError::UnderWay("switch")),
            Some(Beside::Previous(_)) => Err(RotationError::UnderWay("end")),
        }
    }

    /// From now on the next secret seals.
    ///
    /// # Errors
    /// When there is none.
    pub fn switch(&self) -> Result<Keyring, RotationError> {
        match &self.beside {
            None => Err(RotationError::None),
            Some(Beside::Next(next)) => {
                let mut replaced = self.replaced.clone();
                replaced.push(self.seals.fingerprint());
                replaced.drain(..replaced.len().saturating_sub(REPLACED_MAX));
                let previous = Beside::Previous(self.seals.clone());
                Ok(Keyring { seals: next.clone(), beside: Some(previous), replaced })
            }
            Some(Beside::Previous(_)) => Err(RotationError::UnderWay("end")),
        }
    }

    /// From now on the previous secret is void.
    ///
    /// # Errors
    /// When there is none.
    pub fn end(&self) -> Result<Keyring, RotationError> {
        match &self.beside {
            None => Err(RotationError::None),
            Some(Beside::Next(_)) => Err(RotationError::UnderWay("switch")),
            Some(Beside::Previous(_)) => Ok(Keyring { beside: None, ..self.clone() }),
        }
    }
}

impl From<&Secret> for Keyring {
    fn from(secret: &Secret) -> Keyring {
        Keyring { seals: secret.clone(), beside: None, replaced: Vec::new() }
    }
}

impl Beside {
    /// The secret.
    pub fn secret(&self) -> &Secret {
        match self {
            Beside::Next(secret) | Beside::Previous(secret) => secret,
        }
    }
}

impl Secret {
    /// Tells it from others, without giving it away.
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = derive("paxos-chat 2026 fingerprint", &[self.as_bytes()]);
        Fingerprint(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Fingerprint {
    /// The one that these digits are, if they are one.
    pub fn read(digits: &str) -> Option<Fingerprint> {
        let is_one =
            digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Fingerprint(digits.to_owned()))
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_takes_three_steps_in_order_and_neighbours_understand_each_other() {
        let [old, new] = [Secret::draw().unwrap(), Secret::draw().unwrap()];
        let before = Keyring::from(&old);
        assert_eq!(before.switch().unwrap_err(), RotationError::None);
        assert_eq!(before.end().unwrap_err(), RotationError::None);
        let begun = before.begin(new.clone()).unwrap();
        assert_eq!(begun.begin(new.clone()).unwrap_err(), RotationError::UnderWay("switch"));
        assert_eq!(begun.end().unwrap_err(), RotationError::UnderWay("switch"));
        let switched = begun.switch().unwrap();
        assert_eq!(switched.begin(new.clone()).unwrap_err(), RotationError::UnderWay("end"));
        assert_eq!(switched.switch().unwrap_err(), RotationError::UnderWay("end"));
        let ended = switched.end().unwrap();
        let steps = [before, begun, switched, ended];
        let opens = |a: &Keyring, b: &Keyring| a.fingerprints().contains(&b.seals().fingerprint());
        for (at, a) in steps.iter().enumerate() {
            for (other, b) in steps.iter().enumerate() {
                let understood = opens(a, b) && opens(b, a);
                assert_eq!(understood, at.abs_diff(other) < 2, "{at} and {other}");
            }
        }
        let [first, .., last] = &steps;
        assert_eq!(first.fingerprints(), [old.fingerprint()]);
        assert_eq!(last.fingerprints(), [new.fingerprint()]);
        assert_eq!((first.replaced(), last.replaced()), (&[][..], &[old.fingerprint()][..]));
        let mut ring = last.clone();
        for _ in 0..2 * REPLACED_MAX {
            ring = ring.begin(Secret::draw().unwrap()).unwrap().switch().unwrap().end().unwrap();
        }
        assert_eq!(ring.replaced().len(), REPLACED_MAX);
        assert_ne!(old.of_operators().fingerprint(), old.fingerprint());
    }
}
