//! A client as a process: a chat on a terminal, a pipe otherwise; `send`, `tail`, `read` and `load`.

use crate::envelope::{Room, Said};
use crate::format::Format;
use crate::host::Event;
use crate::load::{self, LoadOptions, Work};
use crate::meter::Meter;
use crate::pipe::Policy;
use crate::place::From;
use crate::reading::{self, Current};
use crate::record::RecordWriter;
use crate::recordings::Recordings;
use crate::state::{Expired, Interrupted, Lock, Owner, State};
use crate::tail::{self, Style, TailOptions};
use crate::{Access, Speaker, Summary, Unsaid, chat, outcome_unknown, pipe, ui};
use actor_runtime::keys::stay_out_of_core_dumps;
use actor_runtime::loss::Loss;
use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use clap::{CommandFactory, Parser, Subcommand};
use indicatif::ProgressBar;
use paxos_chat::tuning::BODY_BYTES_MAX;
use paxos_chat::types::Body;
use paxos_chat_config::credentials::Token;
use paxos_chat_config::{Config, check_user, users_here};
use paxos_chat_packets::formats::version;
use paxos_chat_shell::manual::{ManualCommand, Offer};
use paxos_chat_shell::signals::on_request_to_end;
use paxos_chat_shell::{output, places, say, tell};
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Talks to a Multi-Paxos chat cluster. Without a command: a full-screen chat on a terminal, and
/// otherwise one message for each line of standard input.
///
/// A message has at most 16384 bytes of UTF-8, newlines included; in a room other than the lobby,
/// the room's name and 2 bytes count too.
///
/// With --state FILE the client may be killed at any moment, and says nothing twice. FILE holds its session and
/// every message that is not acknowledged. The next run with FILE first sends again what is pending. Do not
/// say it again yourself: `send` tells, on standard error, how many messages an interrupted run had taken, and
/// how many of them were pending and are acknowledged now.
///
/// Exit status: 0 everything was acknowledged or shown; 1 something was not; 2 wrong usage.
#[derive(Parser)]
#[command(name = "client", version, long_version = version())]
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
    /// A new file in which to record what is said and acknowledged, one JSON object a line. Not of `tail` and `load`.
    #[arg(long, value_name = "FILE", global = true)]
    record: Option<PathBuf>,
    /// A folder in which to record all that this client is told and does, for `check validate`. The next run with
    /// the same folder is recorded as a later life of the same client.
    #[arg(long, value_name = "DIR", global = true)]
    record_run: Option<PathBuf>,
    /// The file in which a client that may be killed keeps its session and what is not acknowledged;
    /// made if it is not there. FILE.lock and FILE.tmp beside it belong to it.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "record")]
    state: Option<PathBuf>,
    /// The room to speak in, and the only one that `tail` shows. Without it: the lobby, a room named load for `load`,
    /// and all for `tail`.
    #[arg(long, global = true)]
    room: Option<Room>,
    /// Line by line, without a screen.
    #[arg(long)]
    plain: bool,
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
    #[command(flatten)]
    Manual(ManualCommand),
    /// Says each argument; with none, each line of a file or of standard input.
    ///
    /// An argument may have several lines. The end of a line, LF or CR LF, is not said. Nothing is read while 256 messages are unacknowledged. With
    /// --state, what is pending of an earlier run is completed first.
    Send {
        /// What to say, a message each.
        text: Vec<String>,
        /// A file to say, a message a line.
        #[arg(long, value_name = "FILE", conflicts_with = "text")]
        file: Option<PathBuf>,
        /// What becomes of lines that are no messages.
        #[command(flatten)]
        policy: Policy,
    },
    /// Shows the messages that took effect, in order.
    Tail {
        /// Where to begin: beginning, end, -N (the last N messages) or a slot.
        #[arg(long, value_name = "PLACE", default_value = "beginning", allow_hyphen_values = true)]
        from: From,
        /// The most messages to show.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// One JSON object a line.
        #[arg(long, conflicts_with = "format")]
        json: bool,
        /// A line by a template of {slot} {index} {time} {time_ms} {user} {room} {action} {session}
        /// {seq} {text} and {raw}; all but {raw} are escaped.
        #[arg(long, value_name = "TEMPLATE")]
        format: Option<Format>,
        /// Go on when the end is reached.
        #[arg(long)]
        follow: bool,
        /// Show all that anybody was told is committed before this command began. Without it, the end is where the
        /// first replica that answers knows it to be, and that one may lag. It takes a majority of the replicas.
        #[arg(long)]
        current: bool,
    },
    /// Tells how far the log goes now: the slot below which is all that anybody was told is committed before this command
    /// began. It takes a majority of the replicas, and no slot of the log.
    Read {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Makes load and measures it. An interrupt ends it early, with what was measured.
    Load {
        /// Clients.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
        clients: u32,
        /// Messages of each client; 1000 if neither they nor the time are limited.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        messages: Option<u64>,
        /// Seconds after which no more are sent.
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        seconds: Option<Duration>,
        /// Seconds of the same load before anything counts.
        #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
        warmup: Duration,
        /// Messages of each client that are unacknowledged at once.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        outstanding: u16,
        /// Bytes of each message, without the room's name.
        #[arg(long, default_value_t = 100)]
        size: usize,
        /// The most messages of a client that share a datagram.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
        pack: u16,
        /// Current reads in place of messages.
        #[arg(long, conflicts_with_all = ["size", "room"])]
        reads: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Where `load` speaks.
const LOAD_ROOM: &str = "load";
/// Messages of each client of `load` if nothing else ends it.
const MESSAGES: u64 = 1000;
/// The status of a `load` that was interrupted again, and did not wait for what it had sent.
const INTERRUPTED: i32 = 130;
/// When it is told that nothing has been heard yet.
const SILENCE_TOLD: Duration = Duration::from_secs(2);
/// The longest time of `load`, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds, such as 2.5")?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("give 0 to {SECONDS_MAX} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// The program `client`.
pub fn main() -> ExitCode {
    output::end_on_panic();
    stay_out_of_core_dumps();
    if let Some(kept) = paxos_chat_shell::recordings::keep("client") {
        return kept;
    }
    let args: Args = output::arguments();
    if let Some(Command::Manual(manual)) = &args.command {
        // It needs no cluster.
        return match manual.run(vec![(Args::command(), vec![users()])]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tell!("client: {error}");
                ExitCode::from(2)
            }
        };
    }
    // The lock is held until the process ends.
    let (access, _lock) = match access(&args) {
        Ok(access) => access,
        Err(error) => {
            tell!("client: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(&args, &access) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell!("client: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What completions offer for names.
fn users() -> Offer {
    Offer { command: None, argument: "name", values: users_here() }
}

/// Checks everything that is the user's to get right.
fn access(args: &Args) -> Result<(Access, Option<Lock>)> {
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
        Some(path) => places::check("--record", path).map_err(Error::msg)?,
        None => {}
    }
    if let Some(state) = &args.state {
        places::check("--state", state).map_err(Error::msg)?;
    }
    if let Some(Command::Tail { .. } | Command::Read { .. } | Command::Load { .. }) = args.command {
        ensure!(
            args.state.is_none(),
            "--state: `tail`, `read` and `load` keep nothing; leave it out"
        );
        ensure!(
            args.record.is_none(),
            "--record: `tail`, `read` and `load` record nothing; leave it out"
        );
    }
    ensure!(
        !args.plain || args.command.is_none(),
        "--plain: only the chat, without a command, has a screen; leave it out"
    );
    if let Some(Command::Send { file: Some(file), .. }) = &args.command {
        let opened = File::open(file);
        opened.with_context(|| format!("--file: cannot read {}", file.display()))?;
    }
    if let Some(Command::Send { policy, .. }) = args.command {
        // What is saved is told by lines of the input.
        ensure!(
            args.state.is_none() || policy == Policy::default(),
            "--long and --invalid: with --state each line is one message; leave them out"
        );
    }
    if let Some(Command::Load { size, .. }) = args.command {
        load_body(args, size)?;
    }
    let seed = args.seed.unwrap_or_else(rand::random);
    let token = Token::find(&config, &args.config, args.token.as_deref(), args.name.as_deref())?;
    if !config.users.is_empty() && !config.users.iter().any(|user| user == token.user()) {
        let (file, users) = (args.config.display(), config.users.join(", "));
        bail!("the token is {}'s, and {file} lists other users: {users}", token.user());
    }
    let loss = args.loss.unwrap_or_else(|| config.client_loss(token.user()));
    let owner = || Owner { cluster: config.cluster_id(), user: token.user().to_owned() };
    let opened = args.state.as_deref().map(|path| State::open(path, &owner())).transpose();
    let (state, lock) = opened.context("--state")?.unzip();
    let patience = Duration::from_secs(args.patience.max(1));
    let addresses = config.addresses().context("cannot make what looks names up")?;
    let recordings = match &args.record_run {
        Some(folder) => Some(Recordings::begin(folder).context("--record-run")?),
        None => None,
    };
    Ok((Access { config, addresses, token, loss, seed, patience, state, recordings }, lock))
}

/// Where `load` speaks: not where people do, unless that is asked for.
fn load_room(args: &Args) -> Room {
    args.room.clone().unwrap_or_else(|| LOAD_ROOM.parse().expect("the name of a room"))
}

/// What `load` says: so many bytes, beside what names the room.
fn load_body(args: &Args, size: usize) -> Result<Body> {
    ensure!(size <= BODY_BYTES_MAX, "--size {size}: a message has at most {BODY_BYTES_MAX} bytes");
    let said = Said::new(&load_room(args), "x".repeat(size));
    Ok(Body::write(said.encode().map_err(|error| anyhow!("--size {size}: {error}"))?))
}

/// Does what is asked; false if something was not acknowledged.
fn run(args: &Args, access: &Access) -> Result<bool> {
    let room = args.room.clone().unwrap_or_default();
    tell_expired(access)?;
    match &args.command {
        None if args.plain || is_interactive() => {
            let name = access.token.user();
            let record = |nonce| open_record(args.record.as_deref(), name, nonce);
            let summary = if args.plain || is_dumb() {
                chat::run(access, name, room, record, stdin().lock())?
            } else {
                ui::terminal::run(access, name, room, record)?
            };
            conclude(access, &summary)
        }
        Some(Command::Send { file: Some(file), policy, .. }) => {
            let input = BufReader::new(File::open(file)?);
            let unsaid = Unsaid::FromLine(1);
            let said = speak(args, access, unsaid, |speaker| {
                Ok(pipe::run(speaker, &room, *policy, input))
            });
            conclude(access, &said.with_context(|| file.display().to_string())?)
        }
        Some(Command::Send { text, .. }) if !text.is_empty() => {
            let say = |speaker: &mut Speaker| {
                pipe::run_texts(speaker, &room, text).map_err(io::Error::other)
            };
            conclude(access, &speak(args, access, Unsaid::Messages(text.len() as u64), say)?)
        }
        None | Some(Command::Send { .. } | Command::Manual(_)) => {
            let policy = match args.command {
                Some(Command::Send { policy, .. }) => policy,
                _ => Policy::default(),
            };
            let say = |speaker: &mut Speaker| Ok(pipe::run(speaker, &room, policy, stdin().lock()));
            conclude(access, &speak(args, access, Unsaid::FromLine(1), say)?)
        }
        Some(Command::Tail { from, count, json, format, follow, current }) => {
            let style = style(format.as_ref(), *json);
            let (from, count, room) = (*from, *count, args.room.clone());
            let (follow, current) = (*follow, *current);
            show(access, TailOptions { from, count, room, style, follow, current })
        }
        Some(Command::Read { json }) => read(access, *json),
        Some(Command::Load {
            clients,
            messages,
            seconds,
            warmup,
            outstanding,
            size,
            pack,
            reads,
            json,
        }) => {
            let work = match reads {
                true => Work::Reads,
                false => Work::Messages(load_body(args, *size)?),
            };
            let options = LoadOptions {
                clients: *clients,
                messages: messages.or(seconds.is_none().then_some(MESSAGES)),
                duration: *seconds,
                warmup: *warmup,
                outstanding: usize::from(*outstanding),
                work,
                pack: usize::from(*pack),
            };
            make_load(access, args, &options, *json)
        }
    }
}

fn style(format: Option<&Format>, json: bool) -> Style {
    match format {
        Some(format) => Style::Format(format.clone()),
        None if json => Style::Json,
        None => Style::Line,
    }
}

/// Shows what was said.
fn show(access: &Access, options: TailOptions) -> Result<bool> {
    let out = io::BufWriter::new(output::Results);
    tail::run(access, &options, out, || {
        // A quiet chat writes nothing, so a reader that left is not noticed by writing.
        if tail::is_closed(stdout()) {
            std::process::exit(output::CLOSED_PIPE);
        }
        false
    })?;
    Ok(true)
}

/// Tells how far the log goes now.
fn read(access: &Access, json: bool) -> Result<bool> {
    let current = reading::current(access, || false)?;
    let Some(Current { upto, took }) = current else { return Ok(false) };
    if json {
        say!("{}", serde_json::json!({ "upto": upto.0, "us": took.as_micros() as u64 }));
    } else {
        say!("{upto}");
    }
    Ok(true)
}

fn is_interactive() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// Has the terminal no screen to draw on?
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Has a client complete what an earlier run has left, and then say something. It has ended when this
/// returns. If the former fails, the latter is `unsaid`.
fn speak(
    args: &Args,
    access: &Access,
    unsaid: Unsaid,
    say: impl FnOnce(&mut Speaker) -> io::Result<Summary>,
) -> Result<Summary> {
    let mut speaker = speaker(args, access)?;
    if let Some(state) = &access.state {
        let interrupted = state.interrupted();
        let summary = speaker.wait_for_all();
        if !summary.is_complete() {
            return Ok(Summary { unsaid, ..summary });
        }
        tell_interrupted(&interrupted);
        state.conclude(true)?;
    }
    Ok(say(&mut speaker)?)
}

/// Tells how far an earlier run got, if it was interrupted.
fn tell_interrupted(Interrupted { taken, pending }: &Interrupted) {
    let completed = pending.len();
    if *taken > 0 || completed > 0 {
        tell!(
            "client: an earlier run was interrupted after {taken} messages; {completed} messages were \
             pending, and all are acknowledged now"
        );
    }
}

/// Tells what an expired session has left, if nobody was told yet.
fn tell_expired(access: &Access) -> Result<()> {
    if let Some(state) = &access.state
        && let Some(Expired { unknown, unsent }) = state.expired()
    {
        tell!("client: in an earlier run, {}", outcome_unknown(&unknown, &unsent));
        state.conclude(false)?;
    }
    Ok(())
}

fn speaker(args: &Args, access: &Access) -> Result<Speaker> {
    let name = access.token.user();
    let record = |nonce| open_record(args.record.as_deref(), name, nonce);
    let heard = Arc::new(AtomicBool::new(false));
    tell_silence(args, Arc::clone(&heard));
    // The end of the input may be far.
    let listener = Box::new(move |event, _: Option<String>| {
        heard.store(true, Ordering::Relaxed);
        if let Event::Failed { why, .. } = event {
            tell!("client: nothing more is sent: {why}");
        }
    });
    Speaker::start(access, name, record, listener, &Meter::default())
        .context("cannot start the client")
}

/// Says what is waited for, if nothing has been acknowledged by then, not even a session. Where there is no thread for it, it is not said.
fn tell_silence(args: &Args, heard: Arc<AtomicBool>) {
    let told =
        format!("client: no replica of {} has acknowledged anything yet", args.config.display());
    let tell = move || {
        std::thread::sleep(SILENCE_TOLD);
        if !heard.load(Ordering::Relaxed) {
            tell!("{told}");
        }
    };
    let _ = std::thread::Builder::new().name("silence".into()).spawn(tell);
}

fn open_record(path: Option<&Path>, name: &str, nonce: u64) -> io::Result<Option<RecordWriter>> {
    path.map(|path| RecordWriter::create(path, name, nonce)).transpose()
}

/// Says what was not acknowledged, if anything; false if there was something. The client has ended.
fn conclude(access: &Access, summary: &Summary) -> Result<bool> {
    let is_complete = summary.is_complete();
    if !is_complete {
        tell_failure(access, summary);
    }
    if let Some(state) = &access.state {
        state.conclude(is_complete)?;
    }
    Ok(is_complete)
}

fn tell_failure(access: &Access, summary: &Summary) {
    let failure = &summary.failure;
    tell!("client: {}", summary.missing());
    if let Some(failure) = failure {
        tell!("client: {failure}");
    }
    let Some(state) = &access.state else { return };
    match state.expired() {
        None => match state.saved() {
            Ok(saved) => {
                if let Some(told) = summary.safe(saved) {
                    tell!("client: {told}");
                }
            }
            Err(error) => tell!("client: cannot tell which messages are saved: {error}"),
        },
        // The session may have expired after the failure.
        Some(Expired { unknown, unsent }) => {
            let told = outcome_unknown(&unknown, &unsent);
            if failure.as_ref() != Some(&told) {
                tell!("client: {told}");
            }
        }
    }
}

fn make_load(access: &Access, args: &Args, options: &LoadOptions, json: bool) -> Result<bool> {
    // Hidden by itself where standard error is no terminal.
    let bar = match options.messages {
        Some(messages) => ProgressBar::new(u64::from(options.clients) * messages),
        None => ProgressBar::no_length(),
    };
    let ending = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ending);
    on_request_to_end(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    })?;
    let report = load::run(access, options, &ending, &|acknowledged| bar.inc(acknowledged));
    bar.finish_and_clear();
    if json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        let what = match options.work {
            Work::Messages(_) => format!("messages in the room {}", load_room(args)),
            Work::Reads => "current reads".into(),
        };
        say!(
            "{} {what} in {:.2} s: {:.0}/s with {} outstanding; p50 {} us, p99 {} us, p99.9 {} us; {} errors",
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
        tell!("client: {error}");
    }
    Ok(report.errors == 0 && report.first_error.is_none())
}
