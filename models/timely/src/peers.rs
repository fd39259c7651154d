//! What a worker has told the others and learnt from them, and the states on their way to them.

use crate::message::{Content, End, Message, States};
use actor_checker::engine::{Cache, Shared};
use std::sync::Arc;

/// States that are sent together.
const BLOCK: usize = 1024;
/// Bytes for what was sent lately, in each worker.
const LATELY_BYTES: u64 = 64 << 20;

/// All workers, as one of them knows them.
pub(crate) struct Peers<S: Shared> {
    space: Arc<S>,
    me: usize,
    /// The place of the worker itself is not used.
    all: Vec<Peer<S>>,
    lately: Cache,
}

struct Peer<S: Shared> {
    told: S::Told,
    known: S::Peer,
    block: S::Block,
    fingerprints: Vec<u128>,
}

impl<S: Shared> Default for Peer<S> {
    fn default() -> Self {
        Peer {
            told: S::Told::default(),
            known: S::Peer::default(),
            block: S::Block::default(),
            fingerprints: Vec::new(),
        }
    }
}

impl<S: Shared> Peers<S> {
    pub(crate) fn new(space: Arc<S>, me: usize, workers: usize) -> Peers<S> {
        let all = (0..workers).map(|_| Peer::default()).collect();
        Peers { space, me, all, lately: Cache::new(LATELY_BYTES) }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whose each state is.
    pub(crate) fn owners(&self, block: &S::Block) -> Vec<usize> {
        let workers = self.all.len() as u128;
        let share = |place| u128::from(self.space.share(block, place));
        (0..S::len(block)).map(|place| ((share(place) * workers) >> 64) as usize).collect()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.lately.memory_bytes()
    }

    /// Puts aside the states of others, but for those that were sent lately; gives the places of one's own, and what is to
    /// be sent by now.
    pub(crate) fn divide(
        &mut self,
        block: &S::Block,
        fingerprints: &[u128],
        depth: u64,
        sent: &mut Vec<Message>,
    ) -> Vec<usize> {
        if self.all.len() == 1 {
            return (0..fingerprints.len()).collect();
        }
        let owners = self.owners(block);
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..owners.len()).partition(|place| owners[*place] == self.me);
        let mut view = self.lately.view();
        view.touch(others.iter().map(|place| fingerprints[*place]));
        for place in others {
            let (to, fingerprint) = (owners[place], fingerprints[place]);
            if !view.put(fingerprint) {
                continue;
            }
            let peer = &mut self.all[to];
            S::append(block, place, &mut peer.block);
            peer.fingerprints.push(fingerprint);
            if peer.fingerprints.len() == BLOCK {
                sent.push(peer.message(&self.space, (self.me, to), depth));
            }
        }
        drop(view);
        self.lately.grow();
        own
    }

    /// All that is put aside.
    pub(crate) fn rest(&mut self, depth: u64) -> Vec<Message> {
        let (space, me) = (&self.space, self.me);
        let aside = self.all.iter_mut().enumerate().filter(|(_, p)| !p.fingerprints.is_empty());
        aside.map(|(to, peer)| peer.message(space, (me, to), depth)).collect()
    }

    /// The states of a message, as they are here.
    ///
    /// # Panics
    /// When they are of another run: each is checked by its fingerprint.
    pub(crate) fn read(&mut self, from: usize, states: &States) -> (S::Block, Vec<u128>) {
        let known = &mut self.all[from].known;
        self.space.learn(known, &states.news).unwrap_or_else(|wrong| refuse(from, &wrong));
        let block = S::read_block(&states.block);
        let block = block.and_then(|block| self.space.translate(known, block));
        let fingerprints: Vec<u128> = states
            .fingerprints
            .chunks_exact(16)
            .filter_map(|bytes| Some(u128::from_le_bytes(bytes.try_into().ok()?)))
            .collect();
        let block = block.filter(|block| S::len(block) == fingerprints.len());
        let block = block.unwrap_or_else(|| refuse(from, "states cannot be read"));
        for (place, fingerprint) in fingerprints.iter().enumerate() {
            let here = self.space.fingerprint(&block, place);
            assert_eq!(here, *fingerprint, "a state of worker {from} is another one here");
        }
        let is_own = self.owners(&block).iter().all(|owner| *owner == self.me);
        assert!(is_own, "worker {from} sends what is another's");
        (block, fingerprints)
    }

    /// What the first worker is to know when the run is over.
    pub(crate) fn end(&mut self, unique_states: u64) -> End {
        let (news, asked) = match self.me {
            0 => (Vec::new(), Vec::new()),
            _ => (self.space.news(&mut self.all[0].told), self.space.asked()),
        };
        End { unique_states, stopped: None, news, asked }
    }

    /// Asks what another worker has asked.
    ///
    /// # Panics
    /// When it is of another run.
    pub(crate) fn ask_too(&mut self, from: usize, end: &End) {
        if self.me == 0 && from != self.me {
            let known = &mut self.all[from].known;
            self.space.learn(known, &end.news).unwrap_or_else(|wrong| refuse(from, &wrong));
            self.space.ask_too(known, &end.asked).unwrap_or_else(|wrong| refuse(from, &wrong));
        }
    }
}

fn refuse(from: usize, wrong: &str) -> ! {
    panic!("worker {from} is of another run: {wrong}")
}

impl<S: Shared> Peer<S> {
    /// The block that was filled, and what it speaks of.
    fn message(&mut self, space: &S, (from, to): (usize, usize), depth: u64) -> Message {
        let filled = std::mem::take(&mut self.block);
        let mut block = Vec::new();
        S::write_block(&filled, &mut block);
        let fingerprints = std::mem::take(&mut self.fingerprints);
        let fingerprints = fingerprints.iter().flat_map(|f| f.to_le_bytes()).collect();
        let news = space.news(&mut self.told);
        Message { from, to, content: Content::States(States { depth, news, block, fingerprints }) }
    }
}
