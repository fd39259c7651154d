//! Recorded runs of the chat, replayed through its actors, and judged by the catalog's properties at every step.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`replay`] | one life of one process, replayed: digests must be equal |
//! | [`sent`] | what has left, so that what arrives can be told from what nobody sent |
//! | [`finding`] | what was found |
//! | [`story`] | events as they are told |
//! | [`scene`] | the whole system as its processes are replayed: what is judged, and what is noted |
//! | [`process`] | a process, life after life |
//! | [`run`] | all processes, in one order |
//!
//! **Invariants**
//! - *No clock is trusted*: an arrival comes behind the departure of the same boot, datagram and place, and nothing else
//!   orders two processes. Times of day only say which of several things that may come next does.
//! - *Any such order will do*: each is an execution of the asynchronous system, so whatever must hold of executions must hold
//!   in it.
//!
//! **Absent**: how recordings are made and read (`actor_recording`), and what must hold
//! ([`paxos_chat_models::properties`]).

#![forbid(unsafe_code)]

pub mod finding;
pub mod process;
pub mod replay;
pub mod run;
pub mod scene;
pub mod sent;
pub mod story;
