//! Configures, runs and judges clusters: see `cluster --help`.

use clap::CommandFactory;
use std::process::ExitCode;

fn main() -> ExitCode {
    let replica = (paxos_chat_replica::process::Args::command(), Vec::new());
    let check = (paxos_chat_check::Args::command(), paxos_chat_check::offers());
    paxos_chat_cluster::command::main(vec![replica, check])
}
