//! Where an actor's durable state is kept.
//!
//! **Invariant — saved means readable after a restart**: when [`StableStorage::save`] returns `Ok`, the
//! next [`StableStorage::load`] finds this state or a later one. A driver sends nothing before that.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// The durable state of one actor.
pub trait StableStorage<S> {
    /// The state saved last, or `None` where nothing was ever saved.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    fn load(&mut self) -> io::Result<Option<S>>;

    /// Replaces the state.
    ///
    /// # Errors
    /// When it may not have been stored. The caller must not reveal the state, nor go on.
    fn save(&mut self, state: S) -> io::Result<()>;

    /// Is what is saved there when its process has been killed?
    fn outlives_process(&self) -> bool {
        true
    }

    /// Finishes what a save has begun: everything that the turn reports is with the host by now,
    /// and nothing of it was sent.
    ///
    /// # Errors
    /// As of [`StableStorage::save`].
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the state in memory: it survives a driver, and not its process. Clones share the state.
#[derive(Debug)]
pub struct MemoryStorage<S>(Rc<RefCell<Option<S>>>);

impl<S> Default for MemoryStorage<S> {
    fn default() -> Self {
        MemoryStorage(Rc::default())
    }
}

impl<S> Clone for MemoryStorage<S> {
    fn clone(&self) -> Self {
        MemoryStorage(Rc::clone(&self.0))
    }
}

impl<S: Clone> StableStorage<S> for MemoryStorage<S> {
    fn load(&mut self) -> io::Result<Option<S>> {
        Ok(self.0.borrow().clone())
    }

    fn save(&mut self, state: S) -> io::Result<()> {
        *self.0.borrow_mut() = Some(state);
        Ok(())
    }

    fn outlives_process(&self) -> bool {
        false
    }
}
