//! Recordings of any stateright actor's runs: each input as the actor got it, and digests of what it did with it.
//!
//! An actor is a function, so who has its inputs can run it again, and see whether it did what it should.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`digest`] | digests of states, of what is saved, and of what is sent |
//! | [`entry`] | what is recorded |
//! | `frame` | entries as bytes, with a checksum |
//! | [`sink`] | where a process puts them: into a pipe, a file, or memory |
//! | [`recorder`] | what a driver tells a recorder, and one that writes it all down |
//! | [`keeper`] | the process that takes a recording from the pipe to the disk |
//! | [`reader`] | recordings, read again |
//!
//! **Invariants**
//! - *Recorded before revealed*: what a driver has told its recorder is out of its process before anything that depends
//!   on it is saved or sent. So a process that is killed leaves a recording of all that others can know of it.
//! - *The service comes first*: a recorder never waits. When it cannot go on, it stops, says so, and records nothing more.
//!
//! **Absent**: what messages mean, and what is made of a recording.

#![forbid(unsafe_code)]

pub mod digest;
pub mod entry;
mod frame;
pub mod keeper;
pub mod reader;
pub mod recorder;
pub mod sink;
