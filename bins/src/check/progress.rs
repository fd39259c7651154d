//! Progress of a run on a terminal; nothing in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use paxos_chat_models::engine::Progress;

/// A line that says where a run stands.
pub(super) struct Bar {
    bar: ProgressBar,
    name: &'static str,
}

impl Bar {
    /// A line for the run of this entry, on standard error if that is a terminal.
    pub(super) fn new(name: &'static str) -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or(ProgressStyle::default_bar()),
        );
        Bar { bar, name }
    }

    /// Shows where the run stands.
    pub(super) fn show(&self, progress: &Progress) {
        let seconds = progress.elapsed.as_secs_f64().max(0.001);
        self.bar.set_message(format!(
            "{}: depth {}, {} unique, {} generated, {:.0} unique/s, level {}/{}, {} MiB",
            self.name,
            progress.depth,
            progress.unique_states,
            progress.generated_states,
            progress.unique_states as f64 / seconds,
            progress.expanded,
            progress.frontier,
            progress.memory_bytes >> 20,
        ));
        self.bar.tick();
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
