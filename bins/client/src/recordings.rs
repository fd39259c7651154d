//! A client's recordings: all that its actors are told and do, for who checks it.
//!
//! A process may have several actors: one that speaks, and others that read. Each has a folder of its own.

use actor_recording::keeper;
use actor_recording::recorder::{Outlines, Recorder, Subject, Tape};
use actor_recording::sink::Sink;
use paxos_chat::client::Client;
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::outline::Outline;
use paxos_chat::reader::Reader;
use paxos_chat_shell::tell;
use serde::Serialize;
use stateright::actor::Actor;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the recordings of one actor.
const BYTES_MAX: u64 = 4 << 30;

/// An actor of a client's process.
pub trait Recorded:
    Actor<Msg = Message, Timer = Timer, State: Outline, Storage: Outline + Serialize>
    + Clone
    + Serialize
    + 'static
{
    /// The kind of its recordings.
    const KIND: &'static str;
}

impl Recorded for Client {
    const KIND: &'static str = "client";
}

impl Recorded for Reader {
    const KIND: &'static str = "reader";
}

/// A recorder of this actor, which puts what it records into this sink. When it can't go on, that is told.
pub fn tape<A: Recorded>(actor: &A, sink: Box<dyn Sink>) -> Tape<A> {
    let subject = Subject { kind: A::KIND, build: env!("CARGO_PKG_VERSION") };
    let outlines = Outlines {
        state: |state: &A::State, digester| state.outline(digester),
        storage: |storage: &A::Storage, digester| storage.outline(digester),
    };
    let stopped = |error: &io::Error| {
        tell!("client: the recording ends here, and does not tell the whole run: {error}");
    };
    Tape::new(subject, actor.clone(), outlines, sink, Box::new(stopped))
}

/// Where the actors of a process are recorded.
#[derive(Clone, Debug)]
pub struct Recordings {
    folder: PathBuf,
    /// How many there were.
    actors: Arc<AtomicUsize>,
}

impl Recordings {
    /// In this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn begin(folder: &Path) -> io::Result<Recordings> {
        std::fs::create_dir_all(folder).map_err(|error| {
            let text =
                format!("{}: cannot be made: {error}; name another folder", folder.display());
            io::Error::new(error.kind(), text)
        })?;
        Ok(Recordings { folder: folder.to_owned(), actors: Arc::default() })
    }

    /// A recorder of the life of this actor that begins now.
    ///
    /// # Errors
    /// When nothing can be recorded.
    pub fn recorder<A: Recorded>(&self, actor: &A) -> io::Result<Box<dyn Recorder<A>>> {
        let number = self.actors.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{}-{number}", A::KIND));
        Ok(Box::new(tape(actor, Box::new(keeper::begin(&folder, BYTES_MAX)?))))
    }
}
