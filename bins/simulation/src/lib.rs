//! Whole clusters in one thread, under virtual time: the deployed drivers, hosts, seals, journals, chat logs and clients'
//! files, on a network and on disks that fail. What happens is drawn from a seed, so a failure repeats; and what was
//! done is judged as that of real processes is.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`played`] | an actor whose part another one may play |
//! | [`bounds`] | what a cluster is made of |
//! | [`air`] | the network and the clock: datagrams under way, which come late, twice, or never |
//! | [`machine`] | a replica on a disk that outlives it, loses power, fails, fills, rots, and may take its time |
//! | [`speaker`], [`listener`] | a client, and what it was told; a reader |
//! | [`cluster`] | all of these, step by step |
//! | [`fault`] | what goes wrong, and when |
//! | [`plan`] | what a simulation is going to be, drawn from a seed |
//! | [`nemesis`] | has the troubles of a plan happen |
//! | [`trial`] | a simulation, from its plan to its verdict |
//! | [`shrink`] | a plan that fails, made smaller |
//! | [`planted`] | clusters with a bug, for tests |
//!
//! **Absent**: real sockets, disks, threads and time; but keys are real, and drawn anew. What operators send travels not:
//! what their commands do is done. Addresses have no names that are looked up.

#![forbid(unsafe_code)]

pub mod air;
pub mod bounds;
pub mod cluster;
pub mod fault;
pub mod listener;
pub mod machine;
mod nemesis;
pub mod plan;
pub mod planted;
pub mod played;
pub mod shrink;
pub mod speaker;
pub mod trial;

pub use air::{Air, SKEW};
pub use bounds::Bounds;
pub use cluster::Cluster;
pub use machine::{Machine, PowerCut};
pub use speaker::Speaker;
