//! What is claimed of the chat, so that less of it has to be explored. A run that relies on a claim checks it, by the
//! module of the same name in [`actor_checker::reductions`].

pub(crate) mod dead;
pub mod stale;
pub mod symmetry;
