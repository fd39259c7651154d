//! Talks in the chat: see `client --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    paxos_chat_client::command::main()
}
