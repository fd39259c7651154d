//! Runs one replica: see `replica --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    paxos_chat_replica::command::main()
}
