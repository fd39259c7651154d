//! The `check coverage` command: which pairs of features stand together in a completed entry.
//!
//! **Absent**: running anything. What is completed is what the catalog has a count of.

use crate::status::VIOLATED;
use anyhow::Context;
use paxos_chat_models::catalog;
use paxos_chat_models::features::{Feature, Pair, pairs};
use paxos_chat_shell::say;
use serde_json::json;

/// How wide a feature's name is.
const NAME_WIDTH: usize = 19;

/// Prints the pairs, of this feature only if one is named; returns the exit status.
pub(super) fn run(feature: Option<&str>, as_json: bool) -> anyhow::Result<u8> {
    let feature = feature.map(named).transpose()?;
    let all = pairs(&catalog::entries());
    let shown = |pair: &&Pair| feature.is_none_or(|of| pair.first == of || pair.second == of);
    let shown: Vec<&Pair> = all.iter().filter(shown).collect();
    if as_json {
        shown.iter().for_each(|pair| say!("{}", as_object(pair)));
    } else if let Some(feature) = feature {
        of_one(feature, &shown);
    } else {
        matrix(&all);
        rest(&all);
    }
    Ok(if shown.iter().any(|pair| pair.is_wrong()) { VIOLATED } else { 0 })
}

fn named(name: &str) -> anyhow::Result<Feature> {
    let is_it = |feature: &&Feature| feature.name() == name || feature.code() == name;
    Feature::ALL.iter().find(is_it).copied().with_context(|| {
        format!("there is no feature {name:?}; `check coverage` names them all, and their codes")
    })
}

fn as_object(pair: &Pair) -> serde_json::Value {
    json!({
        "pair": [pair.first.name(), pair.second.name()], "quick": pair.quick, "full": pair.full,
        "reason": pair.reason, "ok": !pair.is_wrong(),
    })
}

/// How many completed entries have a pair: quick ones, or full ones if no quick one has it.
fn cell(pair: &Pair) -> String {
    match (pair.quick.len(), pair.full.len(), pair.reason) {
        (0, 0, Some(_)) => "-".into(),
        (0, 0, None) => "!".into(),
        (0, full, _) => format!("f{full}"),
        (quick, ..) => quick.to_string(),
    }
}

/// One line a feature: its pairs with those before it.
fn matrix(pairs: &[Pair]) {
    say!("Completed entries that have both features: how many quick ones, or f and how many full");
    say!("ones if no quick one has both; - none, for a reason; ! none, and no reason why.\n");
    for (place, feature) in Feature::ALL.iter().enumerate() {
        let cells = Feature::ALL[..place].iter().map(|before| {
            let pair = pairs.iter().find(|pair| (pair.first, pair.second) == (*before, *feature));
            pair.map_or(String::new(), cell)
        });
        let cells: String = cells.map(|cell| format!("{cell:>4}")).collect();
        // The column of a feature begins below its own name.
        say!("{:NAME_WIDTH$}{cells} {:>3}", feature.name(), feature.code());
    }
}

/// The pairs that only full entries have, and those that none has.
fn rest(pairs: &[Pair]) {
    let full: Vec<&Pair> =
        pairs.iter().filter(|pair| pair.quick.is_empty() && pair.is_covered()).collect();
    if !full.is_empty() {
        say!("\nin full entries only:");
        for pair in full {
            say!("  {} + {}: {}", pair.first, pair.second, pair.full.join(" "));
        }
    }
    say!("\nin none, for a reason:");
    for pair in pairs.iter().filter(|pair| !pair.is_covered()) {
        if let Some(reason) = pair.reason {
            say!("  {} + {}: {reason}", pair.first, pair.second);
        }
    }
    for pair in pairs.iter().filter(|pair| pair.is_wrong()) {
        let what = match pair.reason {
            None => "is in no completed entry, and no reason is given".to_owned(),
            Some(reason) => format!("is in an entry in spite of the reason {reason:?}"),
        };
        say!("WRONG: {} + {} {what}: see models/src/features.rs", pair.first, pair.second);
    }
    let quick = pairs.iter().filter(|pair| !pair.quick.is_empty()).count();
    let covered = pairs.iter().filter(|pair| pair.is_covered()).count();
    say!(
        "\n{} pairs: {quick} in quick entries, {} in full ones only, {} in none",
        pairs.len(),
        covered - quick,
        pairs.len() - covered
    );
}

/// The entries of each pair of one feature.
fn of_one(feature: Feature, pairs: &[&Pair]) {
    for pair in pairs {
        let other = if pair.first == feature { pair.second } else { pair.first };
        let entries = match (pair.is_covered(), pair.reason) {
            (true, _) => [&pair.quick[..], &pair.full[..]].concat().join(" "),
            (false, Some(reason)) => format!("none: {reason}"),
            (false, None) => "NONE".into(),
        };
        say!("{:NAME_WIDTH$} {entries}", other.name());
    }
}
