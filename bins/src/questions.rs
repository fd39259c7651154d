//! Questions of users that wait for their turn, each of which costs more to answer than to ask.
//!
//! **Invariants**
//! - *One of each process*: a later question takes the place of an earlier one, as it would if that had been
//!   lost.
//! - *Fair between users*: they take turns, and so do the processes of each; whoever has many of them waits
//!   the longer for each.
//! - *Bounded*: so many of each user, and of all. What does not fit is lost, and asked again.
//!
//! **Absent**: what a question means, and when the next one is answered, which is the driver's.

use crate::wire::UserName;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

/// Processes of a user whose questions wait at once.
pub(crate) const PER_USER_MAX: usize = 64;
/// Questions that wait at once.
const QUESTIONS_MAX: usize = 4096;

/// Questions that wait.
#[derive(Debug)]
pub(crate) struct Questions<M> {
    users: BTreeMap<UserName, VecDeque<(u64, M)>>,
    count: usize,
    /// Whose question was answered last.
    last: Option<UserName>,
}

impl<M> Default for Questions<M> {
    fn default() -> Questions<M> {
        Questions { users: BTreeMap::new(), count: 0, last: None }
    }
}

impl<M> Questions<M> {
    /// Takes the question of a process of this user, by its id; false if there is no room.
    pub(crate) fn put(&mut self, user: UserName, asker: u64, question: M) -> bool {
        let waiting = self.users.entry(user).or_default();
        if let Some((_, waits)) = waiting.iter_mut().find(|(id, _)| *id == asker) {
            *waits = question;
            return true;
        }
        let has_room = waiting.len() < PER_USER_MAX && self.count < QUESTIONS_MAX;
        if has_room {
            waiting.push_back((asker, question));
            self.count += 1;
        } else if waiting.is_empty() {
            self.users.remove(&user);
        }
        has_room
    }

    /// The next one: the oldest of the next user.
    pub(crate) fn next(&mut self) -> Option<(u64, M)> {
        let later = self.last.and_then(|last| self.users.range((Excluded(last), Unbounded)).next());
        let user = *later.or_else(|| self.users.iter().next())?.0;
        let waiting = self.users.get_mut(&user)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.users.remove(&user);
        }
        self.last = Some(user);
        self.count -= usize::from(next.is_some());
        next
    }

    /// Does none wait?
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    #[test]
    fn users_take_turns_and_so_do_their_processes() {
        let mut questions = Questions::default();
        for asker in 0..3 {
            assert!(questions.put(user("mallory"), asker, asker));
        }
        assert!(questions.put(user("ann"), 10, 10) && questions.put(user("zoe"), 20, 20));
        assert!(questions.put(user("mallory"), 1, 11), "a later question of the same process");
        let answered: Vec<u64> =
            std::iter::from_fn(|| questions.next()).map(|(_, question)| question).collect();
        assert_eq!(answered, [10, 0, 20, 11, 2]);
        assert!(questions.is_empty() && questions.users.is_empty());
    }

    #[test]
    fn a_user_has_a_bounded_share_and_all_together_have_one() {
        let mut questions = Questions::default();
        let taken = (0..1000).filter(|asker| questions.put(user("mallory"), *asker, ())).count();
        assert_eq!(taken, PER_USER_MAX);
        assert!(questions.put(user("ann"), 5000, ()));
        let others = (0..10_000).filter(|id| questions.put(user(&format!("u{id}")), *id, ()));
        assert_eq!(others.count(), QUESTIONS_MAX - PER_USER_MAX - 1);
        assert_eq!(questions.users.len(), 2 + QUESTIONS_MAX - PER_USER_MAX - 1);
    }
}
