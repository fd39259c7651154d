//! The chat in the checker: how its actors are composed and bounded, and what must hold of them.

#![forbid(unsafe_code)]

pub mod bare;
pub mod catalog;
pub mod chat;
pub mod coverage;
pub mod deployed;
pub mod entries;
pub mod execution;
pub mod features;
pub mod hardships;
mod irrelevant;
pub mod links;
pub mod machine;
pub mod mutants;
pub mod node;
pub mod paxos;
pub mod progress;
pub mod properties;
pub mod refinement;
pub mod run;
pub mod silent;
pub mod staleness;
pub mod symmetry;
