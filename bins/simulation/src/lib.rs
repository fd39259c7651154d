//! A whole cluster in one thread, under virtual time: the deployed drivers, hosts, journals and chat logs, on a
//! network and on disks that fail. What happens is drawn from a seed, so a failure repeats.
//!
//! | file | what it holds |
//! |---|---|
//! | [`air`] | the network and the clock: datagrams under way, which come late, twice, or never |
//! | [`machine`] | a replica on a disk that outlives it, loses power, and may take its time |
//! | [`speaker`] | a client, and what it was told |
//! | [`cluster`] | all of these, step by step |
//!
//! **Absent**: real sockets, disks, threads and time; but keys are real, and drawn anew.

#![forbid(unsafe_code)]

pub mod air;
pub mod cluster;
pub mod machine;
pub mod speaker;

pub use air::{Air, Paths, SKEW};
pub use cluster::{Bounds, Cluster};
pub use machine::{Machine, PowerCut};
pub use speaker::Speaker;
