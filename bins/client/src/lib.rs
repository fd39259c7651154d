//! A client's process: someone who speaks, with back-pressure and a record.
//!
//! | file | what it holds |
//! |---|---|
//! | [`command`] | the command line |
//! | [`host`], [`record`] | what a client's process adds to its actor; what was said, and what became of it |
//! | [`recordings`] | all that its actors are told and do, for who checks it |
//! | [`envelope`] | rooms and actions within the text of a message |
//! | [`pipe`] | one message a line from standard input, or from arguments |
//! | [`ui`] | the full-screen interface |
//! | [`chat`] | the line mode: lines typed on a terminal, and what others say |
//! | [`follow`] | the log as it grows, read by a thread of its own |
//! | [`meter`] | what a client can measure of its cluster |
//! | [`reading`], [`backwards`], [`post`] | stretches of the log, and the messages in them |
//! | [`tail`], [`place`], [`mod@format`] | what `tail` shows, from where on, and how |
//! | [`load`] | many clients, measured |
//! | [`Summary`] | what became of everything said, and what of it is safe |
//! | [`state`] | what a durable client keeps, in a file |
//!
//! **Invariant — bounded**: at most [`UNACKNOWLEDGED_MAX`] messages are submitted and not
//! acknowledged; [`Speaker::say`] waits until there is room.

#![forbid(unsafe_code)]

pub mod backwards;
pub mod chat;
pub mod command;
pub mod envelope;
pub mod follow;
pub mod format;
pub mod host;
pub mod load;
pub mod meter;
pub mod pipe;
pub mod place;
pub mod post;
pub mod reading;
pub mod record;
pub mod recordings;
pub mod state;
mod summary;
pub mod tail;
pub mod ui;

use self::envelope::{Room, Said, TooLong};
use self::meter::{Meter, Metered};
use self::state::State;
pub use self::summary::{Summary, Unsaid};
use actor_recording::recorder::Recorder;
use stateright::actor::{Actor, Id};

use crate::host::{ClientHost, Event};
use crate::record::{Line, RecordWriter};
use crate::recordings::{Recorded, Recordings};
use actor_runtime::addresses::Addresses;
use actor_runtime::clock::SystemClock;
use actor_runtime::driver::{Driver, DriverError, Handle, Order, World};
use actor_runtime::loss::{Loss, LossyNetwork};
use actor_runtime::network::UdpNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::{MemoryStorage, StableStorage};
use actor_runtime::wire::Codec;
use paxos_chat::client::{Client, ClientState, ClientStorage, ClientTuning};
use paxos_chat::message::{Input, Message};
use paxos_chat::reader::Reader;
use paxos_chat::types::{Body, Nonce, Seq, SessionId, Slot, User};
use paxos_chat_config::Config;
use paxos_chat_config::credentials::Token;
use paxos_chat_packets::formats::FORMATS;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What to look at when no replica answers: replicas don't tell strangers that they are there.
const SILENCE: &str = "check that replicas run at the configured addresses, that your token is not revoked, that their \
     configuration lists your name, if it lists any, and that your program is at most one release away from theirs";
/// What to look at, and what is known of that.
fn silence(addresses: &Addresses) -> String {
    let unknown = addresses.unknown();
    if unknown.is_empty() {
        SILENCE.to_owned()
    } else {
        format!("{}; {SILENCE}", unknown.join("; "))
    }
}

/// Messages of one client that are submitted and not acknowledged.
pub const UNACKNOWLEDGED_MAX: usize = 256;

/// Characters of a message that are told of it.
const EXCERPT_CHARS: usize = 60;

/// What every client needs to reach its cluster.
#[derive(Clone, Debug)]
pub struct Access {
    /// The cluster.
    pub config: Config,
    /// Where its replicas are.
    pub addresses: Addresses,
    /// Who the client is, as it proves to the replicas.
    pub token: Token,
    /// Loss injected at this client.
    pub loss: Loss,
    /// Seed of delays and of injected loss.
    pub seed: u64,
    /// How long nothing may happen before the client gives up.
    pub patience: Duration,
    /// Where a durable client keeps its state; without it, the client is not durable.
    pub state: Option<State>,
    /// Where all that its actors are told and do is recorded, if it is.
    pub recordings: Option<Recordings>,
}

impl Access {
    /// What a client of this user needs that keeps and records nothing, and loses nothing but what the network does.
    ///
    /// # Errors
    /// When nothing can look names up.
    pub fn of(config: Config, token: Token, patience: Duration) -> io::Result<Access> {
        let addresses = config.addresses()?;
        let (loss, seed) = (Loss::default(), rand::random());
        Ok(Access { config, addresses, token, loss, seed, patience, state: None, recordings: None })
    }

    /// A socket towards the replicas.
    fn socket(&self) -> io::Result<UdpNetwork> {
        UdpNetwork::bind_any(0, self.addresses.may_be_ipv6())
    }

    /// The world of a client with this socket.
    fn world<A: Actor>(
        &self,
        socket: UdpNetwork,
        storage: Box<dyn StableStorage<A::Storage>>,
        recorder: Option<Box<dyn Recorder<A>>>,
    ) -> World<A> {
        World {
            network: Box::new(LossyNetwork::new(socket, self.loss, self.seed)),
            clock: Box::new(SystemClock::start()),
            rng: Box::new(StdRng::seed_from_u64(self.seed.wrapping_add(1))),
            storage,
            recorder,
        }
    }

    /// What records this actor, if anything does.
    fn recorder<A: Recorded>(&self, actor: &A) -> io::Result<Option<Box<dyn Recorder<A>>>> {
        self.recordings.as_ref().map(|recordings| recordings.recorder(actor)).transpose()
    }

    /// Where the client keeps its state.
    fn storage(&self) -> Box<dyn StableStorage<ClientStorage>> {
        match &self.state {
            Some(state) => Box::new(state.clone()),
            None => Box::new(MemoryStorage::default()),
        }
    }

    /// Clients and readers come after the replicas, and talk to them alone.
    fn nodes(&self) -> (Id, NodeTable) {
        let addresses = self.addresses.clone();
        (Id::from(addresses.count()), NodeTable::new(addresses, 0))
    }

    fn codec(&self) -> Codec {
        self.token.codec().with_packing(self.config.packing()).with_formats(FORMATS)
    }

    /// Somebody who reads the log from this slot on, or from its end.
    fn reader(&self, from: Option<Slot>) -> Reader {
        Reader {
            replicas: self.config.nodes(),
            user: User::new(self.token.user()),
            from,
            follows: true,
            tuning: self.config.client_tuning(),
        }
    }

    fn client(&self, user: &str, nonce: Nonce, tuning: ClientTuning) -> Client {
        let mut client = Client::new(User::new(user), nonce, self.config.nodes(), tuning);
        client.is_durable = self.state.is_some();
        client
    }
}

/// Why something cannot be said.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// The text is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The client is at its end.
    #[error("{0}")]
    Over(String),
}

/// What the speaker and its driver both know.
struct Ledger {
    addresses: Addresses,
    summary: Summary,
    session: Option<SessionId>,
    next: Seq,
    unacknowledged: BTreeMap<Seq, String>,
    record: Option<RecordWriter>,
    progress: Instant,
}

#[derive(Clone)]
struct Shared(Arc<(Mutex<Ledger>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // A ledger is changed by steps that cannot panic half way.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done`, or until nothing has happened for `patience`.
    fn wait(&self, patience: Duration, done: impl Fn(&Ledger) -> bool) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.lock();
        while !done(&ledger) && ledger.summary.failure.is_none() {
            let left = patience.saturating_sub(ledger.progress.elapsed());
            if left.is_zero() {
                let waited = patience.as_secs_f32();
                let silence = silence(&ledger.addresses);
                ledger.summary.failure =
                    Some(format!("no replica acknowledged anything for {waited} s; {silence}"));
                break;
            }
            let waited = self.0.1.wait_timeout(ledger, left);
            ledger = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        ledger
    }

    /// The client has ended.
    fn fail(&self, why: &str) {
        self.lock().summary.failure.get_or_insert_with(|| why.to_owned());
        self.0.1.notify_all();
    }

    /// Notes an event; gives the text of the message that it acknowledges.
    fn note(&self, event: &Event) -> io::Result<Option<String>> {
        let mut ledger = self.lock();
        ledger.progress = Instant::now();
        let text = match *event {
            Event::Opened(session) => {
                ledger.session = Some(session);
                None
            }
            Event::Confirmed { session, seq, slot, retries } => {
                ledger.summary.acknowledged += 1;
                ledger.summary.retries += retries;
                let text = ledger.unacknowledged.remove(&seq).unwrap_or_default();
                if let Some(record) = &mut ledger.record {
                    let (session, text) = (session.to_string(), text.clone());
                    let (seq, slot) = (seq.0, slot.0);
                    record.write(&Line::Acknowledged { seq, session, slot, text, retries })?;
                }
                Some(text)
            }
            Event::Expired { ref unknown } => {
                ledger.summary.failure = Some(expired(unknown, &ledger));
                None
            }
            // Whoever tells it has noted it.
            Event::Failed { .. } => None,
        };
        self.0.1.notify_all();
        Ok(text)
    }
}

/// Names every message of an expired session that was not acknowledged.
fn expired(unknown: &[Seq], ledger: &Ledger) -> String {
    let (mut lost, mut unsent) = (Vec::new(), Vec::new());
    for (seq, text) in &ledger.unacknowledged {
        let list = if unknown.contains(seq) { &mut lost } else { &mut unsent };
        list.push((*seq, text.as_str()));
    }
    outcome_unknown(&lost, &unsent)
}

/// Tells of an expired session: the messages whose outcome is unknown, and those never sent.
pub fn outcome_unknown(
    lost: &[(Seq, impl AsRef<str>)],
    unsent: &[(Seq, impl AsRef<str>)],
) -> String {
    let mut told = format!(
        "the session has expired: the outcome of {} messages is unknown, and {} were not sent; read \
         the log before you say them again",
        lost.len(),
        unsent.len()
    );
    for (seq, text) in lost {
        let _ = write!(told, "\n  outcome unknown: #{seq} {}", excerpt(text.as_ref()));
    }
    for (seq, text) in unsent {
        let _ = write!(told, "\n  not sent: #{seq} {}", excerpt(text.as_ref()));
    }
    told
}

/// The beginning of a message, on one line.
fn excerpt(text: &str) -> String {
    let Said { room, is_action: _, text } = Said::decode(text);
    let mut shown: String = text.chars().take(EXCERPT_CHARS).collect();
    let cut = if shown.len() < text.len() { "..." } else { "" };
    shown = format!("{shown:?}{cut}");
    if room == Room::default() { shown } else { format!("{shown} in #{room}") }
}

/// What is shown of events as they come: the event, and the text that it acknowledges.
type Listener = Box<dyn FnMut(Event, Option<String>) + Send>;
type EventSink = Box<dyn FnMut(Event) -> io::Result<()> + Send>;
type SpeakerHost = Metered<ClientHost<EventSink>>;

/// A running client.
pub struct Speaker {
    handle: Handle<Client, SpeakerHost>,
    thread: Option<JoinHandle<()>>,
    shared: Shared,
    patience: Duration,
}

impl Speaker {
    /// Starts a client in a thread of its own. `record` makes the record of its nonce.
    ///
    /// # Errors
    /// When there is no socket, or no record.
    pub fn start(
        access: &Access,
        user: &str,
        record: impl FnOnce(u64) -> io::Result<Option<RecordWriter>>,
        listener: Listener,
        meter: &Meter,
    ) -> io::Result<Speaker> {
        let socket = access.socket()?;
        let (handle, inbox) = Handle::new(socket.waker());
        // Never from the seed: a nonce that was used before would find an old session.
        let nonce = Nonce(rand::random());
        // What an earlier run has left comes first.
        let next = access.state.as_ref().map_or(Seq::FIRST, State::next);
        let left = access.state.as_ref().map(|state| state.interrupted().pending);
        let unacknowledged: BTreeMap<Seq, String> = left.into_iter().flatten().collect();
        let submitted = unacknowledged.len() as u64;
        let shared = Shared(Arc::new((
            Mutex::new(Ledger {
                addresses: access.addresses.clone(),
                summary: Summary { first: next, end: next, submitted, ..Summary::default() },
                session: None,
                next,
                unacknowledged,
                record: record(nonce.0)?,
                progress: Instant::now(),
            }),
            Condvar::new(),
        )));
        let listener = Arc::new(Mutex::new(listener));
        let (noted, at_end) = (shared.clone(), Arc::clone(&listener));
        let sink: EventSink = Box::new(move |event| {
            let text = noted.note(&event)?;
            (listener.lock().unwrap_or_else(PoisonError::into_inner))(event, text);
            Ok(())
        });
        let host = meter.over(ClientHost::new(sink));
        let (access, ended) = (access.clone(), shared.clone());
        let client = access.client(user, nonce, access.config.client_tuning());
        let patience = access.patience;
        let thread = std::thread::Builder::new().name("client".into()).spawn(move || {
            let (id, nodes) = access.nodes();
            let run = || -> Result<(), DriverError> {
                let recorder = access.recorder(&client).map_err(DriverError::Host)?;
                let world = access.world(socket, access.storage(), recorder);
                Driver::start(client, id, nodes, access.codec(), host, world)?.run(&inbox)
            };
            if let Err(error) = run() {
                let why = error.to_string();
                ended.fail(&why);
                let saved = access.state.as_ref().and_then(|state| state.saved().ok());
                let saved_below = saved.map(|saved| saved.below);
                let failed = Event::Failed { why, saved_below };
                (at_end.lock().unwrap_or_else(PoisonError::into_inner))(failed, None);
            }
        })?;
        Ok(Speaker { handle, thread: Some(thread), shared, patience })
    }

    /// Submits a message and gives its number; waits while too much is unacknowledged.
    ///
    /// # Errors
    /// When it is too long, or the client is at its end.
    pub fn say(&mut self, said: &Said) -> Result<Seq, SayError> {
        let text = said.encode()?;
        let has_room = |ledger: &Ledger| ledger.unacknowledged.len() < UNACKNOWLEDGED_MAX;
        let mut ledger = self.shared.wait(self.patience, has_room);
        if let Some(failure) = &ledger.summary.failure {
            return Err(SayError::Over(failure.clone()));
        }
        if ledger.unacknowledged.is_empty() {
            ledger.progress = Instant::now();
        }
        let seq = ledger.next;
        if let Some(record) = &mut ledger.record {
            let line = Line::Submitted { seq: seq.0, text: text.clone() };
            if let Err(error) = record.write(&line) {
                let why = format!("cannot write the record: {error}");
                ledger.summary.failure = Some(why.clone());
                return Err(SayError::Over(why));
            }
        }
        ledger.summary.submitted += 1;
        ledger.next = seq.next();
        ledger.summary.end = ledger.next;
        ledger.unacknowledged.insert(seq, text.clone());
        drop(ledger);
        // One speaker is one thread (`&mut self`), so messages reach the driver in this order. An
        // ended driver has left its failure in the ledger.
        self.handle.give(Order::Deliver(Message::Input(Input::Submit(Body::write(&text)))));
        Ok(seq)
    }

    /// Lets somebody look at the client from its own thread, later. False when it has ended.
    pub fn look(&self, look: impl FnOnce(&ClientState) + Send + 'static) -> bool {
        self.handle.give(Order::Inspect(Box::new(move |driver| look(driver.state()))))
    }

    /// The session, once it is open.
    pub fn session(&self) -> Option<SessionId> {
        self.shared.lock().session
    }

    /// Waits until everything is acknowledged, or nothing has happened for the patience.
    pub fn wait_for_all(&self) -> Summary {
        self.shared.wait(self.patience, |ledger| ledger.unacknowledged.is_empty()).summary.clone()
    }

    /// Ends the client: nothing is sent or saved after this.
    pub fn stop(&mut self) {
        self.handle.give(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop();
    }
}
