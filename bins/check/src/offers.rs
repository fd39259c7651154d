//! What completions of `check` offer: entries, bugs, links and hardships by their names.

use paxos_chat_models::catalog;
use paxos_chat_models::hardships::hardships;
use paxos_chat_models::links::groups;
use paxos_chat_models::mutants::Mutant;
use paxos_chat_shell::manual::Offer;

/// What they offer.
pub fn offers() -> Vec<Offer> {
    let entries: Vec<String> = catalog::entries().iter().map(|entry| entry.name.into()).collect();
    let mutants = Mutant::ALL.iter().map(|mutant| mutant.code().into()).collect();
    let links = groups().iter().map(|group| group.name.into()).collect();
    let worse = hardships().iter().map(|hardship| hardship.name.into()).collect();
    let of_entries = [
        ("run", "name"),
        ("explore", "name"),
        ("progress", "names"),
        ("refine", "names"),
        ("compare", "names"),
    ];
    let of_entries = of_entries.map(|(command, argument)| (command, argument, entries.clone()));
    let others =
        [("mutants", "name", mutants), ("links", "groups", links), ("hardships", "names", worse)];
    let offer = |(command, argument, values)| Offer { command: Some(command), argument, values };
    of_entries.into_iter().chain(others).map(offer).collect()
}
