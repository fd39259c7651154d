//! Explores the protocol's actors exhaustively: see `check --help`.

use paxos_chat_runtime::check::{Args, run};
use paxos_chat_runtime::output;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(output::arguments::<Args>())
}
