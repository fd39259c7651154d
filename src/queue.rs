//! The commands that wait for a slot at a leader, fair between users.
//!
//! **Invariants**
//! - *In each user's order*: what a user asked first is taken first.
//! - *Fair*: a value takes from every user in turn, so whoever asks for much delays nobody else by more
//!   than one command of each; and a user's share of the queue is what remains when everybody who waits
//!   has as much. *Bounded*: by twice the limit in all, in commands and in bytes but for the last command,
//!   since shares shrink only as users come.
//! - The order in which users are served is that of their requests, and does not depend on names.
//!
//! **Source**: round robin in the sense of Nagle, *On Packet Switches with Infinite Storage* (RFC 970),
//! section 6.

use crate::tuning::Tuning;
use crate::types::{Command, User, Value};
use std::collections::{BTreeMap, VecDeque};

/// Commands that wait for a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    /// What each user waits for; users that wait for nothing are not in it.
    waiting: BTreeMap<User, UserQueue>,
    /// Whose turn is next: the users that wait, in the order in which they came or were served.
    turns: VecDeque<User>,
    commands: usize,
    bytes: usize,
}

/// What a user waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct UserQueue {
    commands: VecDeque<Command>,
    bytes: usize,
}

impl Queue {
    /// How many commands wait.
    pub fn len(&self) -> usize {
        self.commands
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.commands == 0
    }

    /// What waits, user by user, in the order of their turns.
    pub fn iter(&self) -> impl Iterator<Item = &Command> {
        let own = self.turns.iter().filter_map(|user| self.waiting.get(user));
        own.flat_map(|own| &own.commands)
    }

    /// Has this user no room left?
    pub fn is_full_for(&self, user: &User, tuning: &Tuning) -> bool {
        let (commands, bytes) =
            self.waiting.get(user).map_or((0, 0), |own| (own.commands.len(), own.bytes));
        let users = self.waiting.len() + usize::from(commands == 0);
        let share = |limit: usize| (limit / users).max(1);
        commands >= share(tuning.queue_commands_max)
            || bytes >= share(tuning.queue_bytes_max)
            || self.commands >= 2 * tuning.queue_commands_max
            || self.bytes >= 2 * tuning.queue_bytes_max
    }

    /// How many values are filled by what waits, rounded up to a power of two: whoever waits for them
    /// needs no more precision, and a state that differs in nothing else sends the same answer.
    pub fn values(&self, tuning: &Tuning) -> u32 {
        let by_count = self.commands.div_ceil(tuning.batch_commands_max.max(1));
        let by_bytes = self.bytes.div_ceil(tuning.batch_bytes_max.max(1));
        let values = u32::try_from(by_count.max(by_bytes)).unwrap_or(u32::MAX);
        values.checked_next_power_of_two().unwrap_or(u32::MAX)
    }

    /// Adds a command.
    pub fn push(&mut self, command: Command) {
        let bytes = command.size_bytes();
        self.commands += 1;
        self.bytes += bytes;
        let own = self.waiting.entry(command.user.clone()).or_default();
        if own.commands.is_empty() {
            self.turns.push_back(command.user.clone());
        }
        own.commands.push_back(command);
        own.bytes += bytes;
    }

    /// Takes the next value, as many commands as fit a batch; if it must be full, only if they fill one.
    pub fn next_value(&mut self, tuning: &Tuning, must_be_full: bool) -> Option<Value> {
        let fills =
            self.commands >= tuning.batch_commands_max || self.bytes > tuning.batch_bytes_max;
        if self.is_empty() || (must_be_full && !fills) {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(user) = self.turns.front() {
            let own = self.waiting.get_mut(user).expect("whoever has a turn waits");
            let size = own.commands.front().expect("for something").size_bytes();
            let fits =
                bytes + size <= tuning.batch_bytes_max && batch.len() < tuning.batch_commands_max;
            if !fits && !batch.is_empty() {
                break;
            }
            bytes += size;
            batch.extend(own.commands.pop_front());
            own.bytes -= size;
            if own.commands.is_empty() {
                self.waiting.remove(user);
                self.turns.pop_front();
            } else {
                self.turns.rotate_left(1);
            }
        }
        self.commands -= batch.len();
        self.bytes -= bytes;
        Some(Value::batch(batch))
    }
}

/// The queue of these commands, of which none was served yet.
impl FromIterator<Command> for Queue {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Queue {
        let mut queue = Queue::default();
        commands.into_iter().for_each(|command| queue.push(command));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{post, session};

    fn command(user: &str, text: &str) -> Command {
        post(user, session(0, 0), 1, text)
    }

    fn batch<const N: usize>(commands: [(&str, &str); N]) -> Option<Value> {
        Some(Value::batch(commands.map(|(user, text)| command(user, text))))
    }

    fn queue<const N: usize>(commands: [(&str, &str); N]) -> Queue {
        commands.into_iter().map(|(user, text)| command(user, text)).collect()
    }

    /// What the queue of these makes, and how many are left.
    fn cut(texts: &[&str], tuning: &Tuning) -> (Option<Value>, usize) {
        let mut queue: Queue = texts.iter().map(|text| command("ann", text)).collect();
        (queue.next_value(tuning, false), queue.len())
    }

    #[test]
    fn an_empty_queue_makes_none() {
        assert_eq!(cut(&[], &Tuning::default()), (None, 0));
    }

    #[test]
    fn all_that_wait_go_into_one_value() {
        let all = batch([("ann", "a"), ("ann", "b"), ("ann", "c")]);
        assert_eq!(cut(&["a", "b", "c"], &Tuning::default()), (all, 0));
    }

    #[test]
    fn a_value_is_cut_by_the_number_of_its_commands() {
        let tuning = Tuning { batch_commands_max: 2, ..Tuning::default() };
        assert_eq!(cut(&["a", "b", "c"], &tuning), (batch([("ann", "a"), ("ann", "b")]), 1));
    }

    #[test]
    fn a_value_is_cut_by_its_bytes_and_a_command_too_large_goes_alone() {
        let bytes = command("ann", "a").size_bytes();
        let at = |batch_bytes_max| {
            let tuning = Tuning { batch_bytes_max, ..Tuning::default() };
            cut(&["a", "b", "c"], &tuning)
        };
        assert_eq!(at(3 * bytes), (batch([("ann", "a"), ("ann", "b"), ("ann", "c")]), 0));
        assert_eq!(at(3 * bytes - 1), (batch([("ann", "a"), ("ann", "b")]), 1));
        assert_eq!(at(1), (batch([("ann", "a")]), 2));
    }

    #[test]
    fn a_value_that_must_be_full_waits_until_it_is() {
        let tuning = Tuning { batch_commands_max: 2, ..Tuning::default() };
        let mut by_number = queue([("ann", "a")]);
        assert_eq!(by_number.next_value(&tuning, true), None);
        by_number.push(command("bob", "b"));
        assert_eq!(by_number.next_value(&tuning, true), batch([("ann", "a"), ("bob", "b")]));

        let batch_bytes_max = 2 * command("ann", "a").size_bytes();
        let tuning = Tuning { batch_bytes_max, ..Tuning::default() };
        let mut by_bytes = queue([("ann", "a"), ("ann", "b")]);
        assert_eq!(by_bytes.next_value(&tuning, true), None);
        by_bytes.push(command("ann", "c"));
        assert_eq!(by_bytes.next_value(&tuning, true), batch([("ann", "a"), ("ann", "b")]));
        assert_eq!(by_bytes.next_value(&tuning, true), None);
        assert_eq!(by_bytes.next_value(&tuning, false), batch([("ann", "c")]));
    }

    #[test]
    fn who_asks_for_little_is_served_beside_who_asks_for_much() {
        let mut queue =
            queue([("ann", "1"), ("ann", "2"), ("ann", "3"), ("bob", "b"), ("cy", "c")]);
        let tuning = Tuning { batch_commands_max: 3, ..Tuning::default() };
        let first = batch([("ann", "1"), ("bob", "b"), ("cy", "c")]);
        assert_eq!(queue.next_value(&tuning, true), first);
        queue.push(command("bob", "B"));
        let second = batch([("ann", "2"), ("bob", "B"), ("ann", "3")]);
        assert_eq!((queue.next_value(&tuning, true), queue.len()), (second, 0));
        assert_eq!(queue, Queue::default());
    }

    #[test]
    fn a_turn_goes_on_where_the_last_value_ended() {
        let mut queue = queue([("ann", "1"), ("ann", "2"), ("bob", "1"), ("bob", "2")]);
        let tuning = Tuning { batch_commands_max: 1, ..Tuning::default() };
        let order = [("ann", "1"), ("bob", "1"), ("ann", "2"), ("bob", "2")];
        for next in order {
            assert_eq!(queue.next_value(&tuning, true), batch([next]));
        }
    }

    #[test]
    fn who_asks_for_long_things_has_room_for_fewer() {
        let bytes = command("ann", "x").size_bytes();
        let tuning = Tuning { queue_bytes_max: 4 * bytes, ..Tuning::default() };
        let mut queue = Queue::default();
        let taken = ["ann", "bob", "cyd", "dan", "eve"].map(|name| {
            let mut taken = 0;
            while !queue.is_full_for(&User::new(name), &tuning) {
                queue.push(command(name, "x"));
                taken += 1;
            }
            taken
        });
        assert_eq!(taken, [4, 2, 2, 0, 0], "as with commands, but for what begins below a share");
        while let Some(value) = queue.next_value(&tuning, false) {
            assert!(!value.commands().is_empty());
        }
        assert_eq!(queue, Queue::default(), "all bytes are counted off again");
    }

    #[test]
    fn what_waits_is_told_in_values_by_count_or_bytes_whichever_are_more() {
        let bytes = command("ann", "a").size_bytes();
        let values = |count: usize, batch_commands_max, batch_bytes_max| {
            let tuning = Tuning { batch_commands_max, batch_bytes_max, ..Tuning::default() };
            let queue: Queue = (0..count).map(|_| command("ann", "a")).collect();
            queue.values(&tuning)
        };
        assert_eq!([1, 2, 3, 4, 9].map(|count| values(count, 2, usize::MAX)), [1, 1, 2, 2, 8]);
        assert_eq!([1, 2, 3, 9].map(|count| values(count, 100, bytes)), [1, 2, 4, 16]);
    }

    #[test]
    fn shares_shrink_as_users_come_and_the_whole_is_bounded() {
        let tuning = Tuning { queue_commands_max: 4, ..Tuning::default() };
        let mut queue = Queue::default();
        let mut fill = |name: &str| {
            let user = User::new(name);
            let mut taken = 0;
            while !queue.is_full_for(&user, &tuning) {
                queue.push(command(name, "x"));
                taken += 1;
            }
            taken
        };
        let taken = ["ann", "bob", "cy", "dan", "eve"].map(&mut fill);
        assert_eq!(taken, [4, 2, 1, 1, 0], "8 are twice the limit");
        assert_eq!(fill("ann"), 0);
    }
}
