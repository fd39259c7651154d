//! The entry that `check run` is asked for: one of the catalog, or bounds given by hand.

use super::args::{CustomArgs, PlantArg};
use crate::selection::named;
use actor_checker::compact::Crashes;
use anyhow::ensure;
use paxos_chat::types::Slot;
use paxos_chat_models::catalog::{Entry, Grade};
use paxos_chat_models::config::Config;
use paxos_chat_models::mutants::Mutant;

const USERS: [&str; 5] = ["ann", "bob", "cy", "dan", "eve"];

/// The entry to run.
pub(super) fn entry(args: &CustomArgs) -> anyhow::Result<Entry> {
    let mut entry = match &args.name {
        Some(name) => named(name)?,
        None => by_hand(args)?,
    };
    if let Some(plant) = args.plant {
        entry.config.mutant = Some(match plant {
            PlantArg::Handler => Mutant::PanicsAtVote,
            PlantArg::Claims => Mutant::PanicsAtClaims,
        });
    }
    Ok(entry)
}

fn by_hand(args: &CustomArgs) -> anyhow::Result<Entry> {
    let f = u32::from(args.replicas - 1) / 2;
    ensure!(
        args.crashes == 0 || f > 0,
        "--crashes {}: a cluster of {} survives no crash; use --replicas 3 or more",
        args.crashes,
        args.replicas
    );
    let candidates = args.candidates.unwrap_or(args.replicas.saturating_sub(1).max(1));
    ensure!(
        (1..=args.replicas).contains(&candidates),
        "--candidates {candidates}: between 1 and the {} replicas",
        args.replicas
    );
    let ballots: Vec<(u32, u8)> = (1..=args.max_round)
        .flat_map(|round| (0..candidates).map(move |replica| (round, replica)))
        .collect();
    let window = usize::from(args.window);
    let mut config = Config::new(args.replicas).ballots(&ballots).tuned(|tuning| {
        tuning.window_slots = window;
        tuning.chunk_entries_max = usize::from(args.chunk);
        tuning.snapshot_slots = args.snapshot_slots;
        tuning.pre_vote = args.pre_vote;
    });
    for (client, user) in (0..args.clients).zip(USERS) {
        config = config.client(user, args.messages, client % args.replicas).last_client(|plan| {
            plan.window = window;
            plan.opens = args.open_sessions;
        });
    }
    if args.replicas == 1 && args.snapshot_slots > 0 {
        // Alone, a replica that saves at once votes, decides and drops the vote in one step. No state between has the
        // vote that the decision is judged by; a real replica has it, because its vote counts once the disk has it.
        config = config.overlapping();
    }
    config.skips = args.skip_slots.iter().map(|slot| (0, Slot(*slot))).collect();
    config.crashes =
        Crashes { at_once: f.min(args.crashes), total: args.crashes, recovery: !args.no_recovery };
    Ok(Entry {
        name: "by-hand",
        purpose: "bounds given on the command line",
        grade: Grade::Full,
        config,
        reaches: &[],
        unique_states: None,
    })
}
