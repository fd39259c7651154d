//! A replica's process, and its operators.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`], [`process`] | the program; the process, put together |
//! | [`host`] | what it adds to its actor: the chat log, and who may say what |
//! | [`journal`] | its durable storage |
//! | [`ledger`] | the revocations and rotations that it has obeyed |
//! | [`panel`] | what may be asked of it while it runs, whoever asks |
//! | [`action`], [`console`] | what it can be told to do; how that is typed |
//! | [`reload`] | users, revocations and the secret, read again while it serves |
//! | [`warm_up`], [`shutdown`] | before its first turn; its end in good order |
//! | [`status`] | how it is |
//! | [`vitals`], [`narrator`], [`logging`], [`office`] | what it shows of itself while it runs |
//! | [`web`], [`metrics`], [`health`] | what it serves over HTTP: metrics, and whether it is well |
//! | [`supervisor`] | what systemd is told |
//! | [`recordings`] | all that it is told and does, for who checks it |
//! | [`operator`] | asking replicas, and telling them what to do, over the network |

#![forbid(unsafe_code)]

pub mod action;
pub mod command;
pub mod console;
pub mod health;
pub mod host;
pub mod journal;
pub mod ledger;
pub mod logging;
pub mod metrics;
pub mod narrator;
pub mod office;
pub mod operator;
pub mod panel;
pub mod process;
pub mod recordings;
pub mod reload;
pub mod shutdown;
pub mod status;
pub mod supervisor;
pub mod vitals;
pub mod warm_up;
pub mod web;
