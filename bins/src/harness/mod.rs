//! Clusters of real processes: started, disturbed, waited for and judged.
//!
//! | file | what it holds |
//! |---|---|
//! | [`process`] | a replica and a client as child processes that never outlive this one |
//! | `cluster` | the replicas of a run: configured, started, restarted |
//! | `feed` | what clients are given to say, and when |
//! | [`kill_loop`] | kills and restarts, again and again |
//! | [`run`] | one run: start, feed, kill, wait, judge |
//! | [`report`] | tables for people |
//! | [`soak`], [`plot`] | a long run: memory, catch-up, restart |

mod cluster;
mod feed;
pub mod kill_loop;
pub mod plot;
pub mod process;
pub mod report;
pub mod run;
pub mod soak;
