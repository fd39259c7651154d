//! What belongs to all programs.
//!
//! | file | what it holds |
//! |---|---|
//! | `fuzz` | functions of any bytes, for tests and fuzzers; no executable has it |
//!
//! **Absent**: the programs, each of which is a crate.

#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
