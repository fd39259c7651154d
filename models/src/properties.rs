//! What must hold of the chat, and what must be reached so that it does not hold vacuously.
//!
//! | file | what it holds |
//! |---|---|
//! | [`safety`] | the table of what must hold: what each claims, and what it would miss |
//! | `steps`, `locals`, `slot`, `system` | how that is judged: of a step, of one actor's state, of the votes at a slot, of the whole |
//! | [`bounds`] | how much may wait, and be sent at once |
//! | [`milestones`], `reached` | the table of what must be reached, and which steps reach it |
//! | [`agenda`] | what one run judges of these |
//!
//! **Invariants**
//! - *"Chosen" is computed from votes ever cast*, before any replica decides; a later vote does not
//!   hide an earlier one.
//! - *Nothing here calls the protocol's own judgement*: quorums are counted and duplicates found
//!   anew, and logs are executed anew.
//!
//! **Source**: Lamport, *Paxos Made Simple* (2001) and the TLA+ module `Paxos` for agreement and the
//! inductive invariant (`SafeAt`); Herlihy and Wing (1990) for the real-time order.

pub mod agenda;
pub(crate) mod bounds;
pub(crate) mod locals;
pub mod milestones;
pub(crate) mod reached;
pub mod safety;
pub(crate) mod slot;
pub(crate) mod steps;
pub(crate) mod system;

pub use agenda::Agenda;
pub use milestones::Milestone;
pub use reached::reached;
pub use safety::Safety;
