//! One life of one process, replayed: the real actor is given what it was given then, and must do what it did then.
//!
//! **Invariants**
//! - *Nothing of an actor's doing is taken from the recording*: its states, saves and messages are those of the actor that
//!   runs here. The recording has their digests, and each must be equal.
//! - *Bounded*: what a handler has sent is kept until the turn after its own has ended; whatever has not left by then never
//!   did.

use actor_recording::digest::OutputDigest;
use actor_recording::entry::{Boot, Cause, Digests, Entry, EntryOf, Life};
use actor_recording::reader::{Frames, ReadError, entries};
use actor_recording::recorder::{Did, Looks, Origin, Outlines, id_at, whole};
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt::{Debug, Write};
use std::path::PathBuf;
use std::rc::Rc;

/// What an actor must be to be replayed.
pub trait Replayed:
    Actor<
        Random = (),
        State: 'static,
        Msg: DeserializeOwned,
        Timer: DeserializeOwned,
        Storage: DeserializeOwned,
    > + DeserializeOwned
{
}

impl<A> Replayed for A where
    A: Actor<
            Random = (),
            State: 'static,
            Msg: DeserializeOwned,
            Timer: DeserializeOwned,
            Storage: DeserializeOwned,
        > + DeserializeOwned
{
}

/// Plays the part of an actor: the actor itself, or another one in its place.
pub trait Plays<A: Actor> {
    /// As [`Actor::on_start`].
    fn on_start(&self, id: Id, storage: &Option<A::Storage>, out: &mut Out<A>) -> A::State;
    /// As [`Actor::on_msg`].
    fn on_msg(&self, id: Id, state: &mut Cow<'_, A::State>, src: Id, msg: A::Msg, out: &mut Out<A>);
    /// As [`Actor::on_timeout`].
    fn on_timeout(&self, id: Id, state: &mut Cow<'_, A::State>, timer: &A::Timer, out: &mut Out<A>);
}

impl<A: Actor> Plays<A> for A {
    fn on_start(&self, id: Id, storage: &Option<A::Storage>, out: &mut Out<A>) -> A::State {
        Actor::on_start(self, id, storage, out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, A::State>,
        src: Id,
        msg: A::Msg,
        out: &mut Out<A>,
    ) {
        Actor::on_msg(self, id, state, src, msg, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, A::State>,
        timer: &A::Timer,
        out: &mut Out<A>,
    ) {
        Actor::on_timeout(self, id, state, timer, out);
    }
}

/// Who plays the part of an actor.
pub type Casting<A> = Rc<dyn Fn(&A) -> Box<dyn Plays<A>>>;

/// Where in a recording something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in it the frame begins that has it.
    pub byte: u64,
    /// The number of the entry in its life, from 0 on.
    pub entry: u64,
}

/// Why a recording can't be replayed any further.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not what a driver writes.
    #[error("{}: entry {} in the frame at byte {}: {wrong}", place.file.display(), place.entry, place.byte)]
    Nonsense {
        /// Where.
        place: Place,
        /// What.
        wrong: String,
    },
    /// The actor does something else.
    #[error("{0}")]
    Divergence(Box<Divergence>),
}

/// An actor that has not done what its recording says.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: entry {} in the frame at byte {}: the actor does otherwise than was recorded\n  told: {told}\n  what differs: \
     {differs}\n  it does now:{does}\n  state before it: {before}",
    place.file.display(), place.entry, place.byte
)]
pub struct Divergence {
    /// Where.
    pub place: Place,
    /// What the actor was told.
    pub told: String,
    /// In what it differs.
    pub differs: String,
    /// What it puts out here, a line each, with what was recorded of it.
    pub does: String,
    /// Its state before.
    pub before: String,
}

/// What an actor is told.
pub enum Event<'a, A: Actor> {
    /// A message of another process: the id of its actor, and in which datagram it came.
    Message(Id, Origin, &'a A::Msg),
    /// A message of its own.
    Own(&'a A::Msg),
    /// A message of its driver.
    Driver(&'a A::Msg),
    /// A timer.
    Timer(&'a A::Timer),
}

// Written out, because deriving would ask the same of the actor itself.
impl<A: Actor> Clone for Event<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Actor> Copy for Event<'_, A> {}

impl<A: Actor> Debug for Event<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Message(from, _, message) => write!(f, "{message:?} of {}", usize::from(*from)),
            Event::Own(message) => write!(f, "{message:?} of itself"),
            Event::Driver(message) => write!(f, "{message:?} of its driver"),
            Event::Timer(timer) => write!(f, "{timer:?}"),
        }
    }
}

/// A message that leaves.
pub struct Departure<'a, M> {
    /// To this actor.
    pub to: Id,
    /// In this place.
    pub origin: Origin,
    /// The event that has sent it, by the number that it was given.
    pub event: u64,
    /// What it says.
    pub message: &'a M,
}

/// Is shown what happens in a life.
pub trait Watch<A: Actor> {
    /// The actor has started; the number of this event.
    fn start(&mut self, life: &Life<A>, stored: Option<&A::Storage>, did: Did<'_, A>) -> u64;
    /// It is told something in this state.
    fn before(&mut self, state: &A::State, event: Event<'_, A>);
    /// This is what it did; the number of this event.
    fn after(&mut self, event: Event<'_, A>, did: Did<'_, A>) -> u64;
    /// All that it wanted to be saved is durable.
    fn synced(&mut self);
    /// Its driver answers in its place.
    fn answer(&mut self, to: Id, message: &A::Msg);
    /// A message of it leaves.
    fn departure(&mut self, departure: Departure<'_, A::Msg>);
    /// What comes from this id is of this boot.
    fn peer(&mut self, id: Id, boot: Boot);
    /// Its datagrams are of this boot.
    fn boot(&mut self, boot: Boot);
    /// It has come to its end; in good order, or not.
    fn end(&mut self, in_order: bool);
}

/// What happens next in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something that needs nothing of others.
    Free,
    /// A message arrives that was in this place.
    Arrival(Origin),
    /// Nothing.
    Over,
}

/// A message that has not left yet.
struct Send<M> {
    number: u64,
    /// The event that has sent it.
    event: u64,
    to: Id,
    message: M,
}

/// A life that is replayed.
pub struct Replay<A: Replayed> {
    frames: Frames,
    entries: VecDeque<EntryOf<A>>,
    /// Of the next entry.
    place: Place,
    looks: Looks<A>,
    casting: Casting<A>,
    actor: Option<(Life<A>, Box<dyn Plays<A>>)>,
    state: Option<Cow<'static, A::State>>,
    own: VecDeque<A::Msg>,
    /// What it has sent, and has not left yet: in this turn and the one before it.
    sends: VecDeque<Send<A::Msg>>,
    /// The number of the next message that it sends.
    next_send: u64,
    /// The first number of this turn.
    turn_from: u64,
    boot: Boot,
    peers: HashMap<Id, Boot>,
    /// The number of the last event.
    event: u64,
    time_ms: u64,
    in_order: bool,
    over: bool,
}

impl<A: Replayed> Replay<A> {
    /// A life from its beginning.
    pub fn new(frames: Frames, outlines: Outlines<A>, casting: Casting<A>) -> Replay<A> {
        Replay {
            casting,
            frames,
            entries: VecDeque::new(),
            place: Place { file: PathBuf::new(), byte: 0, entry: 0 },
            looks: Looks::new(outlines),
            actor: None,
            state: None,
            own: VecDeque::new(),
            sends: VecDeque::new(),
            next_send: 0,
            turn_from: 0,
            boot: Boot::default(),
            peers: HashMap::new(),
            event: 0,
            time_ms: 0,
            in_order: false,
            over: false,
        }
    }

    /// The time of day at which the present turn began, in milliseconds; 0 before the first.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Where the next entry is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn nonsense<T>(&self, wrong: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::Nonsense { place: self.place.clone(), wrong: wrong.into() })
    }

    /// The next entry, if there is one.
    fn peek(&mut self) -> Result<Option<&EntryOf<A>>, Refusal> {
        while self.entries.is_empty() {
            let Some(payload) = self.frames.next_frame()? else { return Ok(None) };
            let read = entries(payload);
            let (file, byte) = self.frames.place();
            (self.place.file, self.place.byte) = (file.to_owned(), byte);
            match read {
                Ok(read) => self.entries = read.into(),
                Err(wrong) => return self.nonsense(wrong),
            }
        }
        Ok(self.entries.front())
    }

    fn take(&mut self) -> Result<Option<EntryOf<A>>, Refusal> {
        self.peek()?;
        self.place.entry += 1;
        Ok(self.entries.pop_front())
    }

    /// What happens next.
    ///
    /// # Errors
    /// When the recording can't be read.
    pub fn what_next(&mut self) -> Result<Next, Refusal> {
        if self.over {
            return Ok(Next::Over);
        }
        let cause = match self.peek()? {
            Some(Entry::Cause(Cause::Message { from, datagram, index, .. })) => {
                Some((Id::from(usize::try_from(*from).unwrap_or(usize::MAX)), *datagram, *index))
            }
            _ => None,
        };
        let Some((from, datagram, index)) = cause else { return Ok(Next::Free) };
        let Some(boot) = self.peers.get(&from).copied() else {
            return self.nonsense(format!(
                "it is not said which process has the id {}",
                usize::from(from)
            ));
        };
        Ok(Next::Arrival(Origin { boot, datagram, index }))
    }

    /// Lets the next thing happen.
    ///
    /// # Errors
    /// When the recording can't be read, is none, or tells something else than the actor does.
    pub fn advance(&mut self, watch: &mut impl Watch<A>) -> Result<(), Refusal> {
        let Some(entry) = self.take()? else {
            if self.actor.is_none() {
                return self.nonsense("it has nothing");
            }
            self.over = true;
            watch.end(self.in_order);
            return Ok(());
        };
        match entry {
            Entry::Life(life) => self.begin(life, watch),
            Entry::Turn(ms) => {
                self.time_ms = ms;
                while self.sends.front().is_some_and(|send| send.number < self.turn_from) {
                    self.sends.pop_front();
                }
                self.turn_from = self.next_send;
                Ok(())
            }
            Entry::Boot(boot) => {
                self.boot = boot;
                watch.boot(boot);
                Ok(())
            }
            Entry::Peer(id, boot) => {
                let id = Id::from(usize::try_from(id).unwrap_or(usize::MAX));
                self.peers.insert(id, boot);
                watch.peer(id, boot);
                Ok(())
            }
            Entry::Cause(cause) => self.step(cause, watch),
            Entry::Synced => {
                watch.synced();
                Ok(())
            }
            Entry::Answer { to, message } => {
                let to = Id::from(usize::try_from(to).unwrap_or(usize::MAX));
                watch.answer(to, &message);
                let number = self.next_send;
                self.next_send += 1;
                let event = self.event;
                self.sends.push_back(Send { number, event, to, message });
                Ok(())
            }
            Entry::Departure { send, datagram, index } => {
                let Ok(at) = self.sends.binary_search_by_key(&send, |send| send.number) else {
                    return self.nonsense(format!("message {send} leaves, and was not sent"));
                };
                let Some(Send { event, to, message, .. }) = self.sends.remove(at) else {
                    return Ok(());
                };
                let origin = Origin { boot: self.boot, datagram, index };
                watch.departure(Departure { to, origin, event, message: &message });
                Ok(())
            }
            Entry::End => {
                self.in_order = true;
                Ok(())
            }
            Entry::Start { .. } => self.nonsense("it starts twice"),
            Entry::Did(_) => self.nonsense("something is done that nothing has led to"),
        }
    }

    fn begin(&mut self, life: Life<A>, watch: &mut impl Watch<A>) -> Result<(), Refusal> {
        if self.actor.is_some() {
            return self.nonsense("a second life in one recording");
        }
        let Some(Entry::Start { stored, digests }) = self.take()? else {
            return self.nonsense("it does not start");
        };
        self.boot = life.boot;
        let mut out = Out::new();
        let plays = (self.casting)(&life.actor);
        let state = plays.on_start(id(life.id), &stored, &mut out);
        let did = Did { state: &state, out: &out };
        if let Some(differs) = self.compare(did, &digests) {
            return Err(self.divergence("its start".into(), differs, &out, &digests));
        }
        self.event = watch.start(&life, stored.as_ref(), did);
        self.state = Some(Cow::Owned(state));
        self.actor = Some((life, plays));
        self.collect(out);
        Ok(())
    }

    fn step(
        &mut self,
        cause: Cause<A::Msg, A::Timer>,
        watch: &mut impl Watch<A>,
    ) -> Result<(), Refusal> {
        let Some(Entry::Did(digests)) = self.take()? else {
            return self.nonsense("what the actor did is missing");
        };
        let (Some((life, plays)), Some(mut state)) = (&self.actor, self.state.take()) else {
            return self.nonsense("it has not started");
        };
        let (own_id, mut out) = (id(life.id), Out::new());
        let own = match cause {
            Cause::Own => self.own.pop_front(),
            _ => None,
        };
        let event = match (&cause, &own) {
            (Cause::Message { from, datagram, index, message }, _) => {
                let from = id(*from);
                let boot = self.peers.get(&from).copied().unwrap_or_default();
                Event::Message(from, Origin { boot, datagram: *datagram, index: *index }, message)
            }
            (Cause::Own, Some(message)) => Event::Own(message),
            (Cause::Own, None) => {
                return self.nonsense("it takes a message that it has not sent to itself");
            }
            (Cause::Driver(message), _) => Event::Driver(message),
            (Cause::Timer(timer), _) => Event::Timer(timer),
        };
        watch.before(&state, event);
        match event {
            Event::Message(from, _, message) => {
                plays.on_msg(own_id, &mut state, from, message.clone(), &mut out);
            }
            Event::Own(message) => {
                plays.on_msg(own_id, &mut state, own_id, message.clone(), &mut out);
            }
            Event::Driver(message) => {
                let driver = Id::from(usize::MAX);
                plays.on_msg(own_id, &mut state, driver, message.clone(), &mut out);
            }
            Event::Timer(timer) => plays.on_timeout(own_id, &mut state, timer, &mut out),
        }
        let did = Did { state: &*state, out: &out };
        if let Some(differs) = self.compare(did, &digests) {
            let told = format!("{event:?}");
            return Err(self.divergence(told, differs, &out, &digests));
        }
        self.event = watch.after(event, did);
        self.state = Some(state);
        self.collect(out);
        Ok(())
    }

    /// Takes over what the actor has sent.
    fn collect(&mut self, out: Out<A>) {
        let own = self.actor.as_ref().map(|(life, _)| id(life.id));
        for command in out {
            let Command::Send(to, message) = command else { continue };
            let number = self.next_send;
            self.next_send += 1;
            if Some(to) == own {
                self.own.push_back(message);
            } else if usize::from(to) != usize::MAX {
                let event = self.event;
                self.sends.push_back(Send { number, event, to, message });
            }
        }
    }

    /// In what this differs from what was recorded, if it does.
    fn compare(&self, did: Did<'_, A>, recorded: &Digests) -> Option<String> {
        let mut digests = self.looks.of(did);
        if recorded.whole.is_some() {
            digests.whole = Some(whole::<A>(did.state).0);
        }
        if digests == *recorded {
            return None;
        }
        let mut differs = Vec::new();
        let mut note = |what: &str, is_other: bool| {
            if is_other {
                differs.push(what.to_owned());
            }
        };
        note("its state", digests.state != recorded.state);
        note("its whole state", digests.whole != recorded.whole);
        match (digests.saved, recorded.saved) {
            (None, Some(_)) => note("it saves nothing, and did", true),
            (Some(_), None) => note("it saves, and did not", true),
            (now, then) => note("what it saves", now != then),
        }
        note("the timers that it sets", digests.timers != recorded.timers);
        note("what it sends", digests.sends != recorded.sends);
        Some(differs.join(", "))
    }

    fn divergence(
        &self,
        told: String,
        differs: String,
        out: &Out<A>,
        recorded: &Digests,
    ) -> Refusal {
        let hex = |digest: &OutputDigest| u32::from_be_bytes(*digest);
        let mut does = String::new();
        let mut sent = recorded.sends.iter();
        for command in out.iter() {
            // A string takes what is written.
            let _ = match command {
                Command::Send(to, message) => {
                    let now = actor_recording::digest::output(message);
                    let to = usize::from(*to);
                    let to = if to == usize::MAX { "its driver".into() } else { to.to_string() };
                    let then = match sent.next() {
                        Some((_, then)) if *then == now => "as recorded".to_owned(),
                        Some((_, then)) => {
                            format!("{:08x}, recorded was {:08x}", hex(&now), hex(then))
                        }
                        None => "recorded was no such message".to_owned(),
                    };
                    write!(does, "\n    sends {message:?} to {to} ({then})")
                }
                Command::Save(_) => write!(does, "\n    saves"),
                Command::SetTimer(timer, _) => write!(does, "\n    sets {timer:?}"),
                Command::CancelTimer(timer) => write!(does, "\n    cancels {timer:?}"),
                Command::ChooseRandom(..) => Ok(()),
            };
        }
        for (to, digest) in sent {
            let to = usize::from(id_at(*to));
            let _ =
                write!(does, "\n    recorded was one more message to {to} ({:08x})", hex(digest));
        }
        // Whoever can replay the life once more fills in the state before.
        let before = String::new();
        let place = self.place.clone();
        Refusal::Divergence(Box::new(Divergence { place, told, differs, does, before }))
    }

    /// The actor's state, once it has started.
    pub fn state(&self) -> Option<&A::State> {
        self.state.as_deref()
    }
}

fn id(number: u64) -> Id {
    Id::from(usize::try_from(number).unwrap_or(usize::MAX))
}
