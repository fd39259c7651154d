//! Flags that several commands have.

use actor_checker::compact::Reductions;
use clap::Args;

/// How many threads work.
#[derive(Clone, Debug, Default, Args)]
pub struct Threads {
    /// Worker threads; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl Threads {
    /// As many as asked for, or all cores.
    pub(super) fn count(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}

/// How states are searched.
#[derive(Clone, Debug, Default, Args)]
pub struct Search {
    /// Worker threads.
    #[command(flatten)]
    pub threads: Threads,
    /// Stop after this many states, and report the run as incomplete.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// Explore every step and keep every message.
    #[arg(long)]
    pub no_reductions: bool,
}

impl Search {
    /// The reductions to run with: these, unless none are wanted.
    pub(super) fn reductions(&self, unless_none: Reductions) -> Reductions {
        if self.no_reductions { Reductions::NONE } else { unless_none }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Format {
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
}
