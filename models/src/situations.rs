//! Situations: what a replica is told, in which state, and what that leads to; in classes so few that a real run can be
//! compared with the catalog.
//!
//! A situation is a message's class or a timer, the phase that it is met in, how its ballot and slot stand to what the
//! replica has promised and applied, whether the reductions take it for stale, the phase that it leads to, and what it
//! brings about: a promise, a vote, something applied, a snapshot, messages of which classes. What changes nothing and sends
//! nothing is none: every model has it, and none explores it.
//!
//! `reached.txt` has those of the completed quick entries, `reached_full.txt` those of the larger ones. `check all
//! --situations FILE` and `check full --situations FILE` make them.

use crate::config::ChatModel;
use crate::machine::Machine;
use crate::node::{NodeState, NodeTimer};
use crate::reductions::stale::{self, Future};
use actor_checker::spec::Event;
use paxos_chat::effects::Timer;
use paxos_chat::message::{
    Accept, Accepted, Class, Fetch, Heartbeat, HeartbeatAck, Message, PreVote, PreVoteGranted,
    PreVoteRefused, Prepare, Promise, Reject, Round, RoundAck, ToPeer,
};
use paxos_chat::state::{Phase, State};
use paxos_chat::types::{Ballot, Slot};
use stateright::actor::Id;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

/// What the chat log may answer in the replica's place: whether it does is no difference.
const IN_THE_LOG: [Class; 2] = [Class::Decided, Class::Entries];

/// What a replica is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Told {
    Message(Class),
    Timer(Timer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Following,
    PreVoting,
    Preparing,
    Leading,
}

impl Stage {
    fn of(state: &State) -> Stage {
        match state.phase {
            Phase::Follower => Stage::Following,
            Phase::PreVoting(_) => Stage::PreVoting,
            Phase::Preparing(_) => Stage::Preparing,
            Phase::Leading(_) => Stage::Leading,
        }
    }
}

/// How the slot of a message stands to what the replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Standing {
    /// Below the snapshot.
    Compacted,
    /// Applied.
    Applied,
    /// The next one to be applied.
    Next,
    /// Further on.
    Ahead,
}

impl Standing {
    fn of(slot: Slot, state: &State) -> Standing {
        let applied_upto = state.learner.applied_upto;
        match slot.cmp(&applied_upto) {
            Ordering::Less if slot < state.durable.snapshot.upto => Standing::Compacted,
            Ordering::Less => Standing::Applied,
            Ordering::Equal => Standing::Next,
            Ordering::Greater => Standing::Ahead,
        }
    }
}

/// What a replica is told, and in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Setting {
    told: Told,
    stage: Stage,
    /// The message's ballot beside the promise.
    ballot: Option<Ordering>,
    slot: Option<Standing>,
    stale: bool,
}

/// What of a replica's state an outcome is told by.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    setting: Setting,
    promised: Ballot,
    applied_upto: Slot,
    snapshot_upto: Slot,
    votes: usize,
}

/// One situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Situation {
    setting: Setting,
    to: Stage,
    promises: bool,
    votes: bool,
    applies: bool,
    compacts: bool,
    /// A bit for each class of what is sent, by its place in [`Class::ALL`].
    sends: u64,
}

fn ballot(message: &ToPeer) -> Option<Ballot> {
    match message {
        ToPeer::PreVote(PreVote { promised: ballot, .. })
        | ToPeer::PreVoteGranted(PreVoteGranted { asked: ballot, .. })
        | ToPeer::PreVoteRefused(PreVoteRefused { asked: ballot, .. })
        | ToPeer::Prepare(Prepare { ballot, .. })
        | ToPeer::Promise(Promise { ballot, .. })
        | ToPeer::Accept(Accept { ballot, .. })
        | ToPeer::Accepted(Accepted { ballot, .. })
        | ToPeer::Reject(Reject { promised: ballot })
        | ToPeer::Heartbeat(Heartbeat { ballot, .. })
        | ToPeer::HeartbeatAck(HeartbeatAck { ballot })
        | ToPeer::Round(Round { ballot, .. })
        | ToPeer::RoundAck(RoundAck { ballot, .. }) => Some(*ballot),
        ToPeer::Decided(_)
        | ToPeer::Fetch(_)
        | ToPeer::Relay(_)
        | ToPeer::RelayRead(_)
        | ToPeer::RelayBound(_) => None,
    }
}

fn slot(message: &ToPeer) -> Option<Slot> {
    match message {
        ToPeer::PreVote(PreVote { applied_upto: slot, .. })
        | ToPeer::Prepare(Prepare { from: slot, .. })
        | ToPeer::Promise(Promise { from: slot, .. })
        | ToPeer::Accept(Accept { slot, .. })
        | ToPeer::Accepted(Accepted { slot, .. })
        | ToPeer::Heartbeat(Heartbeat { decided_upto: slot, .. })
        | ToPeer::Fetch(Fetch { from: slot }) => Some(*slot),
        ToPeer::Decided(entries) => Some(entries.from),
        _ => None,
    }
}

impl Before {
    fn of(state: &State, setting: Setting) -> Before {
        Before {
            setting,
            promised: state.durable.promised,
            applied_upto: state.learner.applied_upto,
            snapshot_upto: state.durable.snapshot.upto,
            votes: state.durable.votes.len(),
        }
    }

    /// A replica in this state is told this, by the node of that id.
    pub fn message(state: &State, src: usize, message: &Message) -> Before {
        let to_peer = match message {
            Message::ToPeer(message) => Some(message),
            _ => None,
        };
        let highest = state.durable.promised;
        let future = Future { mortal: true, highest, changes_members: false };
        let setting = Setting {
            told: Told::Message(message.class()),
            stage: Stage::of(state),
            ballot: to_peer.and_then(ballot).map(|ballot| ballot.cmp(&state.durable.promised)),
            slot: to_peer.and_then(slot).map(|slot| Standing::of(slot, state)),
            stale: stale::at_replica(state, src, message, future),
        };
        Before::of(state, setting)
    }

    /// A timer of a replica in this state goes off.
    pub fn timer(state: &State, timer: Timer) -> Before {
        let stage = Stage::of(state);
        let told = Told::Timer(timer);
        Before::of(state, Setting { told, stage, ballot: None, slot: None, stale: false })
    }

    /// What that has led to; none, if nothing has changed and nothing is sent. What is sent to itself is not given.
    pub fn led_to<'a>(
        &self,
        after: &State,
        sends: impl IntoIterator<Item = &'a Message>,
    ) -> Option<Situation> {
        let sends =
            sends.into_iter().map(Message::class).filter(|class| !IN_THE_LOG.contains(class));
        let sends = sends.fold(0, |sends, class| sends | 1 << class as u64);
        let situation = Situation {
            setting: self.setting,
            to: Stage::of(after),
            promises: after.durable.promised > self.promised,
            votes: after.durable.votes.len() > self.votes,
            applies: after.learner.applied_upto > self.applied_upto,
            compacts: after.durable.snapshot.upto > self.snapshot_upto,
            sends,
        };
        let Situation { setting, to, promises, votes, applies, compacts, sends } = situation;
        // In models a recovery comes with it.
        let is_recall = setting.told == Told::Message(Class::Recall);
        let is_something =
            to != setting.stage || promises || votes || applies || compacts || sends != 0;
        (is_something && !is_recall).then_some(situation)
    }
}

impl Situation {
    fn sends(&self, class: Class) -> bool {
        self.sends >> class as u64 & 1 == 1
    }

    /// What is combined in it, by which those that no entry has reached are told apart.
    fn kind(&self) -> &'static str {
        let answers = [Class::SessionOpened, Class::Acknowledged, Class::SessionExpired];
        let answered = answers.iter().filter(|class| self.sends(**class)).count();
        let Setting { told, stage, .. } = self.setting;
        let message = match told {
            Told::Message(class) => Some(class),
            Told::Timer(_) => None,
        };
        let leads = self.to == Stage::Leading;
        if leads && self.votes && !self.sends(Class::Accept)
            || leads && message.is_none() && stage == Stage::Following
        {
            "one replica"
        } else if self.sends(Class::PreVoteRefused)
            || stage == Stage::PreVoting && self.sends(Class::Relay)
        {
            "support is asked for where requests are passed on"
        } else if message == Some(Class::Decided) && stage != Stage::Following {
            "a candidate or leader catches up"
        } else if self.sends(Class::Redirect) && self.sends != 1 << Class::Redirect as u64 {
            "clients that have asked are told of a leader"
        } else if answered > 1 || self.sends(Class::SessionOpened) {
            "several are answered, or whose session opens"
        } else if self.sends(Class::Fetch) {
            "something else is done, and something is fetched"
        } else {
            "other"
        }
    }
}

impl Display for Situation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Setting { told, stage, ballot, slot, stale } = self.setting;
        match told {
            Told::Message(class) => write!(f, "{class}")?,
            Told::Timer(timer) => write!(f, "{timer:?} time-out")?,
        }
        f.write_str(match stage {
            Stage::Following => ", following",
            Stage::PreVoting => ", pre-voting",
            Stage::Preparing => ", preparing",
            Stage::Leading => ", leading",
        })?;
        f.write_str(match ballot {
            None => "",
            Some(Ordering::Less) => ", ballot below",
            Some(Ordering::Equal) => ", ballot equal",
            Some(Ordering::Greater) => ", ballot above",
        })?;
        f.write_str(match slot {
            None => "",
            Some(Standing::Compacted) => ", compacted slot",
            Some(Standing::Applied) => ", applied slot",
            Some(Standing::Next) => ", next slot",
            Some(Standing::Ahead) => ", slot ahead",
        })?;
        f.write_str(if stale { ", stale:" } else { ":" })?;
        if self.to != stage {
            f.write_str(match self.to {
                Stage::Following => " follows",
                Stage::PreVoting => " pre-votes",
                Stage::Preparing => " prepares",
                Stage::Leading => " leads",
            })?;
        }
        let what = [
            (self.promises, " promises"),
            (self.votes, " votes"),
            (self.applies, " applies"),
            (self.compacts, " compacts"),
        ];
        what.iter().filter(|(is_so, _)| *is_so).try_for_each(|(_, what)| f.write_str(what))?;
        let sent = Class::ALL.iter().filter(|class| self.sends >> **class as u64 & 1 == 1);
        let sent: Vec<&str> = sent.map(|class| class.name()).collect();
        if sent.is_empty() { Ok(()) } else { write!(f, " sends {}", sent.join(" ")) }
    }
}

/// How often each situation occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situations(BTreeMap<Situation, u64>);

impl Situations {
    /// Counts one.
    pub fn count(&mut self, situation: Situation) {
        *self.0.entry(situation).or_default() += 1;
    }

    /// Adds what another run has met.
    pub fn merge(&mut self, other: &Situations) {
        for (situation, count) in &other.0 {
            *self.0.entry(*situation).or_default() += count;
        }
    }

    /// All of them, with how often each occurred.
    pub fn iter(&self) -> impl Iterator<Item = (String, u64)> {
        self.0.iter().map(|(situation, count)| (situation.to_string(), *count))
    }

    /// A line for each: how often, which completed entries have reached it or what new is combined in it, and what it
    /// is; the new and the most frequent first.
    pub fn table(&self) -> String {
        let mut rows: Vec<_> =
            self.0.iter().map(|(it, count)| (ReachedBy::of(it), *count, it)).collect();
        rows.sort_by_key(|(grade, count, _)| (*grade, std::cmp::Reverse(*count)));
        let line = |(grade, count, it): &(ReachedBy, u64, &Situation)| match grade {
            ReachedBy::None => format!("{count}\tnew: {}\t{it}\n", it.kind()),
            ReachedBy::Full => format!("{count}\treached by a larger entry\t{it}\n"),
            ReachedBy::Quick => format!("{count}\treached\t{it}\n"),
        };
        rows.iter().map(line).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that no completed entry has reached, the most frequent first.
    pub fn unreached(&self) -> Vec<(String, u64)> {
        let mut unreached: Vec<_> =
            self.0.iter().filter(|(it, _)| ReachedBy::of(it) == ReachedBy::None).collect();
        unreached.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        unreached.into_iter().map(|(it, count)| (it.to_string(), *count)).collect()
    }

    /// Adds what the steps of a completed run have reached.
    pub(crate) fn add(&mut self, model: &ChatModel) {
        model.for_each_taken_step(|step| {
            let node = step.before.and_then(|local| local.state.as_ref());
            let before = node.and_then(NodeState::replica);
            let after = step.state.and_then(NodeState::replica);
            let (Some(before), Some(after)) = (before, after) else { return };
            let setting = match step.event {
                Event::Deliver { src, msg } => Before::message(before, src, msg),
                Event::Input(msg) => Before::message(before, usize::MAX, msg),
                Event::Timeout(NodeTimer::Actor(timer)) => Before::timer(before, *timer),
                // What has waited for the disk, and is for itself, is handled.
                Event::Timeout(NodeTimer::Synced) => {
                    let machine = node.and_then(NodeState::machine);
                    match machine.and_then(|machine| own(step.actor, machine)) {
                        Some(message) => Before::message(before, step.actor, message),
                        None => return,
                    }
                }
                Event::Start | Event::Crash | Event::Recover => return,
            };
            let sends = step.sends.iter().map(|(_, message)| message);
            if let Some(situation) = setting.led_to(after, sends) {
                self.count(situation);
            }
        });
    }
}

/// What this replica tells itself once its oldest save is durable.
fn own(id: usize, machine: &Machine) -> Option<&Message> {
    let sends = &machine.pending.front()?.sends;
    sends.iter().find(|(to, _)| usize::from(Id::from(*to)) == id).map(|(_, message)| message)
}

/// Which completed entries have reached a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ReachedBy {
    /// None.
    None,
    /// Larger ones only.
    Full,
    /// Quick ones.
    Quick,
}

impl ReachedBy {
    fn of(situation: &Situation) -> ReachedBy {
        let text = situation.to_string();
        if REACHED.contains(text.as_str()) {
            ReachedBy::Quick
        } else if REACHED_FULL.contains(text.as_str()) {
            ReachedBy::Full
        } else {
            ReachedBy::None
        }
    }
}

static REACHED: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("situations/reached.txt").lines().collect());
static REACHED_FULL: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("situations/reached_full.txt").lines().collect());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::run::{Engine, run};
    use actor_checker::compact::Reductions;
    use actor_checker::engine::Options;

    #[test]
    fn what_a_completed_entry_reaches_is_in_the_list() {
        let entries = catalog::entries();
        for name in ["crash-recovery", "relay-window", "stuck-queue"] {
            let entry = entries.iter().find(|entry| entry.name == name).unwrap();
            let options = Options::default();
            let outcome = run(&entry.config, &[], Engine::Compact, Reductions::ALL, &options);
            let situations = outcome.coverage.situations();
            assert!(situations.len() > 10, "{name}: {situations:?}");
            assert_eq!(
                situations.unreached(),
                [],
                "{name}: `check all --situations FILE` makes the list"
            );
        }
    }

    #[test]
    fn a_situation_is_told_in_words_and_nothing_is_none() {
        let state = State::restored(paxos_chat::state::Storage::default());
        let prepare = Prepare { ballot: Ballot { round: 1, ..Ballot::ZERO }, from: Slot(0) };
        let before = Before::message(&state, 1, &prepare.into());
        assert!(before.led_to(&state, []).is_none());
        let reject: Message = Reject { promised: Ballot::ZERO }.into();
        let told = before.led_to(&state, [&reject]).unwrap().to_string();
        assert_eq!(told, "Prepare, following, ballot above, next slot: sends Reject");
    }
}
