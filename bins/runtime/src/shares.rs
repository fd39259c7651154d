//! What is remembered of users' processes, in shares.
//!
//! **Invariants**
//! - *Bounded*: never more than the limit it was made with.
//! - *Fair between users*: when there is no room, whoever has most loses what they have not used for longest.
//!   So whoever starts processes without end forgets their own, and nobody who has less loses any.
//! - *Values stay where they are* as long as they are remembered, so that keys among them leave no copies
//!   behind.

use crate::keys::Boot;
use crate::wire::{ClientId, UserName};
use lru::{DefaultHasher, LruCache};
use std::collections::{BTreeSet, HashMap};

/// A map from processes of users.
#[derive(Debug)]
pub(crate) struct Shares<V> {
    limit: usize,
    count: usize,
    users: HashMap<UserName, LruCache<Boot, Box<V>>, DefaultHasher>,
    /// How many each user has.
    sizes: BTreeSet<(usize, UserName)>,
}

impl<V> Shares<V> {
    /// Remembers at most so many, and at least one.
    pub(crate) fn new(limit: usize) -> Shares<V> {
        let (users, sizes) = (HashMap::default(), BTreeSet::new());
        Shares { limit: limit.max(1), count: 0, users, sizes }
    }

    /// What is remembered of a process; does not count as a use.
    pub(crate) fn peek(&self, client: &ClientId) -> Option<&V> {
        self.users.get(&client.user)?.peek(&client.boot).map(|value| &**value)
    }

    /// What is remembered of a process, which is used.
    pub(crate) fn get(&mut self, client: &ClientId) -> Option<&mut V> {
        self.users.get_mut(&client.user)?.get_mut(&client.boot).map(|value| &mut **value)
    }

    /// Remembers what is not remembered yet; gives what had to be forgotten for it.
    pub(crate) fn insert(&mut self, client: ClientId, value: V) -> Option<(ClientId, Box<V>)> {
        let forgotten = if self.count < self.limit { None } else { self.forget_for(client.user) };
        let share = self.users.entry(client.user).or_insert_with(LruCache::unbounded);
        self.sizes.remove(&(share.len(), client.user));
        share.put(client.boot, Box::new(value));
        self.sizes.insert((share.len(), client.user));
        self.count += 1;
        forgotten
    }

    /// Makes room for one of this user: takes it from whoever has most, or from the user, if nobody has more.
    fn forget_for(&mut self, newcomer: UserName) -> Option<(ClientId, Box<V>)> {
        let own = self.users.get(&newcomer).map_or(0, LruCache::len);
        let (most, user) = *self.sizes.last()?;
        let user = if own >= most { newcomer } else { user };
        let share = self.users.get_mut(&user)?;
        let (boot, value) = share.pop_lru()?;
        let left = share.len();
        self.sizes.remove(&(left + 1, user));
        if left == 0 {
            self.users.remove(&user);
        } else {
            self.sizes.insert((left, user));
        }
        self.count -= 1;
        Some((ClientId { user, boot }, value))
    }

    /// Forgets all processes of users who do not fulfil this.
    pub(crate) fn retain_users(&mut self, mut keeps: impl FnMut(UserName) -> bool) {
        self.users.retain(|user, _| keeps(*user));
        self.sizes.retain(|(_, user)| self.users.contains_key(user));
        self.count = self.users.values().map(LruCache::len).sum();
    }

    /// How many are remembered.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeMap;

    fn client(user: u8, boot: u8) -> ClientId {
        let user = UserName::new(&format!("u{user}")).unwrap();
        ClientId { user, boot: Boot::of([boot; crate::keys::KEY_BYTES]) }
    }

    quickcheck! {
        /// Three users, of whom the first is heard as often as the others together.
        fn it_is_bounded_and_each_user_keeps_what_they_used_lately(uses: Vec<(u8, u8)>) -> bool {
            let mut shares = Shares::new(9);
            let uses: Vec<_> = uses.iter().map(|(user, boot)| (user % 4 / 2 + user % 2, *boot)).collect();
            let mut lately: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            uses.iter().all(|(user, boot)| {
                if shares.get(&client(*user, *boot)).is_none() {
                    shares.insert(client(*user, *boot), ());
                }
                let of_user = lately.entry(*user).or_default();
                of_user.retain(|other| other != boot);
                of_user.push(*boot);
                let counted: usize = shares.users.values().map(LruCache::len).sum();
                // A third is everybody's.
                let keeps = lately.iter().all(|(user, boots)| {
                    boots.iter().rev().take(3).all(|boot| shares.peek(&client(*user, *boot)).is_some())
                });
                counted == shares.len() && counted <= 9 && keeps
            })
        }
    }

    #[test]
    fn who_starts_processes_without_end_forgets_their_own() {
        let mut shares = Shares::new(4);
        assert!(shares.insert(client(1, 0), ()).is_none());
        for boot in 0..100 {
            let forgotten = shares.insert(client(2, boot), ());
            let expected = (boot >= 3).then(|| client(2, boot - 3));
            assert_eq!(forgotten.map(|(client, _)| client), expected);
        }
        assert!(shares.peek(&client(1, 0)).is_some());
    }

    #[test]
    fn users_who_have_one_each_make_room_for_another_one() {
        let mut shares = Shares::new(2);
        for user in 1..=5 {
            shares.insert(client(user, 0), ());
            assert!(shares.peek(&client(user, 0)).is_some());
        }
        shares.retain_users(|user| user.as_str() == "u5");
        assert_eq!((shares.len(), shares.sizes.len()), (1, 1));
    }
}
