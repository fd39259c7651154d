//! Loss by direction: on one link between two replicas, or on all of what one sends or receives.
//!
//! **Invariant — a link between two loses what it says and no more**: its sender drops it, and its
//! receiver none of it, whatever else the two lose.

use super::{Config, ReplicaConfig};
use actor_runtime::loss::{Loss, Losses};
use actor_runtime::network::canonical;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::str::FromStr;

const ANY: &str = "any";

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// This replica.
    Replica(u8),
    /// Whoever there is, clients too.
    Any,
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            End::Replica(id) => id.fmt(f),
            End::Any => f.write_str(ANY),
        }
    }
}

impl FromStr for End {
    type Err = String;
    fn from_str(text: &str) -> Result<End, String> {
        if text == ANY {
            return Ok(End::Any);
        }
        let id = text.parse().map_err(|_| format!("{text:?} is neither a replica nor `any`"))?;
        Ok(End::Replica(id))
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<End, D::Error> {
        struct AnyOrId;

        impl Visitor<'_> for AnyOrId {
            type Value = End;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a replica, or \"any\"")
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<End, E> {
                let wrong = |_| E::custom(format!("{id} is not the id of a replica"));
                u8::try_from(id).map(End::Replica).map_err(wrong)
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<End, E> {
                if word == ANY {
                    return Ok(End::Any);
                }
                Err(E::custom(format!("{word:?} is neither \"any\" nor the id of a replica")))
            }
        }

        deserializer.deserialize_any(AnyOrId)
    }
}

/// Loss in one direction.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// Who sends.
    pub from: End,
    /// Who receives.
    pub to: End,
    /// The probability that a datagram is dropped on this link.
    pub loss: f64,
}

impl FromStr for LinkConfig {
    type Err = String;
    fn from_str(text: &str) -> Result<LinkConfig, String> {
        let parts =
            text.split_once('=').and_then(|(link, loss)| Some((link.split_once(':')?, loss)));
        let ((from, to), loss) = parts.ok_or("give FROM:TO=P, such as 0:1=0.5 or any:2=0.1")?;
        let loss: Loss = loss.parse()?;
        Ok(LinkConfig { from: from.parse()?, to: to.parse()?, loss: loss.probability() })
    }
}

impl Config {
    /// What this replica loses.
    pub fn losses_of(&self, replica: &ReplicaConfig) -> Losses {
        let own = End::Replica(replica.id);
        let mut losses = Losses::from(self.loss_of(Some(replica)));
        for link in &self.links {
            let loss = Loss::new(link.loss).unwrap_or(Loss::NONE);
            match (link.from, link.to) {
                (from, End::Any) if from == own => losses.sending = loss,
                (End::Any, to) if to == own => losses.receiving = loss,
                (from, End::Replica(peer)) if from == own => {
                    losses.to.extend(self.literal(peer).map(|address| (address, loss)));
                }
                (End::Replica(peer), to) if to == own => {
                    losses.from.extend(self.literal(peer).map(|address| (address, Loss::NONE)));
                }
                _ => {}
            }
        }
        losses
    }

    /// A replica's address, if it is one.
    fn literal(&self, replica: u8) -> Option<SocketAddr> {
        self.replicas.get(usize::from(replica))?.address.literal().map(canonical)
    }

    /// What a client of this user loses.
    pub fn client_loss(&self, user: &str) -> Loss {
        let own = self.clients.get(user).and_then(|client| client.loss);
        Loss::new(own.unwrap_or(self.loss)).unwrap_or(Loss::NONE)
    }

    /// Has everybody lose this, in all directions, in place of everything that is configured.
    pub fn lose_everywhere(&mut self, loss: f64) {
        self.loss = loss;
        self.links.clear();
        self.replicas.iter_mut().for_each(|replica| replica.loss = None);
        self.clients.values_mut().for_each(|client| client.loss = None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn the_most_specific_loss_counts() {
        let mut config = config(1);
        config.loss = 0.1;
        config.replicas[1].loss = Some(0.2);
        config.links = ["0:any=0.3", "any:0=0.4", "1:2=0.5"].map(|l| l.parse().unwrap()).into();
        let losses = |id: usize| config.losses_of(&config.replicas[id]);
        let loss = |p| Loss::new(p).unwrap();
        let at = |id: u8| config.literal(id).unwrap();
        assert_eq!((losses(0).sending, losses(0).receiving), (loss(0.3), loss(0.4)));
        assert_eq!((losses(1).sending, losses(1).receiving), (loss(0.2), loss(0.2)));
        assert_eq!(losses(1).to, [(at(2), loss(0.5))].into());
        assert_eq!(losses(2).from, [(at(1), Loss::NONE)].into(), "the sender drops it");
        assert_eq!((losses(2).sending, losses(2).to.len()), (loss(0.1), 0));
        config.lose_everywhere(0.7);
        assert!(config.replicas.iter().all(|r| config.losses_of(r) == loss(0.7).into()));
    }

    #[test]
    fn a_client_has_its_own_loss_or_that_of_all() {
        let mut config = config(1);
        config.loss = 0.1;
        config.clients.insert("bob".into(), super::super::ClientConfig { loss: Some(0.5) });
        assert_eq!(config.client_loss("bob").probability(), 0.5);
        assert_eq!(config.client_loss("alice").probability(), 0.1);
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for wrong in ["0:1", "0=1", "0>1=0.5", "0:1=2", "x:1=0.5", "0:all=0.5"] {
            assert!(wrong.parse::<LinkConfig>().is_err(), "{wrong}");
        }
    }
}
