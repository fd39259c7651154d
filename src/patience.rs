//! How long a replica waits before it suspects a leader, or gives up being one.
//!
//! **Invariants** (of liveness; safety does not depend on anything here)
//! - *A time-out that proved too short doubles*: a candidacy or a leadership that it ended, or a leader
//!   that it suspected and that lived. So disks and links that are slower than the time-out cost
//!   elections, not the service.
//! - *A leader keeps its patience*: it has led with it. Who follows, and sees progress, loses it again,
//!   step by step, so that one bad moment does not make all later ones long.
//!
//! **Absent**: clocks. Progress is counted in slots.
//!
//! **Source**: Dwork, Lynch and Stockmeyer, *Consensus in the presence of partial synchrony* (JACM 1988),
//! section 4, for time-outs that grow until they suffice.

use crate::tuning::Tuning;
use crate::types::Slot;

/// How often the election time-out has doubled.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Patience {
    /// The time-out is two to this power as long.
    pub doublings: u8,
    /// The applied bound when that changed last; slot 0 while it is not doubled.
    pub since: Slot,
}

impl Patience {
    /// A time-out has proved too short.
    pub fn grow(&mut self, applied_upto: Slot, tuning: &Tuning) {
        if self.doublings < tuning.doublings_max {
            *self = Patience { doublings: self.doublings + 1, since: applied_upto };
        }
    }

    /// A replica that follows has applied everything below this bound.
    pub fn shrink(&mut self, applied_upto: Slot, tuning: &Tuning) {
        if self.doublings > 0 && applied_upto.0 - self.since.0 >= tuning.calm_slots {
            let doublings = self.doublings - 1;
            let since = if doublings == 0 { Slot(0) } else { applied_upto };
            *self = Patience { doublings, since };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_limit_and_shrinks_step_by_step() {
        let tuning = Tuning { doublings_max: 2, calm_slots: 10, ..Tuning::default() };
        let mut patience = Patience::default();
        for doublings in [1, 2, 2] {
            patience.grow(Slot(5), &tuning);
            assert_eq!(patience, Patience { doublings, since: Slot(5) });
        }
        patience.shrink(Slot(14), &tuning);
        assert_eq!(patience.doublings, 2);
        patience.shrink(Slot(15), &tuning);
        assert_eq!(patience, Patience { doublings: 1, since: Slot(15) });
        patience.shrink(Slot(25), &tuning);
        assert_eq!(patience, Patience::default());
        patience.shrink(Slot(99), &tuning);
        assert_eq!(patience, Patience::default());
    }

    #[test]
    fn without_doublings_it_never_changes() {
        let tuning = Tuning { doublings_max: 0, ..Tuning::default() };
        let mut patience = Patience::default();
        patience.grow(Slot(5), &tuning);
        assert_eq!(patience, Patience::default());
    }
}
