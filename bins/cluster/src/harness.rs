//! Clusters of real processes: started, disturbed, waited for and judged.
//!
//! | file | what it holds |
//! |---|---|
//! | [`process`] | a replica and a client as child processes that never outlive this one |
//! | `cluster` | the replicas of a run: configured, started, restarted |
//! | `feed`, [`input`] | what clients are given to say, and when; message files |
//! | `primaries` | kills of primaries at the moments that matter |
//! | [`kill_loop`] | kills and restarts, again and again |
//! | [`run`] | one run: start, feed, inject, wait, judge |
//! | [`scenario`], `happened` | named runs, and whether what they are named for happened |
//! | [`report`] | tables for people |
//! | [`soak`], [`plot`] | a long run: memory, catch-up, restart |

mod cluster;
mod feed;
mod happened;
pub mod input;
pub mod kill_loop;
pub mod plot;
mod primaries;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod soak;
