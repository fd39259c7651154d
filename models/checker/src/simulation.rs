//! Actors under virtual time: one run, with links that may be cut in one direction, slow, narrow or
//! lossy, and disks that take their time.
//!
//! **Invariants**
//! - *A run is a function of its seed and of what it is told*: everything that is drawn is drawn from
//!   one generator, and what happens at one moment happens in the order in which it was scheduled.
//! - *An actor that waits for its disk does nothing else*, as a driver that syncs on its own thread: what
//!   stands behind a save leaves when the sync has ended, and what has arrived meanwhile is seen then,
//!   before any timer that is due. What stands ahead of a save leaves at once.
//!
//! **Absent**: judgement. Whoever runs a simulation looks at its actors and at what they have
//! reported.
//!
//! **Source**: discrete event simulation as in FoundationDB's (Zhou et al., SIGMOD 2021, section 4).

use crate::links::{Links, draw};
use crate::trace::{Kind, TraceStep};
use rand::SeedableRng;
use rand::rngs::StdRng;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

/// A run of these actors.
pub struct Simulation<A: Actor> {
    places: Vec<Place<A>>,
    /// The links between all actors.
    pub links: Links,
    wire: Wire<A::Msg>,
    sent: BTreeMap<&'static str, u64>,
    now: Duration,
    agenda: BTreeMap<(Duration, u64), Happening<A::Msg>>,
    scheduled: u64,
    rng: StdRng,
    reports: Vec<Report<A::Msg>>,
    story: Option<Story>,
}

/// What an actor told its own driver, and when.
#[derive(Clone, Debug)]
pub struct Report<M> {
    /// The virtual time.
    pub at: Duration,
    /// The actor.
    pub actor: usize,
    /// What it told.
    pub message: M,
}

/// What is known of messages on the wire.
#[derive(Clone, Copy)]
pub struct Wire<M> {
    /// How long one is, in bytes.
    pub size_bytes: fn(&M) -> usize,
    /// The name of its class.
    pub class: fn(&M) -> &'static str,
}

struct Place<A: Actor> {
    actor: A,
    state: Option<A::State>,
    storage: Option<A::Storage>,
    timers: Vec<(A::Timer, Duration)>,
    /// How long a sync takes.
    sync: Duration,
    /// It waits for its disk until then.
    busy_until: Duration,
    /// What has arrived meanwhile.
    inbox: VecDeque<Mail<A::Msg>>,
    /// What waits for the sync.
    held: Vec<(usize, A::Msg)>,
    /// The most bytes that it has sent to one other actor in one step.
    burst_bytes: usize,
}

struct Mail<M> {
    src: usize,
    msg: M,
    /// The number of the step that sent it.
    sent_at: Option<usize>,
}

enum Happening<M> {
    Arrives {
        dst: usize,
        mail: Mail<M>,
    },
    /// A timer may be due, or a sync has ended.
    Wakes(usize),
}

/// The last steps of a run.
struct Story {
    names: Vec<String>,
    /// How many steps came before those that are kept.
    forgotten: usize,
    steps: VecDeque<TraceStep>,
}

/// Longer stories lose their beginnings.
const STORY_STEPS_MAX: usize = 160;

impl<A> Simulation<A>
where
    A: Actor<Random = ()>,
    A::Msg: Debug,
    A::Timer: Debug + PartialEq,
{
    /// Starts these actors, each from its storage, with links that carry everything.
    pub fn new(actors: Vec<(A, Option<A::Storage>)>, wire: Wire<A::Msg>, seed: u64) -> Self {
        let place = |(actor, storage)| Place {
            actor,
            state: None,
            storage,
            timers: Vec::new(),
            sync: Duration::ZERO,
            busy_until: Duration::ZERO,
            inbox: VecDeque::new(),
            held: Vec::new(),
            burst_bytes: 0,
        };
        let count = actors.len();
        let mut simulation = Simulation {
            places: actors.into_iter().map(place).collect(),
            links: Links::default(),
            wire,
            sent: BTreeMap::new(),
            now: Duration::ZERO,
            agenda: BTreeMap::new(),
            scheduled: 0,
            rng: StdRng::seed_from_u64(seed),
            reports: Vec::new(),
            story: None,
        };
        (0..count).for_each(|actor| simulation.start(actor));
        simulation
    }

    /// From now on, keeps the last steps that change or send something, for [`Simulation::story`].
    pub fn record(&mut self, names: Vec<String>) {
        self.story = Some(Story { names, forgotten: 0, steps: VecDeque::new() });
    }

    /// The last steps that were recorded.
    pub fn story(&self) -> Vec<TraceStep> {
        let Some(story) = &self.story else { return Vec::new() };
        let begins = story.forgotten;
        let place = |sent: usize| sent.checked_sub(begins);
        let step =
            |step: &TraceStep| TraceStep { sent_at: step.sent_at.and_then(place), ..step.clone() };
        story.steps.iter().map(step).collect()
    }

    /// The virtual time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The state of an actor, if it is up.
    pub fn state(&self, actor: usize) -> Option<&A::State> {
        self.places[actor].state.as_ref()
    }

    /// Is this timer of an actor set?
    pub fn is_set(&self, actor: usize, timer: &A::Timer) -> bool {
        self.places[actor].timers.iter().any(|(set, _)| set == timer)
    }

    /// What has been reported since this was last asked.
    pub fn take_reports(&mut self) -> Vec<Report<A::Msg>> {
        std::mem::take(&mut self.reports)
    }

    /// How many messages of each class have been sent from one actor to another since this was last asked;
    /// lost or not.
    pub fn take_sent(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.sent)
    }

    /// The most bytes that this actor has sent to one other in one step, since this was last asked.
    pub fn take_burst_bytes(&mut self, actor: usize) -> usize {
        std::mem::take(&mut self.places[actor].burst_bytes)
    }

    /// From now on each sync of this actor takes so long.
    pub fn slow_down(&mut self, actor: usize, sync: Duration) {
        self.places[actor].sync = sync;
    }

    /// An actor loses everything but its storage.
    pub fn crash(&mut self, actor: usize) {
        let place = &mut self.places[actor];
        place.state = None;
        place.timers.clear();
        place.inbox.clear();
        place.held.clear();
        self.tell(actor, Kind::Crash, None, String::from("crashes"), Vec::new(), Vec::new());
    }

    /// An actor starts from its storage.
    pub fn start(&mut self, actor: usize) {
        let place = &mut self.places[actor];
        let mut out = Out::new();
        place.state = Some(place.actor.on_start(Id::from(actor), &place.storage, &mut out));
        let step = self.carry_out(actor, out);
        let text = String::from("starts");
        self.tell(actor, Kind::Recovery, None, text, step.sends, step.reports);
    }

    /// Hands an actor a message of its own driver.
    pub fn input(&mut self, actor: usize, msg: A::Msg) {
        let text = format!("is told: {msg:?}");
        let driver = usize::MAX;
        self.handle(actor, Kind::Input, None, text, |place, state, out| {
            place.on_msg(Id::from(actor), state, Id::from(driver), msg, out);
        });
    }

    /// Hands an actor a message as if this other one had sent it.
    pub fn forge(&mut self, src: usize, dst: usize, msg: A::Msg) {
        self.deliver(dst, Mail { src, msg, sent_at: None });
    }

    /// Lets a timer of an actor go off now; false if it is not set.
    pub fn expire(&mut self, actor: usize, timer: &A::Timer) -> bool {
        let timers = &mut self.places[actor].timers;
        let Some(place) = timers.iter().position(|(set, _)| set == timer) else { return false };
        timers.swap_remove(place);
        self.fire(actor, timer);
        true
    }

    /// Lets everything happen that does up to then.
    pub fn run_until(&mut self, end: Duration) {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= end
        {
            let ((at, _), happening) = entry.remove_entry();
            self.now = at;
            match happening {
                Happening::Arrives { dst, mail } => self.arrive(dst, mail),
                Happening::Wakes(actor) => self.wake(actor),
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, dst: usize, mail: Mail<A::Msg>) {
        let place = &mut self.places[dst];
        if place.state.is_none() {
            return;
        }
        if place.busy_until > self.now {
            place.inbox.push_back(mail);
        } else {
            self.deliver(dst, mail);
        }
    }

    fn deliver(&mut self, dst: usize, mail: Mail<A::Msg>) {
        let Mail { src, msg, sent_at } = mail;
        let text = match &self.story {
            Some(story) => format!("{} -> {}: {msg:?}", story.names[src], story.names[dst]),
            None => String::new(),
        };
        self.handle(dst, Kind::Delivery, sent_at, text, |actor, state, out| {
            actor.on_msg(Id::from(dst), state, Id::from(src), msg, out);
        });
    }

    /// A sync has ended, or a timer is due.
    fn wake(&mut self, actor: usize) {
        if self.places[actor].busy_until > self.now || self.places[actor].state.is_none() {
            return;
        }
        for (dst, msg) in std::mem::take(&mut self.places[actor].held) {
            self.send(actor, dst, msg, None);
        }
        // What has arrived comes before what is due, and all of it before the next sync.
        for mail in std::mem::take(&mut self.places[actor].inbox) {
            self.deliver(actor, mail);
        }
        let now = self.now;
        let is_due = |(_, at): &(A::Timer, Duration)| *at <= now;
        while let Some(place) = self.places[actor].timers.iter().position(is_due) {
            let (timer, _) = self.places[actor].timers.swap_remove(place);
            self.fire(actor, &timer);
        }
    }

    fn fire(&mut self, actor: usize, timer: &A::Timer) {
        let text = match &self.story {
            Some(_) => format!("{timer:?} time-out"),
            None => String::new(),
        };
        self.handle(actor, Kind::Timeout, None, text, |this, state, out| {
            this.on_timeout(Id::from(actor), state, timer, out);
        });
    }

    fn handle(
        &mut self,
        actor: usize,
        kind: Kind,
        sent_at: Option<usize>,
        text: String,
        handler: impl FnOnce(&A, &mut Cow<'_, A::State>, &mut Out<A>),
    ) {
        let place = &mut self.places[actor];
        let Some(state) = place.state.take() else { return };
        let mut out = Out::new();
        let mut state = Cow::Owned(state);
        handler(&place.actor, &mut state, &mut out);
        place.state = Some(state.into_owned());
        let idle = out.iter().next().is_none();
        let Wants { sends, reports } = self.carry_out(actor, out);
        if !idle {
            self.tell(actor, kind, sent_at, text, sends, reports);
        }
    }

    /// Does a driver's part of a handler; what it wanted, in words, if there is a story.
    fn carry_out(&mut self, actor: usize, out: Out<A>) -> Wants {
        let mut wants = Wants::default();
        let mut bytes_to: BTreeMap<usize, usize> = BTreeMap::new();
        let number = self.story.as_ref().map(|story| story.forgotten + story.steps.len());
        for command in out {
            match command {
                Command::Save(storage) => {
                    let place = &mut self.places[actor];
                    place.storage = Some(storage);
                    if place.sync > Duration::ZERO && place.busy_until <= self.now {
                        place.busy_until = self.now + place.sync;
                        let at = place.busy_until;
                        self.schedule(at, Happening::Wakes(actor));
                    }
                }
                Command::Send(to, message) if usize::from(to) < self.places.len() => {
                    let to = usize::from(to);
                    if to != actor {
                        *self.sent.entry((self.wire.class)(&message)).or_default() += 1;
                        *bytes_to.entry(to).or_default() += (self.wire.size_bytes)(&message);
                    }
                    if let Some(story) = &self.story {
                        wants.sends.push((story.names[to].clone(), format!("{message:?}")));
                    }
                    if self.places[actor].busy_until > self.now {
                        self.places[actor].held.push((to, message));
                    } else {
                        self.send(actor, to, message, number);
                    }
                }
                Command::Send(_, message) => {
                    if self.story.is_some() {
                        wants.reports.push(format!("{message:?}"));
                    }
                    self.reports.push(Report { at: self.now, actor, message });
                }
                Command::SetTimer(timer, delay) => {
                    let at = self.now + draw(&delay, &mut self.rng);
                    let timers = &mut self.places[actor].timers;
                    timers.retain(|(set, _)| *set != timer);
                    timers.push((timer, at));
                    self.schedule(at, Happening::Wakes(actor));
                }
                Command::CancelTimer(timer) => {
                    self.places[actor].timers.retain(|(set, _)| *set != timer);
                }
                Command::ChooseRandom(..) => unreachable!("no actor here chooses at random"),
            }
        }
        let burst_bytes = bytes_to.into_values().max().unwrap_or(0);
        let place = &mut self.places[actor];
        place.burst_bytes = place.burst_bytes.max(burst_bytes);
        wants
    }

    fn send(&mut self, src: usize, dst: usize, msg: A::Msg, sent_at: Option<usize>) {
        let bytes = (self.wire.size_bytes)(&msg);
        let [first, again] = self.links.carry((src, dst), bytes, self.now, &mut self.rng);
        if let Some(again) = again {
            let mail = Mail { src, msg: msg.clone(), sent_at };
            self.schedule(again, Happening::Arrives { dst, mail });
        }
        if let Some(first) = first {
            self.schedule(first, Happening::Arrives { dst, mail: Mail { src, msg, sent_at } });
        }
    }

    fn schedule(&mut self, at: Duration, happening: Happening<A::Msg>) {
        self.scheduled += 1;
        self.agenda.insert((at, self.scheduled), happening);
    }

    fn tell(
        &mut self,
        actor: usize,
        kind: Kind,
        sent_at: Option<usize>,
        what: String,
        sends: Vec<(String, String)>,
        reports: Vec<String>,
    ) {
        let Some(story) = &mut self.story else { return };
        let mut by_message: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (to, message) in sends {
            by_message.entry(message).or_default().push(to);
        }
        let named = kind == Kind::Delivery;
        let what = if named { what } else { format!("{}: {what}", story.names[actor]) };
        story.steps.push_back(TraceStep {
            kind,
            actor,
            sent_at,
            text: format!("{what}  (at {} ms)", self.now.as_millis()),
            sends: by_message.into_iter().map(|(message, to)| (to, message)).collect(),
            reports,
        });
        if story.steps.len() > STORY_STEPS_MAX {
            story.steps.pop_front();
            story.forgotten += 1;
        }
    }
}

/// What a handler wanted, in words.
#[derive(Default)]
struct Wants {
    sends: Vec<(String, String)>,
    reports: Vec<String>,
}
