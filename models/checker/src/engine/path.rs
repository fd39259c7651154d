//! A shortest path to a state, rebuilt by running again.

use super::fingerprint;
use rustc_hash::FxBuildHasher;
use stateright::Model;
use std::collections::HashMap;
use std::hash::Hash;

/// An initial state, then each action with the state it leads to.
pub type Walk<M> = (<M as Model>::State, Vec<(<M as Model>::Action, <M as Model>::State)>);

/// A shortest path to the state with this fingerprint: the initial state, then each action with
/// the state it leads to. `None` if there is no such state within `depth` steps.
///
/// Of several shortest paths it is the one through the lowest fingerprints, so that it is the same
/// in every run. Takes the time of a run on one thread, and 56 to 112 bytes a state, and the states of two levels.
pub fn path_to<M>(model: &M, target: u128, depth: u64) -> Option<Walk<M>>
where
    M: Model,
    M::State: Hash,
{
    path_by(model, fingerprint, target, depth)
}

/// As [`path_to`], with fingerprints of another kind.
pub fn path_by<M: Model>(
    model: &M,
    fingerprint: impl Fn(&M::State) -> u128,
    target: u128,
    depth: u64,
) -> Option<Walk<M>> {
    let is_within = |state: &M::State| model.within_boundary(state);
    let mut frontier: Vec<M::State> = model.init_states().into_iter().filter(is_within).collect();
    let mut parents: HashMap<u128, Parent, FxBuildHasher> = HashMap::default();
    for state in &frontier {
        parents.insert(fingerprint(state), Parent { fingerprint: 0, level: 0 });
    }
    for level in 1..=depth {
        if parents.contains_key(&target) {
            break;
        }
        let mut next = Vec::new();
        for state in &frontier {
            let parent = fingerprint(state);
            for successor in model.next_states(state).into_iter().filter(is_within) {
                let known = parents.entry(fingerprint(&successor)).or_insert_with(|| {
                    next.push(successor);
                    Parent { fingerprint: parent, level }
                });
                if known.level == level {
                    known.fingerprint = known.fingerprint.min(parent);
                }
            }
        }
        frontier = next;
    }
    let mut chain = vec![target];
    while let Some(parent) = parents.get(chain.last()?) {
        if parent.level == 0 {
            return walk(model, fingerprint, chain);
        }
        chain.push(parent.fingerprint);
    }
    None
}

struct Parent {
    fingerprint: u128,
    level: u64,
}

/// Follows a chain of fingerprints, given from its end, from an initial state on.
pub(crate) fn walk<M: Model>(
    model: &M,
    fingerprint: impl Fn(&M::State) -> u128,
    mut chain: Vec<u128>,
) -> Option<Walk<M>> {
    let first = chain.pop()?;
    let init = model.init_states().into_iter().find(|state| fingerprint(state) == first)?;
    let mut steps: Vec<(M::Action, M::State)> = Vec::new();
    while let Some(next) = chain.pop() {
        let state = steps.last().map_or(&init, |(_, state)| state);
        let mut possible = model.next_steps(state).into_iter();
        steps.push(possible.find(|(_, successor)| fingerprint(successor) == next)?);
    }
    Some((init, steps))
}
