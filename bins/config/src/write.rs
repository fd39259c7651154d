//! The text of `cluster.toml`, with comments for whoever changes it.
//!
//! **Invariant**: what is written reads back as the same configuration.

use super::{Config, End, LinkConfig, ReplicaConfig};
use serde::Serialize;
use std::collections::BTreeMap;
use toml::Value;

/// The beginning: what the file is.
const TITLE: &str = "\
# A cluster of Multi-Paxos chat, as `cluster config` writes it. Replicas and clients read it when they
# start, and anybody may. Losses and skipped slots are injected faults, for trying things out.
";

const CLUSTER: &str = "
# What tells this cluster from others.
cluster = ";
const F: &str = "
# So many replicas may fail; there are 2f+1.
f = ";
const LOSS: &str = "
# The probability, from 0 to 1, that a datagram is dropped when it is sent, and again when it is received.
loss = ";
const DATAGRAM: &str = "
# The longest datagram that is sent, in bytes; longer messages travel in several. 1232 suits every path; more
# is faster where the network carries it, as the loopback interface of one machine does.
max_datagram = ";
const USERS: &str = "
# Who may speak; anybody, if there are none.
users = ";
const TIMEOUTS: &str = "
[timeouts]
# The shortest time without a sign of life before a replica suspects the primary, in milliseconds.
election_ms = ";
const RETRY: &str = "
# The shortest time before a client asks again, in milliseconds.
retry_ms = ";
const CLIENTS: &str = "
# What holds for the clients of one user, in place of what holds for all.
";
const REPLICAS: &str = "
# The replicas: where each listens; its own loss, in place of the one above; and the slots that it jumps
# over when it leads.
";
const LINKS: &str = "\
# Loss in one direction, in place of what the two ends lose: from one replica to another, of all that one
# sends (to = \"any\"), or of all that one receives (from = \"any\").
";
const REVOKED: &str = "\
# How often the tokens of a user were revoked: older ones are void. See `cluster revoke`.
";

impl Config {
    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let Config { cluster, f, loss, max_datagram, users, .. } = self;
        let Config { revoked, timeouts, clients, replicas, links, .. } = self;
        let mut text = TITLE.to_owned();
        text += &(CLUSTER.to_owned() + &Value::from(cluster.as_str()).to_string());
        text += &format!("{F}{f}{LOSS}{}{DATAGRAM}{max_datagram}", Value::from(*loss));
        text += &format!("{USERS}{}\n", Value::from(users.clone()));
        text += &format!("{TIMEOUTS}{}{RETRY}{}\n", timeouts.election_ms, timeouts.retry_ms);
        if !clients.is_empty() {
            text += &(CLIENTS.to_owned() + &tables("clients", clients));
        }
        text += REPLICAS;
        replicas.iter().for_each(|replica| write_replica(replica, &mut text));
        if !links.is_empty() {
            text += LINKS;
            links.iter().for_each(|link| write_link(link, &mut text));
        }
        if !revoked.is_empty() {
            text += &(REVOKED.to_owned() + &tables("revoked", revoked));
        }
        text.trim_end().to_owned() + "\n"
    }
}

/// Tables of names, which may need quotes.
fn tables<T: Serialize>(name: &str, tables: &BTreeMap<String, T>) -> String {
    toml::to_string(&BTreeMap::from([(name, tables)])).expect("plain data with text keys")
}

fn write_replica(replica: &ReplicaConfig, text: &mut String) {
    let ReplicaConfig { id, address, loss, skip_slots } = replica;
    *text += &format!("[[replicas]]\nid = {id}\naddress = \"{address}\"\n");
    if let Some(loss) = loss {
        *text += &format!("loss = {}\n", Value::from(*loss));
    }
    if !skip_slots.is_empty() {
        let slots: Vec<String> = skip_slots.iter().map(u64::to_string).collect();
        *text += &format!("skip_slots = [{}]\n", slots.join(", "));
    }
    text.push('\n');
}

fn write_link(LinkConfig { from, to, loss }: &LinkConfig, text: &mut String) {
    let end = |end: &End| match end {
        End::Replica(id) => id.to_string(),
        End::Any => "\"any\"".to_owned(),
    };
    let (from, to, loss) = (end(from), end(to), Value::from(*loss));
    *text += &format!("[[links]]\nfrom = {from}\nto = {to}\nloss = {loss}\n\n");
}
