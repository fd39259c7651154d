//! Answers operators, on a thread of its own.
//!
//! **Invariants**
//! - *Strangers get no reply*: what no operator has sealed for this replica is counted and dropped.
//! - *What changes something carries a valid challenge*, whatever else is right about it.

use super::challenge::{Challenges, Verdict};
use super::message::{Answer, Question, Reply, Request};
use super::tap::OperatorDatagram;
use crate::action::{Action, Fault};
use crate::narrator::Throttle;
use crate::panel::{KILLED, Panel};
use actor_runtime::network::UdpSender;
use actor_runtime::wire::{ClientId, Peer};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// Answers operators until the network that they are taken from is gone.
pub struct Server {
    /// Where answers leave.
    pub sender: UdpSender,
    /// Whom they are about.
    pub panel: Panel,
    /// The challenges made so far.
    pub challenges: Challenges,
}

impl Server {
    /// Answers whatever is taken out of the network.
    pub fn run(mut self, diverted: &Receiver<OperatorDatagram>) {
        let (mut datagram, mut told) = (Vec::new(), Throttle::default());
        for mut arrived in diverted {
            let Ok((Peer::Client(operator), question)) =
                self.panel.keys.with_codec(|codec| codec.open::<Question>(arrived.bytes_mut()))
            else {
                let dropped = self.panel.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(count) = told.rise(dropped, Instant::now()) {
                    tracing::warn!(count, "dropped datagrams in the name of operators");
                }
                continue;
            };
            let Question { id, request } = question;
            let kills = matches!(request, Request::Act { action: Action::Fault(Fault::Kill), .. });
            let reply = self.reply(operator, request);
            let is_done = reply == Reply::Done;
            let answer = Answer { id, reply };
            let to = Peer::Client(operator);
            let sealed = self.panel.keys.with_codec(|codec| codec.seal(to, &answer, &mut datagram));
            if sealed.is_ok() {
                // Whoever gets no answer asks again.
                let _ = self.sender.send(arrived.from, &datagram);
            }
            if kills && is_done {
                std::process::exit(KILLED);
            }
        }
    }

    fn reply(&mut self, operator: ClientId, request: Request) -> Reply {
        match request {
            Request::Report => match serde_json::to_string(&self.panel.status()) {
                Ok(status) => Reply::Report(status),
                Err(error) => Reply::Refused(error.to_string()),
            },
            Request::Challenge => Reply::Challenge(self.challenges.issue(operator, Instant::now())),
            Request::Act { challenge, action } => {
                match self.challenges.take(operator, challenge, Instant::now()) {
                    Verdict::Refused => {
                        Reply::Refused("the challenge is unknown or has expired".into())
                    }
                    Verdict::Answered(reply) => reply,
                    Verdict::Act => {
                        let reply = match self.panel.act(action) {
                            Ok(()) => Reply::Done,
                            Err(reason) => Reply::Refused(reason),
                        };
                        self.challenges.answered(challenge, reply.clone());
                        reply
                    }
                }
            }
        }
    }
}
