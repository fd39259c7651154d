//! A handler that has run, as a monitor is told of it.

use super::report::Party;
use paxos_chat::message::Message;

/// What a handler was called for.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// A message, of another party, of itself, or of its driver.
    Message(&'a Message),
    /// One of its timers.
    Timeout,
}

/// A handler that has run.
#[derive(Clone, Copy, Debug)]
pub struct Handled<'a, State, Storage> {
    /// What it was called for.
    pub cause: Cause<'a>,
    /// The actor's state after it.
    pub after: &'a State,
    /// What it saves, if anything.
    pub save: Option<&'a Storage>,
    /// What it wants to be sent: to others, and to itself.
    pub sends: &'a [(Party, Message)],
    /// What it tells its driver.
    pub reports: &'a [Message],
}
