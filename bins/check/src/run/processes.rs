//! Runs in several processes, here or on several hosts, each with the states that are its own.

use super::args::CustomArgs;
use super::{exploration, keep};
use crate::limits::Watch;
use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{Report, Stopped};
use actor_checker_timely::{Limits, Processes, connect, search_with_others};
use anyhow::{Context, bail, ensure};
use clap::Args;
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::config::ChatModel;
use paxos_chat_models::run::{self, Outcome};
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// How long processes wait for one another at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// In which processes a run is.
#[derive(Clone, Debug, Args)]
pub struct ProcessesArgs {
    /// Explore in so many processes on this machine, which share no memory
    #[arg(long, value_name = "N", conflicts_with_all = ["checkpoint", "engine", "unjudged", "threads"], value_parser = clap::value_parser!(u16).range(1..=64))]
    pub processes: Option<u16>,
    /// Explore together with the processes of this file: `secret` and 64 hexadecimal digits in the first line, then the
    /// host:port of each
    #[arg(long, value_name = "FILE", requires = "process", conflicts_with_all = ["processes", "checkpoint", "engine", "unjudged", "threads"])]
    pub hosts: Option<PathBuf>,
    /// Which process of --hosts this is, from 0 on; process 0 shows the result
    #[arg(long, value_name = "I", requires = "hosts")]
    pub process: Option<usize>,
    /// Where to listen, if that is not an address of this machine alone
    #[arg(long, value_name = "HOST:PORT", requires = "hosts")]
    pub listen: Option<String>,
    /// Standard input is what to listen on: --processes says so to those that it starts
    #[arg(long, hide = true, requires = "hosts")]
    pub inherited: bool,
}

impl ProcessesArgs {
    /// Is the run in several processes?
    pub(super) fn are_asked(&self) -> bool {
        self.processes.is_some() || self.hosts.is_some()
    }
}

/// The processes that this one has started; they are ended with it.
#[derive(Default)]
struct Children {
    children: Vec<Child>,
    /// What they read at the start.
    _hosts: Option<TempDir>,
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Children {
    /// Waits until all have ended of themselves.
    fn wait(mut self) {
        self.children.drain(..).for_each(|mut child| drop(child.wait()));
    }
}

/// Explores together with others; what came of it, if this is the process that tells.
pub(super) fn explore(
    entry: &Entry,
    args: &CustomArgs,
) -> anyhow::Result<Option<(Outcome, Watch)>> {
    let reductions = args.options.search.reductions(Reductions::ALL);
    let identity = keep::identity(entry, reductions)?;
    let (listener, processes, children) = match &args.processes.hosts {
        Some(file) => {
            let (listener, processes) = of_file(file, &args.processes, identity)?;
            (listener, processes, Children::default())
        }
        None => here(args.processes.processes.unwrap_or(1).into(), identity)?,
    };
    let losses = note_losses();
    let connections = connect(&listener, &processes)
        .with_context(|| format!("process {} cannot begin", processes.me))?;
    drop(listener);
    let me = processes.me;
    let search = |model: &Arc<ChatModel>, limits: &Limits| {
        search_with_others(Arc::new(shared(Arc::clone(model))), connections, limits)
    };
    let (config, asked) = (&entry.config, entry.reaches);
    if me > 0 {
        let limited = exploration(entry, &args.options).limited();
        let mut report = search(&Arc::new(config.model(asked, reductions)), &limited.1);
        name_lost(&mut report, &losses);
        return ended(me, &report).map(|()| None);
    }
    let (watch, limits) = exploration(entry, &args.options).limited();
    let mut outcome =
        run::run_in_workers(config, asked, reductions, 1, |models| search(&models[0], &limits));
    name_lost(&mut outcome.report, &losses);
    if !matches!(outcome.report.stopped, Some(Stopped::Lost(_))) {
        children.wait();
    }
    Ok(Some((outcome, watch)))
}

/// A process that tells nothing says at least whether it was lost.
fn ended(me: usize, report: &Report) -> anyhow::Result<()> {
    match &report.stopped {
        Some(Stopped::Lost(why)) => bail!("process {me} ends: {why}"),
        _ => Ok(()),
    }
}

/// The first other process whose connection broke.
type Losses = Arc<OnceLock<String>>;

/// Notes from now on whose connections break. Timely's threads panic then, one after the other, which is nothing that
/// people need to read.
fn note_losses() -> Losses {
    let losses = Losses::default();
    let (noted, others) = (Arc::clone(&losses), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        let lost = ["timely:recv-", "timely:send-"].iter().find_map(|kind| name.strip_prefix(kind));
        if let Some(process) = lost {
            let _ = noted.set(process.to_owned());
        } else if noted.get().is_none() {
            others(panic);
        }
    }));
    losses
}

/// Says which process is lost.
fn name_lost(report: &mut Report, losses: &Losses) {
    if let (Some(Stopped::Lost(why)), Some(process)) = (&mut report.stopped, losses.get()) {
        *why = format!("process {process} does not answer any more");
    }
}

/// Starts the others on this machine.
fn here(count: usize, identity: String) -> anyhow::Result<(TcpListener, Processes, Children)> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").context("--processes: no port to listen on");
    let mut listeners: Vec<TcpListener> = (0..count).map(bind).collect::<Result<_, _>>()?;
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect::<std::io::Result<_>>()?;
    let secret: [u8; 32] = rand::random();
    let folder = tempfile::tempdir().context("--processes: no folder for the list of hosts")?;
    let file = folder.path().join("hosts");
    write_hosts(&file, &secret, &addresses).context("--processes: the list of hosts")?;
    let mut children = Vec::new();
    let program = std::env::current_exe().context("--processes: this program is not found")?;
    for (process, listener) in listeners.drain(1..).enumerate() {
        let child = Command::new(&program)
            .args(without_processes(std::env::args().skip(1)))
            .arg("--hosts")
            .arg(&file)
            .args(["--inherited", "--process", &(process + 1).to_string()])
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .spawn();
        children.push(child.with_context(|| format!("--processes: process {}", process + 1))?);
    }
    let listener = listeners.pop().context("--processes: there is none")?;
    let processes = Processes { addresses, me: 0, secret, identity, patience: PATIENCE };
    Ok((listener, processes, Children { children, _hosts: Some(folder) }))
}

/// The arguments of a process that is started, from those of this one.
fn without_processes(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut is_value = false;
    for arg in args {
        if std::mem::take(&mut is_value) {
            continue;
        }
        is_value = arg == "--processes";
        if !is_value && !arg.starts_with("--processes=") {
            kept.push(arg);
        }
    }
    kept
}

fn write_hosts(file: &Path, secret: &[u8], addresses: &[String]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "secret {digits}")?;
    addresses.iter().try_for_each(|address| writeln!(file, "{address}"))
}

/// The processes of a file, and where this one listens.
fn of_file(
    file: &Path,
    args: &ProcessesArgs,
    identity: String,
) -> anyhow::Result<(TcpListener, Processes)> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("--hosts: {}", file.display()))?;
    let mode = std::fs::metadata(file)?.permissions().mode();
    ensure!(
        mode & 0o077 == 0,
        "--hosts: others can read {}, which has a secret; `chmod 600` it",
        file.display()
    );
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let secret = lines.next().and_then(|line| line.strip_prefix("secret")).and_then(digits);
    let secret = secret.with_context(|| {
        format!(
            "--hosts: the first line of {} is not `secret` and 64 hexadecimal digits",
            file.display()
        )
    })?;
    let addresses: Vec<String> = lines.map(str::to_owned).collect();
    let me = args.process.unwrap_or(0);
    let own = addresses.get(me).with_context(|| {
        format!("--process: {} names {} processes, from 0 on", file.display(), addresses.len())
    })?;
    let listener = if args.inherited {
        TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        let address = args.listen.as_ref().unwrap_or(own);
        let resolved: Vec<SocketAddr> =
            address.to_socket_addrs().with_context(|| format!("--hosts: {address}"))?.collect();
        ensure!(
            args.listen.is_some() || resolved.iter().all(|address| address.ip().is_loopback()),
            "--hosts: {own} can be reached from other machines; say so with --listen {own}, or --listen 0.0.0.0:PORT"
        );
        TcpListener::bind(&resolved[..]).with_context(|| format!("cannot listen at {address}"))?
    };
    Ok((listener, Processes { addresses, me, secret, identity, patience: PATIENCE }))
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}
