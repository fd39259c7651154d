//! A violation as a person can follow it: the path to the state, then the steps of the schedule.

use super::cast::{Cast, Happens};
use super::run::run;
use super::search::{Search, Start};
use super::{Goal, Why};
use crate::compact::SystemState;
use crate::spec::Spec;
use crate::trace::{Kind, TraceStep};
use stateright::actor::Actor;
use std::collections::BTreeMap;

/// A story longer than this is cut: the rest is more of the same.
const STEPS_MAX: usize = 120;

/// The steps of a violation.
pub(super) struct Story {
    pub(super) steps: Vec<TraceStep>,
    /// The first step of the schedule.
    pub(super) begins: usize,
}

/// Tells the run of a start that ends badly, after the path that leads to its state.
pub(super) fn tell<A: Actor, S: Spec<A>, G: Goal<A>>(
    search: &Search<'_, A, S, G>,
    state: &SystemState,
    start: Start,
    why: Why,
    path: Vec<TraceStep>,
) -> Story {
    let mut happenings = Vec::new();
    let moment = search.begin_at(state, start);
    let end = run(&search.cast, search.known(), moment, &mut |now, actor, body, happens| {
        happenings.push((now, actor, body, happens));
    });
    debug_assert_eq!(end, Err(why), "a run is a function of its start");
    let begins = path.len();
    let mut steps = path;
    let mut sources: BTreeMap<u32, usize> = BTreeMap::new();
    for (now, actor, body, happens) in happenings {
        if steps.len() - begins >= STEPS_MAX {
            break;
        }
        if let Happens::Deliver(_) = happens
            && is_idle(&search.cast, actor, body, happens)
        {
            continue;
        }
        let step = describe(search, &steps, &sources, (now, actor, body, happens));
        for mail in &search.cast.step(actor, body, happens).sends {
            sources.insert(*mail, steps.len());
        }
        steps.push(step);
    }
    Story { steps, begins }
}

/// Does this change, send and set nothing?
fn is_idle<A: Actor, G: Goal<A>>(
    cast: &Cast<A, G>,
    actor: usize,
    body: u32,
    happens: Happens,
) -> bool {
    let step = cast.step(actor, body, happens);
    step.next == body && step.sends.is_empty() && step.timers.is_empty()
}

fn describe<A: Actor, S: Spec<A>, G: Goal<A>>(
    search: &Search<'_, A, S, G>,
    told: &[TraceStep],
    sources: &BTreeMap<u32, usize>,
    (now, actor, body, happens): (u32, usize, u32, Happens),
) -> TraceStep {
    let (model, cast) = (search.model, &search.cast);
    let name = model.name(actor);
    let (kind, what, sent_at) = match happens {
        Happens::Deliver(number) => {
            let mail = cast.mail.get(number);
            let sent_at = sources.get(&number).copied().or_else(|| {
                let text = format!("{:?}", mail.msg);
                let sent = |step: &TraceStep| {
                    let to_me =
                        |(to, what): &(Vec<String>, String)| *what == text && to.contains(&name);
                    step.actor == mail.src && step.sends.iter().any(to_me)
                };
                told.iter().position(sent)
            });
            let what = format!("{} -> {name}: {:?}", model.name(mail.src), mail.msg);
            (Kind::Delivery, what, sent_at)
        }
        Happens::Fire(timer) => {
            let what = format!("{name}: {:?} time-out", cast.timer(timer));
            (Kind::Timeout, what, None)
        }
        Happens::Recover => (Kind::Recovery, format!("{name} recovers"), None),
    };
    let (_, sends, reports, _) = cast.call(actor, &cast.body(actor, body).body, happens);
    let mut by_message: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (dst, message) in sends {
        by_message.entry(format!("{message:?}")).or_default().push(model.name(dst));
    }
    let at = cast.goal.hop() * now;
    TraceStep {
        kind,
        actor,
        sent_at,
        text: format!("{what}  (at {} ms)", at.as_millis()),
        sends: by_message.into_iter().map(|(message, to)| (to, message)).collect(),
        reports: reports.iter().map(|report| format!("{report:?}")).collect(),
    }
}
