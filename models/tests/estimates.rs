//! What the number of all states is taken to be from the first levels, beside what it is.

use actor_checker::compact::Reductions;
use actor_checker::engine::{Options, SPREAD, states_in_all};
use paxos_chat_models::catalog::entries;
use paxos_chat_models::run::search;

/// The first levels with so much of all states.
fn first_levels(by_depth: &[u64], share: f64) -> &[u64] {
    let all: u64 = by_depth.iter().sum();
    let mut known = 0;
    let is_above = |level: &u64| {
        known += level;
        known as f64 >= share * all as f64
    };
    &by_depth[..=by_depth.iter().position(is_above).unwrap_or(0)]
}

#[test]
fn in_7_of_10_entries_the_estimate_is_within_its_bounds() {
    let mut ratios = Vec::new();
    for entry in entries() {
        let is_small = |states: &u64| (30_000..130_000).contains(states);
        if entry.unique_states.as_ref().is_some_and(is_small) {
            let report = search(&entry.config, Reductions::ALL, &Options::default());
            for share in [0.005, 0.02, 0.05] {
                let estimate = states_in_all(first_levels(&report.by_depth, share));
                ratios.push(estimate / report.unique_states as f64);
            }
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let within = ratios.iter().filter(|ratio| (SPREAD.recip()..SPREAD).contains(*ratio)).count();
    println!(
        "{} estimates, {within} within their bounds; the middle one is {:.2} of the truth",
        ratios.len(),
        ratios[ratios.len() / 2]
    );
    assert!(ratios.len() > 60 && within * 10 >= ratios.len() * 7, "{within} of {ratios:?}");
}
