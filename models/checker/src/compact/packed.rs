//! The system as a space of packed states, for our own engine.

use super::CompactModel;
use super::exchange::{Peer, Told};
use super::state::PORTS;
use super::successors::Draft;
use crate::engine::{
    CheckpointError, Options, Report, RunFolder, Shared, Space, Stored, Walk, path_by, search,
    search_in_files, trail, walk,
};
use crate::fingerprint::Term;
use crate::spec::{Kind, Spec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::Actor;
use std::ops::Deref;
use std::sync::Arc;

/// States as rows of words.
#[derive(Debug, Default)]
pub(super) struct Block {
    words: Vec<u32>,
    /// Words a state.
    width: usize,
}

impl Block {
    fn row(&self, place: usize) -> &[u32] {
        &self.words[place * self.width..][..self.width]
    }

    fn push(&mut self, words: &[u32]) {
        self.width = words.len();
        self.words.extend_from_slice(words);
    }
}

/// What is used again from state to state.
#[derive(Debug)]
pub(super) struct Scratch {
    draft: Draft,
    sums: Vec<Term>,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { draft: Draft::remembering(), sums: Vec::new() }
    }
}

/// The system, with or without a judgement of its states.
struct Packed<M> {
    model: M,
    judged: bool,
}

/// The system as a space that several processes explore together.
pub fn shared<A, S>(model: Arc<CompactModel<A, S>>) -> impl Shared + 'static
where
    A: Actor + 'static,
    S: Spec<A> + 'static,
    CompactModel<A, S>: Send + Sync,
{
    Packed { model, judged: true }
}

impl<A: Actor, S: Spec<A>> CompactModel<A, S>
where
    Self: Sync,
{
    /// Explores all states, and judges every property in each.
    pub fn bfs(&self, options: &Options<'_>) -> Report {
        search(&Packed { model: self, judged: true }, options)
    }

    /// The same, with its levels in files, from which another process can go on.
    ///
    /// # Errors
    /// When the checkpoint to go on from is damaged or of another model, or cannot be read.
    pub fn bfs_in_files(
        &self,
        options: &Options<'_>,
        folder: &RunFolder,
    ) -> Result<Report, CheckpointError> {
        search_in_files(&Packed { model: self, judged: true }, options, folder)
    }

    /// Explores all states and judges nothing: for measuring the exploration alone.
    pub fn bfs_unjudged(&self, options: &Options<'_>) -> Report {
        search(&Packed { model: self, judged: false }, options)
    }

    /// A shortest path to a state that [`CompactModel::bfs`] has found: see
    /// [`crate::engine::path_to`].
    pub fn path_to(&self, target: u128, depth: u64) -> Option<Walk<Self>> {
        path_by(self, |state| state.fingerprint(), target, depth)
    }

    /// The path through states with these fingerprints, given from its end.
    pub fn path_through(&self, trail: Vec<u128>) -> Option<Walk<Self>> {
        walk(self, |state| state.fingerprint(), trail)
    }

    /// The same path, from the files of [`CompactModel::bfs_in_files`], and without the memory.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn path_in_files(
        &self,
        folder: &RunFolder,
        target: u128,
        depth: u64,
    ) -> Result<Option<Walk<Self>>, CheckpointError> {
        let trail = trail(&Packed { model: self, judged: false }, folder, target, depth)?;
        Ok(self.path_through(trail))
    }
}

impl<A, S, M> Space for Packed<M>
where
    A: Actor,
    S: Spec<A>,
    M: Deref<Target = CompactModel<A, S>> + Sync,
{
    type Block = Block;
    type Scratch = Scratch;

    fn properties(&self) -> usize {
        self.model.spec.properties().len()
    }

    fn always(&self) -> u64 {
        let bits = self.model.spec.properties().iter().enumerate();
        bits.filter(|(_, p)| p.kind == Kind::Always).map(|(bit, _)| 1 << bit).sum()
    }

    fn start(&self, into: &mut Block, fingerprints: &mut Vec<u128>) {
        let init = self.model.init();
        into.push(&init.words);
        fingerprints.push(init.fingerprint());
    }

    fn expand(
        &self,
        block: &Block,
        place: usize,
        Scratch { draft, sums }: &mut Scratch,
        into: &mut Block,
        fingerprints: &mut Vec<u128>,
    ) {
        let words = block.row(place);
        self.model.sums(words, sums);
        self.model.for_each_move(words, |actor, taken| {
            self.model.draft(words, sums, actor, taken, draft);
            into.push(&draft.words);
            fingerprints.push(draft.fingerprint());
        });
    }

    fn keep_of_last(block: &mut Block, kept: &[bool]) {
        let width = block.width;
        let from = block.words.len() - kept.len() * width;
        let mut end = from;
        for place in (0..kept.len()).filter(|place| kept[*place]) {
            let row = from + place * width;
            block.words.copy_within(row..row + width, end);
            end += width;
        }
        block.words.truncate(end);
    }

    fn judge(&self, block: &Block, place: usize) -> u64 {
        if self.judged { self.model.verdict_of(block.row(place)).0 } else { 0 }
    }

    fn fingerprint(&self, block: &Block, place: usize) -> u128 {
        let mut sums = Vec::new();
        self.model.sums(block.row(place), &mut sums);
        super::successors::fingerprint(&sums)
    }

    fn len(block: &Block) -> usize {
        block.words.len().checked_div(block.width).unwrap_or(0)
    }

    fn size_bytes(block: &Block) -> u64 {
        (block.words.capacity() * size_of::<u32>()) as u64
    }
}

impl<A, S, M> Stored for Packed<M>
where
    A: Actor,
    S: Spec<A>,
    M: Deref<Target = CompactModel<A, S>> + Sync,
{
    /// Word by word of all states: what is in the same place is more alike than what is side by side.
    fn write_block(block: &Block, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(block.width as u32).to_le_bytes());
        for column in 0..block.width {
            let words = block.words.iter().skip(column).step_by(block.width);
            words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
    }

    fn read_block(bytes: &[u8]) -> Option<Block> {
        let mut words = bytes.chunks_exact(size_of::<u32>());
        let mut next = || Some(u32::from_le_bytes(words.next()?.try_into().ok()?));
        let width = next()? as usize;
        let columns: Vec<u32> = std::iter::from_fn(next).collect();
        let states = columns.len().checked_div(width)?;
        let word = |at: usize| columns[at % width * states + at / width];
        (states * width == columns.len())
            .then(|| Block { words: (0..columns.len()).map(word).collect(), width })
    }

    fn dictionary(&self) -> Vec<u8> {
        written(&self.model.dictionary())
    }

    fn restore(&self, dictionary: &[u8]) -> Result<(), String> {
        self.model.restore(&read(dictionary)?).map_err(|error| error.to_string())
    }
}

fn written(plain: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(plain).expect("plain data")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}

impl<A, S, M> Shared for Packed<M>
where
    A: Actor,
    S: Spec<A>,
    M: Deref<Target = CompactModel<A, S>> + Sync,
{
    type Told = Told;
    type Peer = Peer;

    fn append(block: &Block, place: usize, into: &mut Block) {
        into.push(block.row(place));
    }

    fn share(&self, block: &Block, place: usize) -> u64 {
        self.model.share(block.row(place))
    }

    fn order(block: &Block) -> Vec<usize> {
        // The ports of the first actors tell most states apart.
        let key = |row: &[u32]| {
            row[PORTS..].iter().take(4).fold(0, |key, port| key << 32 | u128::from(*port))
        };
        let rows = block.words.chunks_exact(block.width.max(1));
        let mut places: Vec<(u128, usize)> = rows.map(key).zip(0..).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, place)| place).collect()
    }

    fn news(&self, told: &mut Told) -> Vec<u8> {
        written(&self.model.news(told))
    }

    fn learn(&self, peer: &mut Peer, news: &[u8]) -> Result<(), String> {
        self.model.learn(peer, read(news)?).map_err(|error| error.to_string())
    }

    fn translate(&self, peer: &Peer, mut block: Block) -> Option<Block> {
        let width = block.width.max(1);
        let mut rows = block.words.chunks_mut(width);
        rows.all(|row| self.model.translate(peer, row)).then_some(block)
    }

    fn asked(&self) -> Vec<u8> {
        written(&self.model.asked())
    }

    fn ask_too(&self, peer: &Peer, asked: &[u8]) -> Result<(), String> {
        self.model.ask_too(peer, &read(asked)?).map_err(|error| error.to_string())
    }
}
