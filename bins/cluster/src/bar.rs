//! Progress on a terminal; where standard error is none, the bar hides itself.

use crate::harness::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How many messages are acknowledged, and what happened.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar of so many messages.
    pub fn new(messages: u64) -> Bar {
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} acknowledged {elapsed} {msg}");
        let bar = ProgressBar::new(messages);
        Bar(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// Leaves nothing of it on the terminal.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// How many seeds were tried.
pub struct Seeds(ProgressBar);

impl Seeds {
    /// None yet.
    pub fn new() -> Seeds {
        let bar = ProgressBar::new_spinner();
        Seeds(match ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// So many seeds, of so much virtual time.
    pub fn tell(&self, seeds: u64, time: Duration) {
        self.0.set_message(format!("{seeds} seeds, {} s of virtual time,", time.as_secs()));
        self.0.tick();
    }

    /// Leaves nothing of it on the terminal.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for Seeds {
    fn default() -> Seeds {
        Seeds::new()
    }
}

impl Progress for Bar {
    fn acknowledged(&mut self, count: u64) {
        self.0.set_position(count);
    }

    fn note(&mut self, what: &str) {
        self.0.println(what);
    }
}
