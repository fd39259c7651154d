//! What the numbers in packed states stand for, told to processes that have numbers of their own.
//!
//! Like a [dictionary](super::dictionary), this holds no value of an actor: it tells the steps that made them, and their
//! content hashes. Unlike one, it is told piece by piece, while both sides explore, and the listener keeps its own
//! numbers: it takes the same steps, and knows what each number of the teller is among its own.
//!
//! **Invariants**
//! - *Each value is told once*, and before any state that speaks of it.
//! - *Of the same actors*: every value has the content hash that it had there, or the piece is refused.

use super::CompactModel;
use super::dictionary::{Unknown, unknown};
use super::state::{HISTORY, PORTS};
use super::steps::{FIRST_STEP, NO_OP, OriginEvent};
use crate::fingerprint::{Term, upper};
use crate::intern::Interner;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use stateright::actor::Actor;
use std::ops::Add;
use std::sync::atomic::Ordering;

/// How much has been told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    steps: usize,
    timers: u32,
    histories: u32,
    actors: Vec<ToldOfActor>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ToldOfActor {
    inbound: u32,
    locals: u32,
    ports: u32,
}

/// What is new since the last time.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct News {
    actors: Vec<NewsOfActor>,
    steps: Vec<NewsOfStep>,
    /// Content hashes.
    timers: Vec<u64>,
    histories: Vec<u64>,
    /// The history, the recorded step, and the new history after it.
    records: Vec<(u32, u32, u32)>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct NewsOfActor {
    /// Content hashes of what was sent to it, and of its local states.
    inbound: Vec<u64>,
    locals: Vec<u64>,
    /// Local states, and the envelopes in flight.
    ports: Vec<(u32, Box<[u32]>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct NewsOfStep {
    actor: u32,
    local: u32,
    event: OriginEvent,
    next: u32,
}

/// All that was asked and judged, for whoever checks the claims of a run when it is over.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// By actor: local states, and the envelopes whose delivery was asked for.
    deliveries: Vec<Vec<(u32, Vec<u32>)>>,
    /// Content hashes.
    views: Vec<u64>,
    /// Histories and views that were judged.
    judged: Vec<Box<[u32]>>,
    reached: u64,
}

/// What the numbers of another process stand for here.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    actors: Vec<PeerActor>,
    /// The steps here, or [`NO_OP`] for those that lead out of bounds.
    steps: Vec<u32>,
    /// Content hashes.
    timers: Vec<u64>,
    /// The histories here.
    histories: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct PeerActor {
    inbound: Vec<u64>,
    locals: Vec<u64>,
    /// The ports here.
    ports: Vec<u32>,
}

/// The content hashes of values from this number on.
fn hashes_from<T>(values: &Interner<T>, from: &mut u32) -> Vec<u64> {
    let first = std::mem::replace(from, values.len() as u32);
    (first..*from).map(|number| values.hash_of(number)).collect()
}

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// What is new since the last time. Nobody may explore meanwhile.
    pub fn news(&self, told: &mut Told) -> News {
        told.actors.resize(self.actors.len(), ToldOfActor::default());
        let first_history = told.histories;
        let mut news = News {
            timers: hashes_from(&self.timers, &mut told.timers),
            histories: hashes_from(&self.histories, &mut told.histories),
            ..News::default()
        };
        for (actor, told) in told.actors.iter_mut().enumerate() {
            let ports = &self.ports[actor];
            let first_port = std::mem::replace(&mut told.ports, ports.len() as u32);
            let port = |port| {
                let port = ports.get(port);
                (port.local, port.inbox.clone())
            };
            news.actors.push(NewsOfActor {
                inbound: hashes_from(&self.inbound[actor], &mut told.inbound),
                locals: hashes_from(&self.locals[actor], &mut told.locals),
                ports: (first_port..told.ports).map(port).collect(),
            });
        }
        let first_step = std::mem::replace(&mut told.steps, self.steps.count());
        news.steps.extend((first_step..told.steps).map(|step| {
            let cell = &self.steps[step];
            let origin = cell.origin;
            let (actor, local, event) = (origin.actor, origin.local, origin.event);
            NewsOfStep { actor, local, event, next: cell.next }
        }));
        if !news.histories.is_empty() {
            news.records = self.all_records();
            news.records.retain(|(_, _, next)| *next >= first_history);
            news.records.sort_unstable_by_key(|(_, _, next)| *next);
        }
        news
    }

    /// Takes over what a peer tells.
    ///
    /// # Errors
    /// When it has other actors, or other bounds.
    pub fn learn(&self, peer: &mut Peer, news: News) -> Result<(), Unknown> {
        if news.actors.len() != self.actors.len() {
            return Err(unknown("the number of actors"));
        }
        peer.actors.resize(self.actors.len(), PeerActor::default());
        peer.timers.extend(news.timers);
        let mut ports = Vec::new();
        for (known, new) in peer.actors.iter_mut().zip(news.actors) {
            known.inbound.extend(new.inbound);
            known.locals.extend(new.locals);
            ports.push(new.ports);
        }
        for step in news.steps {
            let here = self.same_step(peer, step).ok_or_else(|| unknown("a step"))?;
            peer.steps.push(here);
        }
        let mut records = news.records.into_iter().peekable();
        for (place, hash) in (peer.histories.len()..).zip(news.histories) {
            let mut here = self.histories.id_of(hash);
            while let Some((before, step, _)) =
                records.next_if(|(_, _, next)| *next as usize == place)
            {
                let before = peer.histories.get(before as usize);
                let step = peer.steps.get(step as usize - FIRST_STEP as usize);
                if let (Some(before), Some(step)) = (before, step.filter(|step| **step != NO_OP)) {
                    here = Some(self.record(*before, *step));
                }
            }
            let here = here.filter(|here| self.histories.hash_of(*here) == hash);
            peer.histories.push(here.ok_or_else(|| unknown("a history"))?);
        }
        for (actor, ports) in ports.into_iter().enumerate() {
            for (local, inbox) in ports {
                let here = self.same_port(peer, actor, local, &inbox);
                peer.actors[actor].ports.push(here.ok_or_else(|| unknown("a port"))?);
            }
        }
        Ok(())
    }

    /// The step here.
    fn same_step(&self, peer: &Peer, step: NewsOfStep) -> Option<u32> {
        let actor = step.actor as usize;
        let known = peer.actors.get(actor)?;
        let local = self.same_local(peer, actor, step.local)?;
        let here = match step.event {
            OriginEvent::Deliver(index) => {
                let hash = *known.inbound.get(index as usize)?;
                self.delivery(actor, local, self.inbound[actor].id_of(hash)?)
            }
            OriginEvent::Timeout(timer) => {
                // Asked first, because that gives timers their numbers.
                let mut timeouts = self.timeouts(actor, local).iter();
                let timer = self.timers.id_of(*peer.timers.get(timer as usize)?)?;
                timeouts.find(|(set, _)| *set == timer).map_or(NO_OP, |(_, step)| *step)
            }
            OriginEvent::Input(input) => {
                let is_its_own = self.inputs.get(input as usize)?.0 == actor;
                is_its_own.then(|| self.input(actor, local, input))?
            }
            OriginEvent::Crash | OriginEvent::Recover => self.fault(actor, local),
        };
        let next = *known.locals.get(step.next as usize)?;
        let is_same = here == NO_OP || self.locals[actor].hash_of(self.step(here).next) == next;
        is_same.then_some(here)
    }

    fn same_local(&self, peer: &Peer, actor: usize, local: u32) -> Option<u32> {
        self.locals[actor].id_of(*peer.actors.get(actor)?.locals.get(local as usize)?)
    }

    fn same_port(&self, peer: &Peer, actor: usize, local: u32, inbox: &[u32]) -> Option<u32> {
        let local = self.same_local(peer, actor, local)?;
        let known = &peer.actors[actor].inbound;
        let of = |index: &u32| self.inbound[actor].id_of(*known.get(*index as usize)?);
        let mut inbox: Vec<u32> = inbox.iter().map(of).collect::<Option<_>>()?;
        inbox.sort_unstable();
        Some(self.intern_port(actor, local, inbox))
    }

    /// A peer's state with the numbers that it has here; false if it speaks of what was not told.
    pub(super) fn translate(&self, peer: &Peer, words: &mut [u32]) -> bool {
        let Some(history) = peer.histories.get(words[HISTORY] as usize) else { return false };
        words[HISTORY] = *history;
        words.len() == PORTS + peer.actors.len()
            && words[PORTS..].iter_mut().zip(&peer.actors).all(|(port, known)| {
                let here = known.ports.get(*port as usize);
                here.is_some_and(|here| {
                    *port = *here;
                    true
                })
            })
    }

    /// What the local state of [`Spec::shares_by`] comes to: the same for all renamings of a state, whose states of that
    /// actor are all counted.
    pub(super) fn share(&self, words: &[u32]) -> u64 {
        let of = |actor: &usize| self.port(*actor, words[PORTS + actor]).shared;
        upper(self.sharers.keys().map(of).fold(Term::default(), Term::add).fingerprint())
    }

    /// All that was asked and judged by now.
    pub fn asked(&self) -> Asked {
        let deliveries = |locals: &Interner<super::LocalCell<A, S>>| {
            let of_local = |(local, cell): (u32, &super::LocalCell<A, S>)| {
                let asked: Vec<u32> = cell.deliveries.iter().map(|(index, _)| index).collect();
                (!asked.is_empty()).then_some((local, asked))
            };
            locals.iter().filter_map(of_local).collect()
        };
        Asked {
            deliveries: self.locals.iter().map(deliveries).collect(),
            views: hashes_from(&self.views, &mut 0),
            judged: self.verdicts.entries().into_iter().map(|(key, _)| key).collect(),
            reached: self.reached.load(Ordering::Relaxed),
        }
    }

    /// Asks and judges here what a peer has asked and judged, of which all values were told.
    ///
    /// # Errors
    /// When it speaks of what was not told.
    pub fn ask_too(&self, peer: &Peer, asked: &Asked) -> Result<(), Unknown> {
        for (actor, deliveries) in asked.deliveries.iter().enumerate() {
            for (local, indices) in deliveries {
                // A local state that is out of bounds is not met here, and nobody asks it anything.
                let Some(local) = self.same_local(peer, actor, *local) else { continue };
                for index in indices {
                    let hash = peer.actors[actor].inbound.get(*index as usize);
                    let here = hash.and_then(|hash| self.inbound[actor].id_of(*hash));
                    let here = here.ok_or_else(|| unknown("what was asked"))?;
                    self.delivery_or_stale(actor, local, here);
                }
            }
        }
        for judged in &asked.judged {
            let mut key = judged.clone();
            let history = key.first().and_then(|history| peer.histories.get(*history as usize));
            let of = |view: &u32| self.views.id_of(*asked.views.get(*view as usize)?);
            let views: Option<Vec<u32>> = key.iter().skip(1).map(of).collect();
            let (history, views) = history.zip(views).ok_or_else(|| unknown("what was judged"))?;
            key[0] = *history;
            key[1..].copy_from_slice(&views);
            self.judge_views(&key);
        }
        self.reached.fetch_or(asked.reached, Ordering::Relaxed);
        Ok(())
    }
}
