//! The log, read by a driver that takes its turns when it is asked to: from any slot on, or from the end; and how far it goes
//! now.
//!
//! **Invariants**
//! - *A stretch is whole*: it is given slot by slot, in order, without a gap.
//! - *Nothing is held*: what is read is handed on at once.

use super::Access;
use super::post::{Post, posts};
use super::silence;
use crate::host::{News, ReaderHost};
use actor_runtime::addresses::Addresses;
use actor_runtime::driver::{Driver, DriverError};
use actor_runtime::storage::MemoryStorage;
use paxos_chat::message::{Input, Message};
use paxos_chat::reader::Reader;
use paxos_chat::types::{Nonce, Slot};
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often a reader that waits looks whether it is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// There is no socket.
    #[error("cannot open a socket: {0}")]
    Socket(io::Error),
    /// The driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Nobody answers.
    #[error("no replica answered for {seconds} s; {look}")]
    Silence {
        /// For how long.
        seconds: f32,
        /// What to look at.
        look: String,
    },
    /// Nobody who leads answers.
    #[error(
        "for {seconds} s no replica could tell how far the log goes now: that takes a leader whom a majority hears; `cluster \
         status` shows who leads; if nobody answers that either, {look}"
    )]
    NotCurrent {
        /// For how long.
        seconds: f32,
        /// What to look at.
        look: String,
    },
}

/// How far the log goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Everything that anybody was told is committed, before this was asked for, is below.
    pub upto: Slot,
    /// From the question to the answer.
    pub took: Duration,
}

/// What the driver hands over.
type Sink = Box<dyn FnMut(News) -> io::Result<()>>;

/// Somebody who reads.
pub struct Reading {
    driver: Driver<Reader, ReaderHost<Sink>>,
    posts: Rc<RefCell<Vec<Post>>>,
    /// The bound of the current read that has ended.
    current: Rc<Cell<Option<Slot>>>,
    addresses: Addresses,
    patience: Duration,
    heard: Instant,
    /// When the last turn ended: whoever shows what was read may take long, which is no silence.
    left: Instant,
    received: u64,
}

impl Reading {
    /// Begins at a slot, or at the end of the log.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn begin(access: &Access, from: Option<Slot>) -> Result<Reading, ReadingError> {
        Reading::of(access, access.reader(from))
    }

    fn of(access: &Access, reader: Reader) -> Result<Reading, ReadingError> {
        let (id, nodes) = access.nodes();
        let socket = access.socket().map_err(ReadingError::Socket)?;
        let recorder = access.recorder(&reader).map_err(DriverError::Host)?;
        let world = access.world(socket, Box::new(MemoryStorage::default()), recorder);
        let posts = Rc::<RefCell<Vec<Post>>>::default();
        let current = Rc::<Cell<Option<Slot>>>::default();
        let (read, ended) = (Rc::clone(&posts), Rc::clone(&current));
        let sink: Sink = Box::new(move |news| {
            match news {
                News::Applied(slot, applied) => {
                    read.borrow_mut().extend(self::posts(slot, &applied));
                }
                News::Current(upto) => ended.set(Some(upto)),
                News::End(_) => {}
            }
            Ok(())
        });
        let (host, codec) = (ReaderHost::new(sink), access.codec());
        let driver = Driver::start(reader, id, nodes, codec, host, world)?;
        let (patience, now) = (access.patience, Instant::now());
        let addresses = access.addresses.clone();
        let (heard, left) = (now, now);
        Ok(Reading { driver, posts, current, addresses, patience, heard, left, received: 0 })
    }

    /// Waits a while for what comes, and gives what has come.
    ///
    /// # Errors
    /// When the network fails, or no replica has answered for as long as the client is patient.
    pub fn turn(&mut self) -> Result<Vec<Post>, ReadingError> {
        self.heard += self.left.elapsed();
        self.driver.wait(Some(LOOK_INTERVAL))?;
        self.driver.turn()?;
        let received = self.driver.counters().received;
        if received > self.received {
            (self.heard, self.received) = (Instant::now(), received);
        }
        if self.heard.elapsed() > self.patience {
            let (seconds, look) = (self.patience.as_secs_f32(), silence(&self.addresses));
            return Err(ReadingError::Silence { seconds, look });
        }
        self.left = Instant::now();
        Ok(self.posts.take())
    }

    /// The next slot that is read; none, while the end is not known.
    pub fn next(&self) -> Option<Slot> {
        self.driver.state().next
    }

    /// The bound that the replica which answered last had applied.
    pub fn applied_upto(&self) -> Option<Slot> {
        self.driver.host().applied_upto()
    }
}

/// How far the log goes now; none, if `is_over` before that is known.
///
/// # Errors
/// When there is no socket, the network fails, or nobody who leads answers.
pub fn current(
    access: &Access,
    is_over: impl Fn() -> bool,
) -> Result<Option<Current>, ReadingError> {
    let mut reading = Reading::of(access, Reader { follows: false, ..access.reader(None) })?;
    let asked = Instant::now();
    reading.driver.deliver(Message::Input(Input::ReadCurrent(Nonce(rand::random()))));
    // Whoever waits first has not asked yet.
    reading.driver.turn()?;
    while !is_over() {
        if let Some(upto) = reading.current.get() {
            return Ok(Some(Current { upto, took: asked.elapsed() }));
        }
        match reading.turn() {
            Ok(_) if asked.elapsed() <= access.patience => {}
            Ok(_) | Err(ReadingError::Silence { .. }) => {
                let (seconds, look) = (access.patience.as_secs_f32(), silence(&access.addresses));
                return Err(ReadingError::NotCurrent { seconds, look });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The end of the log, as far as the first replica that answers knows; none, if `is_over` before that.
///
/// # Errors
/// When there is no socket, the network fails, or nobody answers.
pub fn end(access: &Access, is_over: impl Fn() -> bool) -> Result<Option<Slot>, ReadingError> {
    let mut reading = Reading::begin(access, None)?;
    while reading.next().is_none() && !is_over() {
        reading.turn()?;
    }
    Ok(reading.next())
}

/// Reads a stretch of the log, and hands its messages to `take`; ends early if `is_over`. The stretch may be empty, and
/// has to be applied somewhere.
///
/// # Errors
/// When there is no socket, the network fails, or nobody answers.
pub fn read(
    access: &Access,
    stretch: Range<Slot>,
    mut take: impl FnMut(Post),
    is_over: impl Fn() -> bool,
) -> Result<(), ReadingError> {
    if stretch.is_empty() {
        return Ok(());
    }
    let mut reading = Reading::begin(access, Some(stretch.start))?;
    while reading.next().is_none_or(|next| next < stretch.end) && !is_over() {
        let posts = reading.turn()?;
        posts.into_iter().filter(|post| post.slot < stretch.end.0).for_each(&mut take);
    }
    Ok(())
}
