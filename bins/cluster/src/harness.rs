//! Clusters of real processes: started, disturbed, waited for and judged.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`fault`] | what is done to replicas |
//! | [`progress`] | what is told of a run while it goes on |
//! | `script` | what a client says |
//! | [`process`] | the programs as child processes that never outlive this one; replicas |
//! | [`client`], [`load`] | clients that say what they are fed; a client that makes load |
//! | [`error`] | why a run could not be made |
//! | [`input`] | message files |
//! | [`scenario`] | named runs |
//! | [`options`] | what to run |
//! | `feed` | when clients are given what they say |
//! | `cluster` | the replicas of a run: configured, started, restarted |
//! | `stage` | a run while it goes on: what is waited for |
//! | `primaries` | kills of primaries at the moments that matter |
//! | `kill_loop` | kills and restarts, again and again |
//! | `events` | whether what a scenario is named for happened |
//! | `validation` | a run that was recorded, validated |
//! | [`run`] | one run: start, feed, inject, wait, judge |
//! | [`soak`], [`plot`] | a long run: memory, catch-up, restart |

pub mod client;
mod cluster;
pub mod error;
mod events;
pub mod fault;
mod feed;
pub mod input;
mod kill_loop;
pub mod load;
pub mod options;
pub mod plot;
mod primaries;
pub mod process;
pub mod progress;
pub mod run;
pub mod scenario;
mod script;
pub mod soak;
mod stage;
mod validation;
