//! The checker: how actors are composed and explored, and what must hold of them.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod chat;
pub mod compact;
pub mod engine;
pub mod entries;
pub mod intern;
pub mod node;
pub mod permanence;
pub mod properties;
pub mod seen;
pub mod spec;
pub mod staleness;
