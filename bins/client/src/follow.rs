//! The log as it grows, read by a thread of its own.
//!
//! **Invariant — nothing missed, nothing twice**: messages come in the log's order, each once,
//! however often replicas go and come back. The reader knows the next slot, and asks for it until
//! somebody answers.

use super::Access;
use super::meter::{Meter, Metered};
use super::tail::{Post, posts};
use crate::host::ReaderHost;
use actor_runtime::driver::{Driver, DriverError, Handle, Order};
use actor_runtime::storage::MemoryStorage;
use paxos_chat::reader::Reader;
use paxos_chat::types::{Slot, Value};
use paxos_chat_log::replay::Replay;
use std::io;

type EntrySink = Box<dyn FnMut(Slot, Value) -> io::Result<()> + Send>;

/// Reads until it goes.
pub struct Follower(Handle<Reader, Metered<ReaderHost<EntrySink>>>);

impl Follower {
    /// Reads from the first message on. `on_posts` takes the messages of a slot, and ends the
    /// reading by an error; `on_failure` is told why it has ended otherwise.
    ///
    /// # Errors
    /// When there is no socket or no thread.
    pub fn start(
        access: &Access,
        meter: &Meter,
        mut on_posts: impl FnMut(Slot, Vec<Post>) -> io::Result<()> + Send + 'static,
        on_failure: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Follower> {
        let socket = access.socket()?;
        let (handle, inbox) = Handle::new(socket.waker());
        let (access, meter) = (access.clone(), meter.clone());
        let thread = move || {
            let mut replay = Replay::default();
            let sink: EntrySink = Box::new(move |slot, value| {
                let posts = posts(&mut replay, slot, &value);
                on_posts(slot, posts)
            });
            let reader = Reader {
                replicas: access.config.nodes(),
                from: Slot(0),
                tuning: access.config.client_tuning(),
            };
            let (id, nodes) = access.nodes();
            let (world, codec) =
                (access.world(socket, Box::new(MemoryStorage::default())), access.codec());
            let host = meter.over(ReaderHost::new(sink));
            let run = || -> Result<(), DriverError> {
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

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.give(Order::Stop);
    }
}
