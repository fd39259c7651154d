//! A process, life after life: a replica, a client or a reader.

use crate::replay::{Casting, Divergence, Next, Refusal, Replay, Replayed, Watch};
use crate::scene::{Role, Scene, View};
use actor_recording::reader::Frames;
use actor_recording::recorder::Outlines;
use paxos_chat::client::Client;
use paxos_chat::message::Message;
use paxos_chat::outline::Outline;
use paxos_chat::reader::Reader;
use paxos_chat::replica::Replica;
use std::path::PathBuf;
use std::rc::Rc;

/// A life that can be read again: its files, or what was recorded in memory.
#[derive(Clone, Debug)]
pub enum Source {
    /// In these files.
    Files(Vec<PathBuf>),
    /// These bytes, to be called by this name.
    Memory(String, Vec<u8>),
}

impl Source {
    pub(crate) fn frames(&self) -> Frames {
        match self {
            Source::Files(files) => Frames::of_files(files),
            Source::Memory(name, bytes) => Frames::of_memory(name, bytes.clone()),
        }
    }

    /// What kind of actor it is of.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn kind(&self) -> Result<String, Refusal> {
        let mut frames = self.frames();
        let first = frames.next_frame()?.map(<[u8]>::to_vec).unwrap_or_default();
        let (file, byte) = frames.place();
        let place = crate::replay::Place { file: file.to_owned(), byte, entry: 0 };
        actor_recording::reader::kind(&first).map_err(|wrong| Refusal::Nonsense { place, wrong })
    }
}

/// A process that is replayed.
pub trait Process {
    /// What happens next in it.
    ///
    /// # Errors
    /// When its recording can't be read.
    fn what_next(&mut self) -> Result<Next, Refusal>;
    /// Lets the next thing happen.
    ///
    /// # Errors
    /// When its recording can't be read, or tells something else than its actor does.
    fn advance(&mut self, scene: &mut Scene<'_>) -> Result<(), Refusal>;
    /// The time of day at which its present turn began, in milliseconds.
    fn time_ms(&self) -> u64;
    /// Where it is.
    fn place(&self) -> crate::replay::Place;
}

/// The lives of a process.
struct Lives<A: Replayed> {
    role: Role,
    outlines: Outlines<A>,
    casting: Casting<A>,
    lives: Vec<Source>,
    /// The present one.
    life: usize,
    replay: Replay<A>,
    time_ms: u64,
}

impl<A> Lives<A>
where
    A: Replayed,
    for<'a, 'b> View<'a, 'b>: Watch<A>,
{
    fn new(
        role: Role,
        lives: Vec<Source>,
        outlines: Outlines<A>,
        casting: &Casting<A>,
    ) -> Lives<A> {
        let casting = Rc::clone(casting);
        let replay = Replay::new(lives[0].frames(), outlines, Rc::clone(&casting));
        Lives { role, outlines, casting, lives, life: 0, replay, time_ms: 0 }
    }

    /// The replay of the present life, from its beginning.
    fn present(&self) -> Replay<A> {
        Replay::new(self.lives[self.life].frames(), self.outlines, Rc::clone(&self.casting))
    }

    /// The state before an entry of the present life, by replaying it once more.
    fn state_before(&self, entry: u64) -> String {
        let mut replay = self.present();
        while replay.place().entry < entry {
            if replay.advance(&mut Nobody).is_err() {
                break;
            }
        }
        replay.state().map_or_else(|| "none".to_owned(), |state| format!("{state:?}"))
    }
}

impl<A> Process for Lives<A>
where
    A: Replayed,
    for<'a, 'b> View<'a, 'b>: Watch<A>,
{
    fn what_next(&mut self) -> Result<Next, Refusal> {
        match self.replay.what_next()? {
            Next::Over if self.life + 1 < self.lives.len() => Ok(Next::Free),
            next => Ok(next),
        }
    }

    fn advance(&mut self, scene: &mut Scene<'_>) -> Result<(), Refusal> {
        if self.replay.what_next()? == Next::Over {
            self.life += 1;
            self.replay = self.present();
        }
        let is_last = self.life + 1 == self.lives.len();
        let time_ms = self.replay.time_ms();
        let mut view = View { scene, role: self.role, life: self.life as u32, is_last, time_ms };
        let advanced = self.replay.advance(&mut view);
        self.time_ms = self.time_ms.max(self.replay.time_ms());
        advanced.map_err(|refusal| match refusal {
            Refusal::Divergence(divergence) => {
                // What it was told, and what it did.
                let before = self.state_before(divergence.place.entry.saturating_sub(2));
                Refusal::Divergence(Box::new(Divergence { before, ..*divergence }))
            }
            refusal => refusal,
        })
    }

    fn time_ms(&self) -> u64 {
        self.time_ms
    }

    fn place(&self) -> crate::replay::Place {
        self.replay.place().clone()
    }
}

/// Watches nothing.
struct Nobody;

impl<A: Replayed> Watch<A> for Nobody {
    fn start(
        &mut self,
        _: &actor_recording::entry::Life<A>,
        _: Option<&A::Storage>,
        _: actor_recording::recorder::Did<'_, A>,
    ) -> u64 {
        0
    }
    fn before(&mut self, _: &A::State, _: crate::replay::Event<'_, A>) {}
    fn after(
        &mut self,
        _: crate::replay::Event<'_, A>,
        _: actor_recording::recorder::Did<'_, A>,
    ) -> u64 {
        0
    }
    fn synced(&mut self) {}
    fn answer(&mut self, _: stateright::actor::Id, _: &A::Msg) {}
    fn departure(&mut self, _: crate::replay::Departure<'_, A::Msg>) {}
    fn peer(&mut self, _: stateright::actor::Id, _: actor_recording::entry::Boot) {}
    fn boot(&mut self, _: actor_recording::entry::Boot) {}
    fn end(&mut self, _: bool) {}
}

/// How states of an actor are looked at.
fn outlines<A>() -> Outlines<A>
where
    A: Replayed + stateright::actor::Actor<Msg = Message, State: Outline, Storage: Outline>,
{
    Outlines {
        state: |state, digester| state.outline(digester),
        storage: |storage, digester| storage.outline(digester),
    }
}

/// Whom recordings are replayed through.
#[derive(Clone)]
pub struct Stage {
    /// In the place of replicas.
    pub replica: Casting<Replica>,
    /// In the place of clients.
    pub client: Casting<Client>,
    /// In the place of readers.
    pub reader: Casting<Reader>,
}

impl Default for Stage {
    /// The actors that are deployed.
    fn default() -> Stage {
        Stage {
            replica: Rc::new(|actor| Box::new(actor.clone())),
            client: Rc::new(|actor| Box::new(actor.clone())),
            reader: Rc::new(|actor| Box::new(actor.clone())),
        }
    }
}

impl Stage {
    /// The process with these lives, of this kind.
    ///
    /// # Errors
    /// When there is no such kind.
    pub(crate) fn process(
        &self,
        process: u32,
        kind: &str,
        lives: Vec<Source>,
    ) -> Result<Box<dyn Process>, String> {
        let role = Role { process };
        Ok(match kind {
            "replica" => Box::new(Lives::new(role, lives, outlines(), &self.replica)),
            "client" => Box::new(Lives::new(role, lives, outlines(), &self.client)),
            "reader" => Box::new(Lives::new(role, lives, outlines(), &self.reader)),
            other => return Err(format!("it is of a {other}, which this program does not know")),
        })
    }
}
