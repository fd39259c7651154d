//! Configures, runs and judges clusters: see `cluster --help`.

use clap::CommandFactory;
use std::process::ExitCode;

fn main() -> ExitCode {
    let others = [paxos_chat_replica::process::Args::command(), paxos_chat_check::Args::command()];
    paxos_chat_cluster::command::main(others.into())
}
