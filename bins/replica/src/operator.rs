//! Operators: whoever has a cluster's secret asks its replicas how they are, and tells them what to
//! do, over the network.
//!
//! | file | what it holds |
//! |---|---|
//! | [`codecs`], [`keys`] | the keys between operators and replicas; those that a process has now |
//! | [`message`] | what is asked, and what is answered |
//! | [`tap`] | takes operators' datagrams out of a replica's network, before its driver sees them |
//! | [`server`], [`challenge`] | answers them, on a thread of its own |
//! | [`ask`] | asks, from another process |
//! | [`handover`] | moves the leadership, with nothing but time-outs and lost messages |
//! | [`table`], [`watch`], [`rotate`], [`command`] | `cluster status`, `watch`, `rotate`, `move-leader`, `fault` |
//!
//! **Invariants**
//! - *For operators' eyes*: their datagrams are sealed under keys that are derived from the cluster's
//!   secret for nothing else ([`codecs`]). Whoever has no such key gets no reply.
//! - *Never the actor's*: what an operator sends does not reach the actor. What it brings about is a
//!   timer that goes off, or a message that is lost, and models let both happen at any moment.
//! - *What changes something carries a challenge* that this process has made for that asker, lately, and
//!   is taken once: see [`challenge`].
//! - *The driver never waits for an operator*: a status is made, on another thread, of what the driver's
//!   last turn has left.
//!
//! **Absent**: rights that differ from operator to operator; and answers of a replica whose driver hangs
//! in its disk, because the driver receives. It does not answer until it goes on; its metrics do
//! ([`crate::metrics`]).

pub mod ask;
pub mod challenge;
pub mod codecs;
pub mod command;
pub mod current;
pub mod handover;
pub mod keys;
pub mod message;
pub mod rotate;
pub mod server;
pub mod table;
pub mod tap;
pub mod watch;
