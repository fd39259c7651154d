//! A path as a person can follow it: numbered steps, with everything that was sent.
//!
//! A run that takes steps that only send at once leaves them out of its paths. Here those are put
//! back in that some later delivery needs, at the moment when they were possible.

use crate::compact::{Action, CompactModel, Envelope, SystemState};
use crate::spec::Spec;
use stateright::actor::Actor;
use std::collections::{BTreeMap, HashMap};

/// One step of a path.
#[derive(Clone, Debug)]
pub struct TraceStep {
    /// What happens.
    pub action: Action,
    /// The actor it happens to.
    pub actor: usize,
    /// For a delivery: the step, counted from 0, that sent the message, if a step did.
    pub sent_at: Option<usize>,
    /// What happens, in words.
    pub text: String,
    /// What is sent in consequence: receivers and message.
    pub sends: Vec<(Vec<String>, String)>,
    /// What reaches the actor's own driver.
    pub reports: Vec<String>,
}

struct Happening {
    action: Action,
    number: u32,
    needed: bool,
}

/// The steps of a path, with those put back that only send and that the path needs.
pub fn trace<A, S>(
    model: &CompactModel<A, S>,
    init: &SystemState,
    path: &[(Action, SystemState)],
) -> Vec<TraceStep>
where
    A: Actor,
    S: Spec<A>,
{
    let mut happenings: Vec<Happening> = Vec::new();
    let mut origin: HashMap<Envelope, usize> = HashMap::new();
    let mut state = init;
    for (action, next) in path {
        put_back(model, state, &mut happenings, &mut origin);
        let number = model.step_of(state, *action).expect("a step of a path is possible");
        note(
            model,
            Happening { action: *action, number, needed: true },
            &mut happenings,
            &mut origin,
        );
        state = next;
    }
    for index in (0..happenings.len()).rev() {
        if let (true, Action::Deliver(envelope)) =
            (happenings[index].needed, happenings[index].action)
            && let Some(source) = origin.get(&envelope)
        {
            happenings[*source].needed = true;
        }
    }
    let mut place = HashMap::new();
    let needed = happenings.iter().enumerate().filter(|(_, happening)| happening.needed);
    for (new, (old, _)) in needed.enumerate() {
        place.insert(old, new);
    }
    let source = |envelope| origin.get(&envelope).and_then(|old| place.get(old)).copied();
    happenings
        .iter()
        .filter(|happening| happening.needed)
        .map(|happening| describe(model, happening, &source))
        .collect()
}

/// Notes every step that only sends and is possible here, until none sends anything new.
fn put_back<A: Actor, S: Spec<A>>(
    model: &CompactModel<A, S>,
    state: &SystemState,
    happenings: &mut Vec<Happening>,
    origin: &mut HashMap<Envelope, usize>,
) {
    let mut queue: Vec<Envelope> = origin.keys().copied().collect();
    queue.sort_unstable();
    model.for_each_possible_step(state, |action, number| {
        if model.step(number).only_sends && !matches!(action, Action::Deliver(_)) {
            queue.extend(note(
                model,
                Happening { action, number, needed: false },
                happenings,
                origin,
            ));
        }
    });
    while let Some(envelope) = queue.pop() {
        let action = Action::Deliver(envelope);
        if let Some(number) = model.step_of(state, action)
            && model.step(number).only_sends
        {
            let happening = Happening { action, number, needed: false };
            queue.extend(note(model, happening, happenings, origin));
        }
    }
}

/// Notes a step; returns what it is the first to send.
fn note<A: Actor, S: Spec<A>>(
    model: &CompactModel<A, S>,
    happening: Happening,
    happenings: &mut Vec<Happening>,
    origin: &mut HashMap<Envelope, usize>,
) -> Vec<Envelope> {
    let sends = model.step(happening.number).sends.iter().copied();
    let new: Vec<Envelope> = sends.filter(|envelope| !origin.contains_key(envelope)).collect();
    if new.is_empty() && !happening.needed {
        return new;
    }
    for envelope in &new {
        origin.insert(*envelope, happenings.len());
    }
    happenings.push(happening);
    new
}

fn describe<A: Actor, S: Spec<A>>(
    model: &CompactModel<A, S>,
    happening: &Happening,
    source: &impl Fn(Envelope) -> Option<usize>,
) -> TraceStep {
    let sent_at = match happening.action {
        Action::Deliver(envelope) => source(envelope),
        _ => None,
    };
    model.with_step(happening.number, |step| {
        let mut sends: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (dst, message) in step.sends {
            sends.entry(format!("{message:?}")).or_default().push(model.name(*dst));
        }
        TraceStep {
            action: happening.action,
            actor: step.actor,
            sent_at,
            text: stateright::Model::format_action(model, &happening.action),
            sends: sends.into_iter().map(|(message, to)| (to, message)).collect(),
            reports: step.reports.iter().map(|report| format!("{report:?}")).collect(),
        }
    })
}

/// The steps as numbered lines.
pub fn to_text(steps: &[TraceStep]) -> String {
    let mut text = String::new();
    for (number, step) in (1..).zip(steps) {
        text.push_str(&format!("{number:4}. {}\n", step.text));
        for (to, message) in &step.sends {
            text.push_str(&format!("        sends {message} to {}\n", to.join(", ")));
        }
        for report in &step.reports {
            text.push_str(&format!("        reports {report}\n"));
        }
    }
    text
}
