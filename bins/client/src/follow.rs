//! The log as it grows, read by a thread of its own.
//!
//! **Invariant — nothing missed, nothing twice**: entries come in the log's order, each once,
//! however often replicas go and come back. The reader knows the next slot, and asks for it until
//! somebody answers.

use super::Access;
use super::meter::{Meter, Metered};
use crate::host::{News, ReaderHost};
use actor_runtime::driver::{Driver, DriverError, Handle, Order};
use actor_runtime::storage::MemoryStorage;
use paxos_chat::message::{Input, Message};
use paxos_chat::reader::Reader;
use paxos_chat::types::Nonce;
use std::io;

type NewsSink = Box<dyn FnMut(News) -> io::Result<()> + Send>;

/// Reads until it goes.
pub struct Follower(Handle<Reader, Metered<ReaderHost<NewsSink>>>);

impl Follower {
    /// Reads from the end of the log on. `on_news` ends the reading by an error; `on_failure` is told why it has ended
    /// otherwise.
    ///
    /// # Errors
    /// When there is no socket or no thread.
    pub fn start(
        access: &Access,
        meter: &Meter,
        on_news: impl FnMut(News) -> io::Result<()> + Send + 'static,
        on_failure: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Follower> {
        let socket = access.socket()?;
        let (handle, inbox) = Handle::new(socket.waker());
        let (access, meter) = (access.clone(), meter.clone());
        let thread = move || {
            let (id, nodes) = access.nodes();
            let (codec, reader) = (access.codec(), access.reader(None));
            let sink: NewsSink = Box::new(on_news);
            let host = meter.over(ReaderHost::new(sink));
            let run = || -> Result<(), DriverError> {
                let recorder = access.recorder(&reader).map_err(DriverError::Host)?;
                let storage = Box::new(MemoryStorage::default());
                let world = access.world(socket, storage, recorder);
                Driver::start(reader, id, nodes, codec, host, world)?.run(&inbox)
            };
            if let Err(error) = run() {
                on_failure(error.to_string());
            }
        };
        std::thread::Builder::new().name("reader".into()).spawn(thread)?;
        Ok(Follower(handle))
    }
}

impl Follower {
    /// Begins a current read, whose end is news.
    pub fn read_current(&self) {
        let read = Input::ReadCurrent(Nonce(rand::random()));
        self.0.give(Order::Deliver(Message::Input(read)));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.give(Order::Stop);
    }
}
