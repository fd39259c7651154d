//! Bugs that cost availability and nothing else: service returns, but too late, or only under luck that
//! fair schedules have. They are killed by deployed actors under virtual time: by links (see
//! [`crate::links`]) and by hardships (see [`crate::hardships`]).

use super::{AVAILABILITY, Cmd, Mutant};
use crate::deployed::Deployed;
use crate::hardships::hardships;
use crate::links;
use paxos_chat::effects::Timer;
use paxos_chat::message::{Heartbeat, Message, Redirect, Reject, ToClient, ToPeer, ToReplica};
use paxos_chat::state::Phase;
use paxos_chat::state::State;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::{Seq, Slot};
use stateright::actor::{Command, Id};

/// What has killed a mutant, in words: the first run of this group of links, or of this hardship, that
/// does not meet what is demanded.
///
/// # Panics
/// If there is neither a group nor a hardship of this name.
pub fn kill(name: &str, mutant: Mutant, threads: usize) -> Option<String> {
    let deployed = mutant.deployed();
    if let Some(hardship) = hardships().into_iter().find(|known| known.name == name) {
        return hardship.run(&deployed).err();
    }
    let group = links::groups().into_iter().find(|group| group.name == name);
    let group = group.unwrap_or_else(|| panic!("neither links nor a hardship: {name}"));
    links::first_failure(&(group.cases)(), &deployed, threads)
}

impl Mutant {
    /// Does it cost availability and nothing else?
    pub fn is_of_availability(self) -> bool {
        AVAILABILITY.iter().any(|row| row.mutant == self)
    }

    /// Actors that have it.
    fn deployed(self) -> Deployed {
        let mut deployed = Deployed { mutant: Some(self), ..Deployed::default() };
        let Deployed { tuning, client_tuning, .. } = &mut deployed;
        match self {
            Mutant::TimeoutsNeverDouble => tuning.doublings_max = 0,
            Mutant::FlightUnbounded => tuning.flight_bytes_max = usize::MAX,
            Mutant::NobodyRelays => tuning.relay = false,
            // Who asks several finds another way out.
            Mutant::SilentLeaderNamed | Mutant::OneAskedAtOnce => client_tuning.ask_at_once = 1,
            Mutant::PatienceLostEachSlot => tuning.calm_slots = 1,
            Mutant::ClientTimesNeverDouble => client_tuning.backoff_doublings_max = 0,
            _ => {}
        }
        deployed
    }

    /// What a replica sees before a time-out that is not so.
    pub(super) fn hurry(self, timer: Timer, state: &mut State) {
        if let (Mutant::AllSentAgain, Timer::Resend, Phase::Leading(leading)) =
            (self, timer, &mut state.phase)
        {
            leading.pacing.links.clear();
            leading.in_flight.values_mut().for_each(|flight| flight.again.clear());
        }
    }

    /// AskerRememberedForEver: what is remembered of an asker before a message is handled.
    pub(super) fn remember_askers(self, state: &mut State) {
        if self == Mutant::AskerRememberedForEver {
            state.askers.sessions.values_mut().for_each(|waiting| waiting.upto = Seq(u64::MAX));
        }
    }

    /// RejectDeposesLeader: who is rejected takes it for word of another leader.
    pub(super) fn believe(self, state: &State, src: &mut Id, msg: &mut Message) {
        if let (
            Mutant::RejectDeposesLeader,
            Phase::Leading(_),
            Message::ToPeer(ToPeer::Reject(Reject { promised })),
        ) = (self, &state.phase, &*msg)
        {
            *src = Id::from(usize::from(promised.replica.0));
            *msg = Message::ToPeer(ToPeer::Heartbeat(Heartbeat {
                ballot: *promised,
                decided_upto: Slot(0),
            }));
        }
    }

    /// SilentLeaderNamed: who is promised to is named, though it is not heard.
    pub(super) fn name_the_silent(
        self,
        state: &State,
        (src, msg): (Id, &Message),
        commands: &mut Vec<Cmd>,
    ) {
        let leader = state.durable.promised.replica;
        if let (
            Mutant::SilentLeaderNamed,
            Phase::PreVoting(_),
            Message::ToReplica(ToReplica::Request(_)),
        ) = (self, &state.phase, msg)
        {
            commands.push(Command::Send(
                src,
                Message::ToClient(ToClient::Redirect(Redirect { leader })),
            ));
        }
    }

    /// The parameters with which a replica handles a message.
    pub(super) fn retuned(self, state: &State, msg: &Message, tuning: &Tuning) -> Option<Tuning> {
        const NONE: usize = usize::MAX / 4;
        let mut larger = tuning.clone();
        match self {
            Mutant::QueueUnbounded => {
                (larger.queue_commands_max, larger.queue_bytes_max) = (NONE, NONE);
                larger.held_commands_max = NONE;
            }
            Mutant::ChunkUnbounded => {
                (larger.chunk_entries_max, larger.chunk_bytes_max) = (NONE, NONE)
            }
            Mutant::WindowOneTooWide => larger.window_slots += 1,
            Mutant::HeldUntilAskedAgain
                if !matches!(msg, Message::ToReplica(ToReplica::Request(_))) =>
            {
                larger.queue_commands_max = 0
            }
            Mutant::AskersUnbounded if matches!(msg, Message::ToReplica(ToReplica::Request(_))) => {
                larger.sessions_max = NONE
            }
            _ => return self.stuck(state, msg, tuning),
        }
        Some(larger)
    }

    /// The parameters of a leader that takes itself for stuck.
    fn stuck(self, state: &State, msg: &Message, tuning: &Tuning) -> Option<Tuning> {
        let Phase::Leading(leading) = &state.phase else { return None };
        let (next, limit) = (leading.next.0, tuning.window_slots as u64 + tuning.stuck_slots_max);
        let applied = state.learner.applied_upto;
        let is_stuck = match self {
            Mutant::DistanceOverflows => next + applied.max(leading.base).0 >= limit,
            Mutant::WaitingNotProposed => {
                matches!(msg, Message::ToPeer(ToPeer::Decided(_)))
                    || next - applied.0.min(next) >= limit
            }
            _ => false,
        };
        is_stuck.then(|| Tuning { window_slots: 0, ..tuning.clone() })
    }
}
