//! The `check hardships` command: the deployed actors under virtual time, where disks, links and clients'
//! luck are worse than their time-outs take for granted.

use crate::bar::Bar;
use crate::flags::Format;
use crate::interrupt;
use crate::status::{INCOMPLETE, VIOLATED};
use anyhow::bail;
use paxos_chat_models::deployed::Deployed;
use paxos_chat_models::hardships::{Hardship, hardships};
use paxos_chat_shell::{say, tell};
use serde_json::json;
use std::time::Instant;

/// Which hardships, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct HardshipArgs {
    /// Hardships by their names, which a run without any prints; all if none is named.
    pub names: Vec<String>,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
}

/// Runs the hardships that were asked for, and prints a row each.
pub(super) fn run(args: &HardshipArgs) -> anyhow::Result<u8> {
    let chosen = chosen(&args.names)?;
    if !args.format.json {
        say!("{:22} {:>4} {:>8}  result", "hardship", "runs", "seconds");
    }
    let mut status = 0;
    for hardship in &chosen {
        if interrupt::is_asked() {
            tell!("check: interrupted; {:?} and what follows were not run", hardship.name);
            return Ok(if status == 0 { INCOMPLETE } else { status });
        }
        let begun = Instant::now();
        let bar = Bar::new(hardship.name, None);
        let result = hardship.run(&Deployed::default());
        bar.finish();
        if result.is_err() {
            status = VIOLATED;
        }
        print(hardship, &result, begun.elapsed().as_secs_f64(), args.format.json);
    }
    if status == 0 && !args.format.json {
        say!(
            "\nWhat is demanded was met in each of these runs: deployed replicas and clients, under \
             virtual time. Nothing is\nclaimed of other runs."
        );
    }
    Ok(status)
}

fn print(hardship: &Hardship, result: &Result<u32, String>, seconds: f64, as_json: bool) {
    let Hardship { name, what, .. } = hardship;
    let runs = result.as_ref().ok();
    if as_json {
        let failure = result.as_ref().err();
        say!(
            "{}",
            json!({
                "hardship": name, "what": what, "runs": runs, "holds": failure.is_none(),
                "failure": failure, "seconds": seconds,
            })
        );
    } else {
        let runs = runs.map_or_else(|| "-".into(), u32::to_string);
        let verdict = match result {
            Ok(_) => format!("holds: {what}"),
            Err(failure) => format!("FAILS: {what}\n{:>38}{failure}", ""),
        };
        say!("{name:22} {runs:>4} {seconds:>8.1}  {verdict}");
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Hardship>> {
    let all = hardships();
    let known: Vec<&str> = all.iter().map(|hardship| hardship.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no hardship {name:?}; there are {}", known.join(", "));
    }
    let wanted =
        |hardship: &Hardship| names.is_empty() || names.iter().any(|name| name == hardship.name);
    Ok(all.into_iter().filter(wanted).collect())
}
