//! One executable for all targets: `FUZZ_TARGET` names the one that is run.
//!
//! **Absent**: the targets, which are [`paxos_chat_bins::fuzz::TARGETS`], beside what they test.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paxos_chat_bins::fuzz::{TARGETS, Target};
use std::path::PathBuf;
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == wanted);
    found.unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        panic!("FUZZ_TARGET is {wanted:?}, and has to be one of {names:?}");
    })
});

/// Puts the target's seeds where libFuzzer will look for them.
fn write_seeds() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (at, seed) in (TARGET.seeds)().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{at}")), seed)
            .expect("the folder of seeds is there");
    }
}

fuzz_target!(init: write_seeds(), |data: &[u8]| (TARGET.run)(data));
