//! Everything that reads bytes which others wrote, as functions of any bytes.
//!
//! A target panics when one of its invariants does not hold. The tests run each on [`CASES`] mutations
//! of inputs that are valid, and `bins/fuzz/run` runs the same functions under libFuzzer, which looks
//! for inputs that take new ways through the code.
//!
//! **Invariants**
//! - *Total*: any bytes are read or refused. Every target shows it, whatever else it shows.
//! - *Deterministic*: a target draws nothing, so what was found once is found again.
//!
//! **Absent**: the targets themselves, which are beside what they test.

use paxos_chat_config::credentials;
use paxos_chat_replica::journal;
use {paxos_chat_config as config, paxos_chat_log as chatlog, paxos_chat_packets as packets};

/// A function of any bytes, and inputs that it takes far.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Panics if an invariant does not hold.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
#[rustfmt::skip] // One a line, as `bins/fuzz/run` reads their names.
pub const TARGETS: [Target; 9] = [
    Target { name: "datagram", run: packets::fuzz::datagram, seeds: packets::fuzz::datagrams },
    Target { name: "body", run: packets::fuzz::body, seeds: packets::fuzz::bodies },
    Target { name: "journal_files", run: journal::fuzz::files, seeds: journal::fuzz::file_seeds },
    Target { name: "journal_records", run: journal::fuzz::records, seeds: journal::fuzz::record_seeds },
    Target { name: "journal_crash", run: journal::fuzz::crash, seeds: journal::fuzz::crash_seeds },
    Target { name: "chat_log", run: chatlog::fuzz::log, seeds: chatlog::fuzz::log_seeds },
    Target { name: "chat_log_index", run: chatlog::fuzz::index, seeds: chatlog::fuzz::index_seeds },
    Target { name: "config", run: config::fuzz::text, seeds: config::fuzz::text_seeds },
    Target { name: "credentials", run: credentials::fuzz::text, seeds: credentials::fuzz::text_seeds },
];

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::panic::catch_unwind;

    /// Inputs of each target, made by mutations.
    const CASES: u64 = 2000;

    /// Changes an input as a fuzzer without a guide does: bits, bytes, numbers, lengths, order.
    fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
        let at = rng.random_range(0..=input.len());
        let to = rng.random_range(at..=input.len().min(at + 64));
        match rng.random_range(0..9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..to)),
            2 => {
                drop(input.splice(at..at, (0..rng.random_range(1..9)).map(|_| rng.random::<u8>())))
            }
            3 => drop(input.splice(at..at, input[at..to].to_vec())),
            4 => {
                let from = rng.random_range(0..=other.len());
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            5 => input[at..to].fill(0),
            6 => input[at..to].fill(0xff),
            _ if at < input.len() && rng.random() => input[at] ^= 1 << rng.random_range(0..8),
            _ if at < input.len() => input[at] = rng.random(),
            _ => input.push(rng.random()),
        }
    }

    fn holds(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).expect("it is listed");
        let seeds = (target.seeds)();
        let run = |input: &[u8], what: &str| {
            let digits = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let held = catch_unwind(|| (target.run)(input));
            assert!(held.is_ok(), "{name}, {what}: {}", digits());
        };
        run(&[], "nothing");
        seeds.iter().for_each(|seed| run(seed, "a seed"));
        for case in 0..CASES {
            let mut rng = StdRng::seed_from_u64(case);
            let mut input = seeds[rng.random_range(0..seeds.len())].clone();
            let other = &seeds[rng.random_range(0..seeds.len())];
            for _ in 0..rng.random_range(1..6) {
                mutate(&mut input, other, &mut rng);
            }
            run(&input, &format!("case {case}"));
        }
    }

    macro_rules! tests {
        ($($name:ident)*) => {
            const TESTED: &[&str] = &[$(stringify!($name)),*];
            $(#[test] fn $name() { holds(stringify!($name)); })*
        };
    }

    tests! {
        datagram body journal_files journal_records journal_crash chat_log chat_log_index config
        credentials
    }

    #[test]
    fn every_target_has_its_test() {
        assert_eq!(TESTED, TARGETS.map(|target| target.name));
    }
}
