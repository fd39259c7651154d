//! Whole clusters: writes their configuration, runs them with faults, judges what they leave.

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use paxos_chat_runtime::config::{Config, Problem, Timeouts, check_f, revoke};
use paxos_chat_runtime::credentials::{Token, make_secret, read_secret, secret_path};
use paxos_chat_runtime::harness::kill_loop::KillLoop;
use paxos_chat_runtime::harness::run::{Progress, RunError, RunOptions, run};
use paxos_chat_runtime::harness::soak::{SoakOptions, SoakReport, soak};
use paxos_chat_runtime::harness::{plot, report};
use paxos_chat_runtime::judge::{Evidence, Verdict, judge};
use paxos_chat_runtime::loss::Loss;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Configures, runs and judges Multi-Paxos chat clusters.
#[derive(Parser)]
#[command(version)]
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
    /// Runs a cluster of real processes, injects faults, and judges the logs.
    Run(RunArgs),
    /// Pushes many messages through three durable replicas; measures memory, catch-up and restart.
    Soak(SoakArgs),
    /// Judges the logs in a folder against what clients recorded there.
    Verify {
        /// The folder.
        folder: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct ConfigArgs {
    /// How many replicas may fail; there will be 2f+1.
    #[arg(short, long, default_value_t = 1)]
    f: u8,
    /// The file to write; standard output, and no secret is made, if it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    loss: Option<Loss>,
    /// Another loss for one replica.
    #[arg(long, value_name = "ID=P", value_parser = parse_pair::<Loss>)]
    replica_loss: Vec<(u8, Loss)>,
    /// A slot that this replica jumps over when it leads.
    #[arg(long, value_name = "ID=SLOT", value_parser = parse_pair::<u64>)]
    skip: Vec<(u8, u64)>,
    /// The election time-out; the others are in proportion.
    #[arg(long, value_name = "N")]
    timeout_ms: Option<u64>,
    /// The IP address of all replicas.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port of replica 0; the others follow.
    #[arg(long, default_value_t = 7100)]
    base_port: u16,
    /// A name that clients may use; any name if none is given.
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// The cluster's name; a random one if it is not given.
    #[arg(long)]
    name: Option<String>,
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
struct RunArgs {
    /// How many replicas may fail; 2f+1 run on free ports of this machine.
    #[arg(short, long, default_value_t = 1, conflicts_with = "config")]
    f: u8,
    /// A configuration to run as it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Clients.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=256))]
    clients: u32,
    /// Messages of each client.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    messages: u64,
    /// How many primaries to kill, one after another, while clients write.
    #[arg(long, default_value_t = 0)]
    kill: u8,
    /// Kill this replica with SIGKILL and restart it, again and again while clients write; `all`
    /// for a random one, the primary or all at once.
    #[arg(long, value_name = "ID|all", conflicts_with_all = ["kill", "volatile"])]
    kill_loop: Option<KillLoop>,
    /// Keep what replicas promise in memory only.
    #[arg(long)]
    volatile: bool,
    /// Slots that every primary jumps over.
    #[arg(long, value_name = "SLOT,...", value_delimiter = ',')]
    skip_slots: Vec<u64>,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    loss: Option<Loss>,
    /// Seed of everything random; random if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder of logs and records; a temporary one, kept if something is wrong, if not given.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// The election time-out; the others are in proportion.
    #[arg(long, value_name = "N")]
    timeout_ms: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SoakArgs {
    /// Messages of all clients together.
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

fn parse_pair<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<(u8, T), String> {
    let (id, value) = text.split_once('=').ok_or("give ID=VALUE, such as 0=3")?;
    let id = id.parse().map_err(|_| format!("{id:?} is not the id of a replica"))?;
    Ok((id, value.parse().map_err(|error: T::Err| error.to_string())?))
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Config(args) => write_config(&args).map(|()| ExitCode::SUCCESS),
        Command::Invite(args) => invite(&args).map(|()| ExitCode::SUCCESS),
        Command::Revoke(args) => void_tokens(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run_cluster(&args),
        Command::Soak(args) => run_soak(&args),
        Command::Verify { folder, json } => verify(&folder, json),
    };
    result.unwrap_or_else(|error| {
        eprintln!("cluster: {error:#}");
        let interrupted = matches!(error.downcast_ref(), Some(RunError::Interrupted));
        ExitCode::from(if interrupted { 130 } else { 2 })
    })
}

fn write_config(args: &ConfigArgs) -> Result<()> {
    check_f(args.f).map_err(flag)?;
    let count = 2 * u16::from(args.f) + 1;
    if args.base_port == 0 || args.base_port.checked_add(count - 1).is_none() {
        bail!("--base-port {}: {count} ports from 1 to 65535 are needed", args.base_port);
    }
    let addresses =
        (0..count).map(|index| SocketAddr::new(args.host, args.base_port + index)).collect();
    let name = args.name.clone().unwrap_or_else(|| format!("chat-{:016x}", rand::random::<u64>()));
    let mut config = Config::new(name, args.f, addresses)?;
    config.loss = args.loss.unwrap_or_default().probability();
    config.users.clone_from(&args.user);
    if let Some(timeout) = args.timeout_ms {
        config.timeouts = Timeouts::with_election_ms(timeout);
    }
    let known = |flag: &str, id: u8| {
        if u16::from(id) < count {
            return Ok(usize::from(id));
        }
        Err(anyhow!("{flag} {id}=...: with f = {} the replicas are 0 to {}", args.f, count - 1))
    };
    for (id, loss) in &args.replica_loss {
        let index = known("--replica-loss", *id)?;
        config.replicas[index].loss = Some(loss.probability());
    }
    for (id, slot) in &args.skip {
        let index = known("--skip", *id)?;
        config.replicas[index].skip_slots.insert(*slot);
    }
    config.check()?;
    let text = config.to_toml();
    match &args.output {
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
        Some(path) => {
            std::fs::write(path, text)
                .with_context(|| format!("cannot write the configuration {}", path.display()))?;
            let secret = secret_path(path);
            if !make_secret(&secret)? {
                eprintln!("cluster: {} was there and is kept", secret.display());
            }
            Ok(())
        }
    }
}

fn invite(args: &InviteArgs) -> Result<()> {
    let config = Config::read(&args.config)?;
    let secret = args.secret.clone().unwrap_or_else(|| secret_path(&args.config));
    let token = Token::issue(&read_secret(&secret)?, &config, &args.user)?;
    match &args.output {
        None => Ok(std::io::stdout().write_all(token.to_text().as_bytes())?),
        Some(path) => Ok(token.write(path)?),
    }
}

fn void_tokens(args: &RevokeArgs) -> Result<()> {
    let user = &args.user;
    revoke(&args.config, user)?;
    let file = args.config.display();
    println!(
        "{file} says that the tokens of {user} are void. Each replica obeys when it has read it: \
         give it this file, then SIGHUP or `reload` at its console. `cluster invite --user {user}` \
         makes a new token"
    );
    Ok(())
}

/// A problem with a flag of the same name as a key.
fn flag(problem: Problem) -> anyhow::Error {
    anyhow!("-{problem}")
}

fn run_cluster(args: &RunArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let temporary = match &args.log_dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("paxos-chat-run-").tempdir()?),
    };
    let folder = match (&args.log_dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("one of both is there"),
    };
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let options = RunOptions {
        config,
        f: args.f,
        clients: args.clients,
        messages: args.messages,
        kill: args.kill,
        kill_loop: args.kill_loop,
        volatile: args.volatile,
        skip_slots: args.skip_slots.iter().copied().collect(),
        loss: args.loss.map(Loss::probability),
        seed: args.seed.unwrap_or_else(rand::random),
        folder,
        timeout_ms: args.timeout_ms,
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    let mut progress = Bar::new(u64::from(args.clients) * args.messages);
    let result = run(&options, &interrupted, &mut progress);
    progress.0.finish_and_clear();
    let verdict = result?;
    print_verdict(&verdict, args.json, started)?;
    if let Some(temporary) = temporary
        && !verdict.ok
    {
        eprintln!("cluster: logs and records are kept in {}", temporary.keep().display());
        eprintln!("cluster: the seed was {}", options.seed);
    }
    Ok(exit_code(&verdict))
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
    progress.0.finish_and_clear();
    let report = result?;
    if let Some(path) = &args.svg {
        let title = format!("{} messages, {:.0}/s", report.acknowledged, report.ops_per_s);
        std::fs::write(path, plot::draw(&report, &title))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = if args.json { serde_json::to_string(&report)? + "\n" } else { soak_table(&report) };
    std::io::stdout().write_all(text.as_bytes())?;
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

fn verify(folder: &Path, json: bool) -> Result<ExitCode> {
    let started = Instant::now();
    let verdict = judge(&Evidence::read(folder)?);
    print_verdict(&verdict, json, started)?;
    Ok(exit_code(&verdict))
}

fn print_verdict(verdict: &Verdict, json: bool, started: Instant) -> Result<()> {
    let seconds = started.elapsed().as_secs_f64();
    let text = if json {
        report::json(verdict, seconds)? + "\n"
    } else {
        format!("{}{seconds:.1} s\n", report::table(verdict))
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn exit_code(verdict: &Verdict) -> ExitCode {
    if verdict.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Progress on a terminal; where standard error is none, the bar hides itself.
struct Bar(ProgressBar);

impl Bar {
    fn new(messages: u64) -> Bar {
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} acknowledged {elapsed} {msg}");
        let bar = ProgressBar::new(messages);
        Bar(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }
}

impl Progress for Bar {
    fn acknowledged(&mut self, count: u64) {
        self.0.set_position(count);
    }

    fn note(&mut self, what: &str) {
        self.0.println(what);
    }
}
