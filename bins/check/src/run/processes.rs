//! Runs in several processes, here or on several hosts, each with the states that are its own.

use super::args::CustomArgs;
use super::hosts::{PATIENCE, of_file, write_hosts};
use super::keep;
use crate::limits::Watch;
use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{Report, Stopped};
use actor_checker_timely::{Limits, Processes, connect, search_with_others};
use anyhow::{Context, bail};
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::config::ChatModel;
use paxos_chat_models::run::{self, Outcome};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

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
    let mut explored = args.options.exploration(entry);
    if me > 0 {
        // The first process has an eye on the time for all.
        explored.limits.seconds = None;
        let (_watch, limits) = explored.limited();
        let mut report = search(&Arc::new(config.model(asked, reductions)), &limits);
        name_lost(&mut report, &losses);
        return ended(me, &report).map(|()| None);
    }
    let (watch, limits) = explored.limited();
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
