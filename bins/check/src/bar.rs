//! Progress of a run on a terminal; nothing in a pipe.
//!
//! How long a run still takes is said only where it is known how many states there are: the catalog
//! has counted them. Elsewhere nobody knows, and the line says how deep the run is and whether its
//! levels still grow.

use actor_checker::engine::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;

/// A line that says where a run stands.
pub(super) struct Bar {
    bar: ProgressBar,
    name: String,
    /// How many unique states there are, if that is known.
    known: Option<u64>,
    levels: Mutex<Levels>,
}

/// The present level and the one before it.
#[derive(Clone, Copy, Debug, Default)]
struct Levels {
    depth: u64,
    frontier: u64,
    before: u64,
}

impl Bar {
    /// A line for a run, on standard error if that is a terminal.
    pub(super) fn new(name: &str, known: Option<u64>) -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}")
                .unwrap_or(ProgressStyle::default_bar()),
        );
        Bar { bar, name: name.into(), known, levels: Mutex::default() }
    }

    /// Shows where the run stands.
    pub(super) fn show(&self, progress: &Progress) {
        let mut levels = self.levels.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if progress.depth > levels.depth {
            levels.before = levels.frontier;
            levels.depth = progress.depth;
        }
        levels.frontier = progress.frontier;
        self.bar.set_message(line(&self.name, progress, self.known, levels.before));
        self.bar.tick();
    }

    /// Shows a line of text.
    pub(super) fn say(&self, text: String) {
        self.bar.set_message(format!("{}: {text}", self.name));
        self.bar.tick();
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(name: &str, progress: &Progress, known: Option<u64>, before: u64) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(0.001);
    let rate = progress.unique_states as f64 / seconds;
    let unique = progress.unique_states;
    let mut text = match known.filter(|known| *known >= unique) {
        Some(known) => {
            let left = (known - unique) as f64 / rate.max(1.0);
            let percent = 100 * unique / known.max(1);
            format!("{name}: {percent} % of {known} states, about {left:.0} s left, ")
        }
        None => format!("{name}: {unique} states, "),
    };
    text.push_str(&format!("depth {}, {rate:.0}/s, ", progress.depth));
    if progress.frontier > 0 {
        let trend = match before {
            0 => String::new(),
            before => format!(" (x{:.2})", progress.frontier as f64 / before as f64),
        };
        text.push_str(&format!("level {}/{}{trend}, ", progress.expanded, progress.frontier));
    }
    text.push_str(&format!("{} MiB", progress.memory_bytes >> 20));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn progress() -> Progress {
        Progress {
            depth: 7,
            unique_states: 2_000,
            generated_states: 9_000,
            frontier: 600,
            expanded: 256,
            memory_bytes: 3 << 20,
            elapsed: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_known_count_gives_a_share_and_the_time_left() {
        let text = line("rivals", &progress(), Some(8_000), 300);
        assert_eq!(
            text,
            "rivals: 25 % of 8000 states, about 6 s left, depth 7, 1000/s, level 256/600 (x2.00), \
             3 MiB"
        );
    }

    #[test]
    fn an_unknown_count_gives_neither() {
        let text = line("by-hand", &progress(), None, 0);
        let expected = "by-hand: 2000 states, depth 7, 1000/s, level 256/600, 3 MiB";
        assert_eq!(text, expected);
        // The catalog's count is passed: it cannot be right.
        assert!(!line("x", &progress(), Some(1_000), 0).contains('%'));
    }
}
