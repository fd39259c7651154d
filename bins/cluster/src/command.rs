//! Whole clusters: writes their configuration, runs them with faults, judges what they leave.

use crate::bar::Bar;
use crate::configure::{ConfigArgs, write_config};
use crate::harness::error::RunError;
use crate::harness::plot;
use crate::harness::soak::{SoakOptions, SoakReport, soak};
use crate::run::{RunArgs, list_scenarios, run_cluster, verify};
use actor_runtime::keys::Beside;
use actor_runtime::keys::stay_out_of_core_dumps;
use anyhow::{Context, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_config::{Config, revoke};
use paxos_chat_replica::operator::command::OperatorCommand;
use paxos_chat_shell::manual::ManualCommand;
use paxos_chat_shell::{output, say, tell};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Configures, runs and judges Multi-Paxos chat clusters.
#[derive(Parser)]
#[command(name = "cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the configuration of a cluster, which holds no secret, and makes its secret,
    /// cluster.secret beside it, unless there is one.
    Config(ConfigArgs),
    /// Makes a token, with which a client speaks as a user; it is a secret.
    Invite(InviteArgs),
    /// Makes the tokens of a user void that were made so far.
    Revoke(RevokeArgs),
    /// Runs a cluster of real processes, injects faults, and judges the logs. Exit status: 0 all is well, 1
    /// it is not, 2 it cannot be run, 130 it was interrupted.
    Run(RunArgs),
    /// Lists the scenarios that `cluster run --scenario NAME` knows.
    Scenarios {
        /// Print their names only.
        #[arg(long)]
        names: bool,
    },
    /// Pushes many messages through three durable replicas; measures memory, catch-up and restart.
    Soak(SoakArgs),
    #[command(flatten)]
    Operator(OperatorCommand),
    #[command(flatten)]
    Manual(ManualCommand),
    /// Judges the logs in a folder against what clients recorded there.
    Verify {
        /// The folder, as `cluster run --log-dir` leaves it.
        folder: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct InviteArgs {
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The cluster's configuration.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
    /// The cluster's secret; cluster.secret beside the configuration, if it is not given.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// A file for the token, which only you may read; standard output if it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
struct RevokeArgs {
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The cluster's configuration, in which the revocation is noted.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct SoakArgs {
    /// Messages of all clients together; more, if a replica that was away needs longer.
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
    /// The folder of logs; a temporary one, removed at the end, if not given.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The program `cluster`, which has the manuals of these others, too.
pub fn main(others: Vec<clap::Command>) -> ExitCode {
    output::end_on_panic();
    stay_out_of_core_dumps();
    let result = match output::arguments::<Cli>().command {
        Command::Config(args) => write_config(&args).map(|()| ExitCode::SUCCESS),
        Command::Invite(args) => invite(&args).map(|()| ExitCode::SUCCESS),
        Command::Revoke(args) => void_tokens(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run_cluster(&args),
        Command::Scenarios { names } => {
            list_scenarios(names);
            Ok(ExitCode::SUCCESS)
        }
        Command::Soak(args) => run_soak(&args),
        Command::Operator(command) => command.run(),
        Command::Manual(command) => {
            let programs = std::iter::once(Cli::command()).chain(others).collect();
            command.run(programs).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Command::Verify { folder, json } => verify(&folder, json),
    };
    result.unwrap_or_else(|error| {
        tell!("cluster: {error:#}");
        let interrupted = matches!(error.downcast_ref(), Some(RunError::Interrupted));
        ExitCode::from(if interrupted { 130 } else { 2 })
    })
}

fn invite(args: &InviteArgs) -> Result<()> {
    let config = Config::read(&args.config)?;
    let secret = args.secret.clone().unwrap_or_else(|| secret_path(&args.config));
    let keyring = read_keyring(&secret)?;
    let token = Token::issue(keyring.seals(), &config, &args.user)?;
    if let Some(Beside::Next(_)) = keyring.beside() {
        tell!(
            "cluster: this token is made with a secret that is about to be replaced, and void when that ends: \
             make one after `cluster rotate switch`"
        );
    }
    match &args.output {
        None => output::print(&token.to_text()),
        Some(path) => token.write(path)?,
    }
    Ok(())
}

fn void_tokens(args: &RevokeArgs) -> Result<()> {
    let user = &args.user;
    revoke(&args.config, user)?;
    let file = args.config.display();
    say!(
        "{file} says that the tokens of {user} are void. Each replica obeys when it has read it: \
         give it this file, then SIGHUP or `reload` at its console. `cluster invite --user {user}` \
         makes a new token"
    );
    Ok(())
}

fn run_soak(args: &SoakArgs) -> Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("paxos-chat-soak-").tempdir()?;
    let options = SoakOptions {
        messages: args.messages,
        clients: args.clients,
        outstanding: args.outstanding,
        size: args.size,
        away: args.away,
        seed: args.seed.unwrap_or_else(rand::random),
        folder: args.log_dir.clone().unwrap_or_else(|| temporary.path().to_owned()),
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
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
    out + if report.ok { "ok: the replicas agree\n" } else { "NOT OK: see above\n" }
}
