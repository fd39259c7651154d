//! A replica's machine: the actor's state beside the chat log that its driver keeps on disk.
//!
//! A replica reports what it applies, and forgets it; whoever asks for it later is answered by the
//! driver, from its disk. Here the model is the driver: it keeps what was reported, and answers.
//!
//! **Invariant — synced before votes are dropped**: a save that moves the compacted bound makes the
//! chat log durable up to that bound; what is above it is lost in a crash, as it may be.

use imbl::OrdMap;
use paxos_chat::acceptor::Storage;
use paxos_chat::effects::Timer;
use paxos_chat::message::{Entries, LogRead, Message};
use paxos_chat::replica::{Replica, State};
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{NodeId, Slot, Value};
use stateright::actor::{Command, Id, Out};

/// A replica that is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine {
    /// What the actor knows.
    pub replica: State,
    /// What it has applied: the chat log.
    pub log: OrdMap<Slot, Value>,
}

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
}

/// Does a driver's part of a handler: keeps in `log` what the handler reports as applied, saves
/// that too, and answers what is asked of the log.
pub(crate) fn drive<A>(
    commands: Out<Replica>,
    log: &mut OrdMap<Slot, Value>,
    tuning: &Tuning,
    out: &mut Out<A>,
) where
    A: stateright::actor::Actor<Msg = Message, Timer = Timer, Storage = Disk>,
{
    for command in &*commands {
        if let Command::Send(_, Message::Applied { slot, value, .. }) = command {
            log.insert(*slot, value.clone());
        }
    }
    let local = Id::from(NodeId::LOCAL.0 as usize);
    for command in commands {
        match command {
            Command::Send(to, Message::ReadLog(read)) if to == local => {
                out.send(Id::from(read.asker.node().0 as usize), answer(log, read, tuning));
            }
            Command::Send(to, message) => out.send(to, message),
            Command::SetTimer(timer, delay) => out.set_timer(timer, delay),
            Command::CancelTimer(timer) => out.cancel_timer(timer),
            Command::Save(storage) => {
                let log = log.split(&storage.snapshot.upto).0;
                out.save(Disk { storage, log });
            }
            Command::ChooseRandom(..) => unreachable!("no actor of the protocol chooses at random"),
        }
    }
}

fn answer(log: &OrdMap<Slot, Value>, read: LogRead, tuning: &Tuning) -> Message {
    let LogRead { asker, from, upto } = read;
    let values = from.upto(upto).map_while(|slot| log.get(&slot).cloned());
    asker.answer(Entries::chunk(from, upto, values, tuning))
}
