//! Bugs of clients, each as a wrapper around the handlers of one: what a client that comes back does
//! wrong, and what one does that gives up.

use super::Mutant;
use paxos_chat::client::{Client, ClientPhase, ClientState, ClientStorage};
use paxos_chat::effects::{Durable, Timer};
use paxos_chat::message::Message;
use paxos_chat::types::{Body, Nonce, Seq};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A client with a bug.
#[derive(Clone, Debug)]
pub struct MutatedClient {
    /// The client as it is.
    pub client: Client,
    /// The bug.
    pub mutant: Mutant,
}

impl Mutant {
    /// Is it a bug of clients?
    pub fn is_of_clients(self) -> bool {
        use Mutant::*;
        matches!(self, C01 | C02 | C03 | C04 | C05 | L06 | L07)
    }
}

impl MutatedClient {
    /// As [`Actor::on_start`].
    pub fn on_start(
        &self,
        id: Id,
        storage: &Option<ClientStorage>,
        out: &mut Out<Client>,
    ) -> ClientState {
        let found = storage.clone().map(|storage| match self.mutant {
            Mutant::C01 => self.anew(&storage),
            Mutant::C02 => renumbered(storage),
            _ => storage,
        });
        let state = self.client.on_start(id, &found, out);
        if self.mutant == Mutant::C01 && storage.is_some() {
            out.save((*state.durable).clone());
        }
        state
    }

    /// As [`Actor::on_msg`].
    pub fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ClientState>,
        src: Id,
        msg: Message,
        out: &mut Out<Client>,
    ) {
        let before = state.durable.clone();
        let (is_opening, is_expiry) = (
            matches!(msg, Message::SessionOpened { .. }),
            matches!(msg, Message::SessionExpired { .. }),
        );
        let mut commands = Out::new();
        self.client.on_msg(id, state, src, msg, &mut commands);
        for command in commands {
            match (self.mutant, command) {
                (Mutant::C03, Command::Save(_)) if is_opening => {}
                (Mutant::C04, Command::Save(mut storage)) => {
                    for (seq, pending) in &before.unacknowledged {
                        storage.unacknowledged.insert(*seq, pending.clone());
                    }
                    out.save(storage);
                }
                (_, command) => out.append(&mut std::iter::once(command).collect::<Out<Client>>()),
            }
        }
        if self.mutant == Mutant::C05 && is_expiry && state.durable != before {
            let storage = self.anew(&state.durable);
            state.to_mut().durable = Durable::restored(storage);
            out.set_timer(Timer::Retry, Duration::ZERO..self.client.tuning.redirect_delay);
        }
    }

    /// As [`Actor::on_timeout`].
    pub fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ClientState>,
        timer: &Timer,
        out: &mut Out<Client>,
    ) {
        let target = state.target;
        let mut commands = Out::new();
        self.client.on_timeout(id, state, timer, &mut commands);
        for command in commands {
            match (self.mutant, command) {
                (Mutant::L06, Command::SetTimer(..)) => {}
                (Mutant::L07, Command::Send(_, message)) => {
                    out.send(Id::from(self.client.replicas[target].0 as usize), message);
                }
                (_, Command::Send(to, message)) => out.send(to, message),
                (_, Command::SetTimer(timer, delay)) => out.set_timer(timer, delay),
                (_, Command::CancelTimer(timer)) => out.cancel_timer(timer),
                (_, Command::Save(storage)) => out.save(storage),
                (_, Command::ChooseRandom(..)) => {}
            }
        }
        if self.mutant == Mutant::L07 && state.target != target {
            state.to_mut().target = target;
        }
    }

    /// C01 and C05: all that is pending is said in another session.
    fn anew(&self, storage: &ClientStorage) -> ClientStorage {
        ClientStorage {
            nonce: Nonce(self.client.nonce.0 + 1),
            phase: ClientPhase::Opening,
            waiting: storage.pending().map(|(_, body)| body.clone()).collect(),
            next_seq: Seq::FIRST,
            unacknowledged: BTreeMap::new(),
        }
    }
}

/// C02: what is pending is given numbers that were never used.
fn renumbered(mut storage: ClientStorage) -> ClientStorage {
    let pending: Vec<Body> = storage.pending().map(|(_, body)| body.clone()).collect();
    storage.waiting = pending.into();
    storage.unacknowledged.clear();
    storage
}
