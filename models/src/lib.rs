//! The chat in the checker: how its actors are composed and bounded, and what must hold of them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`node`], [`machine`] | replicas, clients and readers as one type; a replica beside what its driver keeps on disk |
//! | [`chat`] | the chat as a specification: its bounds, and what is remembered of it |
//! | [`properties`], [`execution`] | what must hold, and be reached; what a log comes to |
//! | [`reductions`] | what is claimed so that less has to be explored |
//! | [`config`] | the bounds of a model, and the model that they make |
//! | [`catalog`], [`features`] | named bounds with exact counts; what stands together in them |
//! | [`coverage`], [`situations`] | which messages, timers and events the runs have reached, and in which situations |
//! | [`mutants`] | bugs that have to be found |
//! | [`paxos`], [`refinement`] | Lamport's specification, and that the actors refine it |
//! | [`monitor`] | a real run, judged step by step |
//! | [`progress`] | what fair schedules have to come to |
//! | [`deployed`], [`links`], [`hardships`] | the actors as they are deployed, under virtual time |
//! | [`run`] | one run of an entry, by any engine |
//! | [`explorer`] | a configuration in stateright's Explorer |
//! | [`bare`], [`silent`] | the same without judgement, and as stateright's `ActorModel`, to compare with |
//!
//! **Absent**: how states are explored, which is [`actor_checker`]'s.

#![forbid(unsafe_code)]

pub mod bare;
pub mod catalog;
pub mod chat;
pub mod config;
pub mod coverage;
pub mod deployed;
pub mod electorate;
pub mod execution;
pub mod explorer;
pub mod features;
pub mod hardships;
pub mod links;
pub mod machine;
pub mod monitor;
pub mod mutants;
pub mod node;
pub mod paxos;
pub mod progress;
pub mod properties;
pub mod reductions;
pub mod refinement;
pub mod run;
pub mod silent;
pub mod situations;
