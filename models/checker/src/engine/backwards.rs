//! A shortest path to a state of a run in files: level by level backwards, with no memory but a block's.

use super::blocks::Stored;
use super::checkpoint::RunFolder;
use super::error::CheckpointError;

/// For each of these states, the lowest fingerprint of a state of this folder, so many steps from the start, that leads to
/// it in one step; nothing if no state there does.
///
/// # Errors
/// When the files cannot be read, or are of another run.
pub fn predecessors<S: Stored>(
    space: &S,
    folder: &RunFolder,
    depth: u64,
    wanted: &[Option<u128>],
) -> Result<Vec<Option<u128>>, CheckpointError> {
    let mut lowest: Vec<Option<u128>> = vec![None; wanted.len()];
    let mut scratch = S::Scratch::default();
    folder.for_each_block::<S>(depth, |block| {
        for place in 0..S::len(block) {
            let (mut successors, mut fingerprints) = (S::Block::default(), Vec::new());
            space.expand(block, place, &mut scratch, &mut successors, &mut fingerprints);
            for (lowest, wanted) in lowest.iter_mut().zip(wanted) {
                if wanted.is_some_and(|wanted| fingerprints.contains(&wanted)) {
                    let fingerprint = space.fingerprint(block, place);
                    *lowest = Some(lowest.map_or(fingerprint, |known| known.min(fingerprint)));
                }
            }
        }
    })?;
    Ok(lowest)
}

/// The fingerprints of a shortest path to this state, which is so many steps from the start: its own first, that of an
/// initial state last. Of several paths it is the one of [`super::path_to`]. Takes the time of a run on one thread.
///
/// # Errors
/// When the files cannot be read, or are of another run.
pub(crate) fn trail<S: Stored>(
    space: &S,
    folder: &RunFolder,
    target: u128,
    depth: u64,
) -> Result<Vec<u128>, CheckpointError> {
    let mut trail = vec![target];
    let mut wanted = target;
    for level in (0..depth).rev() {
        let lowest = predecessors(space, folder, level, &[Some(wanted)])?;
        wanted = lowest[0].ok_or_else(|| folder.no_way_to(level))?;
        trail.push(wanted);
    }
    Ok(trail)
}
