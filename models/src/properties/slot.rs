//! What must hold of the votes at one slot. What is judged of all votes is that it holds at each slot.
//!
//! **Invariant — a promise that rises breaks none of this**: a vote needs promises that are high enough, and an
//! acceptor that has not voted in a ballot supports every value there once it has promised a higher one. So only a
//! vote has to be judged, at its own slot.

use paxos_chat::quorum::ReplicaSet;
use paxos_chat::types::{Ballot, ReplicaId};
use std::collections::BTreeSet;

/// The votes that were ever cast at a slot. Values may be stood for by something that is equal where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VotesAt<V> {
    /// Ballot, acceptor and value, in order.
    votes: Vec<(Ballot, usize, V)>,
}

impl<V> Default for VotesAt<V> {
    fn default() -> Self {
        VotesAt { votes: Vec::new() }
    }
}

impl<V: Copy + Ord> VotesAt<V> {
    /// Adds a vote; if this acceptor has voted in this ballot already, the one that it takes the place of.
    pub(crate) fn cast(&mut self, acceptor: usize, ballot: Ballot, value: V) -> Option<V> {
        match self.votes.binary_search_by_key(&(ballot, acceptor), |(b, a, _)| (*b, *a)) {
            Ok(place) => Some(std::mem::replace(&mut self.votes[place].2, value)),
            Err(place) => {
                self.votes.insert(place, (ballot, acceptor, value));
                None
            }
        }
    }

    /// The ballots in which somebody has voted, in order.
    pub(crate) fn ballots(&self) -> impl Iterator<Item = Ballot> {
        self.votes.chunk_by(|left, right| left.0 == right.0).map(|votes| votes[0].0)
    }

    /// The votes of an acceptor: ballots and values, in order.
    pub(crate) fn of(&self, acceptor: usize) -> impl DoubleEndedIterator<Item = (Ballot, V)> {
        let own = self.votes.iter().filter(move |(_, by, _)| *by == acceptor);
        own.map(|(ballot, _, value)| (*ballot, *value))
    }

    /// What this acceptor has voted for in this ballot.
    pub(crate) fn get(&self, acceptor: usize, ballot: Ballot) -> Option<V> {
        let found =
            self.votes.binary_search_by_key(&(ballot, acceptor), |(b, a, _)| (*b, *a)).ok()?;
        Some(self.votes[found].2)
    }

    /// Has a quorum of these members voted for this in this ballot?
    pub(crate) fn is_chosen_in(&self, ballot: Ballot, value: V, members: ReplicaSet) -> bool {
        let is_it = |(of, _, voted): &&(Ballot, usize, V)| *of == ballot && *voted == value;
        let voters: ReplicaSet =
            self.votes.iter().filter(is_it).map(|(_, acceptor, _)| replica(*acceptor)).collect();
        voters.is_quorum_of(members)
    }

    /// Is at most one value voted for in each ballot?
    pub(crate) fn has_one_value(&self) -> bool {
        self.votes.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].2 == pair[1].2)
    }

    /// What a quorum of these members has voted for in one ballot.
    pub(crate) fn chosen(&self, members: ReplicaSet) -> BTreeSet<V> {
        let majority = members.majority() as usize;
        let is_chosen = |(ballot, _, value): &&(Ballot, usize, V)| {
            self.votes.len() >= majority && self.is_chosen_in(*ballot, *value, members)
        };
        self.votes.iter().filter(is_chosen).map(|(_, _, value)| *value).collect()
    }

    /// Lamport's invariant: for every vote for v in ballot b, and every lower ballot c, some quorum of
    /// these members each voted for v in c, or has not voted in c and never will. These are the highest ballots
    /// that acceptors have ever promised.
    pub(crate) fn is_inductive(&self, promised: &[Ballot], members: ReplicaSet) -> bool {
        let majority = members.majority() as usize;
        let promises =
            || promised.iter().enumerate().filter(|(of, _)| members.contains(replica(*of)));
        let promised_at_least =
            |ballot: Ballot| promises().filter(|(_, own)| **own >= ballot).count() >= majority;
        self.votes.iter().all(|(ballot, _, value)| {
            let lower = self.ballots().take_while(|lower| lower < ballot);
            let is_safe_at = |c: Ballot| {
                let supports =
                    |(acceptor, promised): &(usize, &Ballot)| match self.get(*acceptor, c) {
                        Some(voted) => voted == *value,
                        None => **promised > c,
                    };
                promises().filter(supports).count() >= majority
            };
            // In a ballot without votes the quorum is of those who promised this ballot.
            promised_at_least(*ballot) && lower.into_iter().all(is_safe_at)
        })
    }
}

/// The replica that is this acceptor.
fn replica(acceptor: usize) -> ReplicaId {
    ReplicaId(u8::try_from(acceptor).expect("a replica's number is one byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Ballot = Ballot { round: 1, replica: ReplicaId(0) };
    const HIGH: Ballot = Ballot { round: 2, replica: ReplicaId(1) };

    fn three() -> ReplicaSet {
        (0..3).map(ReplicaId).collect()
    }

    fn votes(cast: &[(usize, Ballot, char)]) -> VotesAt<char> {
        let mut votes = VotesAt::default();
        for (acceptor, ballot, value) in cast {
            assert_eq!(votes.cast(*acceptor, *ballot, *value), None);
        }
        votes
    }

    #[test]
    fn a_majority_in_one_ballot_chooses() {
        let split = votes(&[(0, LOW, 'a'), (1, HIGH, 'a')]);
        assert!(split.chosen(three()).is_empty());
        let both = votes(&[(0, LOW, 'a'), (1, LOW, 'a'), (0, HIGH, 'b'), (2, HIGH, 'b')]);
        assert_eq!(both.chosen(three()), ['a', 'b'].into());
        assert_eq!(both.ballots().collect::<Vec<_>>(), [LOW, HIGH]);
    }

    #[test]
    fn only_members_choose() {
        let strangers = votes(&[(0, LOW, 'a'), (3, LOW, 'a'), (4, LOW, 'a')]);
        assert!(strangers.chosen(three()).is_empty());
        assert_eq!(strangers.chosen([0, 3].map(ReplicaId).into_iter().collect()), ['a'].into());
    }

    #[test]
    fn two_values_in_a_ballot_are_seen_whoever_voted() {
        assert!(!votes(&[(0, LOW, 'a'), (2, LOW, 'b')]).has_one_value());
        assert!(votes(&[(0, LOW, 'a'), (2, HIGH, 'b')]).has_one_value());
    }

    #[test]
    fn a_vote_is_safe_once_a_majority_has_promised_and_never_voted_otherwise_below() {
        let later = votes(&[(0, LOW, 'a'), (1, HIGH, 'b')]);
        assert!(later.is_inductive(&[LOW, HIGH, HIGH], three()));
        assert!(!later.is_inductive(&[LOW, HIGH, LOW], three()), "too few have promised");
        let chosen = votes(&[(0, LOW, 'a'), (2, LOW, 'a'), (1, HIGH, 'b')]);
        assert!(!chosen.is_inductive(&[HIGH; 3], three()));
    }
}
