//! The `cluster` command: configurations, runs with their verdicts, and progress on a terminal.
//!
//! | file | what it holds |
//! |---|---|
//! | [`configure`] | `cluster config` |
//! | [`run`] | `cluster run`, `cluster scenarios`, `cluster verify` |
//! | [`bar`] | progress |

pub mod bar;
pub mod configure;
pub mod run;
