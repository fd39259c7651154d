//! Bugs of clients, each as a wrapper around the handlers of one: what a client that comes back does
//! wrong, and what one does that gives up.

use super::Mutant;
use paxos_chat::client::{Client, ClientPhase, ClientState, ClientStorage, PendingRequest};
use paxos_chat::effects::{Durable, Timer};
use paxos_chat::message::{Message, ToClient};
use paxos_chat::types::{Body, Nonce, Seq};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A client with a bug.
#[derive(Clone, Debug)]
pub struct MutantClient {
    /// The client as it is.
    pub client: Client,
    /// The bug.
    pub mutant: Mutant,
}

impl Mutant {
    /// Is it a bug of clients?
    pub fn is_of_clients(self) -> bool {
        use Mutant::*;
        matches!(
            self,
            ReturnsInNewSession
                | ReturnsWithNewNumbers
                | SessionNotSaved
                | AcknowledgementNotSaved
                | SaidAgainAfterExpiry
                | ClientNeverAsksAgain
                | ClientNeverAsksElsewhere
                | RedirectedNumbersAnew
                | ExpiredNumberUsedAgain
                | SilentLeaderNamed
                | RetryPutOff
                | OneAskedAtOnce
                | ClientTimesNeverDouble
        )
    }
}

impl MutantClient {
    /// As [`Actor::on_start`].
    pub fn on_start(
        &self,
        id: Id,
        storage: &Option<ClientStorage>,
        out: &mut Out<Client>,
    ) -> ClientState {
        let found = storage.clone().map(|storage| match self.mutant {
            Mutant::ReturnsInNewSession => self.anew(&storage),
            Mutant::ReturnsWithNewNumbers => renumbered(storage),
            _ => storage,
        });
        let state = self.client.on_start(id, &found, out);
        if self.mutant == Mutant::ReturnsInNewSession && storage.is_some() {
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
        let (before, target) = (state.durable.clone(), state.target);
        let (is_opening, is_expiry, is_redirect) = (
            matches!(msg, Message::ToClient(ToClient::SessionOpened(_))),
            matches!(msg, Message::ToClient(ToClient::SessionExpired(_))),
            matches!(msg, Message::ToClient(ToClient::Redirect(_))),
        );
        let mut commands = Out::new();
        self.client.on_msg(id, state, src, msg, &mut commands);
        for command in commands {
            match (self.mutant, command) {
                (Mutant::SessionNotSaved, Command::Save(_)) if is_opening => {}
                (Mutant::AcknowledgementNotSaved, Command::Save(mut storage)) => {
                    for (seq, pending) in &before.unacknowledged {
                        storage.unacknowledged.insert(*seq, pending.clone());
                    }
                    out.save(storage);
                }
                (_, command) => out.append(&mut std::iter::once(command).collect::<Out<Client>>()),
            }
        }
        if self.mutant == Mutant::SilentLeaderNamed && is_redirect {
            let state = state.to_mut();
            (state.turn, state.shunned) = (state.target, None);
        }
        if self.mutant == Mutant::RetryPutOff && state.durable != before && !state.is_idle() {
            let delay = self.client.tuning.retry_interval * (1 << state.backoff);
            out.set_timer(Timer::Retry, delay..delay * 2);
        }
        let expires = is_expiry && state.durable != before;
        let replacement = match self.mutant {
            Mutant::SaidAgainAfterExpiry if expires => self.anew(&state.durable),
            Mutant::ExpiredNumberUsedAgain if expires => self.onward(&state.durable),
            Mutant::RedirectedNumbersAnew if is_redirect && state.target != target => {
                from_one(&state.durable)
            }
            _ => return,
        };
        state.to_mut().durable = Durable::restored(replacement);
        if expires {
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
        if self.mutant == Mutant::SilentLeaderNamed && state.shunned.is_some() {
            state.to_mut().shunned = None;
        }
        let mut commands = Out::new();
        self.client.on_timeout(id, state, timer, &mut commands);
        for command in commands {
            match (self.mutant, command) {
                (Mutant::ClientNeverAsksAgain, Command::SetTimer(..)) => {}
                (Mutant::ClientNeverAsksElsewhere, Command::Send(_, message)) => {
                    out.send(Id::from(self.client.replicas[target]), message);
                }
                (_, Command::Send(to, message)) => out.send(to, message),
                (_, Command::SetTimer(timer, delay)) => out.set_timer(timer, delay),
                (_, Command::CancelTimer(timer)) => out.cancel_timer(timer),
                (_, Command::Save(storage)) => out.save(storage),
                (_, Command::ChooseRandom(..)) => {}
            }
        }
        if self.mutant == Mutant::ClientNeverAsksElsewhere && state.target != target {
            state.to_mut().target = target;
        }
    }

    /// ReturnsInNewSession and SaidAgainAfterExpiry: all that is pending is said in another session.
    fn anew(&self, storage: &ClientStorage) -> ClientStorage {
        ClientStorage {
            nonce: Nonce(self.client.nonce().0 + 1),
            phase: ClientPhase::Opening,
            waiting: storage.pending().map(|(_, body)| body.clone()).collect(),
            next_seq: Seq::FIRST,
            unacknowledged: BTreeMap::new(),
        }
    }

    /// ExpiredNumberUsedAgain: what is left is said in another session; what is unknown is not, but its number is used.
    fn onward(&self, storage: &ClientStorage) -> ClientStorage {
        let unknown = storage.unacknowledged.keys().next();
        ClientStorage {
            waiting: storage.waiting.clone(),
            next_seq: unknown.copied().unwrap_or(storage.next_seq),
            ..self.anew(storage)
        }
    }
}

/// RedirectedNumbersAnew: what is pending is numbered anew.
fn from_one(storage: &ClientStorage) -> ClientStorage {
    let pending = storage.unacknowledged.values().map(|pending| pending.body.clone());
    let renumbered = |(seq, body)| (seq, PendingRequest { acked_below: Seq::FIRST, body });
    let unacknowledged: BTreeMap<Seq, PendingRequest> =
        (Seq::FIRST.0..).map(Seq).zip(pending).map(renumbered).collect();
    ClientStorage {
        next_seq: unacknowledged.keys().next_back().map_or(Seq::FIRST, |last| last.next()),
        unacknowledged,
        ..storage.clone()
    }
}

/// ReturnsWithNewNumbers: what is pending is given numbers that were never used.
fn renumbered(mut storage: ClientStorage) -> ClientStorage {
    let pending: Vec<Body> = storage.pending().map(|(_, body)| body.clone()).collect();
    storage.waiting = pending.into();
    storage.unacknowledged.clear();
    storage
}
