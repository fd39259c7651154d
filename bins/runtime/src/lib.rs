//! A runtime of any stateright actor: over UDP, in sealed datagrams, with durable state.
//!
//! | module | what it holds |
//! |---|---|
//! | [`driver`] | receive a burst, hand it over, persist, send |
//! | `questions` | questions of users, which take turns |
//! | [`outbox`], [`burst`] | what a turn sends, and datagrams that travel together |
//! | [`nodes`], `shares` | which address an actor's id stands for; what is remembered of users' processes |
//! | [`addresses`] | where replicas are: addresses, and names that are looked up |
//! | [`wire`], [`keys`] | datagrams, and the keys that they are sealed under |
//! | [`network`], [`loss`], [`clock`], [`storage`] | what a driver needs of the world, as small traits |
//! | [`disk`], [`files`] | files as a log needs them; small files that matter |
//! | [`memory`], [`durations`] | how much memory a process has; how long something takes |
//!
//! **Absent**: any actor, what its messages mean, and command lines.

#![forbid(unsafe_code)]

pub mod addresses;
pub mod burst;
pub mod clock;
pub mod disk;
pub mod driver;
pub mod durations;
pub mod files;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod keys;
pub mod loss;
pub mod memory;
pub mod network;
pub mod nodes;
pub mod outbox;
mod questions;
mod shares;
pub mod storage;
pub mod wire;
