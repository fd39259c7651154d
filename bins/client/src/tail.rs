//! The log as clients see it: the messages that took effect, in order, whoever said them.
//!
//! **Invariant — a monotonic prefix**: what is shown is a prefix of the log as one replica knows
//! it. Which commands took effect is found by replaying the session table from slot 0 on.

use super::envelope::{Room, Said};
use super::format::Format;
use super::selection::{From, Selection};
use super::{Access, SILENCE};
use crate::host::ReaderHost;
use actor_runtime::driver::{Driver, DriverError, Host};
use actor_runtime::storage::MemoryStorage;
use paxos_chat::message::Outcome;
use paxos_chat::reader::Reader;
use paxos_chat::types::{Command, Operation, SessionId, Slot, Value};
use paxos_chat_log as chatlog;
use paxos_chat_log::hidden::escaped_json;
use paxos_chat_log::replay::Replay;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
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
    /// What was said, and in which room.
    #[serde(flatten)]
    pub said: Said,
}

/// The messages that took effect in the next slot of a log that is replayed.
pub fn posts(replay: &mut Replay, slot: Slot, value: &Value) -> Vec<Post> {
    let outcomes = replay.outcomes(slot, value);
    let commands = (0..).zip(value.commands().iter().zip(outcomes));
    commands
        .filter(|(_, (_, outcome))| *outcome == Outcome::Applied)
        .filter_map(|(index, (command, _))| Post::of(slot, index, command))
        .collect()
}

impl Post {
    fn of(slot: Slot, index: u32, command: &Command) -> Option<Post> {
        let Operation::InSession { session, seq, body, .. } = &command.operation else {
            return None;
        };
        Some(Post {
            slot: slot.0,
            index,
            time_ms: command.stamp.0,
            user: command.user.to_string(),
            session: session.to_string(),
            seq: seq.0,
            said: Said::decode(chatlog::text_of(body)?),
        })
    }

    /// Is it of this session?
    pub fn is_of(&self, session: SessionId) -> bool {
        self.session == session.to_string()
    }

    /// One line for people, with nothing in it that a terminal would act on.
    pub fn to_line(&self) -> String {
        let (user, text) = (chatlog::escaped(&self.user), chatlog::escaped(&self.said.text));
        let time = chatlog::time(paxos_chat::types::Timestamp(self.time_ms));
        let room = match &self.said.room {
            room if *room == Room::default() => String::new(),
            room => format!("#{room} "),
        };
        let says = if self.said.is_action {
            format!("* {user} {text}")
        } else {
            format!("{user}: {text}")
        };
        format!("{} {time} {room}{says}", self.slot)
    }
}

/// What to show of the log.
#[derive(Clone, Debug)]
pub struct TailOptions {
    /// The first message shown.
    pub from: From,
    /// The most messages shown.
    pub count: Option<u64>,
    /// The only room shown.
    pub room: Option<Room>,
    /// How.
    pub style: Style,
    /// Go on when the end is reached.
    pub follow: bool,
}

/// How a message is shown.
#[derive(Clone, Debug)]
pub enum Style {
    /// A line for people.
    Line,
    /// A JSON object.
    Json,
    /// By a template.
    Format(Format),
}

/// Why the log was not shown.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// There is no socket.
    #[error("cannot open a socket: {0}")]
    Socket(io::Error),
    /// The driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Nobody answers.
    #[error("no replica answered for {0} s; {SILENCE}")]
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
/// When no replica answers, the network fails, or the output cannot be written.
pub fn run(
    access: &Access,
    options: TailOptions,
    out: impl Write,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError> {
    let (id, nodes) = access.nodes();
    let socket = access.socket().map_err(TailError::Socket)?;
    let reader = Reader {
        replicas: access.config.nodes(),
        from: Slot(0),
        tuning: access.config.client_tuning(),
    };
    let world = access.world(socket, Box::new(MemoryStorage::default()));
    let posts = Posts::default();
    let sink = Rc::clone(&posts);
    let mut replay = Replay::default();
    let host = ReaderHost::new(move |slot, value: Value| {
        sink.borrow_mut().extend(self::posts(&mut replay, slot, &value));
        Ok(())
    });
    let mut driver = Driver::start(reader, id, nodes, access.codec(), host, world)?;
    match read(&mut driver, options, access.patience, &posts, out, is_closed) {
        Err(TailError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

/// What a turn of the driver has read.
type Posts = Rc<RefCell<Vec<Post>>>;

/// Reads up to the bound that the first answer names, or for ever.
fn read<F>(
    driver: &mut Driver<Reader, ReaderHost<F>>,
    options: TailOptions,
    patience: Duration,
    posts: &Posts,
    mut out: impl Write,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError>
where
    ReaderHost<F>: Host<Reader>,
    F: FnMut(Slot, Value) -> io::Result<()>,
{
    let TailOptions { from, count, room, style, follow } = options;
    let mut selection = Selection::new(from, room, count);
    let mut end = None;
    let mut heard = (Instant::now(), 0);
    // A quiet chat writes nothing, so a reader that left is not noticed by writing.
    while !selection.is_complete() && !is_closed() {
        driver.wait(Some(LOOK_INTERVAL))?;
        driver.turn()?;
        end = end.or(driver.host().applied_upto());
        if let Some(end) = end {
            for post in posts.borrow_mut().drain(..) {
                if Slot(post.slot) >= end {
                    show_all(&mut out, selection.release(), &style)?;
                }
                show_all(&mut out, selection.take(post, end), &style)?;
            }
            if driver.state().next >= end {
                show_all(&mut out, selection.release(), &style)?;
            }
            out.flush().map_err(TailError::Output)?;
            if !follow && driver.state().next >= end {
                return Ok(());
            }
        }
        let received = driver.counters().received;
        if received > heard.1 {
            heard = (Instant::now(), received);
        }
        if !follow && heard.0.elapsed() > patience {
            return Err(TailError::Silence(patience.as_secs_f32()));
        }
    }
    Ok(())
}

fn show_all(
    out: &mut impl Write,
    posts: impl IntoIterator<Item = Post>,
    style: &Style,
) -> Result<(), TailError> {
    for post in posts {
        match style {
            Style::Line => writeln!(out, "{}", post.to_line()),
            Style::Json => serde_json::to_string(&post)
                .map_err(io::Error::from)
                .and_then(|json| writeln!(out, "{}", escaped_json(&json))),
            Style::Format(format) => writeln!(out, "{}", format.apply(&post)),
        }
        .map_err(TailError::Output)?;
    }
    Ok(())
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
