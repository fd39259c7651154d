//! Bugs of current reads: the wrong bound, or a round that proves nothing.

use super::{Cmd, Mutant};
use paxos_chat::message::{
    Message, ReadBound, RelayBound, RelayedRead, Round, RoundAck, ToPeer, ToReplica,
};
use paxos_chat::state::{Leading, State};
use paxos_chat::types::{NodeId, Slot};
use stateright::actor::{Command, Id};

fn is_read(msg: &Message) -> bool {
    matches!(msg, Message::ToReplica(ToReplica::Read(_)) | Message::ToPeer(ToPeer::RelayRead(_)))
}

impl Mutant {
    /// What a leader sees of reads and rounds that is not so.
    pub(super) fn misread(self, state: &mut State, msg: &mut Message) {
        let Some(leading) = state.leading_mut() else { return };
        match (self, msg) {
            (Mutant::OtherBallotsRoundCounted, Message::ToPeer(ToPeer::RoundAck(ack))) => {
                ack.ballot = leading.ballot;
            }
            (Mutant::OtherRoundCounted, Message::ToPeer(ToPeer::RoundAck(ack))) => {
                ack.round = leading.reads.round;
            }
            (Mutant::ReadBelowReported, msg) if is_read(msg) => leading.end = None,
            _ => {}
        }
    }

    /// What became of a read, or of a round.
    pub(super) fn answer_reads(
        self,
        before: &State,
        (src, msg): (Id, &Message),
        state: &mut State,
        commands: &mut Vec<Cmd>,
    ) {
        match (self, msg) {
            (Mutant::ReadWithoutRound, msg) if is_read(msg) => {
                if let Some(leading) = state.leading_mut() {
                    answer_all(leading, commands);
                }
            }
            (Mutant::ReadBeforeApplied, Message::ToPeer(ToPeer::RoundAck(_))) => {
                if let Some(leading) = state.leading_mut() {
                    answer(leading.reads.take_applied(Slot(u64::MAX)), commands);
                }
            }
            (Mutant::JoinsRoundThatIsOn, msg) if is_read(msg) => {
                if let Some(leading) = state.leading_mut() {
                    let waiting = std::mem::take(&mut leading.reads.waiting);
                    leading.reads.asked.extend(waiting);
                }
            }
            (Mutant::RoundBelowPromise, Message::ToPeer(ToPeer::Round(asked)))
                if asked.ballot < before.durable.promised =>
            {
                let Round { ballot, round } = *asked;
                commands.retain(|command| !matches!(command, Command::Send(..)));
                commands.push(Command::Send(src, RoundAck { ballot, round }.into()));
            }
            _ => {}
        }
    }
}

fn answer_all(leading: &mut Leading, commands: &mut Vec<Cmd>) {
    let reads = &mut leading.reads;
    let open = [&mut reads.asked, &mut reads.waiting, &mut reads.confirmed].map(std::mem::take);
    reads.users.clear();
    answer(open.into_iter().flatten(), commands);
}

fn answer(reads: impl IntoIterator<Item = (RelayedRead, Slot)>, commands: &mut Vec<Cmd>) {
    for (mut read, upto) in reads {
        let (to, answer): (NodeId, Message) = match read.passed.pop() {
            Some(before) => (before.into(), RelayBound { read, upto }.into()),
            None => (read.reader, ReadBound { nonce: read.nonce, upto }.into()),
        };
        commands.push(Command::Send(to.into(), answer));
    }
}
