//! Clusters with a bug: one of those that `check mutants` plants, played by the deployed drivers.
//!
//! No program calls this: tests do, and what makes the table in docs.

use paxos_chat::client::{Client, ClientState, ClientStorage};
use paxos_chat::effects::Timer;
use paxos_chat::message::Message;
use paxos_chat::reader::{Reader, ReaderState};
use paxos_chat::replica::Replica;
use paxos_chat::state::{State, Storage};
use paxos_chat_models::mutants::clients::MutantClient;
use paxos_chat_models::mutants::readers::MutantReader;
use paxos_chat_models::mutants::{Mutant, MutantReplica};
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::replay::Plays;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::rc::Rc;

/// A stage on which every replica, every client or every reader has this bug; or replicas and clients, if it takes both.
pub fn planted(mutant: Mutant) -> Stage {
    let mut stage = Stage::default();
    if mutant.is_of_replicas() {
        stage.replica = Rc::new(move |replica| {
            let (replica, genesis) = (replica.clone(), Storage::default());
            Box::new(BadReplica(MutantReplica { replica, genesis, mutant }))
        });
    }
    if mutant.is_of_clients() {
        stage.client = Rc::new(move |client| {
            Box::new(BadClient(MutantClient { client: client.clone(), mutant }))
        });
    }
    if mutant.is_of_readers() {
        stage.reader = Rc::new(move |reader| {
            Box::new(BadReader(MutantReader { reader: reader.clone(), mutant }))
        });
    }
    stage
}

struct BadReplica(MutantReplica);
struct BadClient(MutantClient);
struct BadReader(MutantReader);

impl Plays<Replica> for BadReplica {
    fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Replica>) -> State {
        self.0.on_start(id, storage, out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: Id,
        msg: Message,
        out: &mut Out<Replica>,
    ) {
        *state = Cow::Owned(self.0.on_msg(id, state, src, msg, out));
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        timer: &Timer,
        out: &mut Out<Replica>,
    ) {
        *state = Cow::Owned(self.0.on_timeout(id, state, timer, out));
    }
}

impl Plays<Client> for BadClient {
    fn on_start(
        &self,
        id: Id,
        storage: &Option<ClientStorage>,
        out: &mut Out<Client>,
    ) -> ClientState {
        self.0.on_start(id, storage, out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ClientState>,
        src: Id,
        msg: Message,
        out: &mut Out<Client>,
    ) {
        self.0.on_msg(id, state, src, msg, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ClientState>,
        timer: &Timer,
        out: &mut Out<Client>,
    ) {
        self.0.on_timeout(id, state, timer, out);
    }
}

impl Plays<Reader> for BadReader {
    fn on_start(&self, id: Id, storage: &Option<()>, out: &mut Out<Reader>) -> ReaderState {
        self.0.on_start(id, storage, out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ReaderState>,
        src: Id,
        msg: Message,
        out: &mut Out<Reader>,
    ) {
        self.0.on_msg(id, state, src, msg, out);
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ReaderState>,
        timer: &Timer,
        out: &mut Out<Reader>,
    ) {
        self.0.on_timeout(id, state, timer, out);
    }
}
