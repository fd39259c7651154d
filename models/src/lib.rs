//! The checker: how actors are composed and explored, and what must hold of them.

#![forbid(unsafe_code)]

pub mod bare;
pub mod catalog;
pub mod chart;
pub mod chat;
pub mod compact;
pub mod coverage;
pub mod dead_variables;
pub mod deployed;
pub mod engine;
pub mod entries;
pub mod equivariance;
pub mod execution;
pub mod explore;
pub mod features;
pub mod foreign;
pub mod hardships;
pub mod intern;
mod irrelevant;
pub mod links;
pub mod machine;
pub mod memory;
pub mod mutants;
pub mod node;
pub mod paxos;
pub mod permanence;
pub mod progress;
pub mod properties;
pub mod refinement;
pub mod run;
pub mod seen;
pub mod silent;
pub mod simulation;
pub mod spec;
pub mod staleness;
pub mod symmetry;
pub mod trace;
