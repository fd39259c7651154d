//! Whole clusters: configured, run with faults, and judged by what they leave.
//!
//! | file | what it holds |
//! |---|---|
//! | [`command`] | the command line |
//! | [`configure`] | `cluster config` |
//! | [`run`] | `cluster run`, `cluster scenarios`, `cluster verify` |
//! | [`harness`] | clusters of real processes, and the faults injected into them |
//! | [`judge`] | logs on disk against what clients recorded |
//! | [`bar`] | progress on a terminal |

#![forbid(unsafe_code)]

pub mod bar;
pub mod command;
pub mod configure;
pub mod harness;
pub mod judge;
pub mod run;
