//! What belongs to all programs: the bytes of the messages between them.
//!
//! | file | what it holds |
//! |---|---|
//! | `messages` | the bytes of the chat's messages, pinned and read back |
//! | `fuzz` | functions of any bytes, for tests and fuzzers; no executable has it |
//!
//! **Absent**: the programs, each of which is a crate.

#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(any(test, feature = "fuzz"))]
mod messages;
