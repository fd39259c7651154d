//! The `check links` command: the deployed actors over every set of links that a quorum survives.

use crate::bar::Bar;
use crate::drawings::{claim, write_chart};
use crate::flags::{Format, Threads};
use crate::interrupt;
use crate::status::{INCOMPLETE, VIOLATED};
use actor_checker::{chart, trace};
use anyhow::bail;
use paxos_chat_models::deployed::Deployed;
use paxos_chat_models::links::{
    CHANGES_MAX, Case, Group, Outcome, SEED, SETTLE, SILENCE_MAX, groups, run_all,
};
use paxos_chat_shell::{say, tell};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Which groups, and what to print.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LinksArgs {
    /// Groups of cases: named, 3, 3-changes, 4 or 5; all but 5 if none is named.
    pub groups: Vec<String>,
    /// Only cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,
    /// Worker threads.
    #[command(flatten)]
    pub threads: Threads,
    /// How results are printed.
    #[command(flatten)]
    pub format: Format,
    /// Draw the end of the first run that fails as a message sequence chart; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// How many failures of a group are named.
const NAMED_MAX: usize = 10;
/// How many of the last steps of a failure are printed; a chart has more.
const STEPS_MAX: usize = 40;

/// Runs the groups that were asked for, and prints a row each.
pub(super) fn run(args: &LinksArgs) -> anyhow::Result<u8> {
    claim("--svg", args.svg.as_ref())?;
    let groups = chosen(args)?;
    let deployed = Deployed::default();
    if !args.format.json {
        say!(
            "{:10} {:>6} {:>7} {:>13} {:>13} {:>8} {:>8}  result",
            "group",
            "runs",
            "failed",
            "acknowledged",
            "longest ms",
            "leaders",
            "seconds"
        );
    }
    let mut failed = None;
    for (group, cases) in groups {
        let group = &group;
        let summary = run_group(group, cases, args, &deployed);
        print(group, &summary, args);
        let first = summary.failures.into_iter().next();
        failed = failed.or(first.map(|(case, _)| case));
        if summary.interrupted {
            tell!("check: interrupted: not all runs of {:?} were made", group.name);
            return Ok(if failed.is_some() { VIOLATED } else { INCOMPLETE });
        }
    }
    let Some(case) = failed else {
        if !args.format.json {
            say!(
                "\nIn each of these runs, once the links have not changed for {SETTLE} election \
                 time-outs: every request is acknowledged\nwithin {SILENCE_MAX} time-outs, leaders \
                 change at most {CHANGES_MAX} times, and all connected replicas and readers come to\n\
                 have the same log. Nothing is claimed of other runs."
            );
        }
        return Ok(0);
    };
    let story = case.tell(&deployed, SEED);
    if !args.format.json {
        let begins = story.steps.len().saturating_sub(STEPS_MAX);
        say!("\nhow {} ends, as its last {STEPS_MAX} steps:", case.name);
        say!("{}", trace::to_text(&story.steps[begins..]).trim_end());
    }
    write_chart(args.svg.as_ref(), || chart::draw(story.names, &story.steps));
    Ok(VIOLATED)
}

/// The groups that were asked for, each with the cases that were.
fn chosen(args: &LinksArgs) -> anyhow::Result<Vec<(Group, Vec<Case>)>> {
    let names = args.groups.as_slice();
    let known: Vec<&str> = groups().iter().map(|group| group.name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no group {name:?} of links; there are {}", known.join(", "));
    }
    let is_chosen = |group: &Group| match names {
        [] => group.name != "5",
        names => names.iter().any(|name| name == group.name),
    };
    let wanted = |case: &Case| args.case.as_ref().is_none_or(|text| case.name.contains(text));
    let with_cases = |group: Group| {
        let cases: Vec<Case> = (group.cases)().into_iter().filter(wanted).collect();
        (!cases.is_empty()).then_some((group, cases))
    };
    let chosen: Vec<_> = groups().into_iter().filter(is_chosen).filter_map(with_cases).collect();
    if chosen.is_empty() {
        let text = args.case.as_deref().unwrap_or_default();
        bail!(
            "no case of these groups has {text:?} in its name; a name is as a failure prints it, for \
             example \"3 replicas, links 0-1\""
        );
    }
    Ok(chosen)
}

/// What the runs of a group came to.
#[derive(Default)]
struct Summary {
    cases: usize,
    /// In the order of the cases.
    failures: Vec<(Case, String)>,
    acknowledged: u64,
    longest_wait: Duration,
    changes: usize,
    elapsed: Duration,
    interrupted: bool,
}

fn run_group(group: &Group, cases: Vec<Case>, args: &LinksArgs, deployed: &Deployed) -> Summary {
    let begun = Instant::now();
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; cases.len()]);
    let bar = Bar::new(group.name, None);
    let done = |index: usize, outcome: Outcome| {
        let mut outcomes = outcomes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        outcomes[index] = Some(outcome);
        let done = outcomes.iter().flatten().count();
        bar.say(format!("{done} of {} runs", cases.len()));
    };
    let go_on = || !interrupt::is_asked();
    run_all(&cases, deployed, args.threads.count(), &go_on, &done);
    bar.finish();
    let mut summary = Summary { cases: cases.len(), ..Summary::default() };
    let outcomes = outcomes.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    for (case, outcome) in cases.into_iter().zip(outcomes) {
        let Some(outcome) = outcome else {
            summary.interrupted = true;
            continue;
        };
        summary.acknowledged += outcome.acknowledged;
        summary.longest_wait = summary.longest_wait.max(outcome.longest_wait);
        summary.changes = summary.changes.max(outcome.changes);
        summary.failures.extend(outcome.failure.map(|what| (case, what)));
    }
    summary.elapsed = begun.elapsed();
    summary
}

fn print(group: &Group, summary: &Summary, args: &LinksArgs) {
    if args.format.json {
        let failures = summary.failures.iter();
        say!(
            "{}",
            json!({
                "group": group.name,
                "what": group.what,
                "runs": summary.cases,
                "complete": !summary.interrupted,
                "acknowledged": summary.acknowledged,
                "longest_wait_ms": summary.longest_wait.as_millis() as u64,
                "leaders_max": summary.changes,
                "seconds": summary.elapsed.as_secs_f64(),
                "failures": failures
                    .map(|(case, what)| json!({"case": case.name, "what": what}))
                    .collect::<Vec<_>>(),
            })
        );
        return;
    }
    let failed = summary.failures.len();
    let result = match (failed, summary.interrupted) {
        (0, false) if args.case.is_some() => "holds, of the cases that were asked for".into(),
        (0, false) => format!("holds: {}", group.what),
        (0, true) => "incomplete".into(),
        _ => "FAILS".into(),
    };
    say!(
        "{:10} {:>6} {:>7} {:>13} {:>13} {:>8} {:>8.1}  {result}",
        group.name,
        summary.cases,
        failed,
        summary.acknowledged,
        summary.longest_wait.as_millis(),
        summary.changes,
        summary.elapsed.as_secs_f64(),
    );
    for (case, what) in summary.failures.iter().take(NAMED_MAX) {
        say!("  {}: {what}", case.name);
    }
    if failed > NAMED_MAX {
        say!("  and {} others", failed - NAMED_MAX);
    }
}
