//! What is remembered of one slot: who has voted for what, what was chosen, what that came to, and the state of
//! Lamport's specification there.
//!
//! **Invariants**
//! - *A value is stood for by its number* among those that were ever voted for or decided at its slot.
//! - *A promise is made at every slot at once*, and taken over by a slot when it is next touched: nothing at the slot
//!   has changed in between, so the 1b message tells what it would have told at once.
//! - *Only ballots in which somebody may still vote are told apart*: 1a and 1b messages of ballots below every
//!   acceptor's promise are dropped. A proposal there would be one that no acceptor can vote for. So this is stricter
//!   than the specification only for a proposer that proposes below its own promise, which ours never does.

use crate::paxos::{self, Msg};
use crate::properties::slot::VotesAt;
use paxos_chat::message::Outcome;
use paxos_chat::quorum::ReplicaSet;
use paxos_chat::types::{Ballot, Value};

/// The number of a value at its slot.
pub(super) type Token = u32;
/// The state of the specification at a slot.
pub(super) type Abstract = paxos::State<Ballot, Token>;
/// An action of the specification.
pub(super) type Action = paxos::Action<Ballot, Token>;

/// A slot that is not folded.
#[derive(Debug)]
pub(super) struct Record {
    values: Vec<Value>,
    /// Every vote ever cast here.
    pub(super) votes: VotesAt<Token>,
    /// The first value that a majority has voted for in one ballot.
    pub(super) chosen: Option<Token>,
    /// The first value that a replica knew to be decided.
    pub(super) decided: Option<Token>,
    /// What the chosen value comes to, once everything before it is chosen.
    pub(super) executed: Option<Executed>,
    state: Abstract,
    /// The promises that the state has taken over.
    promises: u64,
}

/// What a value of the log comes to.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) outcomes: Vec<Outcome>,
    /// The digest of the session table after it.
    pub(super) table: u64,
}

impl Record {
    /// The number of a value, and whether it is a new one.
    pub(super) fn token(&mut self, value: &Value) -> (Token, bool) {
        match self.find(value) {
            Some(token) => (token, false),
            None => {
                self.values.push(value.clone());
                (self.values.len() as Token - 1, true)
            }
        }
    }

    /// The number of a value, if it has one.
    pub(super) fn find(&self, value: &Value) -> Option<Token> {
        self.values.iter().position(|known| known == value).map(|place| place as Token)
    }

    pub(super) fn value(&self, token: Token) -> &Value {
        &self.values[token as usize]
    }

    /// Was this proposed in this ballot?
    pub(super) fn is_proposed(&self, ballot: Ballot, token: Token) -> bool {
        self.state.msgs.contains(&Msg::TwoA { bal: ballot, val: token })
    }

    /// Takes an action of the specification; false if it is not enabled.
    pub(super) fn take(&mut self, action: &Action) -> bool {
        self.state.take(action)
    }

    /// Does the specification keep its invariants here?
    ///
    /// Of a ballot in which nobody has voted here they claim only that below a proposal a quorum has promised a higher
    /// one: that of the proposal, without which it was not enabled. So only ballots with votes have to be looked at.
    pub(super) fn keeps_invariants(&self) -> bool {
        let ballots: Vec<Ballot> = self.votes.ballots().collect();
        self.state.chosen().len() <= 1
            && self.state.acceptors_are_consistent()
            && self.state.messages_are_consistent(&ballots)
    }

    /// Is the state of the specification what the votes and these promises are?
    pub(super) fn is_projection(&self, promised: &[Ballot]) -> bool {
        promised.iter().enumerate().all(|(acc, promised)| {
            let highest = self.votes.of(acc).next_back();
            let cast = self.state.votes().filter(|(by, ..)| *by == acc);
            self.state.max_vbal[acc] == highest.map(|(ballot, _)| ballot)
                && self.state.max_val[acc] == highest.map(|(_, value)| value)
                && self.state.max_bal[acc].unwrap_or_default() == *promised
                && cast.map(|(_, ballot, value)| (*ballot, *value)).eq(self.votes.of(acc))
        })
    }
}

/// The state of the specification at every slot that was never used.
#[derive(Debug)]
pub(super) struct Unused {
    state: Abstract,
    /// How often a ballot has begun or a promise was made.
    promises: u64,
}

impl Unused {
    pub(super) fn new(acceptors: usize) -> Unused {
        Unused { state: Abstract::init(acceptors), promises: 0 }
    }

    /// A slot that is used for the first time, at which these have votes that count.
    pub(super) fn record(&self, members: ReplicaSet) -> Record {
        let mut state = self.state.clone();
        state.members = members.iter().map(|id| usize::from(id.0)).collect();
        Record {
            values: Vec::new(),
            votes: VotesAt::default(),
            chosen: None,
            decided: None,
            executed: None,
            state,
            promises: self.promises,
        }
    }

    /// Takes an action at every slot; false if it is not enabled.
    pub(super) fn take(&mut self, action: &Action) -> bool {
        self.promises += 1;
        self.state.take(action)
    }

    /// Has this ballot begun?
    pub(super) fn has_begun(&self, ballot: Ballot) -> bool {
        self.state.msgs.contains(&Msg::OneA { bal: ballot })
    }

    /// Drops what nobody needs below this ballot: every acceptor has promised it.
    pub(super) fn prune(&mut self, floor: Ballot) {
        self.state.msgs.retain(|msg| is_needed(msg, floor));
    }

    /// Makes a slot take over the promises that were made since it was touched last.
    pub(super) fn renew(&self, record: &mut Record, floor: Ballot) {
        if record.promises == self.promises {
            return;
        }
        record.promises = self.promises;
        let state = &mut record.state;
        state.msgs.retain(|msg| is_needed(msg, floor));
        for msg in &self.state.msgs {
            let Msg::OneB { acc, bal, .. } = msg else {
                state.msgs.insert(msg.clone());
                continue;
            };
            let is_it = |known: &Msg<Ballot, Token>| matches!(known, Msg::OneB { acc: by, bal: of, .. } if by == acc && of == bal);
            if !state.msgs.iter().any(is_it) {
                let (mbal, mval) = (state.max_vbal[*acc], state.max_val[*acc]);
                state.msgs.insert(Msg::OneB { acc: *acc, bal: *bal, mbal, mval });
            }
        }
        state.max_bal.clone_from(&self.state.max_bal);
    }

    /// Do the invariants hold where nothing was proposed?
    pub(super) fn keeps_invariants(&self) -> bool {
        self.state.acceptors_are_consistent() && self.state.messages_are_consistent(&[])
    }

    /// How many messages are kept.
    pub(super) fn len(&self) -> usize {
        self.state.msgs.len()
    }
}

fn is_needed(msg: &Msg<Ballot, Token>, floor: Ballot) -> bool {
    match msg {
        Msg::OneA { bal } | Msg::OneB { bal, .. } => *bal >= floor,
        Msg::TwoA { .. } | Msg::TwoB { .. } => true,
    }
}
