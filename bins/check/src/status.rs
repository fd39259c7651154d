//! Exit statuses, and which is worse.

use paxos_chat_shell::output::CANNOT_WRITE;

/// A property is violated, an event is not reached, or a count differs from the catalog's.
pub(super) const VIOLATED: u8 = 1;
/// The command line asks for what cannot be done.
pub(super) const USAGE: u8 = 2;
/// A run has not come to its end.
pub(super) const INCOMPLETE: u8 = 3;

/// A violation is worse than a result that could not be written, which is worse than an incomplete
/// run, which is worse than success.
pub(super) fn worse(left: u8, right: u8) -> u8 {
    let rank = |status: u8| match status {
        VIOLATED => 3,
        CANNOT_WRITE => 2,
        INCOMPLETE => 1,
        _ => 0,
    };
    if rank(right) > rank(left) { right } else { left }
}
