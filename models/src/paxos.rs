//! Single-decree Paxos as an abstract specification over a set of messages: a yardstick of the
//! engine, and what the real actors are shown to refine (see [`crate::refinement`]).
//!
//! **Invariants**
//! - *Agreement*: at most one value is chosen.
//! - *Acceptors* and *messages*: the inductive invariant of the source, in the parts that speak of
//!   `maxBal`, `maxVBal`, `maxVal` and of `msgs`.
//!
//! **Absent**: leaders, learners, logs, and loss: a message that is lost is one that nobody reads.
//!
//! **Source**: Lamport's TLA+ modules `Paxos` and `Voting`, followed conjunct by conjunct; names of
//! variables and actions are theirs. `-1` and `None` are both [`None`] here.

use stateright::{Model, Property};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What ballots and values must offer. Ballots are ordered; values are told apart, and have an
/// order so that sets of messages have one form.
pub trait Token: Clone + Debug + Ord + Hash {}
impl<T: Clone + Debug + Ord + Hash> Token for T {}

/// An element of `msgs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Msg<B, V> {
    /// Ballot `bal` begins. It names no proposer.
    OneA {
        /// The ballot.
        bal: B,
    },
    /// Acceptor `acc` will cast no further vote below `bal`, and tells its highest one.
    OneB {
        /// The acceptor.
        acc: usize,
        /// The ballot.
        bal: B,
        /// The ballot of its highest vote.
        mbal: Option<B>,
        /// The value of its highest vote.
        mval: Option<V>,
    },
    /// Every acceptor may vote for `val` in ballot `bal`.
    TwoA {
        /// The ballot.
        bal: B,
        /// The value.
        val: V,
    },
    /// Acceptor `acc` has voted for `val` in ballot `bal`.
    TwoB {
        /// The acceptor.
        acc: usize,
        /// The ballot.
        bal: B,
        /// The value.
        val: V,
    },
}

/// The variables of the specification. Acceptors are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State<B, V> {
    /// The constant `Quorum`: the majorities of these acceptors. Others may promise and vote, and count for nothing.
    pub members: Vec<usize>,
    /// The highest ballot that each acceptor has seen.
    pub max_bal: Vec<Option<B>>,
    /// The ballot of each acceptor's highest vote.
    pub max_vbal: Vec<Option<B>>,
    /// The value of each acceptor's highest vote.
    pub max_val: Vec<Option<V>>,
    /// Every message ever sent.
    pub msgs: BTreeSet<Msg<B, V>>,
}

/// A subaction of `Next`, with the message that it picks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action<B, V> {
    /// `Phase1a(b)`.
    Phase1a(B),
    /// `Phase1b(a)` with the 1a message of this ballot.
    Phase1b(usize, B),
    /// `Phase2a(b, v)`.
    Phase2a(B, V),
    /// `Phase2b(a)` with the 2a message of this ballot and value.
    Phase2b(usize, B, V),
}

impl<B: Token, V: Token> State<B, V> {
    /// `Init`.
    pub fn init(acceptors: usize) -> State<B, V> {
        State {
            members: (0..acceptors).collect(),
            max_bal: vec![None; acceptors],
            max_vbal: vec![None; acceptors],
            max_val: vec![None; acceptors],
            msgs: BTreeSet::new(),
        }
    }

    /// The state after this action; `None` where the action is not enabled.
    pub fn after(&self, action: &Action<B, V>) -> Option<State<B, V>> {
        if !self.enables(action) {
            return None;
        }
        let mut next = self.clone();
        next.perform(action);
        Some(next)
    }

    /// Takes this action; false, and nothing is done, where it is not enabled.
    pub fn take(&mut self, action: &Action<B, V>) -> bool {
        let is_enabled = self.enables(action);
        if is_enabled {
            self.perform(action);
        }
        is_enabled
    }

    fn perform(&mut self, action: &Action<B, V>) {
        match action.clone() {
            Action::Phase1a(bal) => {
                self.msgs.insert(Msg::OneA { bal });
            }
            Action::Phase1b(acc, bal) => {
                self.max_bal[acc] = Some(bal.clone());
                let (mbal, mval) = (self.max_vbal[acc].clone(), self.max_val[acc].clone());
                self.msgs.insert(Msg::OneB { acc, bal, mbal, mval });
            }
            Action::Phase2a(bal, val) => {
                self.msgs.insert(Msg::TwoA { bal, val });
            }
            Action::Phase2b(acc, bal, val) => {
                self.max_bal[acc] = Some(bal.clone());
                self.max_vbal[acc] = Some(bal.clone());
                self.max_val[acc] = Some(val.clone());
                self.msgs.insert(Msg::TwoB { acc, bal, val });
            }
        }
    }

    /// Does the action's enabling condition hold?
    fn enables(&self, action: &Action<B, V>) -> bool {
        match action {
            Action::Phase1a(_) => true,
            Action::Phase1b(acc, bal) => {
                self.msgs.contains(&Msg::OneA { bal: bal.clone() })
                    && Some(bal) > self.max_bal[*acc].as_ref()
            }
            Action::Phase2a(bal, val) => {
                self.proposals().all(|(proposed, _)| proposed != bal)
                    && self.shows_safe_at(bal, val)
            }
            Action::Phase2b(acc, bal, val) => {
                self.msgs.contains(&Msg::TwoA { bal: bal.clone(), val: val.clone() })
                    && Some(bal) >= self.max_bal[*acc].as_ref()
            }
        }
    }

    /// The second conjunct of `Phase2a(b, v)`: some whole quorum has sent 1b messages of this
    /// ballot, and they tell of no vote, or of none above one for `v`. Of the quorums whose highest
    /// vote is in the same ballot, the largest one is asked.
    fn shows_safe_at(&self, b: &B, v: &V) -> bool {
        let told = || {
            self.msgs.iter().filter_map(|msg| match msg {
                Msg::OneB { acc, bal, mbal, mval } if bal == b => {
                    Some((*acc, mbal.as_ref(), mval.as_ref()))
                }
                _ => None,
            })
        };
        told().any(|(_, highest, _)| {
            let is_safe = highest.is_none()
                || told().any(|(_, mbal, mval)| mbal == highest && mval == Some(v));
            is_safe && self.has_quorum(|a| told().any(|(acc, mbal, _)| acc == a && mbal <= highest))
        })
    }

    /// Is there a member of `Quorum` of which this holds for all? `Quorum` is all majorities, so
    /// those for whom it holds are one, or there is none.
    fn has_quorum(&self, holds: impl Fn(usize) -> bool) -> bool {
        2 * self.members.iter().filter(|a| holds(**a)).count() > self.members.len()
    }

    /// The ballots and values of the 2a messages.
    pub fn proposals(&self) -> impl Iterator<Item = (&B, &V)> {
        self.msgs.iter().filter_map(|msg| match msg {
            Msg::TwoA { bal, val } => Some((bal, val)),
            _ => None,
        })
    }

    /// `votes`: acceptor, ballot and value of the 2b messages.
    pub fn votes(&self) -> impl Iterator<Item = (usize, &B, &V)> {
        self.msgs.iter().filter_map(|msg| match msg {
            Msg::TwoB { acc, bal, val } => Some((*acc, bal, val)),
            _ => None,
        })
    }

    fn voted_for(&self, acc: usize, bal: &B, val: &V) -> bool {
        self.msgs.contains(&Msg::TwoB { acc, bal: bal.clone(), val: val.clone() })
    }

    fn did_not_vote_at(&self, acc: usize, ballot: &B) -> bool {
        self.votes().all(|(a, bal, _)| a != acc || bal != ballot)
    }

    /// `chosen`: the values that some quorum has voted for in one ballot.
    pub fn chosen(&self) -> BTreeSet<&V> {
        let by_quorum = |bal: &B, val: &V| self.has_quorum(|acc| self.voted_for(acc, bal, val));
        self.proposals().filter(|(bal, val)| by_quorum(bal, val)).map(|(_, val)| val).collect()
    }

    /// The part of the invariant that speaks of `maxBal`, `maxVBal` and `maxVal`.
    pub fn acceptors_are_consistent(&self) -> bool {
        (0..self.max_bal.len()).all(|a| {
            let vote = (&self.max_vbal[a], &self.max_val[a]);
            let is_cast = match vote {
                (Some(bal), Some(val)) => self.voted_for(a, bal, val),
                (vbal, val) => vbal.is_none() && val.is_none(),
            };
            let is_highest =
                self.votes().all(|(acc, bal, _)| acc != a || Some(bal) <= vote.0.as_ref());
            is_cast && is_highest && self.max_vbal[a] <= self.max_bal[a]
        })
    }

    /// The part of the invariant that speaks of `msgs`. `ballots` are all that may be used.
    pub fn messages_are_consistent(&self, ballots: &[B]) -> bool {
        let between = |low: Option<&B>, high: &B, acc| {
            let mut strictly = ballots.iter().filter(|c| Some(*c) > low && *c < high);
            strictly.all(|c| self.did_not_vote_at(acc, c))
        };
        self.msgs.iter().all(|msg| match msg {
            Msg::OneA { .. } => true,
            Msg::OneB { acc, bal, mbal, mval } => {
                let is_cast = match (mbal, mval) {
                    (Some(mbal), Some(mval)) => self.voted_for(*acc, mbal, mval),
                    (mbal, mval) => mbal.is_none() && mval.is_none(),
                };
                Some(bal) <= self.max_bal[*acc].as_ref()
                    && is_cast
                    && between(mbal.as_ref(), bal, *acc)
            }
            Msg::TwoA { bal, val } => {
                self.is_safe_at(ballots, bal, val)
                    && self.proposals().all(|(b, v)| b != bal || v == val)
            }
            Msg::TwoB { acc, bal, val } => {
                self.proposals().any(|proposal| proposal == (bal, val))
                    && Some(bal) <= self.max_vbal[*acc].as_ref()
            }
        })
    }

    /// `SafeAt(b, v)`: no other value was or will be chosen below `b`.
    fn is_safe_at(&self, ballots: &[B], b: &B, v: &V) -> bool {
        let supports = |a: usize, c: &B| {
            self.voted_for(a, c, v)
                || Some(c) < self.max_bal[a].as_ref() && self.did_not_vote_at(a, c)
        };
        let none_other = |c: &B| self.has_quorum(|a| supports(a, c));
        ballots.iter().filter(|c| *c < b).all(none_other)
    }
}

/// The specification with finite constants: `Acceptor`, `Ballot` and `Value`.
#[derive(Clone, Debug)]
pub struct Paxos<B, V> {
    /// How many acceptors there are; quorums are their majorities.
    pub acceptors: usize,
    /// The ballots.
    pub ballots: Vec<B>,
    /// The values.
    pub values: Vec<V>,
}

impl Paxos<u8, u8> {
    /// The ballots 0 to `max_ballot`, and this many values.
    pub fn new(acceptors: usize, values: u8, max_ballot: u8) -> Paxos<u8, u8> {
        let (ballots, values) = ((0..=max_ballot).collect(), (0..values).collect());
        Paxos { acceptors, ballots, values }
    }
}

impl<B: Token, V: Token> Model for Paxos<B, V> {
    type State = State<B, V>;
    type Action = Action<B, V>;

    fn init_states(&self) -> Vec<State<B, V>> {
        vec![State::init(self.acceptors)]
    }

    /// Every enabled subaction, those that repeat a message included, as in the source.
    fn actions(&self, state: &State<B, V>, actions: &mut Vec<Action<B, V>>) {
        let start = actions.len();
        for bal in &self.ballots {
            actions.push(Action::Phase1a(bal.clone()));
            actions.extend((0..self.acceptors).map(|acc| Action::Phase1b(acc, bal.clone())));
            for val in &self.values {
                actions.push(Action::Phase2a(bal.clone(), val.clone()));
                let vote = |acc| Action::Phase2b(acc, bal.clone(), val.clone());
                actions.extend((0..self.acceptors).map(vote));
            }
        }
        let mut index = 0;
        actions.retain(|action| {
            index += 1;
            index <= start || state.enables(action)
        });
    }

    fn next_state(&self, state: &State<B, V>, action: Action<B, V>) -> Option<State<B, V>> {
        state.after(&action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |_, state: &State<B, V>| state.chosen().len() <= 1),
            Property::always("acceptors", |_, state: &State<B, V>| {
                state.acceptors_are_consistent()
            }),
            Property::always("messages", |model: &Self, state: &State<B, V>| {
                state.messages_are_consistent(&model.ballots)
            }),
            Property::sometimes("a value is chosen", |_, state: &State<B, V>| {
                !state.chosen().is_empty()
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actor_checker::engine::{Options, Report, bfs};
    use stateright::Checker;

    /// Explores all states, and asserts that the properties hold and are reached.
    fn explore(model: &Paxos<u8, u8>) -> Report {
        let report = bfs(model, &Options::default());
        assert!(report.complete, "{:?}", report.stopped);
        let found: Vec<bool> = report.discoveries.iter().map(Option::is_some).collect();
        assert_eq!(found, [false, false, false, true]);
        report
    }

    /// An enumeration that shares nothing with an engine: it keeps whole states.
    fn whole_states(model: &Paxos<u8, u8>) -> BTreeSet<State<u8, u8>> {
        let mut seen = BTreeSet::new();
        let mut pending = model.init_states();
        while let Some(state) = pending.pop() {
            if !seen.contains(&state) {
                pending.extend(model.next_states(&state));
                seen.insert(state);
            }
        }
        seen
    }

    /// TLC's figures for its published model `MCPaxos` (one acceptor, one value, ballots 0 and 1):
    /// 25 distinct states, 82 generated, 9 levels.
    #[test]
    fn counts_are_those_that_tlc_publishes() {
        let report = explore(&Paxos::new(1, 1, 1));
        assert_eq!(
            (report.unique_states, report.generated_states, report.by_depth.len()),
            (25, 82, 9)
        );
    }

    /// Unique states, states generated and depth for three acceptors and two values: by our engine,
    /// by stateright's, and by keeping whole states.
    fn count_in_three_ways(max_ballot: u8) -> (u64, u64, u64) {
        let model = Paxos::new(3, 2, max_ballot);
        let report = explore(&model);
        assert_eq!(report.unique_states, whole_states(&model).len() as u64);
        let theirs = model.checker().threads(2).spawn_bfs().join();
        theirs.assert_properties();
        assert_eq!(report.unique_states, theirs.unique_state_count() as u64);
        assert_eq!(report.generated_states, theirs.state_count() as u64);
        (report.unique_states, report.generated_states, report.depth)
    }

    #[test]
    fn counts_up_to_ballot_1() {
        assert_eq!(count_in_three_ways(1), (3_921, 22_995, 16));
    }

    #[test]
    fn counts_up_to_ballot_2() {
        assert_eq!(count_in_three_ways(2), (185_369, 1_316_584, 24));
    }

    /// The invariant can fail: a 2b message without a 2a message breaks it, and no action sends one.
    #[test]
    fn a_vote_that_nobody_proposed_is_noticed() {
        let mut state = State::init(3);
        for action in [Action::Phase1a(0), Action::Phase1b(0, 0), Action::Phase1b(1, 0)] {
            state = state.after(&action).expect("enabled");
        }
        assert_eq!(state.after(&Action::Phase2b(0, 0, 7)), None);
        let forged = Msg::TwoB { acc: 0, bal: 0, val: 7 };
        state.msgs.insert(forged);
        assert!(!state.acceptors_are_consistent());
        assert!(!state.messages_are_consistent(&[0]));
    }
}
