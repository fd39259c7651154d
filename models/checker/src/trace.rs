//! A path as a person can follow it: numbered steps, with everything that was sent.
//!
//! A run that takes steps that only send at once leaves them out of its paths. Here those are put
//! back in that some later delivery needs, at the moment when they were possible.

use crate::compact::{Action, CompactModel, Envelope, SystemState};
use crate::spec::Spec;
use stateright::actor::Actor;
use std::collections::{BTreeMap, HashMap};

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message arrives.
    Delivery,
    /// A timer fires.
    Timeout,
    /// A person's input reaches its actor.
    Input,
    /// An actor crashes.
    Crash,
    /// An actor starts, again.
    Recovery,
}

impl From<Action> for Kind {
    fn from(action: Action) -> Kind {
        match action {
            Action::Deliver(_) => Kind::Delivery,
            Action::Timeout(..) => Kind::Timeout,
            Action::Input(_) => Kind::Input,
            Action::Crash(_) => Kind::Crash,
            Action::Recover(_) => Kind::Recovery,
        }
    }
}

/// One step of a path.
#[derive(Clone, Debug)]
pub struct TraceStep {
    /// What kind of thing happens.
    pub kind: Kind,
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
    /// For a delivery: the happening that sent the message, if one did.
    source: Option<usize>,
    needed: bool,
}

/// What has happened so far, and what each message was first sent by.
#[derive(Default)]
struct Happenings {
    list: Vec<Happening>,
    /// By anything.
    origin: HashMap<Envelope, usize>,
    /// By a step of the path, which goes before one that is put back.
    origin_on_path: HashMap<Envelope, usize>,
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
    let mut happenings = Happenings::default();
    let mut state = init;
    for (action, next) in path {
        happenings.put_back(model, state);
        let number = model.step_of(state, *action).expect("a step of a path is possible");
        happenings.take(model, *action, number);
        state = next;
    }
    let mut list = happenings.list;
    for index in (0..list.len()).rev() {
        if let (true, Some(source)) = (list[index].needed, list[index].source) {
            list[source].needed = true;
        }
    }
    let mut place = HashMap::new();
    let needed = list.iter().enumerate().filter(|(_, happening)| happening.needed);
    for (new, (old, _)) in needed.enumerate() {
        place.insert(old, new);
    }
    list.iter()
        .filter(|happening| happening.needed)
        .map(|happening| {
            let sent_at = happening.source.and_then(|old| place.get(&old)).copied();
            describe(model, happening, sent_at)
        })
        .collect()
}

impl Happenings {
    /// Notes a step of the path.
    fn take<A: Actor, S: Spec<A>>(
        &mut self,
        model: &CompactModel<A, S>,
        action: Action,
        number: u32,
    ) {
        let place = self.list.len();
        let source = match action {
            Action::Deliver(envelope) => {
                self.origin_on_path.get(&envelope).or_else(|| self.origin.get(&envelope)).copied()
            }
            _ => None,
        };
        for envelope in model.step(number).sends.iter().copied() {
            self.origin.entry(envelope).or_insert(place);
            self.origin_on_path.entry(envelope).or_insert(place);
        }
        self.list.push(Happening { action, number, source, needed: true });
    }

    /// Notes every step that only sends and is possible here, until none sends anything new.
    fn put_back<A: Actor, S: Spec<A>>(&mut self, model: &CompactModel<A, S>, state: &SystemState) {
        let mut queue: Vec<Envelope> = self.origin.keys().copied().collect();
        queue.sort_unstable();
        model.for_each_possible_step(state, |action, number| {
            if model.step(number).only_sends && !matches!(action, Action::Deliver(_)) {
                queue.extend(self.offer(model, action, number));
            }
        });
        while let Some(envelope) = queue.pop() {
            let action = Action::Deliver(envelope);
            if let Some(number) = model.step_of(state, action)
                && model.step(number).only_sends
            {
                queue.extend(self.offer(model, action, number));
            }
        }
    }

    /// Notes a step that only sends, if it is the first to send something; returns that.
    fn offer<A: Actor, S: Spec<A>>(
        &mut self,
        model: &CompactModel<A, S>,
        action: Action,
        number: u32,
    ) -> Vec<Envelope> {
        let sends = model.step(number).sends.iter().copied();
        let new: Vec<Envelope> =
            sends.filter(|envelope| !self.origin.contains_key(envelope)).collect();
        if new.is_empty() {
            return new;
        }
        let source = match action {
            Action::Deliver(envelope) => self.origin.get(&envelope).copied(),
            _ => None,
        };
        for envelope in &new {
            self.origin.insert(*envelope, self.list.len());
        }
        self.list.push(Happening { action, number, source, needed: false });
        new
    }
}

fn describe<A: Actor, S: Spec<A>>(
    model: &CompactModel<A, S>,
    happening: &Happening,
    sent_at: Option<usize>,
) -> TraceStep {
    model.with_step(happening.number, |step| {
        let mut sends: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (dst, message) in step.sends {
            sends.entry(format!("{message:?}")).or_default().push(model.name(*dst));
        }
        TraceStep {
            kind: happening.action.into(),
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
