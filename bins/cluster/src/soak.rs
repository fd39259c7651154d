//! `cluster soak`: a long run under load, and what it measured as a table, as JSON and as a picture.

use crate::bar::Bar;
use crate::harness::plot;
use crate::harness::soak::{SoakOptions, SoakReport, soak};
use crate::interrupt;
use anyhow::{Context, Error, Result};
use clap::Args;
use paxos_chat_shell::{output, places, tell};
use std::path::PathBuf;
use std::process::ExitCode;

/// What to run.
#[derive(Args)]
pub struct SoakArgs {
    /// How many messages all clients send together. The run goes on while a replica is still catching up.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Clients.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,
    /// Messages of each client that are unacknowledged at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    outstanding: u16,
    /// Bytes of each message.
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Kill the last replica after a tenth of the messages, and bring it back once the others have
    /// applied so many more.
    #[arg(long, default_value_t = 0)]
    away: u64,
    /// Draw the replicas' memory.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Seed of everything random; random if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder of logs; a temporary one, kept if something is wrong, if not given.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Record all that replicas and clients are told and do, in recordings/ beside the logs, and have it judged step by
    /// step, as `check validate` does. That costs memory and time, and both are part of what is measured.
    #[arg(long)]
    validate: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a soak, and prints what it measured.
///
/// # Errors
/// When the run cannot be made, or its picture not be written.
pub fn run_soak(args: &SoakArgs) -> Result<ExitCode> {
    if let Some(path) = &args.svg {
        places::check("--svg", path).map_err(Error::msg)?;
    }
    let mut temporary = tempfile::Builder::new().prefix("paxos-chat-soak-").tempdir()?;
    let options = SoakOptions {
        messages: args.messages,
        clients: args.clients,
        outstanding: args.outstanding,
        size: args.size,
        away: args.away,
        seed: args.seed.unwrap_or_else(rand::random),
        folder: args.log_dir.clone().unwrap_or_else(|| temporary.path().to_owned()),
        validate: args.validate,
    };
    let interrupted = interrupt::listen()?;
    let mut progress = Bar::new(args.messages);
    let result = soak(&options, &interrupted, &mut progress);
    progress.clear();
    let report = result?;
    if let Some(path) = &args.svg {
        let title = format!("{} messages, {:.0}/s", report.acknowledged, report.ops_per_s);
        std::fs::write(path, plot::draw(&report, &title))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = if args.json { serde_json::to_string(&report)? + "\n" } else { soak_table(&report) };
    output::print(&text);
    if !report.ok && args.log_dir.is_none() {
        temporary.disable_cleanup(true);
        tell!("cluster: the logs are kept in {}", temporary.path().display());
        tell!("cluster: the seed was {}", options.seed);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a soak has measured, for people.
fn soak_table(report: &SoakReport) -> String {
    let mib = |bytes: &Option<u64>| {
        bytes.map_or("-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20)))
    };
    let row = |bytes: &[Option<u64>]| bytes.iter().map(mib).collect::<Vec<_>>().join("  ");
    let SoakReport { acknowledged, seconds, ops_per_s, slots, .. } = report;
    let mut out = format!(
        "{acknowledged} messages in {seconds:.1} s: {ops_per_s:.0}/s, in {slots} slots\n\
         resident set of each replica, MiB\n"
    );
    for share in [10, 4, 2] {
        let messages = acknowledged / share;
        out += &format!("  after {messages:>9} messages  {}\n", row(&report.rss_at(messages)));
    }
    out += &format!("  at the end               {}\n", row(&report.rss_at_end()));
    if let Some(c) = &report.catch_up {
        out += &format!(
            "a replica {} messages behind caught up in {:.1} s ({} messages, {} chunks from disk); \
             {} were applied meanwhile\n",
            c.behind, c.seconds, c.messages, c.chunks_read, c.served_meanwhile
        );
    }
    let restarts: Vec<String> = report.restart_seconds.iter().map(|s| format!("{s:.3}")).collect();
    out += &format!("restart after SIGKILL, s      {}\n", restarts.join("  "));
    for line in report.validated.iter().flat_map(|validated| &validated.lines) {
        out += &format!("{line}\n");
    }
    out + if report.ok { "ok: the replicas agree\n" } else { "NOT OK: see above\n" }
}
