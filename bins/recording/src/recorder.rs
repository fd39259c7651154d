//! What a driver tells a recorder, and the recorder that writes it all down.

use crate::digest::{Digester, StateDigest, output};
use crate::entry::{Boot, Cause, Digests, Entry, Life, VERSION};
use crate::frame;
use crate::sink::Sink;
use rustc_hash::FxHashMap;
use serde::Serialize;
use stateright::actor::{Actor, Command, Id, Out};
use std::io;
use std::time::Duration;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The boot of its datagram.
    pub boot: Boot,
    /// The number of its datagram; of several that carry it, the first's.
    pub datagram: u64,
    /// Its place in the datagram.
    pub index: u32,
}

/// What an actor is about to be told.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a, M, T> {
    /// A message of the actor of this id.
    Message(Id, Origin, &'a M),
    /// The next message that it has sent to itself.
    Own,
    /// A message of its own driver.
    Driver(&'a M),
    /// A timer.
    Timer(&'a T),
}

/// What a driver tells of what it does, in the order in which it does it.
pub trait Recorder<A: Actor> {
    /// The actor has started under this id, in this boot, of which so many datagrams were sent before, from what its
    /// storage held.
    fn start(&mut self, id: Id, boot: (Boot, u64), stored: Option<&A::Storage>, did: Did<'_, A>);
    /// A turn begins, at this time of day.
    fn turn(&mut self, time_of_day: Duration);
    /// The actor is told something.
    fn told(&mut self, told: Told<'_, A::Msg, A::Timer>);
    /// This is what it did.
    fn did(&mut self, did: Did<'_, A>);
    /// All that was saved is durable.
    fn synced(&mut self);
    /// The driver answers in the actor's place: one more message that is sent.
    fn answer(&mut self, to: Id, message: &A::Msg);
    /// From now on, datagrams are of this boot.
    fn boot(&mut self, boot: Boot);
    /// A message is going to leave: its number among all that are sent, its datagram's, and its place in that.
    fn departure(&mut self, send: u64, datagram: u64, index: u32);
    /// Something that depends on what was told so far is going to be saved or sent.
    fn flush(&mut self);
    /// The process ends in good order.
    fn end(&mut self);
}

/// What an actor has done.
pub struct Did<'a, A: Actor> {
    /// Its state afterwards.
    pub state: &'a A::State,
    /// What it has put out.
    pub out: &'a Out<A>,
}

impl<A: Actor> Clone for Did<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Actor> Copy for Did<'_, A> {}

/// How states and storages are looked at after each step.
pub struct Outlines<A: Actor> {
    /// Of a state.
    pub state: fn(&A::State, &mut Digester),
    /// Of what is saved.
    pub storage: fn(&A::Storage, &mut Digester),
}

impl<A: Actor> Clone for Outlines<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Actor> Copy for Outlines<A> {}

/// Makes the digests of a life.
///
/// A whole state is looked at when as much has happened since the last time as that costs, so that it costs a given part of
/// each step.
pub struct Looks<A: Actor> {
    outlines: Outlines<A>,
    /// Steps until the whole state is looked at again.
    steps_left: u64,
}

/// Words of a whole state for each step.
const WORDS_PER_STEP: u64 = 16;

impl<A: Actor> Looks<A> {
    /// At nothing yet.
    pub fn new(outlines: Outlines<A>) -> Looks<A> {
        Looks { outlines, steps_left: 0 }
    }

    /// Looks at what an actor has done.
    pub fn look(&mut self, did: Did<'_, A>) -> Digests {
        let mut digests = self.of(did);
        match self.steps_left.checked_sub(1) {
            Some(left) => self.steps_left = left,
            None => {
                let (digest, words) = whole::<A>(did.state);
                (digests.whole, self.steps_left) = (Some(digest), words / WORDS_PER_STEP);
            }
        }
        digests
    }

    /// Looks at what an actor has done, but not at its whole state.
    pub fn of(&self, did: Did<'_, A>) -> Digests {
        let Outlines { state, storage } = self.outlines;
        let state = Digester::of(|digester| state(did.state, digester)).state();
        let mut digests = Digests { state, ..Digests::default() };
        let (mut timers, mut last): (Digester, Option<(&A::Msg, _)>) = <_>::default();
        for command in did.out.iter() {
            match command {
                Command::Send(to, message) => {
                    let digest = match last {
                        // One message to many is looked at once.
                        Some((before, digest)) if before == message => digest,
                        _ => output(message),
                    };
                    last = Some((message, digest));
                    digests.sends.push((place(*to), digest));
                }
                Command::Save(saved) => {
                    let digest = Digester::of(|digester| storage(saved, digester)).output();
                    digests.saved = Some(digest);
                }
                Command::SetTimer(timer, delay) => feed(&mut timers, &(timer, delay)),
                Command::CancelTimer(timer) => feed(&mut timers, timer),
                Command::ChooseRandom(..) => {}
            }
        }
        digests.timers = (timers.words() > 0).then(|| timers.output());
        digests
    }
}

fn feed(digester: &mut Digester, what: &impl std::hash::Hash) {
    what.hash(digester);
}

/// The digest of a whole state, and what it has cost.
pub fn whole<A: Actor>(state: &A::State) -> (StateDigest, u64) {
    let digester = Digester::of(|digester| feed(digester, state));
    (digester.state(), digester.words())
}

/// An id as digests name it: so that a driver's is short.
pub fn place(id: Id) -> u64 {
    (usize::from(id) as u64).wrapping_add(1)
}

/// Whom digests name so.
pub fn id_at(place: u64) -> Id {
    Id::from(usize::try_from(place.wrapping_sub(1)).unwrap_or(usize::MAX))
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The kind of actor: whoever reads a recording knows by it what is in it.
    pub kind: &'static str,
    /// The build that runs it.
    pub build: &'static str,
}

/// Peers whose boots are remembered.
const PEERS_MAX: usize = 1 << 16;

/// Writes all down.
pub struct Tape<A: Actor> {
    subject: Subject,
    actor: A,
    looks: Looks<A>,
    sink: Option<Box<dyn Sink>>,
    /// A frame that was begun.
    frame: Vec<u8>,
    /// The boot from which something of each peer has come last.
    peers: FxHashMap<Id, Boot>,
    /// When the turn has begun, until something of it is written.
    turn: Option<Duration>,
    stopped: Box<dyn FnMut(&io::Error)>,
}

impl<A: Actor> Tape<A>
where
    A: Serialize,
    A::Msg: Serialize,
    A::Timer: Serialize,
    A::Storage: Serialize,
{
    /// A recorder of this actor. When it can't go on, `stopped` is told why, once.
    pub fn new(
        subject: Subject,
        actor: A,
        outlines: Outlines<A>,
        sink: Box<dyn Sink>,
        stopped: Box<dyn FnMut(&io::Error)>,
    ) -> Tape<A> {
        let (looks, peers) = (Looks::new(outlines), FxHashMap::default());
        let mut frame = Vec::new();
        frame::begin(&mut frame);
        Tape { subject, actor, looks, sink: Some(sink), frame, peers, turn: None, stopped }
    }

    fn write(&mut self, entry: &Entry<&A, &A::Msg, &A::Timer, &A::Storage>) {
        if self.sink.is_none() {
            return;
        }
        if let Some(time) = self.turn.take() {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.write(&Entry::Turn(ms));
        }
        let appended = append(entry, &mut self.frame);
        self.or_stop(appended);
    }

    fn or_stop(&mut self, appended: postcard::Result<()>) {
        if let Err(error) = appended {
            self.stop(&io::Error::other(error));
        }
    }

    fn stop(&mut self, error: &io::Error) {
        if self.sink.take().is_some() {
            (self.stopped)(error);
        }
    }
}

/// Appends an entry to a frame; to one that is begun anew, if that fails.
fn append(entry: &impl Serialize, frame: &mut Vec<u8>) -> postcard::Result<()> {
    match postcard::to_extend(entry, std::mem::take(frame)) {
        Ok(longer) => *frame = longer,
        Err(error) => {
            frame::begin(frame);
            return Err(error);
        }
    }
    Ok(())
}

impl<A: Actor> Recorder<A> for Tape<A>
where
    A: Serialize,
    A::Msg: Serialize,
    A::Timer: Serialize,
    A::Storage: Serialize,
{
    fn start(&mut self, id: Id, boot: (Boot, u64), stored: Option<&A::Storage>, did: Did<'_, A>) {
        let digests = self.looks.look(did);
        let Subject { kind, build } = self.subject.clone();
        let (kind, build, id) = (kind.to_owned(), build.to_owned(), usize::from(id) as u64);
        let (boot, datagrams) = boot;
        let life = Life { version: VERSION, kind, build, id, boot, datagrams, actor: &self.actor };
        let life: Entry<_, &A::Msg, &A::Timer, &A::Storage> = Entry::Life(life);
        let appended = append(&life, &mut self.frame);
        self.or_stop(appended);
        self.write(&Entry::Start { stored, digests });
    }

    fn turn(&mut self, time_of_day: Duration) {
        self.turn = Some(time_of_day);
    }

    fn told(&mut self, told: Told<'_, A::Msg, A::Timer>) {
        let cause = match told {
            Told::Own => Cause::Own,
            Told::Driver(message) => Cause::Driver(message),
            Told::Timer(timer) => Cause::Timer(timer),
            Told::Message(from, Origin { boot, datagram, index }, message) => {
                if self.peers.get(&from) != Some(&boot) {
                    if self.peers.len() >= PEERS_MAX {
                        self.peers.clear();
                    }
                    self.peers.insert(from, boot);
                    self.write(&Entry::Peer(usize::from(from) as u64, boot));
                }
                let from = usize::from(from) as u64;
                Cause::Message { from, datagram, index, message }
            }
        };
        // What it does with it is known later, and may be that it panics.
        self.write(&Entry::Cause(cause));
    }

    fn did(&mut self, did: Did<'_, A>) {
        if self.sink.is_some() {
            let digests = self.looks.look(did);
            self.write(&Entry::Did(digests));
        }
    }

    fn synced(&mut self) {
        self.write(&Entry::Synced);
    }

    fn answer(&mut self, to: Id, message: &A::Msg) {
        self.write(&Entry::Answer { to: usize::from(to) as u64, message });
    }

    fn boot(&mut self, boot: Boot) {
        self.write(&Entry::Boot(boot));
    }

    fn departure(&mut self, send: u64, datagram: u64, index: u32) {
        self.write(&Entry::Departure { send, datagram, index });
    }

    fn flush(&mut self) {
        if self.frame.len() == frame::HEADER {
            return;
        }
        frame::finish(&mut self.frame);
        let taken = self.sink.as_mut().map_or(Ok(()), |sink| sink.take(&self.frame));
        if let Err(error) = taken {
            self.stop(&error);
        }
        frame::begin(&mut self.frame);
    }

    fn end(&mut self) {
        self.write(&Entry::End);
        self.flush();
        if let Some(mut sink) = self.sink.take() {
            sink.close();
        }
    }
}
