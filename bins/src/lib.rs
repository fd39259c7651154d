//! The programs: the protocol's actors in the runtime, their chat logs, and the tools that run and judge
//! whole clusters.
//!
//! | file | what it holds |
//! |---|---|
//! | [`journal`] | a replica's durable storage |
//! | [`config`], [`credentials`] | `cluster.toml`; `cluster.secret` and users' tokens; how they are written |
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
//! **Absent**: the protocol, which is `paxos_chat` alone, and what runs any actor, which is [`actor_runtime`].

#![forbid(unsafe_code)]

pub mod chatlog;
pub mod client;
pub mod client_host;
pub mod cluster;
pub mod config;
pub mod console;
pub mod credentials;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod harness;
mod hidden;
pub mod journal;
pub mod judge;
pub mod logging;
#[cfg(any(test, feature = "fuzz"))]
mod messages;
pub mod metrics;
pub mod narrator;
pub mod obeyed;
pub mod operator;
pub mod record;
pub mod replica_host;
pub mod replica_process;
pub mod shutdown;
pub mod vitals;
pub mod warm_up;
