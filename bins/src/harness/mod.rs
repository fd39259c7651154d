//! Clusters of real processes: started, disturbed, waited for and judged.
//!
//! | file | what it holds |
//! |---|---|
//! | [`process`] | a replica and a client as child processes that never outlive this one |
//! | `feed` | what clients are given to say, and when |
//! | [`run`] | one run: start, feed, kill, wait, judge |
//! | [`report`] | tables for people |

mod feed;
pub mod process;
pub mod report;
pub mod run;
