//! What a cluster can run with, and what it cannot.
//!
//! **Invariant**: a problem names the key, what is wrong, and what to do.

use super::place::Key;
use super::{Config, End, F_MAX};
use actor_runtime::loss::Loss;
use actor_runtime::wire::{DATAGRAM_BYTES_INTERNET, DATAGRAM_BYTES_LEAST, DATAGRAM_BYTES_MAX};
use paxos_chat::quorum::REPLICAS_MAX;
use paxos_chat::tuning::USER_BYTES_MAX;
use paxos_chat_log::hidden::is_hidden;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Time-outs that a network and a person can live with, in milliseconds.
const ELECTION_MS: RangeInclusive<u64> = 20..=600_000;
pub(super) const RETRY_MS: RangeInclusive<u64> = 5..=600_000;

/// A wrong value: its key, what is wrong, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {wrong}; {remedy}")]
pub struct Problem {
    key: Key,
    wrong: String,
    remedy: String,
}

impl Problem {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

pub(super) fn problem<T>(
    key: impl Into<Key>,
    wrong: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<T, Problem> {
    Err(Problem { key: key.into(), wrong: wrong.into(), remedy: remedy.into() })
}

impl Config {
    /// Is it a configuration that a cluster can run with?
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        if self.cluster.is_empty() {
            return problem("cluster", "is empty", "give the cluster a name of its own");
        }
        check_f(self.f)?;
        check_loss("loss".into(), self.loss)?;
        check_datagram(self.max_datagram)?;
        check_range(
            Key::from("timeouts").then("election_ms"),
            self.timeouts.election_ms,
            ELECTION_MS,
        )?;
        check_range(Key::from("timeouts").then("retry_ms"), self.timeouts.retry_ms, RETRY_MS)?;
        for (index, user) in self.users.iter().enumerate() {
            if let Err(wrong) = check_user(user) {
                return problem(Key::from("users").item(index), wrong, "choose another name");
            }
        }
        for user in self.revoked.keys() {
            if let Err(wrong) = check_user(user) {
                return problem(Key::from("revoked").then(user), wrong, "name a user");
            }
        }
        self.check_clients()?;
        self.check_replicas()?;
        self.check_links()
    }

    fn check_clients(&self) -> Result<(), Problem> {
        for (user, client) in &self.clients {
            let key = Key::from("clients").then(user);
            if let Err(wrong) = check_user(user) {
                return problem(key, wrong, "name a user");
            }
            if !self.users.is_empty() && !self.users.contains(user) {
                let remedy = format!("add {user} to users, or remove this table");
                return problem(key, format!("users does not list {user}"), remedy);
            }
            if let Some(loss) = client.loss {
                check_loss(key.then("loss"), loss)?;
            }
        }
        Ok(())
    }

    fn check_links(&self) -> Result<(), Problem> {
        let mut seen = BTreeMap::new();
        for (index, link) in self.links.iter().enumerate() {
            let key = Key::from("links").item(index);
            let last = self.replicas.len() - 1;
            for (end, name) in [(link.from, "from"), (link.to, "to")] {
                if let End::Replica(id) = end
                    && usize::from(id) > last
                {
                    let wrong = format!("there is no replica {id}");
                    return problem(key.then(name), wrong, format!("give 0 to {last}, or \"any\""));
                }
            }
            // What is lost is told by addresses, and those of a name change.
            if let (End::Replica(from), End::Replica(to)) = (link.from, link.to)
                && let Some(id) = [from, to].into_iter().find(|id| self.is_named(*id))
            {
                let wrong = format!("replica {id} has a name for an address");
                let remedy = "give it an IP address, or one of the ends as \"any\"";
                return problem(key, wrong, remedy);
            }
            if link.from == link.to {
                let (wrong, remedy) = match link.from {
                    End::Any => ("from any to any is every link", "set loss at the top instead"),
                    End::Replica(_) => ("it begins where it ends", "name another replica, or any"),
                };
                return problem(key, wrong, remedy);
            }
            if let Some(other) = seen.insert((link.from, link.to), index) {
                let wrong = format!("it is the link of links[{other}] again");
                return problem(key, wrong, "keep one of them");
            }
            check_loss(key.then("loss"), link.loss)?;
        }
        Ok(())
    }

    fn is_named(&self, replica: u8) -> bool {
        let replica = self.replicas.get(usize::from(replica));
        replica.is_some_and(|replica| replica.address.literal().is_none())
    }

    fn check_replicas(&self) -> Result<(), Problem> {
        let (count, wanted) = (self.replicas.len(), 2 * usize::from(self.f) + 1);
        if count > usize::from(REPLICAS_MAX) {
            let wrong = format!("{count} replicas are too many");
            return problem("replicas", wrong, format!("list at most {}", 2 * F_MAX + 1));
        }
        if count.is_multiple_of(2) {
            let wrong = format!("{count} replicas are an even number");
            let remedy = format!("list 2f+1 of them, which is {wanted} for f = {}", self.f);
            return problem("replicas", wrong, remedy);
        }
        if count != wanted {
            let wrong = format!("{count} replicas are not 2f+1 for f = {}", self.f);
            let remedy = format!("list {wanted}, or set f = {}", (count - 1) / 2);
            return problem("replicas", wrong, remedy);
        }
        let (mut ids, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for (index, replica) in self.replicas.iter().enumerate() {
            let key = Key::from("replicas").item(index);
            if let Some(other) = ids.insert(replica.id, index) {
                let wrong = format!("{} is the id of replicas[{other}] too", replica.id);
                return problem(key.then("id"), wrong, "give every replica an id of its own");
            }
            if usize::from(replica.id) != index {
                let wrong = format!("is {} where {index} is expected", replica.id);
                let remedy = format!("number the replicas 0 to {} in order", count - 1);
                return problem(key.then("id"), wrong, remedy);
            }
            if let Some(other) = addresses.insert(&replica.address, index) {
                let wrong = format!("{} is the address of replicas[{other}] too", replica.address);
                return problem(key.then("address"), wrong, "give every replica one of its own");
            }
            let is_any = replica.address.literal().is_some_and(|at| at.ip().is_unspecified());
            if replica.address.port() == 0 || is_any {
                let wrong = format!("{} is no address that others can send to", replica.address);
                let remedy = "give an IP address or a name, and a port, such as 127.0.0.1:7100";
                return problem(key.then("address"), wrong, remedy);
            }
            if let Some(loss) = replica.loss {
                check_loss(key.then("loss"), loss)?;
            }
        }
        Ok(())
    }
}

/// Is this a number of failures that a cluster can tolerate?
///
/// # Errors
/// When it is not.
pub fn check_f(f: u8) -> Result<(), Problem> {
    if f == 0 {
        let wrong = "f = 0 tolerates no failure, so replication would be without use";
        return problem("f", wrong, "give at least 1, which makes 3 replicas");
    }
    if f > F_MAX {
        let wrong = format!("f = {f} needs {} replicas", 2 * u16::from(f) + 1);
        return problem(
            "f",
            wrong,
            format!("give at most {F_MAX}, which makes {} replicas", 2 * F_MAX + 1),
        );
    }
    Ok(())
}

fn check_loss(key: Key, loss: f64) -> Result<(), Problem> {
    if Loss::new(loss).is_some() {
        return Ok(());
    }
    let remedy = "give a number from 0 (nothing is lost) to 1 (everything is lost)";
    problem(key, format!("{loss} is not a probability"), remedy)
}

fn check_datagram(bytes: usize) -> Result<(), Problem> {
    if (DATAGRAM_BYTES_LEAST..=DATAGRAM_BYTES_MAX).contains(&bytes) {
        return Ok(());
    }
    let remedy = format!(
        "give {DATAGRAM_BYTES_LEAST} to {DATAGRAM_BYTES_MAX} bytes, such as \
         {DATAGRAM_BYTES_INTERNET}, which every network carries"
    );
    problem("max_datagram", format!("{bytes} bytes are out of range"), remedy)
}

fn check_range(key: Key, value: u64, range: RangeInclusive<u64>) -> Result<(), Problem> {
    if range.contains(&value) {
        return Ok(());
    }
    let remedy = format!("give {} to {} milliseconds", range.start(), range.end());
    problem(key, format!("{value} is out of range"), remedy)
}

/// Is this a name that a user may have?
///
/// # Errors
/// Says why not.
pub fn check_user(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name of a user is empty".into());
    }
    if name.len() > USER_BYTES_MAX {
        let length = name.len();
        return Err(format!("the name has {length} bytes; at most {USER_BYTES_MAX} are allowed"));
    }
    if let Some(c) = name.chars().find(|c| is_hidden(*c) || c.is_whitespace()) {
        let code = u32::from(c);
        return Err(format!(
            "the name {name:?} has white space, or a character that cannot be seen (U+{code:04X}): it could be \
             taken for another"
        ));
    }
    // A token's file has its user's name.
    if name.contains('/') || name == "." || name == ".." {
        return Err(format!(
            "the name {name:?} would lead to another folder, for a token's file has its user's name: use no /"
        ));
    }
    Ok(())
}
