//! Multi-Paxos chat: `2f+1` replicas agree on one order of chat messages, keep identical logs, and
//! stay available while at most `f` of them are down.
//!
//! The protocol is written once, as [`stateright::actor::Actor`]s: [`replica::Replica`],
//! [`client::Client`] and [`reader::Reader`]. The checker explores these actors exhaustively; the
//! deployed binaries run the very same ones over UDP.
//!
//! | file | what it holds |
//! |---|---|
//! | [`types`], [`message`], [`tuning`] | vocabulary, messages, parameters |
//! | [`quorum`], [`membership`], [`chunk`] | majorities; whose votes count at a slot; how much goes into one message |
//! | [`effects`] | what a handler wants done; durable state |
//! | [`state`], [`step`] | what a replica knows, as plain data; what a handler is given |
//! | [`acceptor`] | promises and votes |
//! | [`proposer`] | phase 1, phase 2, the window |
//! | [`joining`] | phase 1 among the members that a change brings |
//! | [`learner`] | what is decided, the log, catch-up, compaction |
//! | [`election`], [`patience`] | time-outs, pre-votes, heartbeats |
//! | [`pacing`] | when a leader sends again what was not answered |
//! | [`session`], [`requests`], [`askers`] | exactly-once, and what clients are answered |
//! | [`reads`], [`open_reads`] | how far one has to read, to have all that anybody was told of |
//! | [`outline`] | what of a state is looked at after each step, where it is recorded |
//! | [`replica`], [`client`], [`reader`], [`shell`] | the actors: the only files that name stateright |
//!
//! **Absent**: input and output, clocks, randomness, threads, logging. `clippy.toml` bans them.

#![forbid(unsafe_code)]

pub mod acceptor;
pub mod askers;
pub mod chunk;
pub mod client;
pub mod effects;
pub mod election;
pub mod joining;
pub mod learner;
pub mod membership;
pub mod message;
pub mod open_reads;
pub mod outline;
pub mod pacing;
pub mod patience;
pub mod proposer;
pub mod queue;
pub mod quorum;
pub mod reader;
pub mod reads;
pub mod replica;
pub mod requests;
pub mod session;
pub mod shell;
pub mod state;
pub mod step;
#[cfg(test)]
mod testing;
pub mod tuning;
pub mod types;
