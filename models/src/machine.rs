//! A replica's machine: the actor's state beside what its driver keeps on disk, and has yet to sync.
//!
//! A replica reports what it applies, and forgets it; whoever asks for it later is answered by the
//! driver, from its disk. Here the model is the driver: it keeps what was reported, and answers.
//!
//! **Invariants**
//! - *Synced before votes are dropped*: a save that moves the compacted bound makes the chat log
//!   durable up to that bound; what is above it is lost in a crash, as it may be.
//! - *What reveals a save is held back until that save is durable*, whichever handler sends it. All
//!   else leaves at once. A driver holds back more, which adds nothing: a message that left may arrive at
//!   any later time, or never.
//! - *What an actor sends to itself comes back to it* in the step that makes it leave.
//! - *A request is stamped by the replica that takes it*: the same command, asked of two replicas, is
//!   two values, as it is where clocks stamp. So whoever finds duplicates by value is found out.
//!
//! Where disk and network overlap, a save is *pending*: other handlers run, until a step of its own
//! makes the oldest one durable. A crash loses all that are pending; since they become durable one at
//! a time, it may lose any of the last ones. Without overlap every save is durable at once ([`Durability`]).
//!
//! What a crash leaves of the log above the compacted bound is handed to the actor when it starts again.

use crate::mutants::MutantReplica;
use crate::node::{Node, NodeStorage, NodeTimer};
use imbl::OrdMap;
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    AppliedValue, Entries, Input, LogRead, Message, Output, ToPeer, ToReplica,
};
use paxos_chat::replica::Replica;
use paxos_chat::session::Sessions;
use paxos_chat::state::State;
use paxos_chat::state::Storage;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Slot, Timestamp, Value};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// A replica that is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine {
    /// What the actor knows.
    pub replica: State,
    /// What it has applied: the chat log.
    pub log: OrdMap<Slot, Value>,
    /// Saves that are not durable yet, the oldest first.
    pub pending: VecDeque<PendingSave>,
    /// What was saved last, where a crash leaves the log beside it.
    pub saved: Option<Storage>,
}

/// When a save is durable, and what a crash leaves of the chat log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every save is durable at once, and the log below its compacted bound with it; the rest of the log is lost.
    #[default]
    Saves,
    /// Saves are pending for a while: disk and network overlap.
    LateSaves,
    /// Every save is durable at once, and the whole log is, synced or not: the process dies and the machine does not.
    SavesAndLog,
}

/// A save that is not durable yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingSave {
    /// What is saved.
    pub storage: Storage,
    /// What waits for it. A set, since the network is one.
    pub sends: BTreeSet<(NodeId, Message)>,
}

type Sends = BTreeSet<(NodeId, Message)>;

/// What is left of a machine after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Disk {
    /// What the actor has saved.
    pub storage: Storage,
    /// The chat log, as far as it is synced.
    pub log: OrdMap<Slot, Value>,
}

impl Disk {
    /// The disk of a replica that has applied these values from slot 0 on, and taken a snapshot
    /// after them.
    pub fn after(values: impl IntoIterator<Item = Value>, sessions_max: usize) -> Disk {
        let values: Vec<Value> = values.into_iter().collect();
        let log = (0..).map(Slot).zip(values.iter().cloned()).collect();
        Disk { storage: Storage::after(values, sessions_max), log }
    }

    /// Everything below is in the log.
    pub fn log_end(&self) -> Slot {
        end_of(&self.log)
    }
}

impl Machine {
    /// A machine that has not run yet.
    pub(crate) fn new(replica: State, disk: Option<Disk>, durability: Durability) -> Machine {
        let Disk { storage, log } = disk.unwrap_or_default();
        let saved = (durability == Durability::SavesAndLog).then_some(storage);
        Machine { replica, log, pending: VecDeque::new(), saved }
    }
}

/// A replica, as it is or with a bug.
pub(crate) trait Behaviour {
    /// Handles a message.
    fn message(&self, id: Id, state: &mut Cow<'_, State>, src: Id, msg: Message) -> Out<Replica>;
    /// Handles a time-out.
    fn timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer) -> Out<Replica>;
    /// Its parameters.
    fn tuning(&self) -> &Tuning;
}

impl Behaviour for Replica {
    fn message(&self, id: Id, state: &mut Cow<'_, State>, src: Id, msg: Message) -> Out<Replica> {
        let mut out = Out::new();
        self.on_msg(id, state, src, msg, &mut out);
        out
    }

    fn timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer) -> Out<Replica> {
        let mut out = Out::new();
        self.on_timeout(id, state, timer, &mut out);
        out
    }

    fn tuning(&self) -> &Tuning {
        Replica::tuning(self)
    }
}

impl Behaviour for MutantReplica {
    fn message(&self, id: Id, state: &mut Cow<'_, State>, src: Id, msg: Message) -> Out<Replica> {
        let mut out = Out::new();
        let after = self.on_msg(id, state, src, msg, &mut out);
        *state = Cow::Owned(after);
        out
    }

    fn timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer) -> Out<Replica> {
        let mut out = Out::new();
        let after = self.on_timeout(id, state, timer, &mut out);
        *state = Cow::Owned(after);
        out
    }

    fn tuning(&self) -> &Tuning {
        self.replica.tuning()
    }
}

/// A machine while it does a step. It is copied only if the step changes it.
pub(crate) struct Driving<'a, B> {
    pub(crate) id: Id,
    pub(crate) behaviour: &'a B,
    pub(crate) durability: Durability,
    pub(crate) replica: Cow<'a, State>,
    pub(crate) log: OrdMap<Slot, Value>,
    pub(crate) pending: VecDeque<PendingSave>,
    pub(crate) saved: Option<Storage>,
}

impl<'a, B: Behaviour> Driving<'a, B> {
    /// Goes on from this state.
    pub(crate) fn of(
        id: Id,
        behaviour: &'a B,
        durability: Durability,
        machine: &'a Machine,
    ) -> Self {
        Driving {
            id,
            behaviour,
            durability,
            replica: Cow::Borrowed(&machine.replica),
            log: machine.log.clone(),
            pending: machine.pending.clone(),
            saved: machine.saved.clone(),
        }
    }

    /// The machine after the step; `None` if it is as it was.
    pub(crate) fn done(self, before: &Machine, out: &mut Out<Node>) -> Option<Machine> {
        if !self.pending.is_empty() {
            out.set_timer(NodeTimer::Synced, Duration::ZERO..Duration::from_millis(1));
        }
        // It is written to only where it changes.
        let logged = !self.log.ptr_eq(&before.log);
        if let Some(storage) = self.saved.clone().filter(|_| logged) {
            out.save(NodeStorage::Replica(Disk { storage, log: self.log.clone() }));
        }
        let changed =
            matches!(self.replica, Cow::Owned(_)) || logged || self.pending != before.pending;
        let Driving { replica, log, pending, saved, .. } = self;
        changed.then(|| Machine { replica: replica.into_owned(), log, pending, saved })
    }

    /// Hands over what the log holds above what is known to be applied, chunk by chunk, as a driver does at a start.
    pub(crate) fn recall(&mut self, out: &mut Out<Node>) {
        let end = end_of(&self.log);
        loop {
            let from = self.replica.learner.applied_upto;
            let values = from.upto(end).map_while(|slot| self.log.get(&slot).cloned());
            let entries = Entries::chunk(from, end, values, self.behaviour.tuning());
            if entries.values.is_empty() {
                return;
            }
            self.message(NodeId::LOCAL.into(), Message::Input(Input::Recall(entries)), out);
        }
    }

    /// Hands over a message; if it is a client's request, with a stamp.
    pub(crate) fn message(&mut self, src: Id, mut msg: Message, out: &mut Out<Node>) {
        if let Message::ToReplica(ToReplica::Request(command)) = &mut msg {
            command.stamp = Timestamp(1 + usize::from(self.id) as u64);
        }
        let commands = self.behaviour.message(self.id, &mut self.replica, src, msg);
        self.carry_out(commands, out);
    }

    /// One of its timers has run out, or its oldest pending save is durable.
    pub(crate) fn timeout(&mut self, timer: NodeTimer, out: &mut Out<Node>) {
        match timer {
            NodeTimer::Actor(timer) => {
                let commands = self.behaviour.timeout(self.id, &mut self.replica, &timer);
                self.carry_out(commands, out);
            }
            NodeTimer::Synced => self.synced(out),
        }
    }

    fn synced(&mut self, out: &mut Out<Node>) {
        if let Some(PendingSave { storage, sends }) = self.pending.pop_front() {
            self.save(storage, &sends, out);
            self.release(sends, out);
        }
    }

    /// Does a driver's part of a handler.
    pub(crate) fn carry_out(&mut self, commands: Out<Replica>, out: &mut Out<Node>) {
        let (mut ahead, mut saved, mut behind) = (Sends::new(), None, Sends::new());
        for command in commands {
            match command {
                Command::Save(storage) => {
                    ahead.append(&mut behind);
                    saved = Some(storage);
                }
                Command::Send(to, message) => {
                    behind.insert((NodeId::from(to), message));
                }
                Command::SetTimer(timer, delay) => out.set_timer(timer.into(), delay),
                Command::CancelTimer(timer) => out.cancel_timer(timer.into()),
                Command::ChooseRandom(..) => {
                    unreachable!("no actor of the protocol chooses at random")
                }
            }
        }
        self.release(ahead, out);
        match saved {
            Some(storage) if self.durability == Durability::LateSaves => {
                self.pending.push_back(PendingSave { storage, sends: Sends::new() });
            }
            Some(storage) => self.save(storage, &behind, out),
            None => {}
        }
        if !self.pending.is_empty() {
            let (mut waits, free): (Sends, Sends) =
                behind.into_iter().partition(|(_, message)| reveals_save(message));
            waits.retain(|sent| !self.pending.iter().any(|save| save.sends.contains(sent)));
            if let Some(last) = self.pending.back_mut() {
                last.sends.append(&mut waits);
            }
            behind = free;
        }
        self.release(behind, out);
    }

    /// Makes a save durable, and the chat log below its bound: what was reported up to then.
    fn save(&mut self, storage: Storage, reports: &Sends, out: &mut Out<Node>) {
        self.keep(reports);
        if let Some(saved) = &mut self.saved {
            saved.clone_from(&storage);
        }
        let log = match self.durability {
            Durability::SavesAndLog => self.log.clone(),
            _ => self.log.split(&storage.snapshot.upto).0,
        };
        out.save(NodeStorage::Replica(Disk { storage, log }));
    }

    fn keep(&mut self, reports: &Sends) {
        for (_, message) in reports {
            if let Message::Output(Output::Applied { slot, value, .. }) = message
                && self.log.get(slot) != Some(value)
            {
                self.log.insert(*slot, value.clone());
            }
        }
    }

    /// Lets these go: to others, to the driver, which answers questions about the log, and to itself.
    fn release(&mut self, sends: Sends, out: &mut Out<Node>) {
        self.keep(&sends);
        for (to, message) in sends {
            let id = Id::from(to);
            match message {
                Message::Output(Output::ReadLog(read)) if to == NodeId::LOCAL => {
                    let asker = Id::from(read.asker.node());
                    out.send(asker, answer(&self.log, &read, self.behaviour.tuning()));
                }
                message if id == self.id => self.message(id, message, out),
                message => out.send(id, message),
            }
        }
    }
}

fn end_of(log: &OrdMap<Slot, Value>) -> Slot {
    log.get_max().map_or(Slot(0), |(slot, _)| slot.next())
}

/// Does this message tell of a ballot, a promise or a vote that its sender may have yet to save?
fn reveals_save(message: &Message) -> bool {
    matches!(
        message,
        Message::ToPeer(ToPeer::Prepare(_) | ToPeer::Promise(_) | ToPeer::Accepted(_))
    )
}

/// A driver has kept what was reported of each command; here it is found again from the log, which comes to the same
/// by a property that judges every report.
fn answer(log: &OrdMap<Slot, Value>, read: &LogRead, tuning: &Tuning) -> Message {
    let mut sessions = Sessions::default();
    let known = Slot(0).upto(read.upto).map_while(|slot| Some((slot, log.get(&slot)?)));
    let applied = known.map(|(slot, value)| {
        let outcomes = sessions.apply(slot, value, tuning.sessions_max);
        (slot, AppliedValue { value: value.clone(), outcomes })
    });
    let wanted = applied.filter(|(slot, _)| *slot >= read.from);
    read.answer(wanted.map(|(_, applied)| applied), tuning)
}
