//! Who holds how many sessions, and which session is to go when there are too many.
//!
//! **Invariants**
//! - *A function of the table*: two tables with the same sessions have the same shares, whatever
//!   happened before; so nothing here is stored, compared or hashed.
//! - *Fair*: the session that goes is one of a user who holds the most, and of theirs the one longest
//!   unused; of several such, the one with the lowest id. So nobody loses a session to a user who holds
//!   more, however many that one opens; and where all hold one, the one longest unused goes.
//! - *No scan*: every question and every change takes time logarithmic in the sessions, because
//!   whoever can open sessions can ask as often as they like.
//!
//! **Source**: the queue that is longest loses, as in McKenney, *Stochastic Fairness Queueing*
//! (INFOCOM 1990), section 3.

use super::Session;
use crate::types::{Nonce, SessionId, Slot, User};
use std::cmp::Reverse;

/// The sessions of all users.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    users: imbl::OrdMap<User, Share>,
    /// Of each user, how many sessions there are, and which is the longest unused: who holds the most
    /// is first.
    order: imbl::OrdSet<(Reverse<usize>, Slot, SessionId)>,
}

/// The sessions of one user: at least one.
#[derive(Clone, Debug, Default)]
struct Share {
    by_nonce: imbl::OrdMap<Nonce, SessionId>,
    by_use: imbl::OrdSet<(Slot, SessionId)>,
}

impl Share {
    fn place(&self) -> Option<(Reverse<usize>, Slot, SessionId)> {
        let (used, id) = self.by_use.get_min()?;
        Some((Reverse(self.by_use.len()), *used, *id))
    }
}

impl Shares {
    /// The session that this user's nonce opened.
    pub(super) fn find(&self, user: &User, nonce: Nonce) -> Option<SessionId> {
        self.users.get(user)?.by_nonce.get(&nonce).copied()
    }

    /// Counts a session; its user has no other of this nonce.
    pub(super) fn add(&mut self, id: SessionId, session: &Session) {
        self.change(&session.user, |share| {
            share.by_nonce.insert(session.nonce, id);
            share.by_use.insert((session.used, id));
        });
    }

    /// Counts a session no more.
    pub(super) fn remove(&mut self, id: SessionId, session: &Session) {
        self.change(&session.user, |share| {
            share.by_nonce.remove(&session.nonce);
            share.by_use.remove(&(session.used, id));
        });
    }

    /// A session that was last used at its `used` is used at `slot`.
    pub(super) fn touch(&mut self, id: SessionId, session: &Session, slot: Slot) {
        if session.used == slot {
            return;
        }
        self.change(&session.user, |share| {
            share.by_use.remove(&(session.used, id));
            share.by_use.insert((slot, id));
        });
    }

    /// The session that is to go first.
    pub(super) fn first_to_go(&self) -> Option<SessionId> {
        self.order.get_min().map(|(_, _, id)| *id)
    }

    fn change(&mut self, user: &User, change: impl FnOnce(&mut Share)) {
        let mut share = self.users.remove(user).unwrap_or_default();
        let before = share.place();
        change(&mut share);
        let after = share.place();
        if before != after {
            before.map(|place| self.order.remove(&place));
            after.map(|place| self.order.insert(place));
        }
        if after.is_some() {
            self.users.insert(user.clone(), share);
        }
    }
}
