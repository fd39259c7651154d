//! Explores the protocol's actors exhaustively: see `check --help`.

use paxos_chat_check::{Args, run};
use paxos_chat_shell::output;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(output::arguments::<Args>())
}
