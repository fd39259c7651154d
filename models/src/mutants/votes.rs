//! Bugs of acceptors and candidates, in what they make of votes: the wrong slot, the wrong ballot, or none.

use super::{Cmd, Mutant, MutantReplica, save_again, write};
use paxos_chat::message::{Accept, Message, Promise, ToPeer};
use paxos_chat::state::State;
use paxos_chat::state::{Phase, Preparing};
use paxos_chat::types::{ReplicaId, Slot, Vote};
use stateright::actor::Id;

impl MutantReplica {
    /// What a handler sees of votes that is not so.
    pub(super) fn change_votes(&self, state: &mut State, msg: &mut Message, src: Id) {
        match (self.mutant, msg) {
            (Mutant::GapClosedByPlace, Message::ToPeer(ToPeer::Promise(chunk))) => {
                self.close_up(state, src, chunk)
            }
            (
                Mutant::OldSuffixKept,
                Message::ToPeer(ToPeer::Accept(Accept { ballot, slot, .. })),
            ) => {
                let (ballot, slot) = (*ballot, *slot);
                let is_first = state.durable.votes.values().all(|vote| vote.ballot < ballot);
                if ballot >= state.durable.promised && is_first {
                    let above = state.durable.votes.range(slot.next()..);
                    let relabelled: Vec<(Slot, Vote)> =
                        above.map(|(at, vote)| (*at, Vote { ballot, ..vote.clone() })).collect();
                    write(&mut state.durable, |storage| storage.votes.extend(relabelled));
                }
            }
            (Mutant::FirstReportedAdopted, Message::ToPeer(ToPeer::Promise(chunk))) => {
                if let Phase::Preparing(preparing) = &state.phase {
                    chunk.votes.retain(|(slot, _)| !preparing.reported.contains_key(slot));
                }
            }
            _ => {}
        }
    }

    /// VoteAtBoundDropped: whoever compacts while it catches up drops the vote at the bound, too.
    pub(super) fn drop_votes(
        &self,
        before: &State,
        msg: &Message,
        state: &mut State,
        commands: &mut [Cmd],
    ) {
        let upto = state.durable.snapshot.upto;
        let compacts = upto > before.durable.snapshot.upto;
        if let (Mutant::VoteAtBoundDropped, Message::ToPeer(ToPeer::Decided(_)), true) =
            (self.mutant, msg, compacts)
        {
            write(&mut state.durable, |storage| {
                storage.votes.remove(&upto);
            });
            save_again(state, commands);
        }
    }

    /// GapClosedByPlace: the votes of a quorum are taken for those of the slots from the base on, without gaps.
    fn close_up(&self, state: &mut State, src: Id, chunk: &mut Promise) {
        let majority = self.replica.cluster().majority();
        let acceptor = ReplicaId(usize::from(src) as u8);
        let State { phase: Phase::Preparing(preparing), learner, .. } = state else { return };
        let Preparing { ballot, from, expected, complete, compacted_upto, reported, .. } =
            preparing;
        let completes = chunk.last && complete.len() + 1 >= majority;
        if chunk.ballot != *ballot
            || complete.contains(acceptor)
            || chunk.from != expected.get(&acceptor).copied().unwrap_or(*from)
            || !completes
        {
            return;
        }
        for (slot, vote) in chunk.votes.drain(..) {
            if reported.get(&slot).is_none_or(|known| known.ballot < vote.ballot) {
                reported.insert(slot, vote);
            }
        }
        let base = learner.applied_upto.max(*compacted_upto).max(chunk.compacted_upto);
        let votes = reported.split_off(&base).into_values();
        *reported = (base.0..).map(Slot).zip(votes).collect();
    }
}
