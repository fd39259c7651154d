//! What a state violates or reaches: judged on local states and on the views of all, once each.

use super::state::{HISTORY, PORTS, SystemState};
use super::{CompactModel, MAX_ACTORS};
use crate::spec::{Spec, Verdict};
use stateright::actor::Actor;
use std::sync::atomic::Ordering;

impl<A, S> CompactModel<A, S>
where
    A: Actor,
    S: Spec<A>,
{
    /// The properties that this state violates or reaches.
    pub fn verdict(&self, state: &SystemState) -> Verdict {
        self.verdict_of(&state.words)
    }

    pub(super) fn verdict_of(&self, words: &[u32]) -> Verdict {
        let n = self.actors.len();
        let mut verdict = Verdict::default();
        let mut key = [0; 1 + MAX_ACTORS];
        key[0] = words[HISTORY];
        for actor in 0..n {
            let port = self.port(actor, words[PORTS + actor]);
            verdict = verdict | port.verdict;
            key[1 + actor] = port.view;
        }
        verdict | self.judge_views(&key[..=n])
    }

    /// Judges a history and the views of all actors.
    pub(super) fn judge_views(&self, key: &[u32]) -> Verdict {
        Verdict(self.verdicts.get_or_insert(key, || {
            let views: Vec<&S::View> = key[1..].iter().map(|id| self.views.get(*id)).collect();
            self.spec.judge(&views, &self.histories.get(key[0]).value).0
        }))
    }

    /// The events of every step taken so far, by any thread.
    pub fn reached(&self) -> Verdict {
        Verdict(self.reached.load(Ordering::Relaxed))
    }

    /// The properties that this state, or a step that is possible in it, violates or reaches.
    pub fn verdict_with_steps(&self, state: &SystemState) -> Verdict {
        let mut verdict = self.verdict(state);
        self.for_each_possible_step(state, |_, step| verdict = verdict | self.step(step).verdict);
        verdict
    }
}

/// The functions `holds` and `reached` with each place of a property as their last parameter.
macro_rules! per_property {
    ($holds:ident, $reached:ident, $a:ident, $s:ident) => {
        $crate::compact::per_property!(@ $holds $reached $a $s
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63)
    };
    (@ $holds:ident $reached:ident $a:ident $s:ident $($i:literal)*) => {
        [$(($holds::<$a, $s, $i> as _, $reached::<$a, $s, $i> as _)),*]
    };
}
pub(crate) use per_property;

pub(super) type Condition<A, S> = fn(&CompactModel<A, S>, &SystemState) -> bool;

/// One pair of conditions a property: stateright wants function pointers, which capture nothing,
/// so the place of the property is a constant of the function.
pub(super) fn conditions<A: Actor, S: Spec<A>>() -> [(Condition<A, S>, Condition<A, S>); 64] {
    fn holds<A: Actor, S: Spec<A>, const I: usize>(
        m: &CompactModel<A, S>,
        s: &SystemState,
    ) -> bool {
        !m.verdict(s).has(I)
    }
    fn reached<A: Actor, S: Spec<A>, const I: usize>(
        m: &CompactModel<A, S>,
        s: &SystemState,
    ) -> bool {
        m.verdict_with_steps(s).has(I)
    }
    per_property!(holds, reached, A, S)
}
