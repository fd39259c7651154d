//! A replica's console: what may be typed, and what comes of it.

use crate::action::{Action, Fault};
use crate::panel::{KILLED, Panel};
use crate::process::Args;
use crate::reload::reload;
use crate::status::{Role, Status};
use actor_runtime::disk::stall::STALL_MS_MAX;
use paxos_chat_shell::output::{note, prompt};
use paxos_chat_shell::tell;
use std::io::{self, BufRead, IsTerminal, stdin, stdout};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether somebody else leads.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long whoever types waits for the driver: longer than any stall of its disk.
const TYPIST_PATIENCE: Duration = Duration::from_millis(2 * STALL_MS_MAX);

/// What the console understands.
pub const HELP: &str = "\
status         one line: role, ballot, leader, bounds, log hash, counters
start          serve at once, if this replica was started with --wait and waits for others
skip slot      jump over the next slot, if this replica leads (an injected fault)
stall disk MS  make the next sync of the disk take so many milliseconds (an injected fault)
kill me        end this process at once, as a crash would
reload         read users, revoked tokens and the secret again, as SIGHUP does
log            print the chat log
help           this text";

/// A line typed at the console.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConsoleCommand {
    /// Print the status line.
    Status,
    /// Wait for other replicas no longer.
    Start,
    /// Do this.
    Act(Action),
    /// Read users and revoked tokens again.
    Reload,
    /// Print the chat log.
    Log,
    /// Print what can be typed.
    Help,
}

impl From<Fault> for ConsoleCommand {
    fn from(fault: Fault) -> ConsoleCommand {
        ConsoleCommand::Act(Action::Fault(fault))
    }
}

impl FromStr for ConsoleCommand {
    type Err = String;
    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_lowercase).collect();
        match words.join(" ").as_str() {
            "status" => Ok(ConsoleCommand::Status),
            "start" => Ok(ConsoleCommand::Start),
            "skip slot" => Ok(Fault::SkipSlot.into()),
            "kill me" => Ok(Fault::Kill.into()),
            "reload" => Ok(ConsoleCommand::Reload),
            "log" => Ok(ConsoleCommand::Log),
            "help" | "?" => Ok(ConsoleCommand::Help),
            command => match command.strip_prefix("stall disk ").map(str::parse) {
                Some(Ok(millis)) if millis <= STALL_MS_MAX => {
                    Ok(Fault::StallDisk { millis }.into())
                }
                Some(_) => Err(format!("{line:?}: give milliseconds up to {STALL_MS_MAX}")),
                None => Err(format!("{line:?} is no command; `help` lists them")),
            },
        }
    }
}

/// How a replica stands, as its prompt has it.
fn standing(status: &Status) -> String {
    let Status { replica, role, ballot, leader, is_led, .. } = status;
    match (role, leader) {
        (Role::Leading, _) => format!("replica {replica} leads in {ballot}"),
        (Role::Preparing, _) => format!("replica {replica} stands in {ballot}"),
        (_, Some(leader)) if *is_led => format!("replica {replica} follows r{leader} in {ballot}"),
        _ => format!("replica {replica} hears no leader"),
    }
}

/// Tells how the replica stands whenever that changes, and prompts again.
fn tell_changes(panel: &Panel) {
    let mut before = standing(&panel.status());
    loop {
        std::thread::sleep(LOOK_INTERVAL);
        let now = standing(&panel.status());
        if now != before {
            prompt(&format!("\n* {now}\n{now}> "));
            before = now;
        }
    }
}

/// Reads standard input from a thread of its own; on a terminal another one tells who leads.
///
/// # Errors
/// When there is no thread.
pub fn start(args: Arc<Args>, panel: &Panel) -> io::Result<()> {
    if stdin().is_terminal() && stdout().is_terminal() {
        let panel = panel.clone();
        std::thread::Builder::new().name("roles".into()).spawn(move || tell_changes(&panel))?;
    }
    let panel = panel.clone();
    std::thread::Builder::new().name("console".into()).spawn(move || read(&args, &panel))?;
    Ok(())
}

/// Does what is typed on standard input, until that ends.
fn read(args: &Args, panel: &Panel) {
    let is_terminal = stdin().is_terminal();
    let asks = || {
        if is_terminal && stdout().is_terminal() {
            prompt(&format!("{}> ", standing(&panel.status())));
        }
    };
    if is_terminal {
        note(HELP);
    }
    asks();
    for line in stdin().lock().lines() {
        let Ok(line) = line else { break };
        match line.parse() {
            _ if line.trim().is_empty() => {}
            Ok(command) => obey(command, args, panel),
            Err(error) => tell!("replica: {error}"),
        }
        asks();
    }
    if is_terminal || args.stop_at_end_of_input {
        panel.stop();
    }
}

fn obey(command: ConsoleCommand, args: &Args, panel: &Panel) {
    use ConsoleCommand::*;
    match (command, panel.gate.status()) {
        (Help, _) => note(HELP),
        (Start, _) => note(if panel.gate.open() { "starts" } else { "serves already" }),
        (Status | Reload | Act(Action::Fault(Fault::SkipSlot)), Some(waits)) => note(&waits),
        (Reload, None) => reload(args, panel),
        (Act(action), _) => act(action, panel),
        (Status, None) => {
            if let Some(status) = panel.status_now() {
                note(&status.to_string());
            }
        }
        (Log, _) => {
            let path = args.log_dir.join(format!("replica-{}.log", panel.id));
            match std::fs::read_to_string(&path) {
                Ok(log) => note(log.trim_end()),
                Err(error) => tell!("replica: cannot read {}: {error}", path.display()),
            }
        }
    }
}

fn act(action: Action, panel: &Panel) {
    match (action, panel.obey(action, TYPIST_PATIENCE)) {
        (Action::Fault(Fault::Kill), _) => std::process::exit(KILLED),
        (Action::Fault(Fault::SkipSlot), Ok(())) => note("skips the next slot"),
        (Action::Fault(Fault::StallDisk { millis }), Ok(())) => {
            note(&format!("the next sync takes {millis} ms"));
        }
        (_, Ok(())) => note(&format!("has obeyed: {action}")),
        (_, Err(reason)) => note(&format!("{reason}; `status` says who leads")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case_and_spaces() {
        let is_read =
            |line: &str, fault: Fault| assert_eq!(line.parse(), Ok(ConsoleCommand::from(fault)));
        is_read(" Kill  me ", Fault::Kill);
        is_read("SKIP SLOT", Fault::SkipSlot);
        is_read("Stall disk 250", Fault::StallDisk { millis: 250 });
        assert!("stall disk".parse::<ConsoleCommand>().is_err());
        assert!("stall disk 600001".parse::<ConsoleCommand>().is_err());
        assert!("kill you".parse::<ConsoleCommand>().is_err());
    }
}
