//! The full-screen interface: a pure state machine, what it looks like, and a thin shell around it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`app`] | the state: events in, effects out |
//! | [`keys`] | what each key does |
//! | [`replies`] | what commands answer |
//! | [`command`] | what a typed line means |
//! | [`input`], [`complete`] | the line that is being typed |
//! | [`conversation`] | rooms, messages, and what one has said that is not in the log yet |
//! | [`layout`], [`text`] | messages as rows of the screen, neutralised |
//! | [`scroll`] | which rows are seen |
//! | [`window`], [`loading`], [`travel`] | which part of the log is held, and which one is asked for next |
//! | [`pager`] | the thread that reads it |
//! | [`freshness`] | whether everything is seen that anybody was told is committed |
//! | [`event`] | what happens, and what is wanted done |
//! | [`view`], [`theme`], [`clock`] | the screen, drawn into a buffer; the time of day |
//! | [`terminal`] | the terminal, the threads, and the clock |
//!
//! **Invariant — pure but for the shell**: only [`terminal`] reads, writes, waits or knows the time,
//! so that tests drive everything else with events and look at the buffer.

pub mod app;
pub mod clock;
pub mod command;
pub mod complete;
pub mod conversation;
pub mod event;
pub mod freshness;
pub mod input;
pub mod keys;
pub mod layout;
pub mod loading;
pub mod pager;
pub mod replies;
pub mod scroll;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod travel;
pub mod view;
pub mod window;

#[cfg(test)]
mod tests;
