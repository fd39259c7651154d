//! Whole clusters: configured, run with faults, and judged by what they leave.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`judge`] | logs on disk against what clients recorded |
//! | [`harness`] | clusters of real processes, and the faults injected into them |
//! | [`bar`] | progress on a terminal |
//! | [`interrupt`] | somebody asks to stop |
//! | [`verdict`] | a verdict as a table, as JSON, and as an exit status |
//! | [`config`], [`invite`], [`revoke`] | the commands of these names |
//! | [`run`], [`scenarios`], [`simulate`], [`soak`], [`verify`] | the commands of these names |
//! | [`command`] | the command line |

#![forbid(unsafe_code)]

pub mod bar;
pub mod command;
pub mod config;
pub mod harness;
pub mod interrupt;
pub mod invite;
pub mod judge;
pub mod revoke;
pub mod run;
pub mod scenarios;
pub mod simulate;
pub mod soak;
pub mod verdict;
pub mod verify;
