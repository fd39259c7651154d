//! A replica's console: what may be typed, and the status line that people and programs read.

use crate::host::ReplicaHost;
use crate::status::Role;
use actor_runtime::disk::stall::STALL_MS_MAX;
use actor_runtime::driver::{Counters, Driver};
use paxos_chat::replica::Replica;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleCommand {
    /// Print the status line.
    Status,
    /// Wait for other replicas no longer.
    Start,
    /// Jump over the next slot.
    SkipSlot,
    /// Make the next sync take so many milliseconds.
    StallDisk(u64),
    /// End the process without any care.
    KillMe,
    /// Read users and revoked tokens again.
    Reload,
    /// Print the chat log.
    Log,
    /// Print what can be typed.
    Help,
}

impl FromStr for ConsoleCommand {
    type Err = String;
    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_lowercase).collect();
        match words.join(" ").as_str() {
            "status" => Ok(ConsoleCommand::Status),
            "start" => Ok(ConsoleCommand::Start),
            "skip slot" => Ok(ConsoleCommand::SkipSlot),
            "kill me" => Ok(ConsoleCommand::KillMe),
            "reload" => Ok(ConsoleCommand::Reload),
            "log" => Ok(ConsoleCommand::Log),
            "help" | "?" => Ok(ConsoleCommand::Help),
            command => match command.strip_prefix("stall disk ").map(str::parse) {
                Some(Ok(millis)) if millis <= STALL_MS_MAX => Ok(ConsoleCommand::StallDisk(millis)),
                Some(_) => Err(format!("{line:?}: give milliseconds up to {STALL_MS_MAX}")),
                None => Err(format!("{line:?} is no command; `help` lists them")),
            },
        }
    }
}

/// The state of a replica at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub replica: u64,
    /// `follower`, `pre-voting`, `preparing` or `leading`.
    pub role: String,
    /// The highest ballot it has promised.
    pub ballot: String,
    /// Its round: a higher one is a later leadership.
    pub round: u32,
    /// The replica whose ballot that is.
    pub leader: String,
    /// Everything below this slot is applied.
    pub applied_upto: u64,
    /// Lines of the chat log.
    pub log_lines: u64,
    /// Hash of the chat log.
    pub log_hash: String,
    /// Chunks of the chat log that were read for replicas and clients that lag.
    pub log_reads: u64,
    /// Chunks that could not be.
    pub read_errors: u64,
    /// What its driver has seen.
    pub counters: Counters,
}

impl Status {
    /// The status of the replica that this driver runs.
    pub fn of(replica: u8, driver: &Driver<Replica, ReplicaHost>) -> Status {
        let state = driver.state();
        let promised = state.durable.promised;
        let leader =
            if promised.round == 0 { "none".to_owned() } else { promised.replica.to_string() };
        Status {
            replica: replica.into(),
            role: Role::of(&state.phase).to_string(),
            ballot: promised.to_string(),
            round: promised.round,
            leader,
            applied_upto: state.learner.applied_upto.0,
            log_lines: driver.host().log_lines(),
            log_hash: driver.host().log_chain().to_hex(),
            log_reads: driver.host().log_reads(),
            read_errors: driver.host().read_errors(),
            counters: driver.counters(),
        }
    }

    /// Is this replica in phase 2 of its ballot?
    pub fn leads(&self) -> bool {
        self.role == "leading"
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Status { replica, role, ballot, round, leader, applied_upto, .. } = self;
        let Status { log_lines, log_hash, log_reads, read_errors, .. } = self;
        let Counters { received, sent, malformed, forged, replayed, refused, unsent } =
            self.counters;
        write!(
            f,
            "status replica={replica} role={role} ballot={ballot} round={round} leader={leader} \
             applied_upto={applied_upto} log_lines={log_lines} log_hash={log_hash} \
             log_reads={log_reads} read_errors={read_errors} received={received} sent={sent} \
             malformed={malformed} forged={forged} replayed={replayed} refused={refused} unsent={unsent}"
        )
    }
}

impl FromStr for Status {
    type Err = String;
    fn from_str(line: &str) -> Result<Self, String> {
        let fields = line.strip_prefix("status ").ok_or("not a status line")?;
        let fields: BTreeMap<&str, &str> =
            fields.split(' ').filter_map(|field| field.split_once('=')).collect();
        let text = |key: &str| {
            fields.get(key).map(|v| (*v).to_owned()).ok_or(format!("the status lacks {key}"))
        };
        let number =
            |key: &str| text(key)?.parse::<u64>().map_err(|_| format!("{key} is not a number"));
        Ok(Status {
            replica: number("replica")?,
            role: text("role")?,
            ballot: text("ballot")?,
            round: number("round")?.try_into().map_err(|_| "round is too high")?,
            leader: text("leader")?,
            applied_upto: number("applied_upto")?,
            log_lines: number("log_lines")?,
            log_hash: text("log_hash")?,
            log_reads: number("log_reads")?,
            read_errors: number("read_errors")?,
            counters: Counters {
                received: number("received")?,
                sent: number("sent")?,
                malformed: number("malformed")?,
                forged: number("forged")?,
                replayed: number("replayed")?,
                refused: number("refused")?,
                unsent: number("unsent")?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case_and_spaces() {
        assert_eq!(" Kill  me ".parse(), Ok(ConsoleCommand::KillMe));
        assert_eq!("SKIP SLOT".parse(), Ok(ConsoleCommand::SkipSlot));
        assert_eq!("Stall disk 250".parse(), Ok(ConsoleCommand::StallDisk(250)));
        assert!("stall disk".parse::<ConsoleCommand>().is_err());
        assert!("stall disk 600001".parse::<ConsoleCommand>().is_err());
        assert!("kill you".parse::<ConsoleCommand>().is_err());
    }

    #[test]
    fn a_status_line_reads_back() {
        let status = Status {
            replica: 2,
            role: "leading".into(),
            ballot: "b4.r2".into(),
            round: 4,
            leader: "r2".into(),
            applied_upto: 9,
            log_lines: 10,
            log_hash: "ab".into(),
            log_reads: 6,
            read_errors: 1,
            counters: Counters {
                received: 1,
                sent: 2,
                malformed: 3,
                forged: 4,
                replayed: 5,
                refused: 6,
                unsent: 7,
            },
        };
        assert_eq!(status.to_string().parse(), Ok(status));
        assert!("status replica=2".parse::<Status>().is_err());
    }
}
