//! The arguments of `check compare`.

use crate::flags::{Format, Threads};
use clap::Args;

/// Which entries, within which limits, and what to print.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Entries of the catalog without crashes and inputs, or small bounds of this command's own; all
    /// small ones and all quick entries if not given.
    pub names: Vec<String>,
    /// What each run does, and when it is ended.
    #[command(flatten)]
    pub runs: RunLimits,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
}

/// What each run does, and when it is ended: `check compare` passes this on to the process of each.
#[derive(Clone, Debug, Args)]
pub struct RunLimits {
    /// End each run after so many seconds.
    #[arg(long, default_value_t = 60)]
    pub max_seconds: u64,
    /// End each run when its process has so many mebibytes resident.
    #[arg(long, default_value_t = 4096)]
    pub max_memory_mib: u64,
    /// End each run above so many unique states.
    #[arg(long)]
    pub max_states: Option<u64>,
    /// Worker threads of each run; all cores if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Let our engine keep all ghosts and judge all properties, as `check` does. Ghosts tell states
    /// apart that `ActorModel` does not, so counts are not compared then.
    #[arg(long)]
    pub judged: bool,
}

impl RunLimits {
    /// Worker threads: as many as asked for, or all cores.
    pub(super) fn threads(&self) -> usize {
        Threads { threads: self.threads }.count()
    }

    /// The flags that say this.
    pub(super) fn to_args(&self) -> Vec<String> {
        let numbers = [
            ("--max-seconds", Some(self.max_seconds)),
            ("--max-memory-mib", Some(self.max_memory_mib)),
            ("--max-states", self.max_states),
            ("--threads", self.threads.map(u64::from)),
        ];
        let given = numbers.into_iter().filter_map(|(flag, number)| Some((flag, number?)));
        let mut args: Vec<String> =
            given.flat_map(|(flag, number)| [flag.to_owned(), number.to_string()]).collect();
        args.extend(self.judged.then(|| "--judged".to_owned()));
        args
    }
}
