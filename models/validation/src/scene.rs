//! The whole system as its processes are replayed: who is who, what has left, and what is judged of it.

use crate::finding::What;
use crate::replay::{Departure, Event, Watch};
use crate::sent::{Arrival, Departures, LifeId};
use crate::story::{Listener, Told};
use actor_checker::trace::Kind;
use actor_recording::digest::{OutputDigest, output};
use actor_recording::entry::{Boot, Life};
use actor_recording::recorder::{Did, Origin};
use paxos_chat::client::{Client, ClientState, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::class::Taker;
use paxos_chat::message::{Fetch, Message, ToPeer, ToReplica};
use paxos_chat::quorum::Cluster;
use paxos_chat::reader::Reader;
use paxos_chat::replica::Replica;
use paxos_chat::state::{State, Storage};
use paxos_chat::types::{Command, NodeId, ReplicaId, Slot, Timestamp};
use paxos_chat_models::monitor::{Cause, Handled, Monitor, Party};
use paxos_chat_models::situations::{Before, Situations};
use stateright::actor::{self, Actor, Id, Out};
use std::collections::HashMap;
use std::io;

/// Which process is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its number.
    pub process: u32,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lives that have begun.
    pub lives: u64,
    /// Of them, those that have not ended in good order.
    pub cut_short: u64,
    /// Messages that were handled, of others, of oneself and of drivers, and timers.
    pub handled: u64,
    /// Saves that were durable.
    pub synced: u64,
    /// Messages that were taken again by a later life of their receiver.
    pub again: u64,
    /// Messages that a host sent before its actor started.
    pub before: u64,
    /// Messages of which it is not known any more what they said when they left.
    pub forgotten: u64,
}

/// Steps of a replica after which all that it holds is looked at.
const LOOK_STEPS: u32 = 1024;

/// What is known of a process in its present life.
#[derive(Debug, Default)]
struct Present {
    party: Option<Party>,
    /// Who has which id there.
    peers: HashMap<Id, Boot>,
    /// Steps until all that it holds is looked at.
    steps_left: u32,
}

/// The whole system.
pub struct Scene<'a> {
    cluster: Cluster,
    monitor: Monitor,
    /// How many of its violations are told.
    violations: usize,
    pub(crate) departures: Departures,
    parties: HashMap<Boot, Party>,
    present: Vec<Present>,
    clients: usize,
    readers: usize,
    counts: Counts,
    /// What was found since it was last taken.
    found: Vec<What>,
    listener: Listener<'a>,
    names: Vec<String>,
    /// The process of each party.
    processes: HashMap<Party, u32>,
    /// Events so far.
    events: u64,
    /// The event that has sent what is handled now.
    sender: Option<u64>,
    sends: Vec<(Party, Message)>,
    reports: Vec<Message>,
    /// What the replica whose turn it is is told, and in which state.
    setting: Option<Before>,
    situations: Situations,
}

impl<'a> Scene<'a> {
    /// Of the processes of these names, in whose cluster sessions have so much room, before anything has happened.
    ///
    /// # Errors
    /// When there can be no temporary files.
    pub fn new(
        names: Vec<String>,
        (cluster, sessions_max): (Cluster, usize),
        listener: Listener<'a>,
    ) -> io::Result<Scene<'a>> {
        Ok(Scene {
            cluster,
            monitor: Monitor::new(cluster, sessions_max)?,
            violations: 0,
            departures: Departures::default(),
            parties: HashMap::new(),
            present: names.iter().map(|_| Present::default()).collect(),
            clients: 0,
            readers: 0,
            counts: Counts::default(),
            found: Vec::new(),
            listener,
            names,
            processes: HashMap::new(),
            events: 0,
            sender: None,
            sends: Vec::new(),
            reports: Vec::new(),
            setting: None,
            situations: Situations::default(),
        })
    }

    /// What has happened to replicas.
    pub fn situations(&self) -> &Situations {
        &self.situations
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the last event.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Everything below this slot is chosen.
    pub fn chosen_upto(&self) -> Slot {
        self.monitor.chosen_upto()
    }

    /// What was found since this was last asked.
    pub fn take_found(&mut self) -> Vec<What> {
        let violations = self.monitor.violations();
        let new = violations.get(self.violations..).unwrap_or_default();
        self.found.extend(new.iter().map(|violation| What::Violated {
            property: violation.property,
            detail: violation.detail.clone(),
        }));
        self.violations = violations.len();
        std::mem::take(&mut self.found)
    }

    /// Nothing more happens: what that shows, and at which process.
    pub fn end(&mut self) -> Vec<(u32, What)> {
        self.monitor.ends();
        let new = self.monitor.violations().get(self.violations..).unwrap_or_default();
        let of = |party| self.processes.get(party).copied().unwrap_or_default();
        new.iter()
            .map(|violation| {
                let (property, detail) = (violation.property, violation.detail.clone());
                (of(&violation.party), What::Violated { property, detail })
            })
            .collect()
    }

    /// Nothing more is heard of this process.
    pub fn lose(&mut self, process: u32) {
        if let Some(party) = self.present[process as usize].party {
            self.monitor.crashes(party);
            if let Party::Replica(replica) = party {
                self.monitor.gone(replica);
            }
        }
    }
}

/// The system as a life of one process sees it.
pub struct View<'a, 'b> {
    /// The system.
    pub scene: &'a mut Scene<'b>,
    /// Which process it is.
    pub role: Role,
    /// Which life of it.
    pub life: u32,
    /// There is no later one.
    pub is_last: bool,
    /// When its present turn began by its own clock.
    pub time_ms: u64,
}

impl View<'_, '_> {
    fn life_id(&self) -> LifeId {
        (self.role.process, self.life)
    }

    fn present(&mut self) -> &mut Present {
        &mut self.scene.present[self.role.process as usize]
    }

    fn party(&self) -> Option<Party> {
        self.scene.present[self.role.process as usize].party
    }

    fn begin<A>(&mut self, life: &Life<A>, party: Party) {
        let id = self.life_id();
        let scene = &mut *self.scene;
        scene.counts.lives += 1;
        scene.departures.begin(life.boot, id, life.datagrams);
        scene.parties.insert(life.boot, party);
        scene.processes.insert(party, id.0);
        let present = Present { party: Some(party), peers: HashMap::new(), steps_left: LOOK_STEPS };
        *self.present() = present;
    }

    /// Whom an id of this life stands for, to whom this is sent.
    fn receiver(&self, to: Id, message: &Message) -> Party {
        if let Some(replica) = self.scene.cluster.replica(NodeId::from(to)) {
            return Party::Replica(replica);
        }
        let present = &self.scene.present[self.role.process as usize];
        let known = present.peers.get(&to).and_then(|boot| self.scene.parties.get(boot));
        known.copied().unwrap_or_else(|| match message.class().taker() {
            Taker::Replica => Party::Replica(ReplicaId(u8::MAX)),
            Taker::Client => Party::Client(usize::MAX),
            Taker::Reader | Taker::Driver => Party::Reader(usize::MAX),
        })
    }

    /// Is what arrives what was sent?
    fn arrive(&mut self, origin: Origin, message: &Message) {
        let id = self.life_id();
        let scene = &mut *self.scene;
        let arrival = scene.departures.look(origin, Some(as_sent(message)), id);
        match arrival {
            Arrival::Sent => {}
            Arrival::Again => scene.counts.again += 1,
            Arrival::Forgotten => scene.counts.forgotten += 1,
            // A replica that waits for the others asks them, and its actor does not know.
            Arrival::Before
                if *message == Message::ToPeer(ToPeer::Fetch(Fetch { from: Slot(0) })) =>
            {
                scene.counts.before += 1;
            }
            why => {
                let (message, sender) = (message.to_string(), None);
                scene.found.push(What::Unexplained { origin, message, why, sender });
            }
        }
        scene.sender = scene.departures.taken(origin, id);
    }

    fn name_of(&self, party: Party) -> String {
        let known = self.scene.processes.get(&party);
        known.map_or_else(
            || format!("{party:?}"),
            |process| self.scene.names[*process as usize].clone(),
        )
    }

    /// Tells an event.
    fn tell(
        &mut self,
        number: u64,
        (kind, what): (Kind, String),
        from: Option<(String, Option<u64>)>,
        (saves, sends, reports): (bool, &[(Party, Message)], &[Message]),
    ) {
        let sends = sends.iter().map(|(to, sent)| (self.name_of(*to), sent.to_string())).collect();
        let told = Told {
            number,
            process: self.scene.names[self.role.process as usize].clone(),
            life: self.life + 1,
            time_ms: self.time_ms,
            kind,
            what,
            from,
            saves,
            sends,
            reports: reports.iter().map(ToString::to_string).collect(),
        };
        (self.scene.listener.tell)(told);
    }

    /// Numbers a start, and tells it.
    fn started<A: Actor<Msg = Message>>(&mut self, did: Did<'_, A>) -> u64 {
        self.scene.events += 1;
        let number = self.scene.events;
        if self.scene.listener.hears(number) {
            let sent = self.collect(did.out);
            let did = (saved(did.out).is_some(), &*sent.sends, &*sent.reports);
            self.tell(number, (Kind::Recovery, "starts".into()), None, did);
            self.give_back(sent);
        }
        number
    }

    /// Numbers an event that was handled, and tells it.
    fn handled<A: Actor<Msg = Message, Timer = Timer>>(
        &mut self,
        event: Event<'_, A>,
        out: &Out<A>,
        sent: &Sent,
    ) -> u64 {
        self.scene.events += 1;
        let number = self.scene.events;
        if !self.scene.listener.hears(number) {
            return number;
        }
        let (kind, what) = match event {
            Event::Message(_, _, message) => (Kind::Delivery, message.to_string()),
            Event::Own(message) => (Kind::Delivery, message.to_string()),
            Event::Driver(message) => (Kind::Input, format!("is told: {message}")),
            Event::Timer(timer) => (Kind::Timeout, format!("{timer:?} time-out")),
        };
        let from = match event {
            Event::Message(from, origin, message) => {
                let sender = self.scene.departures.life_of(&origin.boot);
                let name = sender.map(|(process, _)| self.scene.names[process as usize].clone());
                let name = name.unwrap_or_else(|| self.name_of(self.receiver(from, message)));
                Some((name, self.scene.sender))
            }
            Event::Own(_) => Some((self.scene.names[self.role.process as usize].clone(), None)),
            Event::Driver(_) | Event::Timer(_) => None,
        };
        let did = (saved(out).is_some(), &*sent.sends, &*sent.reports);
        self.tell(number, (kind, what), from, did);
        number
    }

    /// What a handler has put out.
    fn collect<A: Actor<Msg = Message>>(&mut self, out: &Out<A>) -> Sent {
        let mut sent = Sent {
            sends: std::mem::take(&mut self.scene.sends),
            reports: std::mem::take(&mut self.scene.reports),
        };
        sent.sends.clear();
        sent.reports.clear();
        for command in out.iter() {
            match command {
                actor::Command::Send(to, message) if NodeId::from(*to) == NodeId::LOCAL => {
                    sent.reports.push(message.clone());
                }
                actor::Command::Send(to, message) => {
                    sent.sends.push((self.receiver(*to, message), message.clone()));
                }
                _ => {}
            }
        }
        sent
    }

    fn give_back(&mut self, sent: Sent) {
        (self.scene.sends, self.scene.reports) = (sent.sends, sent.reports);
    }

    fn hear<A: Actor<Msg = Message>>(&mut self, event: Event<'_, A>) {
        self.scene.counts.handled += 1;
        self.scene.sender = None;
        if let Event::Message(_, origin, message) = event {
            self.arrive(origin, message);
        }
    }

    fn leave(&mut self, departure: &Departure<'_, Message>) {
        let Departure { to, origin, event, message } = *departure;
        let Some(party) = self.party() else { return };
        let receiver = self.receiver(to, message);
        if !self.scene.departures.leaves(origin, output(message), event) {
            let Origin { datagram, index, .. } = origin;
            let text = format!(
                "{message} leaves in datagram {datagram}, place {index}, behind a later one"
            );
            self.scene.found.push(What::Unreadable(text));
        }
        self.scene.monitor.leaves(party, receiver, message);
    }

    fn know(&mut self, id: Id, boot: Boot) {
        self.present().peers.insert(id, boot);
    }

    fn is_durable(&mut self) {
        self.scene.counts.synced += 1;
        if let Some(party) = self.party() {
            self.scene.monitor.synced(party);
        }
    }

    fn reboot(&mut self, boot: Boot) {
        let id = self.life_id();
        self.scene.departures.begin(boot, id, 0);
        if let Some(party) = self.party() {
            self.scene.parties.insert(boot, party);
        }
    }

    fn over(&mut self, in_order: bool) {
        let (id, is_last) = (self.life_id(), self.is_last);
        let scene = &mut *self.scene;
        scene.counts.cut_short += u64::from(!in_order);
        scene.departures.end(id, scene.counts.handled);
        let Some(party) = scene.present[id.0 as usize].party else { return };
        scene.monitor.crashes(party);
        scene.events += 1;
        let number = scene.events;
        if scene.listener.hears(number) {
            let what = if in_order { "ends" } else { "crashes" };
            self.tell(number, (Kind::Crash, what.into()), None, (false, &[], &[]));
        }
        let scene = &mut *self.scene;
        if let Party::Replica(replica) = party
            && is_last
        {
            scene.monitor.gone(replica);
        }
    }
}

/// The digest of a message as it left: whoever takes a request puts its stamp on.
fn as_sent(message: &Message) -> OutputDigest {
    match message {
        Message::ToReplica(ToReplica::Request(command)) => {
            let command = Command { stamp: Timestamp(0), ..command.clone() };
            output(&Message::ToReplica(ToReplica::Request(command)))
        }
        message => output(message),
    }
}

/// What a handler has put out: to others and itself, and to its driver.
struct Sent {
    sends: Vec<(Party, Message)>,
    reports: Vec<Message>,
}

/// What the last save of a handler holds.
fn saved<A: Actor>(out: &Out<A>) -> Option<&A::Storage> {
    out.iter().rev().find_map(|command| match command {
        actor::Command::Save(storage) => Some(storage),
        _ => None,
    })
}

fn cause<A: Actor<Msg = Message>>(event: Event<'_, A>) -> Cause<'_> {
    match event {
        Event::Message(_, _, message) | Event::Own(message) | Event::Driver(message) => {
            Cause::Message(message)
        }
        Event::Timer(_) => Cause::Timeout,
    }
}

/// What is the same of all actors.
macro_rules! common {
    ($actor:ty) => {
        fn synced(&mut self) {
            self.is_durable();
        }

        /// It is judged when it leaves.
        fn answer(&mut self, _to: Id, _message: &Message) {}

        fn departure(&mut self, departure: Departure<'_, Message>) {
            self.leave(&departure);
        }

        fn peer(&mut self, id: Id, boot: Boot) {
            self.know(id, boot);
        }

        fn boot(&mut self, boot: Boot) {
            self.reboot(boot);
        }

        fn end(&mut self, in_order: bool) {
            self.over(in_order);
        }
    };
}

/// Who is told something has only been told it.
macro_rules! hears {
    ($actor:ty) => {
        fn before(&mut self, _state: &<$actor as Actor>::State, event: Event<'_, $actor>) {
            self.hear(event);
        }
    };
}

impl Watch<Replica> for View<'_, '_> {
    fn before(&mut self, state: &State, event: Event<'_, Replica>) {
        self.hear(event);
        self.scene.setting = Some(match event {
            Event::Message(from, _, message) => Before::message(state, usize::from(from), message),
            Event::Own(message) | Event::Driver(message) => {
                Before::message(state, usize::MAX, message)
            }
            Event::Timer(timer) => Before::timer(state, *timer),
        });
    }

    fn start(
        &mut self,
        life: &Life<Replica>,
        stored: Option<&Storage>,
        did: Did<'_, Replica>,
    ) -> u64 {
        let replica = ReplicaId(u8::try_from(life.id).unwrap_or(u8::MAX));
        self.begin(life, Party::Replica(replica));
        let tuning = life.actor.tuning();
        self.scene.monitor.replica_starts(replica, tuning, stored, did.state);
        self.started(did)
    }

    fn after(&mut self, event: Event<'_, Replica>, did: Did<'_, Replica>) -> u64 {
        let Some(Party::Replica(replica)) = self.party() else { return 0 };
        let sent = self.collect(did.out);
        let step: Handled<'_, State, Storage> = Handled {
            cause: cause(event),
            after: did.state,
            save: saved(did.out),
            sends: &sent.sends,
            reports: &sent.reports,
        };
        self.scene.monitor.replica_handles(replica, &step);
        let others = sent.sends.iter().filter(|(to, _)| *to != Party::Replica(replica));
        let sends = others.map(|(_, message)| message);
        let led_to = self.scene.setting.take().and_then(|it| it.led_to(did.state, sends));
        if let Some(situation) = led_to {
            self.scene.situations.count(situation);
        }
        let number = self.handled(event, did.out, &sent);
        self.give_back(sent);
        let present = self.present();
        present.steps_left = present.steps_left.checked_sub(1).unwrap_or(LOOK_STEPS);
        if present.steps_left == 0 {
            self.scene.monitor.look_closely(replica, did.state);
        }
        number
    }

    common!(Replica);
}

impl Watch<Client> for View<'_, '_> {
    fn start(
        &mut self,
        life: &Life<Client>,
        stored: Option<&ClientStorage>,
        did: Did<'_, Client>,
    ) -> u64 {
        // Who has something stored is the client of the life before.
        let client = match self.party() {
            Some(Party::Client(client)) if stored.is_some() => client,
            _ => {
                self.scene.clients += 1;
                self.scene.clients - 1
            }
        };
        self.begin(life, Party::Client(client));
        let of = (&life.actor.user, life.actor.tuning.window);
        let save = saved(did.out);
        self.scene.monitor.client_starts(client, of, stored, did.state, save);
        self.started(did)
    }

    fn after(&mut self, event: Event<'_, Client>, did: Did<'_, Client>) -> u64 {
        let Some(Party::Client(client)) = self.party() else { return 0 };
        let sent = self.collect(did.out);
        let step: Handled<'_, ClientState, ClientStorage> = Handled {
            cause: cause(event),
            after: did.state,
            save: saved(did.out),
            sends: &sent.sends,
            reports: &sent.reports,
        };
        self.scene.monitor.client_handles(client, &step);
        let number = self.handled(event, did.out, &sent);
        self.give_back(sent);
        number
    }

    hears!(Client);
    common!(Client);
}

impl Watch<Reader> for View<'_, '_> {
    fn start(&mut self, life: &Life<Reader>, _stored: Option<&()>, did: Did<'_, Reader>) -> u64 {
        self.scene.readers += 1;
        let reader = self.scene.readers - 1;
        self.begin(life, Party::Reader(reader));
        self.scene.monitor.reader_starts(reader, did.state);
        self.started(did)
    }

    fn after(&mut self, event: Event<'_, Reader>, did: Did<'_, Reader>) -> u64 {
        let Some(Party::Reader(reader)) = self.party() else { return 0 };
        let sent = self.collect(did.out);
        let step = Handled {
            cause: cause(event),
            after: did.state,
            save: None,
            sends: &sent.sends,
            reports: &sent.reports,
        };
        self.scene.monitor.reader_handles(reader, &step);
        let number = self.handled(event, did.out, &sent);
        self.give_back(sent);
        number
    }

    hears!(Reader);
    common!(Reader);
}
