//! Explores the protocol's actors exhaustively: see `check --help`.

use clap::Parser;
use paxos_chat_runtime::check::{Args, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Args::parse())
}
