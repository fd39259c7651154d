//! A replica as a [`stateright::actor::Actor`]: the one `match` over messages and timers, and the
//! translation of effects.
//!
//! **Absent**: decisions. Each arm calls the role function named for its event.

use crate::acceptor;
use crate::effects::{Effects, Timer};
use crate::election;
use crate::learner;
use crate::message::{Input, Message, ToPeer, ToReplica};
use crate::proposer;
use crate::quorum::Cluster;
use crate::reads;
use crate::requests;
use crate::shell::emit;
use crate::state::{State, Storage};
use crate::step::Step;
use crate::tuning::Tuning;
use crate::types::{NodeId, ReplicaId};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// One of the `2f+1` replicas.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replica {
    cluster: Cluster,
    tuning: Tuning,
}

impl Replica {
    /// A replica of a cluster. Its id is the one that its driver or model gives it.
    pub fn new(cluster: Cluster, tuning: Tuning) -> Replica {
        Replica { cluster, tuning }
    }

    /// The cluster that it is of.
    pub fn cluster(&self) -> Cluster {
        self.cluster
    }

    /// The sizes, limits and time-outs of this replica.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// What one handler of this replica is given.
    fn step<'a, 's>(
        &'a self,
        id: Id,
        state: &'a mut Cow<'s, State>,
        effects: &'a mut Effects,
    ) -> Step<'a, 's> {
        let (me, cluster) = (self.replica_id(id), self.cluster);
        Step { me, cluster, tuning: &self.tuning, state, effects }
    }

    fn replica_id(&self, id: Id) -> ReplicaId {
        let index = u8::try_from(usize::from(id)).unwrap_or(u8::MAX);
        assert!(index < self.cluster.len(), "replica ids are 0 to {}", self.cluster.len() - 1);
        ReplicaId(index)
    }
}

impl Actor for Replica {
    type Msg = Message;
    type Timer = Timer;
    type State = State;
    type Storage = Storage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Self>) -> State {
        self.replica_id(id);
        let mut effects = Effects::default();
        effects.set_timer(Timer::Election, self.tuning.election_delay(0));
        let state = State::restored(storage.clone().unwrap_or_default());
        emit(effects, || (*state.durable).clone(), out);
        state
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let mut effects = Effects::default();
        let step = &mut self.step(id, state, &mut effects);
        let src = NodeId::from(src);
        match (msg, self.cluster.replica(src)) {
            (Message::ToPeer(message), Some(peer)) => on_peer_message(step, peer, message),
            (Message::ToReplica(message), None) => on_client_message(step, src, message),
            (Message::Input(Input::SkipSlot), _) if src == NodeId::LOCAL => {
                proposer::on_skip_slot(step);
            }
            (Message::Input(Input::Recall(entries)), _) if src == NodeId::LOCAL => {
                learner::on_recall(step, entries);
            }
            // Not this sender's to send.
            (Message::ToPeer(_), None) | (Message::ToReplica(_), Some(_)) => {}
            // Not for a replica.
            (Message::ToClient(_) | Message::Input(_) | Message::Output(_), _) => {}
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn on_timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer, out: &mut Out<Self>) {
        let mut effects = Effects::default();
        let step = &mut self.step(id, state, &mut effects);
        match timer {
            Timer::Election => election::on_election_timeout(step),
            Timer::Heartbeat => election::on_heartbeat_timeout(step),
            Timer::Resend => proposer::on_resend_timeout(step),
            Timer::Retry => {}
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn name(&self) -> String {
        "replica".into()
    }
}

fn on_peer_message(step: &mut Step<'_, '_>, src: ReplicaId, message: ToPeer) {
    match message {
        ToPeer::PreVote(asks) => election::on_pre_vote(step, src, asks),
        ToPeer::PreVoteGranted(granted) => election::on_pre_vote_granted(step, src, granted),
        ToPeer::PreVoteRefused(refused) => election::on_pre_vote_refused(step, src, refused),
        ToPeer::Prepare(prepare) => acceptor::on_prepare(step, src, prepare),
        ToPeer::Promise(chunk) => proposer::on_promise(step, src, chunk),
        ToPeer::Accept(accept) => acceptor::on_accept(step, src, accept),
        ToPeer::Accepted(accepted) => proposer::on_accepted(step, src, accepted),
        ToPeer::Reject(reject) => election::on_reject(step, reject),
        ToPeer::Heartbeat(heartbeat) => election::on_heartbeat(step, src, heartbeat),
        ToPeer::HeartbeatAck(ack) => election::on_heartbeat_ack(step, src, ack),
        ToPeer::Fetch(fetch) => learner::on_fetch(step, src, fetch),
        ToPeer::Decided(entries) => learner::on_decided(step, src, entries),
        ToPeer::Relay(relay) => requests::on_relay(step, src, relay),
        ToPeer::RelayRead(read) => reads::on_relay(step, read),
        ToPeer::RelayBound(bound) => reads::on_bound(step, bound),
        ToPeer::Round(round) => reads::on_round(step, src, round),
        ToPeer::RoundAck(ack) => reads::on_round_ack(step, src, ack),
    }
}

fn on_client_message(step: &mut Step<'_, '_>, client: NodeId, message: ToReplica) {
    match message {
        ToReplica::Request(command) => requests::on_request(step, client, command),
        ToReplica::Tail(tail) => learner::on_tail(step, client, tail),
        ToReplica::Read(read) => reads::on_read(step, client, read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Busy, Tail, ToClient};
    use crate::state::Phase;
    use crate::testing::*;
    use crate::types::{Slot, Value};
    use stateright::actor::Command;

    fn replica() -> Replica {
        Replica::new(Cluster::new(3), Tuning::default())
    }

    fn receives(state: &State, src: u64, message: Message) -> (State, Out<Replica>) {
        let mut out = Out::new();
        let mut state = Cow::Borrowed(state);
        let (me, src) = (Id::from(0), Id::from(src as usize));
        replica().on_msg(me, &mut state, src, message, &mut out);
        (state.into_owned(), out)
    }

    #[test]
    fn a_start_sets_the_election_timer_and_saves_nothing() {
        let mut out = Out::new();
        let state = replica().on_start(Id::from(0), &None, &mut out);
        assert_eq!(state, State::restored(Storage::default()));
        let delay = Tuning::default().election_delay(0);
        let expected: [Command<Message, _, (), Storage>; 1] =
            [Command::SetTimer(Timer::Election, delay)];
        assert_eq!(as_text(out.iter()), as_text(&expected));
    }

    #[test]
    fn a_start_resumes_at_the_saved_bound_as_a_follower_that_keeps_its_promise() {
        let mut storage = Storage::after([one(open("ann", 7)), say("b")], 9);
        storage.promised = ballot(4, 0);
        storage.votes.insert(Slot(3), vote(ballot(4, 0), say("d")));
        let state = State::restored(storage.clone());
        assert_eq!(*state.durable, storage);
        assert_eq!(state.learner.applied_upto, Slot(2));
        assert_eq!(state.learner.sessions, storage.snapshot.sessions);
        assert!(state.learner.decided.is_empty());
        assert_eq!((state.phase, state.leader_alive), (Phase::Follower, false));
    }

    #[test]
    fn a_handler_saves_before_it_sends() {
        let before = State::restored(Storage::default());
        let (after, out) = receives(&before, 1, prepare(ballot(1, 1), 0).into());
        let promise = Message::ToPeer(ToPeer::Promise(whole_promise(ballot(1, 1), vec![])));
        let expected: [Command<_, _, (), _>; 3] = [
            Command::Save((*after.durable).clone()),
            Command::Send(Id::from(1), promise),
            Command::SetTimer(Timer::Election, Tuning::default().election_delay(0)),
        ];
        assert_eq!(as_text(out.iter()), as_text(&expected));
        assert_eq!(after.durable.promised, ballot(1, 1));
    }

    #[test]
    fn a_replica_s_messages_are_taken_from_replicas_only() {
        let before = State::restored(Storage::default());
        for stranger in [3, 100, NodeId::LOCAL.0] {
            let (after, out) = receives(&before, stranger, prepare(ballot(1, 1), 0).into());
            assert_eq!((after, out.len()), (before.clone(), 0));
        }
    }

    #[test]
    fn a_client_s_messages_are_taken_from_clients_only() {
        let bench = Bench::new(0, 3).leading(1, 0);
        let request = Message::ToReplica(ToReplica::Request(open("ann", 7)));
        for message in
            [request.clone(), Message::ToReplica(ToReplica::Tail(Tail { from: Some(Slot(0)) }))]
        {
            let (after, out) = receives(&bench.state, 1, message);
            assert_eq!((after, out.len()), (bench.state.clone(), 0));
        }
        let (after, _) = receives(&bench.state, ANN.0, request);
        assert!(after.durable.votes.contains_key(&Slot(0)));
    }

    #[test]
    fn only_its_own_driver_may_make_a_replica_skip_a_slot() {
        let bench = Bench::new(0, 3).leading(1, 0);
        for stranger in [1, ANN.0] {
            let (after, _) = receives(&bench.state, stranger, Message::Input(Input::SkipSlot));
            assert_eq!(after, bench.state);
        }
        let (after, _) = receives(&bench.state, NodeId::LOCAL.0, Message::Input(Input::SkipSlot));
        let Phase::Leading(leading) = after.phase else { panic!("it leads") };
        assert_eq!(leading.next, Slot(1));
    }

    #[test]
    fn only_its_own_driver_may_recall_the_log() {
        let bench = Bench::new(0, 3);
        let recall = Message::Input(Input::Recall(run(0, vec![say("x")], 1)));
        for stranger in [1, ANN.0] {
            let (after, _) = receives(&bench.state, stranger, recall.clone());
            assert_eq!(after, bench.state);
        }
        let (after, _) = receives(&bench.state, NodeId::LOCAL.0, recall);
        assert_eq!(after.learner.applied_upto, Slot(1));
    }

    #[test]
    fn answers_sent_to_clients_and_results_are_taken_from_nobody() {
        let bench = Bench::new(0, 3).leading(1, 0);
        let misled = [
            Message::ToClient(ToClient::Busy(Busy { queued: 1 })),
            acknowledged(session(0, 0), 1, 0).into(),
            applied(0, Value::Noop, vec![]).into(),
            page(0, vec![say("x")], 1).into(),
        ];
        for message in misled {
            for sender in [1, ANN.0, NodeId::LOCAL.0] {
                let (after, out) = receives(&bench.state, sender, message.clone());
                assert_eq!((after, out.len()), (bench.state.clone(), 0));
            }
        }
    }

    #[test]
    #[should_panic(expected = "replica ids are 0 to 2")]
    fn an_id_outside_the_cluster_is_refused() {
        replica().on_start(Id::from(3), &None, &mut Out::new());
    }
}
