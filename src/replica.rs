//! A replica as a [`stateright::actor::Actor`]: the one `match` over messages and timers, and the
//! translation of effects.
//!
//! **Absent**: decisions. Each arm calls the role function named for its event.

use crate::acceptor;
use crate::effects::{Effects, Timer};
use crate::election;
use crate::learner;
use crate::message::{
    Accepted, Fetch, Heartbeat, HeartbeatAck, Input, Message, PreVote, PreVoteGranted,
    PreVoteRefused, Prepare, Reject, Tail, ToPeer, ToReplica,
};
use crate::proposer;
use crate::quorum::Cluster;
use crate::requests;
use crate::shell::emit;
use crate::state::{Context, State, Storage};
use crate::tuning::Tuning;
use crate::types::{NodeId, ReplicaId};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;

/// One of the `2f+1` replicas.
#[derive(Clone, Debug)]
pub struct Replica {
    cluster: Cluster,
    tuning: Tuning,
}

impl Replica {
    /// A replica of a cluster. Its id is the one that its driver or model gives it.
    pub fn new(cluster: Cluster, tuning: Tuning) -> Replica {
        Replica { cluster, tuning }
    }

    /// The sizes, limits and time-outs of this replica.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    fn context(&self, id: Id) -> Context<'_> {
        let index = u8::try_from(usize::from(id)).unwrap_or(u8::MAX);
        assert!(index < self.cluster.len(), "replica ids are 0 to {}", self.cluster.len() - 1);
        Context { me: ReplicaId(index), cluster: self.cluster, tuning: &self.tuning }
    }
}

impl Actor for Replica {
    type Msg = Message;
    type Timer = Timer;
    type State = State;
    type Storage = Storage;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<Storage>, out: &mut Out<Self>) -> State {
        let at = self.context(id);
        let mut effects = Effects::default();
        effects.set_timer(Timer::Election, at.tuning.election_delay(0));
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
        let src = NodeId::from(src);
        let fx = &mut effects;
        match (msg, self.cluster.replica(src)) {
            (Message::ToPeer(message), Some(peer)) => {
                self.on_peer_message(id, state, peer, message, fx);
            }
            (Message::ToReplica(message), None) => {
                self.on_client_message(id, state, src, message, fx);
            }
            (Message::Input(Input::SkipSlot), _) if src == NodeId::LOCAL => {
                proposer::on_skip_slot(state);
            }
            // Not this sender's to send.
            (Message::ToPeer(_), None) | (Message::ToReplica(_), Some(_)) => {}
            // Not for a replica.
            (Message::ToClient(_) | Message::Input(_) | Message::Output(_), _) => {}
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn on_timeout(&self, id: Id, state: &mut Cow<'_, State>, timer: &Timer, out: &mut Out<Self>) {
        let at = self.context(id);
        let mut effects = Effects::default();
        match timer {
            Timer::Election => election::on_election_timeout(&at, state, &mut effects),
            Timer::Heartbeat => election::on_heartbeat_timeout(&at, state, &mut effects),
            Timer::Resend => proposer::on_resend_timeout(&at, state, &mut effects),
            Timer::Retry => {}
        }
        emit(effects, || (*state.durable).clone(), out);
    }

    fn name(&self) -> String {
        "replica".into()
    }
}

impl Replica {
    fn on_peer_message(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        src: ReplicaId,
        message: ToPeer,
        fx: &mut Effects,
    ) {
        let at = &self.context(id);
        match message {
            ToPeer::PreVote(PreVote { promised, applied_upto }) => {
                election::on_pre_vote(at, state, src, promised, applied_upto, fx);
            }
            ToPeer::PreVoteGranted(PreVoteGranted { asked, promised }) => {
                election::on_pre_vote_granted(at, state, src, asked, promised, fx);
            }
            ToPeer::PreVoteRefused(PreVoteRefused { asked }) => {
                election::on_pre_vote_refused(state, src, asked);
            }
            ToPeer::Prepare(Prepare { ballot, from }) => {
                acceptor::on_prepare(at, state, src, ballot, from, fx);
            }
            ToPeer::Promise(chunk) => proposer::on_promise(at, state, src, chunk, fx),
            ToPeer::Accept(accept) => acceptor::on_accept(at, state, src, accept, fx),
            ToPeer::Accepted(Accepted { ballot, slot }) => {
                proposer::on_accepted(at, state, src, ballot, slot, fx);
            }
            ToPeer::Reject(Reject { promised }) => election::on_reject(at, state, promised, fx),
            ToPeer::Heartbeat(Heartbeat { ballot, decided_upto }) => {
                election::on_heartbeat(at, state, src, ballot, decided_upto, fx);
            }
            ToPeer::HeartbeatAck(HeartbeatAck { ballot }) => {
                election::on_heartbeat_ack(at, state, src, ballot, fx);
            }
            ToPeer::Fetch(Fetch { from }) => learner::on_fetch(at, state, src, from, fx),
            ToPeer::Decided(entries) => learner::on_decided(at, state, src, entries, fx),
            ToPeer::Relay(relay) => requests::on_relay(at, state, src, relay, fx),
        }
    }

    fn on_client_message(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        client: NodeId,
        message: ToReplica,
        fx: &mut Effects,
    ) {
        let at = &self.context(id);
        match message {
            ToReplica::Request(command) => requests::on_request(at, state, client, command, fx),
            ToReplica::Tail(Tail { from }) => learner::on_tail(at, state, client, from, fx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Busy, ToClient};
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
            [request.clone(), Message::ToReplica(ToReplica::Tail(Tail { from: Slot(0) }))]
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
    fn answers_sent_to_clients_and_results_are_taken_from_nobody() {
        let bench = Bench::new(0, 3).leading(1, 0);
        let misled = [
            Message::ToClient(ToClient::Busy(Busy { queued: 1 })),
            acknowledged(session(0, 0), 1, 0).into(),
            applied(0, Value::Noop, vec![]).into(),
            Message::ToClient(ToClient::Entries(run(0, vec![say("x")], 1))),
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
