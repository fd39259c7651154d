//! The log as clients see it: the messages that took effect, in order, whoever said them.
//!
//! **Invariants**
//! - *A monotonic prefix*: what is shown is a stretch of the log as one replica knows it, without a gap. Each entry tells
//!   what took effect, so the stretch may begin anywhere. If it is to be *current*, it goes as far as a current read tells.
//! - *Bounded*: of a log of any length, only the last N messages are held, and only when they are what is asked for.

use super::Access;
use super::backwards::Backwards;
use super::envelope::Room;
use super::format::Format;
use super::place::From;
use super::post::Post;
use super::reading::{self, Reading, ReadingError};
use paxos_chat::types::Slot;
use paxos_chat_log::hidden::escaped_json;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Slots that are read at once on the way back.
const STRETCH_SLOTS_MAX: u64 = 1 << 16;

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
    /// The end is where the log ends now, and not where it did when a replica was last told.
    pub current: bool,
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
    /// It cannot be read.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
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
    options: &TailOptions,
    out: impl Write,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError> {
    match show(access, options, out, is_closed) {
        Err(TailError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

fn show(
    access: &Access,
    options: &TailOptions,
    out: impl Write,
    is_closed: impl Fn() -> bool,
) -> Result<(), TailError> {
    let mut access = access.clone();
    if options.follow {
        access.patience = Duration::MAX;
    }
    let mut shown = Shown { out, options, left: options.count };
    let mut end = None;
    // Who follows from the beginning on reaches every end.
    if options.current && (!options.follow || matches!(options.from, From::End | From::Last(_))) {
        let Some(current) = reading::current(&access, &is_closed)? else { return Ok(()) };
        end = Some(current.upto);
    }
    let begins = match options.from {
        From::Beginning => Slot(0),
        From::At(slot) => slot,
        From::End | From::Last(_) => {
            if end.is_none() {
                end = reading::end(&access, &is_closed)?;
            }
            let Some(end) = end else { return Ok(()) };
            if let From::Last(count) = options.from {
                shown.all(last(&access, end, count, options.room.as_ref(), &is_closed)?)?;
            }
            if !options.follow {
                return shown.flush();
            }
            end
        }
    };
    let mut reading = Reading::begin(&access, Some(begins))?;
    // A quiet chat writes nothing, so a reader that left is not noticed by writing.
    while shown.left != Some(0) && !is_closed() {
        let posts = reading.turn()?;
        shown.all(posts)?;
        shown.flush()?;
        // Up to the bound that the first answer names, if it is not known.
        end = end.or(reading.applied_upto());
        if !options.follow && end.is_some_and(|end| reading.next() >= Some(end)) {
            return Ok(());
        }
    }
    Ok(())
}

/// The last messages of a room, or of all, below a bound: as many as that, or as there are.
///
/// # Errors
/// As of [`reading::read`].
pub(crate) fn last(
    access: &Access,
    end: Slot,
    count: usize,
    room: Option<&Room>,
    is_over: impl Fn() -> bool,
) -> Result<VecDeque<Post>, ReadingError> {
    let mut last = VecDeque::new();
    let mut backwards = Backwards::from(end, STRETCH_SLOTS_MAX);
    while let Some(stretch) = backwards.stretch()
        && last.len() < count
        && !is_over()
    {
        let wanted = count - last.len();
        let mut found = VecDeque::new();
        let take = |post: Post| {
            if room.is_none_or(|room| *room == post.said.room) {
                found.push_back(post);
                if found.len() > wanted {
                    found.pop_front();
                }
            }
        };
        reading::read(access, stretch, take, &is_over)?;
        backwards.pass(found.len());
        found.append(&mut last);
        last = found;
    }
    Ok(last)
}

/// What is shown.
struct Shown<'a, W> {
    out: W,
    options: &'a TailOptions,
    /// How many more messages may be.
    left: Option<u64>,
}

impl<W: Write> Shown<'_, W> {
    fn all(&mut self, posts: impl IntoIterator<Item = Post>) -> Result<(), TailError> {
        let room = self.options.room.as_ref();
        for post in posts {
            if self.left == Some(0) {
                return Ok(());
            }
            if room.is_none_or(|room| *room == post.said.room) {
                self.one(&post).map_err(TailError::Output)?;
                self.left = self.left.map(|left| left - 1);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TailError> {
        self.out.flush().map_err(TailError::Output)
    }

    fn one(&mut self, post: &Post) -> io::Result<()> {
        match &self.options.style {
            Style::Line => writeln!(self.out, "{}", post.to_line()),
            Style::Json => {
                writeln!(self.out, "{}", escaped_json(&serde_json::to_string(post)?))
            }
            Style::Format(format) => writeln!(self.out, "{}", format.apply(post)),
        }
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
