//! A client as a process: a chat on a terminal, a pipe otherwise; `send`, `tail` and `load`.

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use indicatif::ProgressBar;
use paxos_chat::tuning::TEXT_BYTES_MAX;
use paxos_chat::types::Slot;
use paxos_chat_runtime::client::load::{self, LoadOptions};
use paxos_chat_runtime::client::tail::{self, TailOptions};
use paxos_chat_runtime::client::{Access, Speaker, Summary, chat, pipe};
use paxos_chat_runtime::config::{Config, check_user};
use paxos_chat_runtime::credentials::Token;
use paxos_chat_runtime::loss::Loss;
use paxos_chat_runtime::record::RecordWriter;
use std::io::{self, IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Talks to a Multi-Paxos chat cluster. Without a command: a chat on a terminal, and otherwise
/// one message for each line of standard input.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The cluster's configuration.
    #[arg(long, value_name = "FILE", global = true, default_value = "cluster.toml")]
    config: PathBuf,
    /// Your name; that of the token, if it is not given.
    #[arg(long, global = true)]
    name: Option<String>,
    /// The file of your token, as `cluster invite` makes it. If it is not given: NAME.token beside
    /// the configuration, or cluster.secret there, if you run the cluster.
    #[arg(long, value_name = "FILE", global = true)]
    token: Option<PathBuf>,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[arg(long, value_name = "P", allow_negative_numbers = true, global = true)]
    loss: Option<Loss>,
    /// A new file in which to record what is said and acknowledged, one JSON object a line.
    #[arg(long, value_name = "FILE", global = true)]
    record: Option<PathBuf>,
    /// Seconds without any answer before giving up.
    #[arg(long, value_name = "SECONDS", global = true, default_value_t = 30)]
    patience: u64,
    /// Seed of random delays and of injected loss; random if it is not given.
    #[arg(long, global = true)]
    seed: Option<u64>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Says each argument; with none, each line of standard input.
    Send {
        /// What to say, a message each.
        text: Vec<String>,
    },
    /// Shows the messages that took effect, in order.
    Tail {
        /// The first slot to show.
        #[arg(long, value_name = "SLOT", default_value_t = 0)]
        from: u64,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// Go on when the end is reached.
        #[arg(long)]
        follow: bool,
    },
    /// Makes load and measures it.
    Load {
        /// Clients.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
        clients: u32,
        /// Messages of each client.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
        messages: u64,
        /// Messages of each client that are unacknowledged at once.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        outstanding: u16,
        /// Bytes of each message.
        #[arg(long, default_value_t = 100)]
        size: usize,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let access = match access(&args) {
        Ok(access) => access,
        Err(error) => {
            eprintln!("client: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(&args, &access) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("client: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Checks everything that is the user's to get right.
fn access(args: &Args) -> Result<Access> {
    let config = Config::read(&args.config)?;
    let needs_name = matches!(args.command, None | Some(Command::Send { .. }));
    match &args.name {
        None if needs_name && args.token.is_none() => {
            bail!("who are you? Give --name, such as --name alice")
        }
        Some(name) => {
            check_user(name).map_err(|wrong| anyhow!("--name: {wrong}; choose another"))?;
            if !config.users.is_empty() && !config.users.contains(name) {
                let (file, users) = (args.config.display(), config.users.join(", "));
                bail!("--name {name}: {file} lists other users: {users}");
            }
        }
        None => {}
    }
    match &args.record {
        Some(path) if path.exists() => {
            bail!("--record {}: the file exists; name a new one", path.display());
        }
        _ => {}
    }
    if let Some(Command::Load { size, .. }) = args.command
        && size > TEXT_BYTES_MAX
    {
        bail!("--size {size}: a message has at most {TEXT_BYTES_MAX} bytes");
    }
    let loss = args.loss.unwrap_or(config.loss_of(None));
    let seed = args.seed.unwrap_or_else(rand::random);
    let token = Token::find(&config, &args.config, args.token.as_deref(), args.name.as_deref())?;
    Ok(Access { config, token, loss, seed, patience: Duration::from_secs(args.patience.max(1)) })
}

/// Does what is asked; false if something was not acknowledged.
fn run(args: &Args, access: &Access) -> Result<bool> {
    match &args.command {
        None if stdin().is_terminal() && stdout().is_terminal() => {
            let name = access.token.user();
            let record = |nonce| open_record(args.record.as_deref(), name, nonce);
            Ok(conclude(&chat::run(access, name, record, stdin().lock())?))
        }
        None => Ok(conclude(&pipe::run(&mut speaker(args, access)?, stdin().lock())?)),
        Some(Command::Send { text }) if text.is_empty() => {
            Ok(conclude(&pipe::run(&mut speaker(args, access)?, stdin().lock())?))
        }
        Some(Command::Send { text }) => {
            let mut speaker = speaker(args, access)?;
            for text in text {
                speaker.say(text)?;
            }
            Ok(conclude(&speaker.wait_for_all()))
        }
        Some(Command::Tail { from, json, follow }) => {
            let options = TailOptions { from: Slot(*from), json: *json, follow: *follow };
            tail::run(access, options, stdout(), || tail::is_closed(stdout()))?;
            Ok(true)
        }
        Some(Command::Load { clients, messages, outstanding, size, json }) => {
            let options = LoadOptions {
                clients: *clients,
                messages: *messages,
                outstanding: usize::from(*outstanding),
                size: *size,
            };
            make_load(access, &options, *json)
        }
    }
}

fn speaker(args: &Args, access: &Access) -> Result<Speaker> {
    let name = access.token.user();
    let record = |nonce| open_record(args.record.as_deref(), name, nonce);
    let listener = Box::new(|_, _| {});
    Speaker::start(access, name, record, listener).context("cannot start the client")
}

fn open_record(path: Option<&Path>, name: &str, nonce: u64) -> io::Result<Option<RecordWriter>> {
    path.map(|path| RecordWriter::create(path, name, nonce)).transpose()
}

/// Says what was not acknowledged, if anything.
fn conclude(summary: &Summary) -> bool {
    let Summary { submitted, acknowledged, failure, .. } = summary;
    if summary.is_complete() {
        return true;
    }
    let missing = submitted - acknowledged;
    eprintln!("client: {missing} of {submitted} messages were not acknowledged");
    if let Some(failure) = failure {
        eprintln!("client: {failure}");
    }
    false
}

fn make_load(access: &Access, options: &LoadOptions, json: bool) -> Result<bool> {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(u64::from(options.clients) * options.messages);
    let report = load::run(access, options, &|acknowledged| bar.inc(acknowledged));
    bar.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} messages in {:.2} s: {:.0}/s with {} outstanding; p50 {} us, p99 {} us, p99.9 {} us; \
             {} errors",
            report.acknowledged,
            report.seconds,
            report.ops_per_s,
            report.outstanding,
            report.p50_us,
            report.p99_us,
            report.p999_us,
            report.errors
        );
    }
    if let Some(error) = &report.first_error {
        eprintln!("client: {error}");
    }
    Ok(report.errors == 0)
}
