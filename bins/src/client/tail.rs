//! The log as clients see it: the messages that took effect, in order, whoever said them.
//!
//! **Invariant — a monotonic prefix**: what is shown is a prefix of the log as one replica knows
//! it. Which commands took effect is found by replaying the session table from slot 0 on.

use super::{Access, SILENCE};
use crate::chatlog;
use crate::client_host::ReaderHost;
use crate::driver::{Driver, DriverError, Host};
use paxos_chat::message::Outcome;
use paxos_chat::reader::Reader;
use paxos_chat::session::Sessions;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Body, Command, Operation, SessionId, Slot, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How often a reader that waits looks whether it is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A message that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Post {
    /// Its slot.
    pub slot: u64,
    /// Its index in the slot's batch.
    pub index: u32,
    /// When it entered the cluster, in milliseconds since the epoch.
    pub time_ms: u64,
    /// Who said it.
    pub user: String,
    /// In which session.
    pub session: String,
    /// Its number there.
    pub seq: u64,
    /// What was said.
    pub text: String,
}

/// Finds out which commands took effect.
#[derive(Debug, Default)]
pub struct Replay {
    sessions: Sessions,
}

impl Replay {
    /// Applies the next slot; gives the messages that took effect there.
    pub fn apply(&mut self, slot: Slot, value: &Value) -> Vec<Post> {
        let outcomes = self.outcomes(slot, value);
        let posts = (0..).zip(value.commands().iter().zip(outcomes));
        posts
            .filter(|(_, (_, outcome))| *outcome == Outcome::Applied)
            .filter_map(|(index, (command, _))| Post::of(slot, index, command))
            .collect()
    }

    /// Applies the next slot; gives what each of its commands came to.
    pub fn outcomes(&mut self, slot: Slot, value: &Value) -> Vec<Outcome> {
        self.sessions.apply(slot, value, Tuning::default().sessions_max)
    }
}

impl Post {
    fn of(slot: Slot, index: u32, command: &Command) -> Option<Post> {
        let Operation::InSession { session, seq, body: Body::Post(text), .. } = &command.operation
        else {
            return None;
        };
        Some(Post {
            slot: slot.0,
            index,
            time_ms: command.stamp.0,
            user: command.user.to_string(),
            session: session.to_string(),
            seq: seq.0,
            text: text.to_string(),
        })
    }

    /// Is it of this session?
    pub fn is_of(&self, session: SessionId) -> bool {
        self.session == session.to_string()
    }

    /// One line for people, with nothing in it that a terminal would act on.
    pub fn to_line(&self) -> String {
        let (user, text) = (chatlog::escaped(&self.user), chatlog::escaped(&self.text));
        let time = chatlog::time(paxos_chat::types::Timestamp(self.time_ms));
        format!("{} {time} {user}: {text}", self.slot)
    }
}

/// What to show of the log.
#[derive(Clone, Copy, Debug)]
pub struct TailOptions {
    /// The first slot shown.
    pub from: Slot,
    /// One JSON object a line.
    pub json: bool,
    /// Go on when the end is reached.
    pub follow: bool,
}

/// Why the log was not shown.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// There is no socket.
    #[error("cannot open a socket: {0}")]
    Socket(io::Error),
    /// The driver failed, or the output.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Nobody answers.
    #[error("no replica answered for {0} seconds; {SILENCE}")]
    Silence(f32),
}

/// Has whoever reads this output gone?
pub fn is_closed(output: impl AsFd) -> bool {
    let mut output = [PollFd::new(&output, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Errors and hang-ups are told without being asked for; a failed poll tells nothing.
    poll(&mut output, Some(&now)).is_ok()
        && output[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Shows the log. An output that is closed is no error: nobody wants to see more. `is_closed` tells
/// of that while nothing is written.
///
/// # Errors
/// When no replica answers, or the network fails.
pub fn run(
    access: &Access,
    options: TailOptions,
    mut out: impl Write,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError> {
    let mut replay = Replay::default();
    let host = ReaderHost::new(move |slot, value: Value| {
        for post in replay.apply(slot, &value) {
            if slot >= options.from {
                show(&mut out, &post, options.json)?;
            }
        }
        out.flush()
    });
    let (id, nodes) = access.nodes();
    let socket = access.socket().map_err(TailError::Socket)?;
    let reader = Reader {
        replicas: access.config.nodes(),
        from: Slot(0),
        tuning: access.config.client_tuning(),
    };
    let world = access.world(socket);
    let shown = Driver::start(reader, id, nodes, access.codec(), host, world)
        .map_err(TailError::from)
        .and_then(|mut driver| read(&mut driver, options.follow, access.patience, is_closed));
    match shown {
        Err(TailError::Driver(DriverError::Host(e))) if e.kind() == io::ErrorKind::BrokenPipe => {
            Ok(())
        }
        shown => shown,
    }
}

/// Reads up to the bound that the first answer names, or for ever.
fn read<F>(
    driver: &mut Driver<Reader, ReaderHost<F>>,
    follow: bool,
    patience: Duration,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError>
where
    ReaderHost<F>: Host<Reader>,
    F: FnMut(Slot, Value) -> io::Result<()>,
{
    let mut end = None;
    let mut heard = (Instant::now(), 0);
    loop {
        driver.wait(Some(LOOK_INTERVAL))?;
        driver.turn()?;
        // A quiet chat writes nothing, so a reader that left is not noticed by writing.
        if is_closed() {
            return Ok(());
        }
        end = end.or(driver.host().applied_upto());
        if !follow && end.is_some_and(|end| driver.state().next >= end) {
            return Ok(());
        }
        let received = driver.counters().received;
        if received > heard.1 {
            heard = (Instant::now(), received);
        }
        if !follow && heard.0.elapsed() > patience {
            return Err(TailError::Silence(patience.as_secs_f32()));
        }
    }
}

fn show(out: &mut impl Write, post: &Post, json: bool) -> io::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(post)?)
    } else {
        writeln!(out, "{}", post.to_line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_closed_when_its_reader_is_gone() {
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(!is_closed(&writer));
        drop(reader);
        assert!(is_closed(&writer));
    }
}
