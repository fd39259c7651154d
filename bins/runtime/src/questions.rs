//! Questions of users that wait for their turn, each of which costs more to answer than to ask.
//!
//! **Invariants**
//! - *One of each process*: a later question takes the place of an earlier one, as it would if that had been
//!   lost.
//! - *Fair between users*: they take turns, and so do the processes of each; whoever has many of them waits
//!   the longer for each.
//! - *Bounded*: so many of each user, and of all. What does not fit is lost, and asked again.
//! - *What nobody may hear is not answered*: the question of a process that has not shown that it hears at its
//!   address is held until it has. Of those the oldest of a user gives way: it may never be shown.
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
    waiting: Queues<M>,
    held: Queues<M>,
    /// Whose question was answered last.
    last: Option<UserName>,
}

/// Questions of each user, by the ids of the processes that ask.
#[derive(Debug)]
struct Queues<M> {
    users: BTreeMap<UserName, VecDeque<(u64, M)>>,
    count: usize,
}

impl<M> Default for Questions<M> {
    fn default() -> Questions<M> {
        Questions { waiting: Queues::default(), held: Queues::default(), last: None }
    }
}

impl<M> Questions<M> {
    /// Takes the question of a process of this user, by its id; false if there is no room.
    pub(crate) fn put(&mut self, user: UserName, asker: u64, question: M) -> bool {
        // An earlier one, from before it had shown that it hears, is not asked any more.
        self.held.take(user, asker);
        self.waiting.put(user, asker, question)
    }

    /// The same of a process that has not shown that it hears.
    pub(crate) fn hold(&mut self, user: UserName, asker: u64, question: M) -> bool {
        let is_full = |held: &VecDeque<(u64, M)>| {
            held.len() >= PER_USER_MAX && held.iter().all(|(id, _)| *id != asker)
        };
        if self.held.users.get(&user).is_some_and(is_full) {
            self.held.pop(user);
        }
        self.held.put(user, asker, question)
    }

    /// This process has shown that it hears: what is held of it waits from now on.
    pub(crate) fn release(&mut self, user: UserName, asker: u64) {
        if let Some(question) = self.held.take(user, asker) {
            self.waiting.put(user, asker, question);
        }
    }

    /// The next one: the oldest of the next user.
    pub(crate) fn next(&mut self) -> Option<(u64, M)> {
        let users = &self.waiting.users;
        let later = self.last.and_then(|last| users.range((Excluded(last), Unbounded)).next());
        let user = *later.or_else(|| users.iter().next())?.0;
        self.last = Some(user);
        self.waiting.pop(user)
    }

    /// Does none wait for its turn?
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.count == 0
    }
}

impl<M> Default for Queues<M> {
    fn default() -> Queues<M> {
        Queues { users: BTreeMap::new(), count: 0 }
    }
}

impl<M> Queues<M> {
    fn put(&mut self, user: UserName, asker: u64, question: M) -> bool {
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

    /// The oldest of this user.
    fn pop(&mut self, user: UserName) -> Option<(u64, M)> {
        let waiting = self.users.get_mut(&user)?;
        let oldest = waiting.pop_front();
        self.popped(user, oldest.is_some());
        oldest
    }

    fn take(&mut self, user: UserName, asker: u64) -> Option<M> {
        let waiting = self.users.get_mut(&user)?;
        let place = waiting.iter().position(|(id, _)| *id == asker)?;
        let taken = waiting.remove(place);
        self.popped(user, taken.is_some());
        taken.map(|(_, question)| question)
    }

    fn popped(&mut self, user: UserName, is_popped: bool) {
        self.count -= usize::from(is_popped);
        if self.users.get(&user).is_some_and(VecDeque::is_empty) {
            self.users.remove(&user);
        }
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
        assert!(questions.is_empty() && questions.waiting.users.is_empty());
    }

    #[test]
    fn a_user_has_a_bounded_share_and_all_together_have_one() {
        let mut questions = Questions::default();
        let taken = (0..1000).filter(|asker| questions.put(user("mallory"), *asker, ())).count();
        assert_eq!(taken, PER_USER_MAX);
        assert!(questions.put(user("ann"), 5000, ()));
        let others = (0..10_000).filter(|id| questions.put(user(&format!("u{id}")), *id, ()));
        assert_eq!(others.count(), QUESTIONS_MAX - PER_USER_MAX - 1);
        assert_eq!(questions.waiting.users.len(), 2 + QUESTIONS_MAX - PER_USER_MAX - 1);
    }

    #[test]
    fn what_is_held_waits_once_it_is_released_and_the_oldest_gives_way() {
        let mut questions = Questions::default();
        for asker in 0..=PER_USER_MAX as u64 {
            assert!(questions.hold(user("mallory"), asker, asker));
        }
        assert!(questions.is_empty());
        for asker in [5, 0, PER_USER_MAX as u64] {
            questions.release(user("mallory"), asker);
        }
        let answered: Vec<u64> =
            std::iter::from_fn(|| questions.next()).map(|(_, question)| question).collect();
        assert_eq!(answered, [5, PER_USER_MAX as u64], "the oldest had given way");
        assert_eq!(questions.held.count, PER_USER_MAX - 2);
        questions.put(user("mallory"), 7, 700);
        questions.release(user("mallory"), 7);
        assert_eq!(questions.next(), Some((7, 700)), "the later one");
        assert_eq!(questions.next(), None);
    }
}
