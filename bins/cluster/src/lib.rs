//! Whole clusters: configured, run with faults, and judged by what they leave.
//!
//! Each file uses only those above it:
//!
//! | file | what it holds |
//! |---|---|
//! | [`judge`] | logs on disk against what clients recorded |
//! | [`harness`] | clusters of real processes, and the faults injected into them |
//! | [`bar`] | progress on a terminal |
//! | [`configure`] | `cluster config` |
//! | [`run`] | `cluster run`, `cluster scenarios`, `cluster verify` |
//! | [`command`] | the command line |

#![forbid(unsafe_code)]

pub mod bar;
pub mod command;
pub mod configure;
pub mod harness;
pub mod judge;
pub mod run;
