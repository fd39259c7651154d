//! How much sooner, in how much less memory, at how many more states a second.

use super::comparison::Comparison;
use crate::flags::Format;
use paxos_chat_shell::say;
use serde::Serialize;
use serde_json::json;

/// What the design asks for; printed beside what was measured.
const SOONER_GOAL: f64 = 20.0;
const MEMORY_GOAL: f64 = 50.0;
const RATE_GOAL: f64 = 8.0;

/// The ratios of one entry. `None` where one of the runs says nothing about it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Ratios {
    /// Time of `ActorModel` by time with reductions.
    pub(super) sooner: Option<f64>,
    /// The same of memory above that of the idle process.
    pub(super) less_memory: Option<f64>,
    /// The same of all resident memory.
    pub(super) less_memory_in_all: Option<f64>,
    /// Unique states a second without reductions by those of `ActorModel`.
    pub(super) states_per_second: f64,
}

impl Ratios {
    /// Lower bounds where `ActorModel` was ended before it was done.
    pub(super) fn of(compared: &Comparison) -> Ratios {
        let Comparison { theirs, reduced, .. } = compared;
        // A run of ours that was ended has no time to compare.
        let ours = reduced.complete.then_some(reduced);
        let ratio = |theirs: u64, ours: u64| theirs as f64 / ours.max(1) as f64;
        Ratios {
            sooner: ours.map(|ours| theirs.seconds / ours.seconds.max(1e-6)),
            less_memory: ours.map(|ours| ratio(theirs.above_bytes(), ours.above_bytes())),
            less_memory_in_all: ours.map(|ours| ratio(theirs.peak_bytes, ours.peak_bytes)),
            states_per_second: rate(compared),
        }
    }
}

/// How many times the unique states a second, without reductions.
pub(super) fn rate(compared: &Comparison) -> f64 {
    compared.unreduced.rate() / compared.theirs.rate().max(1e-6)
}

/// The ratios of the run with reductions.
pub(super) fn in_words(compared: &Comparison) -> String {
    let ratios = Ratios::of(compared);
    let (Some(sooner), Some(less), Some(in_all)) =
        (ratios.sooner, ratios.less_memory, ratios.less_memory_in_all)
    else {
        return "no ratio, as it was not finished".into();
    };
    let bound = if compared.theirs.complete { "" } else { "at least " };
    format!("{bound}{sooner:.0}x sooner, {bound}{less:.0}x less memory ({in_all:.0}x in all)")
}

/// The smallest ratios over the entries that count.
#[derive(Debug, Default)]
pub(super) struct Minima {
    /// Where `ActorModel` came to its end.
    finished: Vec<(&'static str, Ratios)>,
    /// Where it did not: lower bounds of the first three.
    unfinished: Vec<(&'static str, Ratios)>,
}

impl Minima {
    pub(super) fn add(&mut self, compared: &Comparison) {
        let of = if compared.theirs.complete { &mut self.finished } else { &mut self.unfinished };
        of.push((compared.name, Ratios::of(compared)));
    }

    pub(super) fn print(&self, format: Format) {
        if format.json {
            let least = |of: &[(&'static str, Ratios)]| {
                json!({
                    "entries": of.iter().map(|(name, _)| *name).collect::<Vec<&str>>(),
                    "sooner": min(of, |r| r.sooner).map(|(_, ratio)| ratio),
                    "less_memory": min(of, |r| r.less_memory).map(|(_, ratio)| ratio),
                    "less_memory_in_all": min(of, |r| r.less_memory_in_all).map(|(_, ratio)| ratio),
                    "states_per_second":
                        min(of, |r| Some(r.states_per_second)).map(|(_, ratio)| ratio),
                })
            };
            say!(
                "{}",
                json!({
                    "smallest": least(&self.finished),
                    "smallest_lower_bounds": least(&self.unfinished),
                })
            );
            return;
        }
        print_least("that ActorModel finishes in 2 s or more", "", &self.finished);
        print_least("that ActorModel does not finish", "at least ", &self.unfinished);
    }
}

fn min(
    of: &[(&'static str, Ratios)],
    pick: impl Fn(&Ratios) -> Option<f64>,
) -> Option<(&'static str, f64)> {
    let ratios = of.iter().filter_map(|(name, ratios)| Some((*name, pick(ratios)?)));
    ratios.min_by(|(_, left), (_, right)| left.total_cmp(right))
}

fn print_least(which: &str, bound: &str, of: &[(&'static str, Ratios)]) {
    say!("\nsmallest over the {} entries {which}:", of.len());
    if of.is_empty() {
        say!("  none");
        return;
    }
    let row = |what: &str, bound: &str, goal: Option<f64>, least: Option<(&str, f64)>| {
        let goal = goal.map_or(String::new(), |goal| format!("; the goal is {goal:.0}x"));
        match least {
            Some((name, ratio)) => say!("  {bound}{ratio:.1}x {what} ({name}{goal})"),
            None => say!("  {what}: not known, as no run with reductions was finished"),
        }
    };
    row("sooner, with reductions", bound, Some(SOONER_GOAL), min(of, |r| r.sooner));
    let least = min(of, |r| r.less_memory);
    row("less memory above the idle process, with reductions", bound, Some(MEMORY_GOAL), least);
    let least = min(of, |r| r.less_memory_in_all);
    row("less memory in all, with reductions", bound, None, least);
    let least = min(of, |r| Some(r.states_per_second));
    row("the unique states a second, without reductions", "", Some(RATE_GOAL), least);
}
