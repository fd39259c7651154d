//! The workers as a timely dataflow: one operator, whose output is fed back to it.
//!
//! A timestamp is a level: a message about a level's states travels at the time of that level, and arrives at the next.
//! Once the frontier has passed a level, all its states are where they belong, so the frontier is the barrier between
//! levels, and an empty one is the end.

use crate::limits::Limits;
use crate::message::Message;
use crate::shard::Shard;
use actor_checker::engine::{Report, Shared};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::worker::Worker;

/// Explores what is this worker's, until all is explored; tells at each level what all have found.
pub(crate) fn explore<S: Shared + 'static>(
    worker: &mut Worker,
    space: Arc<S>,
    limits: Limits,
    tell: Option<Arc<Mutex<Report>>>,
) {
    let started = Instant::now();
    let shard = Shard::new(space, worker.index(), worker.peers(), limits);
    let shard = Rc::new(RefCell::new(shard));
    build(worker, &shard);
    let mut level = None;
    while worker.has_dataflows() {
        worker.step_or_park(None);
        let now = shard.borrow().whole().level();
        if level.replace(now) != Some(now) {
            report(&shard.borrow(), tell.as_ref(), started);
        }
    }
    report(&shard.borrow(), tell.as_ref(), started);
}

fn report<S: Shared>(shard: &Shard<S>, tell: Option<&Arc<Mutex<Report>>>, started: Instant) {
    if let Some(tell) = tell {
        let report = shard.whole().report(started.elapsed());
        *tell.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}

fn build<S: Shared + 'static>(worker: &mut Worker, shard: &Rc<RefCell<Shard<S>>>) {
    let shard = Rc::clone(shard);
    worker.dataflow::<u64, _, _>(|scope| {
        let (handle, messages) = scope.feedback(1);
        let to = Exchange::new(|message: &Message| message.to as u64);
        let sent = messages.unary_frontier::<CapacityContainerBuilder<Vec<Message>>, _, _, _>(
            to,
            "explore",
            |first, info| {
                // The levels that are not done, and the right to send at their time.
                let mut levels: BTreeMap<u64, Capability<u64>> = BTreeMap::new();
                levels.insert(0, first);
                let activator = scope.activator_for(info.address);
                move |(input, frontier), output| {
                    let mut shard = shard.borrow_mut();
                    input.for_each(|capability, messages| {
                        let Some(capability) = capability.retain_least(output.output_index())
                        else {
                            return;
                        };
                        let level = *capability.time();
                        levels.entry(level).or_insert(capability);
                        for message in messages.drain(..) {
                            shard.receive(level, message);
                        }
                    });
                    let Some(entry) = levels.first_entry() else { return };
                    let level = *entry.key();
                    if frontier.less_equal(&level) {
                        return;
                    }
                    let mut session = output.session(entry.get());
                    let is_done = shard.work(level, |message| session.give(message));
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
