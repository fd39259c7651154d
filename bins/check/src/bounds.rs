//! The bounds of a configuration in words.

use paxos_chat::message::Message;
use paxos_chat::tuning::Tuning;
use paxos_chat::types::Slot;
use paxos_chat_models::config::Config;
use paxos_chat_models::machine::Durability;
use std::fmt::Write;

/// All bounds.
pub(super) fn all(config: &Config) -> String {
    format!("{}; {}", system(config), parameters(config))
}

/// Who takes part, and what may happen to them.
pub(super) fn system(config: &Config) -> String {
    let mut text = format!("{} replicas; ", config.replicas);
    if config.changes_members() {
        let founders: Vec<u8> = config.cluster().founders().iter().map(|id| id.0).collect();
        let (founders, alpha) = (replicas(&founders), config.alpha);
        let _ = write!(text, "members {founders}, a change in force {alpha} slots later; ");
    }
    let clients: Vec<String> = config
        .clients
        .iter()
        .map(|plan| {
            let asks: Vec<String> = plan.asks.iter().map(|id| format!("r{id}")).collect();
            let opens = if plan.opens { ", opens its session" } else { "" };
            let window =
                if plan.window > 1 { format!(", window {}", plan.window) } else { "".into() };
            let syncs = match &plan.becomes {
                Some(members) => format!(", last that {} be the members", replicas(members)),
                None => if plan.syncs { ", a Sync last" } else { "" }.into(),
            };
            let (user, says, asks) = (plan.user, plan.messages, asks.join(" or "));
            format!("{user} says {says} at {asks}{opens}{syncs}{window}")
        })
        .collect();
    let ballots: Vec<String> =
        config.ballots.iter().map(|(round, replica)| format!("b{round}.r{replica}")).collect();
    let _ = write!(text, "{}; ballots {}", clients.join(", "), ballots.join(" "));
    if config.crashes.total > 0 {
        let recovery = if config.crashes.recovery { "with recovery" } else { "for good" };
        let replicas = config.mortals.iter().map(|id| format!("r{id}"));
        let clients = config.clients.iter().filter(|plan| plan.crashes);
        let mortals: Vec<String> =
            replicas.chain(clients.map(|plan| plan.user.to_owned())).collect();
        let _ = write!(
            text,
            "; crashes of {}: {} in all, {} at once, {recovery}",
            mortals.join(" "),
            config.crashes.total,
            config.crashes.at_once
        );
    }
    for (replica, slot) in &config.skips {
        let _ = write!(text, "; r{replica} skips slot {slot}");
    }
    for (actor, input) in &config.inputs {
        let _ = write!(text, "; actor {actor} is told to {}", Message::from(input.clone()));
    }
    if let Some(replica) = config.reader {
        let begins = match config.reads_from {
            Some(Slot(0)) => String::new(),
            Some(slot) => format!(" from slot {slot}"),
            None => " from the end".into(),
        };
        let _ = write!(text, "; a reader at r{replica}{begins}");
        if !config.follows {
            let _ =
                write!(text, " that makes current reads only; {} rounds a ballot", config.rounds);
        }
    }
    text
}

fn replicas(ids: &[u8]) -> String {
    let names: Vec<String> = ids.iter().map(|id| format!("r{id}")).collect();
    names.join(" ")
}

/// The parameters of the replicas.
pub(super) fn parameters(config: &Config) -> String {
    let mut parts = main_parameters(&config.tuning);
    parts.extend(differences(&config.tuning));
    parts.extend(match config.durability {
        Durability::Saves => None,
        Durability::LateSaves => Some("disk and network overlap".to_owned()),
        Durability::SavesAndLog => Some("crashes leave the chat log".to_owned()),
    });
    parts.join(", ")
}

/// The parameters that are always told.
fn main_parameters(tuning: &Tuning) -> Vec<String> {
    let eager = match tuning.eager_slots {
        slots if slots < tuning.window_slots => format!(" (eager below {slots})"),
        _ => String::new(),
    };
    vec![
        format!("window {}{eager}", tuning.window_slots),
        format!("batch {}", tuning.batch_commands_max),
        format!("queue {}", tuning.queue_commands_max),
        format!("chunk {}", tuning.chunk_entries_max),
        format!("sessions {}", tuning.sessions_max),
        match tuning.snapshot_slots {
            0 => "no snapshots".into(),
            1 => "a snapshot after every slot".into(),
            slots => format!("a snapshot every {slots} slots"),
        },
    ]
}

/// The parameters that are told where they differ from the deployed ones: a new one does not compile
/// until it is here, or among those that are always told.
fn differences(tuning: &Tuning) -> impl Iterator<Item = String> {
    let Tuning {
        window_slots: _,
        eager_slots: _,
        batch_commands_max: _,
        queue_commands_max: _,
        chunk_entries_max: _,
        sessions_max: _,
        snapshot_slots: _,
        queue_bytes_max: queue_bytes,
        reads_max: reads,
        held_commands_max: held,
        batch_bytes_max: batch_bytes,
        chunk_bytes_max: chunk_bytes,
        recent_slots: recent,
        votes_ahead_max: ahead,
        stuck_slots_max: stuck,
        flight_bytes_max: flight_bytes,
        relay,
        doublings_max: doublings,
        resend_ticks_max: ticks,
        calm_slots: calm,
        pre_vote,
        skip_slots,
        election_timeout: election,
        heartbeat_interval: heartbeat,
        resend_interval: resend,
    } = tuning;
    let deployed = Tuning::default();
    let notes = [
        (*ahead != deployed.votes_ahead_max, format!("votes {ahead} ahead")),
        (*stuck != deployed.stuck_slots_max, format!("{stuck} slots above a stuck one")),
        (*flight_bytes != deployed.flight_bytes_max, format!("{flight_bytes} bytes in flight")),
        (*held > 0, format!("{held} commands held")),
        (*reads != deployed.reads_max, format!("{reads} reads open")),
        (*pre_vote, "pre-vote".into()),
        (*relay, "relay".into()),
        (*doublings > 0, format!("time-outs double {doublings} times")),
        (*ticks != deployed.resend_ticks_max, format!("sent again after {ticks} ticks at most")),
        (*calm != deployed.calm_slots, format!("calm after {calm} slots")),
        (*recent > 0, format!("{recent} recent slots in memory")),
        (*queue_bytes != deployed.queue_bytes_max, format!("{queue_bytes} bytes of the queue")),
        (*batch_bytes != deployed.batch_bytes_max, format!("{batch_bytes} bytes of a value")),
        (*chunk_bytes != deployed.chunk_bytes_max, format!("{chunk_bytes} bytes of a chunk")),
        (!skip_slots.is_empty(), format!("all skip slots {skip_slots:?}")),
        (*election != deployed.election_timeout, format!("election time-out {election:?}")),
        (*heartbeat != deployed.heartbeat_interval, format!("heartbeat interval {heartbeat:?}")),
        (*resend != deployed.resend_interval, format!("resend interval {resend:?}")),
    ];
    notes.into_iter().filter_map(|(differs, text)| differs.then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_changes_is_printed() {
        let usual = parameters(&Config::new(3));
        let changed = |tune: fn(&mut Tuning)| parameters(&Config::new(3).tuned(tune));
        let expected = |more: &str| format!("{usual}, {more}");
        assert_eq!(changed(|t| t.recent_slots = 2), expected("2 recent slots in memory"));
        assert_eq!(changed(|t| t.votes_ahead_max = 1), expected("votes 1 ahead"));
        assert_eq!(changed(|t| t.queue_bytes_max = 90), expected("90 bytes of the queue"));
        assert_ne!(changed(|t| *t = t.clone().with_election_timeout(t.resend_interval)), usual);
    }
}
