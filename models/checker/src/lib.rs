//! A checker of systems of stateright actors: it explores every state that is within bounds, and knows no actor by name.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spec`] | what a model adds to its actors: faults, ghosts, properties |
//! | [`compact`] | the model: states are rows of small numbers, what they stand for is interned |
//! | [`intern`] | values and content hashes that stand for them |
//! | [`fingerprint`] | what stands for a state |
//! | [`engine`], [`visited`] | breadth-first search with exact counts on many threads, in memory or in files |
//! | [`foreign`] | stateright's own engines on the same model |
//! | [`memory`] | how much the process has resident |
//! | [`reductions`] | their claims, checked after each run |
//! | [`progress`] | fair schedules from every explored state |
//! | [`links`], [`simulation`] | links with delays, loss and bandwidth; the same actors on them, under virtual time |
//! | [`trace`], [`chart`], [`explore`] | a run in words, as a chart, and in stateright's Explorer |
//!
//! **Invariant**: a run that is incomplete, or relies on a claim that does not hold, never says that a property holds.

#![forbid(unsafe_code)]

pub mod chart;
pub mod compact;
pub mod engine;
pub mod explore;
pub mod fingerprint;
pub mod foreign;
pub mod intern;
pub mod links;
pub mod memory;
pub mod progress;
pub mod reductions;
pub mod simulation;
pub mod spec;
pub mod trace;
pub mod visited;
