//! Runs in several processes, here or on several hosts, each with the states that are its own.

use super::args::CustomArgs;
use super::hosts::{PATIENCE, of_file, write_hosts};
use super::keep::{self, PartOf, refused};
use crate::interrupt;
use crate::limits::Watch;
use actor_checker::compact::{Reductions, shared};
use actor_checker::engine::{Report, RunFolder, Stopped};
use actor_checker_timely::{Limits, Part, Processes, connect, search_with_others};
use anyhow::{Context, bail};
use paxos_chat_models::catalog::Entry;
use paxos_chat_models::config::ChatModel;
use paxos_chat_models::run::{self, Outcome};
use paxos_chat_shell::tell;
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
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

    /// Why there is nobody to wait for any more, or nobody who waits.
    fn gives_up(&mut self) -> Option<String> {
        if interrupt::is_asked() {
            return Some("interrupted while it waited for the others".into());
        }
        let mut children = self.children.iter_mut();
        let ended = children.position(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
        ended.map(|place| format!("process {} has ended", place + 1))
    }
}

/// Explores together with others; what came of it, and the folders to be removed, if this is the process that tells.
pub(super) fn explore(entry: &Entry, args: &CustomArgs) -> anyhow::Result<Option<Told>> {
    let reductions = args.options.search.reductions(Reductions::ALL);
    let (listener, mut processes, mut starts) = match &args.processes.hosts {
        Some(file) => {
            let (listener, processes) = of_file(file, &args.processes)?;
            (listener, processes, None)
        }
        None => here(args.processes.processes.unwrap_or(1).into())?,
    };
    let all = processes.addresses.len();
    let is_here = starts.is_some() || args.processes.inherited;
    let place = PartOf { me: processes.me, all, here: if is_here { all as u64 } else { 1 } };
    let mut folder = args.folder(entry, Some(place))?;
    processes.identity = format!(
        "{}, {}, at most {:?} states",
        keep::identity(entry, reductions)?,
        args.keep.agreement(),
        args.options.search.max_states
    );
    processes.checkpoint = folder.as_ref().and_then(RunFolder::number);
    let losses = note_losses();
    let mut children = match starts.take() {
        Some(starts) => starts.start()?,
        None => Children::default(),
    };
    let connected = connect(&listener, &processes, || children.gives_up())
        .with_context(|| format!("process {} cannot begin", place.me))?;
    drop(listener);
    if let Some(folder) = &mut folder {
        let agreed = connected.checkpoint.map(|last| folder.go_back_to(last));
        agreed.unwrap_or_else(|| folder.begin_anew()).map_err(refused)?;
    }
    let mut explored = args.options.exploration(entry);
    explored.limits = args.options.limits(place.here);
    let search = |model: &Arc<ChatModel>, limits: &Limits| {
        let space = Arc::new(shared(Arc::clone(model)));
        let part = Part { space, folder: folder.clone() };
        let mut explored = search_with_others(part, connected.streams, limits);
        name_lost(&mut explored.report, &losses);
        (explored.report, explored.trails)
    };
    let (config, asked) = (&entry.config, entry.reaches);
    if place.me > 0 {
        // The first process has an eye on the time for all.
        explored.limits.seconds = None;
        let model = Arc::new(config.model(asked, reductions));
        let ((report, _), _) = explored.run_with_others(|limits| search(&model, limits));
        let is_kept = folder.as_ref().filter(|_| !args.processes.inherited);
        return ended(place.me, &report, is_kept).map(|()| None);
    }
    if let Some(folder) = &folder {
        keep::tell_standing(folder, true)?;
    }
    let (outcome, watch) = explored.run_with_others(|limits| {
        run::run_in_workers(config, asked, reductions, 1, |models| search(&models[0], limits))
    });
    if !matches!(outcome.report.stopped, Some(Stopped::Lost(_))) {
        children.wait();
    }
    let root = args.keep.checkpoint.as_ref();
    Ok(Some(((outcome, watch), root.map(|root| place.own_folders(root)).unwrap_or_default())))
}

/// What a run has come to, and the folders to be removed if it is over.
type Told = ((Outcome, Watch), Vec<PathBuf>);

/// A process that shows no result says at least whether it was lost, and what it leaves.
fn ended(me: usize, report: &Report, kept: Option<&RunFolder>) -> anyhow::Result<()> {
    match &report.stopped {
        Some(Stopped::Lost(why)) => bail!("process {me} ends: {why}"),
        Some(Stopped::Disk(why) | Stopped::Damaged(why)) => {
            tell!("check: process {me} ends, because the disk of one has failed: {why}");
        }
        stopped => {
            let is_over = matches!(stopped, None | Some(Stopped::Violation));
            if let Some(folder) = kept.filter(|_| is_over) {
                let folder = folder.path().display();
                tell!(
                    "check: process {me} is done; {folder} can be removed once process 0 has shown the result"
                );
            }
        }
    }
    Ok(())
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

/// The other processes of this machine, before they are started.
struct Starts {
    listeners: Vec<TcpListener>,
    hosts: TempDir,
}

impl Starts {
    fn start(self) -> anyhow::Result<Children> {
        let mut all = Children::default();
        let program = std::env::current_exe().context("--processes: this program is not found")?;
        for (process, listener) in (1..).zip(self.listeners) {
            let child = Command::new(&program)
                .args(without_processes(std::env::args_os().skip(1)))
                .arg("--hosts")
                .arg(self.hosts.path().join("hosts"))
                .args(["--inherited", "--process", &process.to_string()])
                .stdin(OwnedFd::from(listener))
                .stdout(Stdio::null())
                .spawn();
            all.children.push(child.with_context(|| format!("--processes: process {process}"))?);
        }
        all._hosts = Some(self.hosts);
        Ok(all)
    }
}

/// A run on this machine alone.
fn here(count: usize) -> anyhow::Result<(TcpListener, Processes, Option<Starts>)> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").context("--processes: no port to listen on");
    let mut listeners: Vec<TcpListener> = (0..count).map(bind).collect::<Result<_, _>>()?;
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect::<std::io::Result<_>>()?;
    let secret: [u8; 32] = rand::random();
    let hosts = tempfile::tempdir().context("--processes: no folder for the list of hosts")?;
    write_hosts(&hosts.path().join("hosts"), &secret, &addresses)
        .context("--processes: the list of hosts")?;
    let others = listeners.split_off(1);
    let listener = listeners.pop().context("--processes: there is none")?;
    let processes = Processes::new(addresses, 0, secret, PATIENCE);
    Ok((listener, processes, Some(Starts { listeners: others, hosts })))
}

/// The arguments of a process that is started, from those of this one.
fn without_processes(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut is_value = false;
    for arg in args {
        if std::mem::take(&mut is_value) {
            continue;
        }
        is_value = arg == "--processes";
        if !is_value && !arg.as_encoded_bytes().starts_with(b"--processes=") {
            kept.push(arg);
        }
    }
    kept
}
