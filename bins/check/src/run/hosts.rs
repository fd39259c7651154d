//! Which processes a run is in, and the list of their hosts.

use actor_checker_timely::Processes;
use anyhow::{Context, ensure};
use clap::Args;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long processes wait for one another at the start.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// In which processes a run is.
#[derive(Clone, Debug, Args)]
pub struct ProcessesArgs {
    /// Explore in so many processes on this machine, which share no memory
    #[arg(long, value_name = "N", conflicts_with_all = ["engine", "unjudged", "threads"], value_parser = clap::value_parser!(u16).range(1..=64))]
    pub processes: Option<u16>,
    /// Explore together with the processes of this file: `secret` and 64 hexadecimal digits in the first line, then the
    /// host:port of each
    #[arg(long, value_name = "FILE", requires = "process", conflicts_with_all = ["processes", "engine", "unjudged", "threads"])]
    pub hosts: Option<PathBuf>,
    /// Which process of --hosts this is, from 0 on; process 0 shows the result
    #[arg(long, value_name = "I", requires = "hosts")]
    pub process: Option<usize>,
    /// Where to listen, if that is not an address of this machine alone
    #[arg(long, value_name = "HOST:PORT", requires = "hosts")]
    pub listen: Option<String>,
    /// How long to wait for the others at the start
    #[arg(long, value_name = "SECONDS", requires = "hosts", default_value_t = PATIENCE.as_secs())]
    pub wait_seconds: u64,
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

/// Writes such a list.
pub(super) fn write_hosts(file: &Path, secret: &[u8], addresses: &[String]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "secret {digits}")?;
    addresses.iter().try_for_each(|address| writeln!(file, "{address}"))
}

/// The processes of a file, and where this one listens.
pub(super) fn of_file(
    file: &Path,
    args: &ProcessesArgs,
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
    let patience = Duration::from_secs(args.wait_seconds);
    Ok((listener, Processes::new(addresses, me, secret, patience)))
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
