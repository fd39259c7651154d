//! The runtime: the protocol's actors over UDP, their chat logs, and the tools that run and judge
//! whole clusters.
//!
//! | file | what it holds |
//! |---|---|
//! | [`driver`] | runs any actor: receive a burst, hand it over, persist, send |
//! | [`outbox`], [`burst`] | what a turn sends, and datagrams that travel together |
//! | [`network`], [`loss`], [`clock`], [`storage`] | what a driver needs of the world, as small traits |
//! | [`disk`], [`journal`] | a replica's durable storage |
//! | `questions` | questions of users, which take turns |
//! | [`nodes`], `shares` | which address an actor's id stands for; what is remembered of users' processes |
//! | [`keys`], [`wire`] | keys, and the datagrams that are sealed with them |
//! | [`config`], [`credentials`], `files` | `cluster.toml`; `cluster.secret` and users' tokens; how they are written |
//! | [`obeyed`] | the revocations that a replica has obeyed |
//! | [`chatlog`] | the log file that a person can read |
//! | [`replica_host`], [`console`], [`warm_up`] | what a replica's process adds to its actor |
//! | [`client_host`], [`record`], [`client`] | what a client's process adds to its actor |
//! | [`vitals`], [`narrator`], [`logging`], [`metrics`] | what a replica shows of itself while it runs |
//! | [`operator`] | asking replicas, and telling them what to do, over the network |
//! | [`replica_process`] | a replica's process, put together |
//! | [`shutdown`] | a replica's end in good order |
//! | `fuzz` | functions of any bytes, for tests and fuzzers; no executable has it |
//! | `hidden` | characters that cannot be seen, or that move others |
//! | [`judge`] | logs on disk against what clients recorded |
//! | [`cluster`] | the command line of that name |
//! | [`harness`] | clusters of real processes, and the faults injected into them |
//!
//! **Absent**: the protocol, which is `paxos_chat` alone.

#![forbid(unsafe_code)]

pub mod burst;
pub mod chatlog;
pub mod client;
pub mod client_host;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod console;
pub mod credentials;
pub mod disk;
pub mod driver;
mod files;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod harness;
mod hidden;
pub mod journal;
pub mod judge;
pub mod keys;
pub mod logging;
pub mod loss;
pub mod metrics;
pub mod narrator;
pub mod network;
pub mod nodes;
pub mod obeyed;
pub mod operator;
pub mod outbox;
mod questions;
pub mod record;
pub mod replica_host;
pub mod replica_process;
mod shares;
pub mod shutdown;
pub mod storage;
pub mod vitals;
pub mod warm_up;
pub mod wire;
