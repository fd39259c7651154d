//! Shortest paths to what was found, of a run in files: backwards, level by level, all workers at once.

use actor_checker::engine::Discovery;

/// How far back all have come.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    found: Vec<Option<Discovery>>,
    /// For each property, the fingerprints by now, that of the violation first; nothing if there is no way back.
    trails: Vec<Option<Vec<u128>>>,
    /// Of the states whose predecessors are looked for.
    depth: u64,
}

impl Back {
    /// Begins at these states.
    pub(crate) fn new(found: Vec<Option<Discovery>>) -> Back {
        let trails = found.iter().map(|found| Some(vec![found.as_ref()?.fingerprint])).collect();
        let depth = found.iter().flatten().map(|found| found.depth).max().unwrap_or(0);
        Back { found, trails, depth }
    }

    /// The states whose predecessors are looked for next, and how far from the start those are; nothing at the end.
    pub(crate) fn wanted(&self) -> Option<(u64, Vec<Option<u128>>)> {
        let depth = self.depth.checked_sub(1)?;
        let found = self.found.iter().zip(&self.trails);
        let wanted = found.map(|(found, trail)| {
            let is_reached = found.is_some_and(|found| found.depth >= self.depth);
            trail.as_ref().filter(|_| is_reached)?.last().copied()
        });
        Some((depth, wanted.collect()))
    }

    /// Goes a level back, by what all have told.
    pub(crate) fn step(&mut self, told: &[Vec<Option<u128>>]) {
        let Some((depth, wanted)) = self.wanted() else { return };
        for (property, trail) in self.trails.iter_mut().enumerate() {
            if wanted[property].is_none() {
                continue;
            }
            let told = told.iter().filter_map(|lowest| lowest.get(property).copied().flatten());
            match (told.min(), trail.as_mut()) {
                (Some(lowest), Some(trail)) => trail.push(lowest),
                _ => *trail = None,
            }
        }
        self.depth = depth;
    }

    /// From each violation to the start; none before all are known.
    pub(crate) fn trails(&self) -> Vec<Option<Vec<u128>>> {
        if self.depth > 0 { Vec::new() } else { self.trails.clone() }
    }
}
