//! A replica's recordings: all that its actor is told and does, for who checks it.

use actor_recording::keeper;
use actor_recording::recorder::{Outlines, Recorder, Subject, Tape};
use actor_recording::sink::Sink;
use anyhow::{Context, Result};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::outline::Outline;
use paxos_chat::replica::Replica;
use paxos_chat::state::{State, Storage};
use serde::Serialize;
use stateright::actor::Actor;
use std::path::Path;

/// The kind of its recordings.
pub const KIND: &str = "replica";

/// An actor that is a replica to those around it.
pub trait Recorded:
    Actor<Msg = Message, Timer = Timer, State = State, Storage = Storage> + Clone + Serialize + 'static
{
}

impl<A> Recorded for A where
    A: Actor<Msg = Message, Timer = Timer, State = State, Storage = Storage>
        + Clone
        + Serialize
        + 'static
{
}

/// A recorder of this actor, which puts what it records into this sink. When it can't go on, that is logged.
pub fn tape<A: Recorded>(actor: &A, sink: Box<dyn Sink>) -> Tape<A> {
    let subject = Subject { kind: KIND, build: env!("CARGO_PKG_VERSION") };
    let outlines = Outlines {
        state: |state: &State, digester| state.outline(digester),
        storage: |storage: &Storage, digester| storage.outline(digester),
    };
    let stopped = |error: &std::io::Error| {
        tracing::error!(%error, "the recording ends here, and what it has does not tell the whole run");
    };
    Tape::new(subject, actor.clone(), outlines, sink, Box::new(stopped))
}

/// A recorder of the life that begins now, in this folder, which may hold so many bytes.
///
/// # Errors
/// When nothing can be recorded there.
pub fn recorder(
    folder: &Path,
    bytes_max: u64,
    actor: &Replica,
) -> Result<Box<dyn Recorder<Replica>>> {
    let pipe = keeper::begin(folder, bytes_max);
    let pipe =
        pipe.with_context(|| format!("--record {}: cannot record there", folder.display()))?;
    Ok(Box::new(tape(actor, Box::new(pipe))))
}
