//! The workers as a timely dataflow: one operator, whose output is fed back to it.
//!
//! A timestamp is a round: a message travels at the time of the round in which it is sent, and arrives at the next. Once
//! the frontier has passed a round, all that was sent before it has arrived everywhere, so the frontier is the barrier
//! between rounds, and an empty one is the end.

use crate::message::Message;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::worker::Worker;

/// What a worker does, round by round.
pub(crate) trait Rounds {
    /// Takes a message that has arrived at this time: one round after that in which it was sent.
    fn receive(&mut self, time: u64, message: Message);

    /// Goes on with a round, for which all that was sent in the one before it is there: is it done?
    fn work(&mut self, round: u64, send: impl FnMut(Message)) -> bool;
}

/// Works until all rounds are done, and looks after each step of the dataflow at what has become of it.
pub(crate) fn run<R: Rounds + 'static>(
    worker: &mut Worker,
    rounds: R,
    mut look: impl FnMut(&R),
) -> R {
    let rounds = Rc::new(RefCell::new(rounds));
    build(worker, &rounds);
    while worker.has_dataflows() {
        worker.step_or_park(None);
        look(&rounds.borrow());
    }
    Rc::into_inner(rounds).expect("the dataflow is gone").into_inner()
}

fn build(worker: &mut Worker, rounds: &Rc<RefCell<impl Rounds + 'static>>) {
    let own = Rc::clone(rounds);
    worker.dataflow::<u64, _, _>(|scope| {
        let (handle, messages) = scope.feedback(1);
        let to = Exchange::new(|message: &Message| message.to as u64);
        let sent = messages.unary_frontier::<CapacityContainerBuilder<Vec<Message>>, _, _, _>(
            to,
            "explore",
            |first, info| {
                // The rounds that are not done, and the right to send at their time.
                let mut rounds: BTreeMap<u64, Capability<u64>> = BTreeMap::new();
                rounds.insert(0, first);
                let activator = scope.activator_for(info.address);
                move |(input, frontier), output| {
                    let mut own = own.borrow_mut();
                    input.for_each(|capability, messages| {
                        let Some(capability) = capability.retain_least(output.output_index())
                        else {
                            return;
                        };
                        let time = *capability.time();
                        rounds.entry(time).or_insert(capability);
                        for message in messages.drain(..) {
                            own.receive(time, message);
                        }
                    });
                    let Some(entry) = rounds.first_entry() else { return };
                    let round = *entry.key();
                    if frontier.less_equal(&round) {
                        return;
                    }
                    let mut session = output.session(entry.get());
                    let is_done = own.work(round, |message| session.give(message));
                    drop(session);
                    if is_done {
                        entry.remove();
                    }
                    activator.activate();
                }
            },
        );
        sent.connect_loop(handle);
    });
}
