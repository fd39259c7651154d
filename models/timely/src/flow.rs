//! The workers as a timely dataflow: one operator, whose output is fed back to it.
//!
//! A timestamp is a round: a message travels at the time of the round in which it is sent, and arrives at the next. Once
//! the frontier has passed a round, all that was sent before it has arrived everywhere, so the frontier is the barrier
//! between rounds, and an empty one is the end.

use crate::message::Message;
use crate::shard::Shard;
use actor_checker::engine::{Report, Shared, Stopped, Store};
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

/// What all workers have come to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Counts, and what was found.
    pub report: Report,
    /// For each property that must hold always and does not, the fingerprints of a shortest path to where it does not,
    /// given from its end, if it could be told from the files; nothing of a run in memory.
    pub trails: Option<Vec<Option<Vec<u128>>>>,
}

/// What all workers have come to, as far as it is known: it stays when a worker is lost.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<Explored>>);

impl Known {
    fn set<S: Shared, F: Store<S>>(&self, shard: &Shard<S, F>) {
        let explored = Explored { report: shard.whole().report(), trails: shard.trails() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(explored);
    }

    pub(crate) fn get(&self) -> Explored {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.unwrap_or_else(|| {
            let nothing = Some(Stopped::Lost("no level was explored".into()));
            let report = Report::of_counts(nothing, (0, 0, 0), Instant::now(), 0);
            Explored { report, trails: Some(Vec::new()) }
        })
    }
}

/// Explores what is this worker's, until all is explored; tells after each round what all have found.
pub(crate) fn explore<S: Shared + 'static, F: Store<S> + 'static>(
    worker: &mut Worker,
    shard: Shard<S, F>,
    tell: Option<Arc<Known>>,
) {
    let shard = Rc::new(RefCell::new(shard));
    build(worker, &shard);
    let mut age = None;
    while worker.has_dataflows() {
        worker.step_or_park(None);
        let now = shard.borrow().whole().age();
        if age.replace(now) != Some(now) {
            tell.iter().for_each(|tell| tell.set(&shard.borrow()));
        }
    }
    tell.iter().for_each(|tell| tell.set(&shard.borrow()));
}

fn build<S, F>(worker: &mut Worker, shard: &Rc<RefCell<Shard<S, F>>>)
where
    S: Shared + 'static,
    F: Store<S> + 'static,
{
    let shard = Rc::clone(shard);
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
                    let mut shard = shard.borrow_mut();
                    input.for_each(|capability, messages| {
                        let Some(capability) = capability.retain_least(output.output_index())
                        else {
                            return;
                        };
                        let time = *capability.time();
                        rounds.entry(time).or_insert(capability);
                        for message in messages.drain(..) {
                            shard.receive(time, message);
                        }
                    });
                    let Some(entry) = rounds.first_entry() else { return };
                    let round = *entry.key();
                    if frontier.less_equal(&round) {
                        return;
                    }
                    let mut session = output.session(entry.get());
                    let is_done = shard.work(round, |message| session.give(message));
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
