//! The claims of the reductions, checked after each run that relies on them.
//!
//! | module | what is claimed |
//! |---|---|
//! | [`stale`] | a message that was dropped would have changed nothing, ever |
//! | [`symmetry`] | actors that are alike behave alike when they change places |
//! | [`dead`] | what was left out of a state matters nowhere |
//!
//! **Absent**: the claims, which are a model's (see [`crate::spec::Spec`]).

pub mod dead;
pub mod stale;
pub mod symmetry;
