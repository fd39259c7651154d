//! Clusters of real processes: started, disturbed, waited for and judged.
//!
//! | file | what it holds |
//! |---|---|
//! | [`process`] | a replica and a client as child processes that never outlive this one |
//! | [`run`] | one run: start, feed, kill, wait, judge |
//! | [`report`] | tables for people |

pub mod process;
pub mod report;
pub mod run;
