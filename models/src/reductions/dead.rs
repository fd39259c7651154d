//! What does not matter in the models of the chat, now or later: claims that a run which relies on them
//! checks (see [`actor_checker::reductions::dead`]).

use crate::node::NodeState;
use paxos_chat::quorum::{Cluster, ReplicaSet};
use paxos_chat::state::Phase;
use paxos_chat::types::{Ballot, ReplicaId};

/// The state of a leader that has heard nobody yet: whom it has heard decides only when its election
/// timer is set anew, and here that timer is always set and may fire at any moment. A leader that was
/// outbid takes a higher ballot once it is heard, so there it matters.
pub(crate) fn without_heard(mut state: NodeState) -> NodeState {
    if let NodeState::Replica(machine) = &mut state
        && let Phase::Leading(leading) = &mut machine.replica.phase
        && leading.outbid == Ballot::ZERO
    {
        leading.heard = ReplicaSet::default();
    }
    state
}

/// The states of a leader that has heard any of the others: all but that it has heard nobody.
pub(crate) fn with_anyone_heard(
    cluster: Cluster,
    actor: usize,
    state: &NodeState,
) -> Vec<NodeState> {
    let NodeState::Replica(machine) = state else { return Vec::new() };
    let Phase::Leading(leading) = &machine.replica.phase else { return Vec::new() };
    if leading.outbid > Ballot::ZERO {
        return Vec::new();
    }
    let others: Vec<ReplicaId> =
        cluster.replicas().filter(|id| usize::from(id.0) != actor).collect();
    let subset = |bits: u32| -> ReplicaSet {
        let member = |(place, _): &(u32, &ReplicaId)| bits >> place & 1 == 1;
        (0..).zip(&others).filter(member).map(|(_, id)| *id).collect()
    };
    let with = |bits: u32| {
        let mut machine = machine.clone();
        if let Phase::Leading(leading) = &mut machine.replica.phase {
            leading.heard = subset(bits);
        }
        NodeState::Replica(machine)
    };
    (1..1 << others.len()).map(with).collect()
}
