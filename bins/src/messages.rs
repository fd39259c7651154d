//! The bytes of the chat's messages on a network: pinned, read back, and as functions of any bytes.
//!
//! **Absent**: how they are sealed, which is [`actor_runtime::wire`]'s.

mod examples;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
