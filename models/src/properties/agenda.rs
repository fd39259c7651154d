//! What a run judges: all that must hold, and what it is asked to reach.

use super::{Milestone, Safety};
use actor_checker::spec::{Kind, PropertyName};
use std::collections::BTreeMap;

/// What a run judges: the safety properties, and then milestones, in the order of their tables.
#[derive(Clone, Debug)]
pub struct Agenda {
    properties: Vec<PropertyName>,
    /// The places of the milestones.
    bits: BTreeMap<Milestone, usize>,
}

impl Agenda {
    /// With these milestones.
    pub fn of(asked: &[Milestone]) -> Agenda {
        let milestones = || Milestone::ALL.iter().filter(|milestone| asked.contains(milestone));
        let always = Safety::ALL
            .iter()
            .map(|safety| PropertyName { name: safety.name(), kind: Kind::Always });
        let sometimes =
            milestones().map(|it| PropertyName { name: it.text(), kind: Kind::Sometimes });
        Agenda {
            properties: always.chain(sometimes).collect(),
            bits: milestones().copied().zip(Safety::ALL.len()..).collect(),
        }
    }

    /// What is judged; a property's place is its bit in a verdict.
    pub fn properties(&self) -> &[PropertyName] {
        &self.properties
    }

    /// The bit of a milestone, if it is to be reached.
    pub(crate) fn bit(&self, milestone: Milestone) -> Option<usize> {
        self.bits.get(&milestone).copied()
    }
}
