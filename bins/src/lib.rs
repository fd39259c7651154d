//! The runtime: the protocol's actors over UDP, their chat logs, and the tools that run and judge
//! whole clusters.
//!
//! | file | what it holds |
//! |---|---|
//! | [`driver`] | runs any actor: receive a burst, hand it over, persist, send |
//! | [`network`], [`loss`], [`clock`], [`storage`] | what a driver needs of the world, as small traits |
//! | [`disk`], [`journal`] | a replica's durable storage |
//! | [`nodes`] | which address an actor's id stands for |
//! | [`keys`], [`wire`] | keys, and the datagrams that are sealed with them |
//! | [`config`], [`credentials`] | `cluster.toml`; `cluster.secret` and users' tokens |
//! | [`chatlog`] | the log file that a person can read |
//! | [`replica_host`], [`console`] | what a replica's process adds to its actor |
//! | [`client_host`], [`record`], [`client`] | what a client's process adds to its actor |
//! | [`judge`] | logs on disk against what clients recorded |
//! | [`harness`] | clusters of real processes, and the faults injected into them |
//!
//! **Absent**: the protocol, which is `paxos_chat` alone.

#![forbid(unsafe_code)]

pub mod chatlog;
pub mod check;
pub mod client;
pub mod client_host;
pub mod clock;
pub mod config;
pub mod console;
pub mod credentials;
pub mod disk;
pub mod driver;
pub mod harness;
pub mod journal;
pub mod judge;
pub mod keys;
pub mod loss;
pub mod network;
pub mod nodes;
pub mod record;
pub mod replica_host;
pub mod storage;
pub mod wire;
