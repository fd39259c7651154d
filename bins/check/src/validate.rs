//! The `check validate` command: recorded runs of real processes, replayed through the actors and judged by the catalog's
//! properties at every step.

use crate::bar::Bar;
use crate::drawings::{claim, write_chart, write_table};
use crate::interrupt;
use crate::status::{INCOMPLETE, VIOLATED, worse};
use actor_checker::chart;
use actor_checker::trace::Kind;
use anyhow::{Error, ensure};
use paxos_chat_shell::{places, say, tell};
use paxos_chat_validation::process::Stage;
use paxos_chat_validation::run::{Recorded, Report, recorded, validate_telling};
use paxos_chat_validation::story::{Listener, Told, as_path};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Which recordings, and what to print.
#[derive(Clone, Debug, clap::Args)]
pub struct ValidateArgs {
    /// Folders with the recordings of all processes of one cluster, as `replica --record`, `client --record-run` and
    /// `cluster run --validate` make them; and what is below them.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// One JSON object a line: each event, and at last the verdict.
    #[arg(long)]
    pub json: bool,
    /// Draw the events; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write what has happened to replicas, a situation a line: how often, which completed entries of the catalog have
    /// reached it, and what it is.
    #[arg(long, value_name = "FILE")]
    pub situations: Option<PathBuf>,
    /// The first event that is drawn or printed, by its number in the one order that is judged.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from: u64,
    /// The last one.
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
}

/// Events that a chart may have: it would not be looked at any more.
const DRAWN_MAX: usize = 1000;

/// Validates a run, and prints what was found.
pub(super) fn run(args: &ValidateArgs) -> anyhow::Result<u8> {
    claim("--svg", args.svg.as_ref())?;
    claim("--situations", args.situations.as_ref())?;
    let asked = [("--svg", args.svg.as_deref()), ("--situations", args.situations.as_deref())];
    places::apart(&asked).map_err(Error::msg)?;
    ensure!(
        args.to.is_none_or(|to| args.from <= to),
        "--from {} is behind --to: give the first event, and then the last",
        args.from
    );
    let recorded: Vec<Recorded> = recorded(&args.folders)?;
    let begun = Instant::now();
    let bar = Bar::new("validate", None);
    let look = |events: u64| {
        let rate = events as f64 / begun.elapsed().as_secs_f64().max(0.001);
        bar.say(format!("{events} events, {rate:.0}/s"));
        !interrupt::is_asked()
    };
    let mut drawn = Vec::new();
    let listener = if args.json || args.svg.is_some() {
        Listener {
            window: args.from..=args.to.unwrap_or(u64::MAX),
            tell: Box::new(|event| {
                if args.json {
                    say!("{}", event_as_json(&event));
                }
                if args.svg.is_some() && drawn.len() <= DRAWN_MAX {
                    drawn.push(event);
                }
            }),
        }
    } else {
        Listener::none()
    };
    let report = validate_telling(&recorded, &Stage::default(), listener, look);
    bar.finish();
    let (report, seconds) = (report?, begun.elapsed().as_secs_f64());
    if args.json {
        say!("{}", as_json(&report, seconds));
    } else {
        print(&report, seconds);
    }
    let status = match &report {
        report if report.found > 0 => VIOLATED,
        report if report.stopped => INCOMPLETE,
        _ => 0,
    };
    ensure!(
        drawn.len() <= DRAWN_MAX,
        "--svg: a chart has at most {DRAWN_MAX} events; give a shorter window by --from and --to"
    );
    let draw = || {
        let (names, path) = as_path(&drawn);
        chart::draw(names, &path)
    };
    let status = worse(status, write_chart(args.svg.as_ref(), draw));
    Ok(worse(status, write_table(args.situations.as_ref(), &report.situations)))
}

fn event_as_json(event: &Told) -> serde_json::Value {
    let from = event.from.as_ref();
    json!({
        "event": event.number,
        "process": event.process,
        "life": event.life,
        "time_ms": event.time_ms,
        "kind": match event.kind {
            Kind::Delivery => "message",
            Kind::Timeout => "timer",
            Kind::Input => "input",
            Kind::Crash => "end",
            Kind::Recovery => "start",
        },
        "what": event.what,
        "from": from.map(|(from, _)| from),
        "sent_by_event": from.and_then(|(_, event)| *event),
        "saves": event.saves,
        "sends": event.sends.iter().map(|(to, what)| json!({"to": to, "what": what})).collect::<Vec<_>>(),
        "reports": event.reports,
    })
}

fn rate(report: &Report, seconds: f64) -> f64 {
    report.counts.handled as f64 / seconds.max(0.001)
}

fn as_json(report: &Report, seconds: f64) -> serde_json::Value {
    let counts = &report.counts;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    json!({
        "ok": report.is_good(),
        "stopped": report.stopped,
        "processes": report.processes,
        "lives": counts.lives,
        "cut_short": counts.cut_short,
        "events": counts.handled,
        "saves": counts.synced,
        "left": report.left,
        "arrived": report.arrived,
        "taken_again": counts.again,
        "before_start": counts.before,
        "forgotten": counts.forgotten,
        "slots": report.chosen_upto.0,
        "span_ms": report.span_ms,
        "situations": report.situations.len(),
        "situations_new": report.situations.unreached().len(),
        "findings": findings,
        "found": report.found,
        "seconds": seconds,
        "events_per_s": rate(report, seconds),
    })
}

fn print(report: &Report, seconds: f64) {
    let counts = &report.counts;
    say!(
        "{} processes, {} lives, of which {} did not end in good order",
        report.processes.len(),
        counts.lives,
        counts.cut_short
    );
    say!(
        "{} events in {:.1} s of the run; {} saves; {} slots chosen",
        counts.handled,
        report.span_ms as f64 / 1000.0,
        counts.synced,
        report.chosen_upto
    );
    say!(
        "{} messages left, and {} of them arrived; {} were taken again by a later life of their receiver",
        report.left,
        report.arrived,
        counts.again
    );
    if counts.before > 0 {
        say!("{} questions of hosts came before their actors had started", counts.before);
    }
    if counts.forgotten > 0 {
        say!(
            "{} messages came so late that it is not known what they said when they left",
            counts.forgotten
        );
    }
    say!(
        "{} situations of replicas, of which {} no completed entry has reached",
        report.situations.len(),
        report.situations.unreached().len()
    );
    for finding in &report.findings {
        say!("! {finding}");
    }
    let told = report.findings.len() as u64;
    if report.found > told {
        say!("! and {} more", report.found - told);
    }
    say!("validated in {seconds:.1} s, {:.0} events/s", rate(report, seconds));
    if report.found > 0 {
        say!("\nNOT VALID: see above");
    } else if report.stopped {
        tell!("check: interrupted; nothing was found in the events until then");
    } else {
        say!(
            "\nvalid: every process did what its actor does, whatever arrived had left, and at every step all safety \
             properties\nand the refinement of Paxos hold, in one order of the events in which causes come first"
        );
    }
}
