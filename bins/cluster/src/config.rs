//! `cluster config`: writes `cluster.toml`, and makes `cluster.secret` beside it.

use actor_runtime::addresses::{Endpoint, EndpointError};
use actor_runtime::files::{Existing, keep_as_old, write_whole};
use actor_runtime::loss::Loss;
use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;
use paxos_chat_config::credentials::{make_secret, secret_path};
use paxos_chat_config::{ClientConfig, Config, LinkConfig, Problem, Timeouts, check_f, check_user};
use paxos_chat_shell::output::print;
use paxos_chat_shell::{places, tell};
use std::fs::Permissions;
use std::io;
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What to configure.
#[derive(Args)]
pub struct ConfigArgs {
    /// How many replicas may fail; there will be 2f+1. As many as the addresses make, or 1.
    #[arg(short, long)]
    f: Option<u8>,
    /// The file to write; standard output, and no secret is made, if it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write another cluster's configuration over the one that is there, which is kept as FILE.old.
    #[arg(long, requires = "output")]
    force: bool,
    /// Probability that a datagram is dropped, on sending and again on receiving; 0 if not given.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    loss: Option<Loss>,
    /// Another loss for one replica.
    #[arg(long, value_name = "ID=P", value_parser = parse_pair::<Loss>)]
    replica_loss: Vec<(u8, Loss)>,
    /// Loss in one direction: from one replica to another (0:1=0.5), of all that one sends
    /// (0:any=0.5), or of all that one receives (any:0=0.5).
    #[arg(long, value_name = "FROM:TO=P")]
    link_loss: Vec<LinkConfig>,
    /// A slot that this replica jumps over when it leads.
    #[arg(long, value_name = "ID=SLOT", value_parser = parse_pair::<u64>)]
    skip: Vec<(u8, u64)>,
    /// The election time-out in milliseconds, 500 if not given; the others are in proportion.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// The address or name of the machine of all replicas.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port of replica 0; the others follow.
    #[arg(long, default_value_t = 7100)]
    base_port: u16,
    /// The addresses of all replicas, in the order of their ids, in place of --host and --base-port. Names are kept, and
    /// looked up by whoever starts, and again when a replica falls silent.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        conflicts_with_all = ["host", "base_port"]
    )]
    address: Vec<Endpoint>,
    /// A name that clients may use, and another loss for its clients; any name if none is given.
    #[arg(long, value_name = "NAME[,loss=P]", value_parser = parse_user)]
    user: Vec<(String, ClientConfig)>,
    /// The cluster's name; a random one if it is not given.
    #[arg(long)]
    name: Option<String>,
}

impl ConfigArgs {
    /// How many may fail, and where the replicas are.
    fn places(&self) -> Result<(u8, Vec<Endpoint>)> {
        let given = self.address.len();
        let made = u8::try_from(given / 2).unwrap_or(u8::MAX).max(1);
        let f = self.f.unwrap_or(if given > 0 { made } else { 1 });
        check_f(f).map_err(flag)?;
        let count = 2 * u16::from(f) + 1;
        if given > 0 {
            if given != usize::from(count) {
                bail!("--address: {given} are given, and f = {f} needs {count}; list all of them");
            }
            return Ok((f, self.address.clone()));
        }
        if self.base_port == 0 || self.base_port.checked_add(count - 1).is_none() {
            bail!("--base-port {}: {count} ports from 1 to 65535 are needed", self.base_port);
        }
        // An address of IPv6 needs its brackets.
        let host = match self.host.split('%').next().unwrap_or_default().parse::<Ipv6Addr>() {
            Ok(_) => format!("[{}]", self.host),
            Err(_) => self.host.clone(),
        };
        let address = |index| format!("{host}:{}", self.base_port + index).parse();
        let addresses: Result<_, EndpointError> = (0..count).map(address).collect();
        let addresses = addresses.map_err(|_| {
            anyhow!("--host {}: give an IP address or a name, such as 10.0.0.1", self.host)
        })?;
        Ok((f, addresses))
    }
}

/// Tells of names that mean nothing here, after a moment: they may mean something where the replicas are.
fn tell_unknown(config: &Config) -> io::Result<()> {
    let known = config.addresses()?.known();
    for (replica, _) in config.replicas.iter().zip(known).filter(|(_, known)| known.is_none()) {
        tell!(
            "cluster: {} cannot be looked up here; replicas and clients look it up when they start, and again while \
             nothing is heard from there",
            replica.address
        );
    }
    Ok(())
}

/// Reads `NAME` or `NAME,loss=P`.
fn parse_user(text: &str) -> Result<(String, ClientConfig), String> {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default().to_owned();
    check_user(&name)?;
    let mut client = ClientConfig::default();
    for setting in parts {
        match setting.split_once('=') {
            Some(("loss", loss)) => client.loss = Some(loss.parse::<Loss>()?.probability()),
            _ => return Err(format!("{setting:?} is no setting; give NAME or NAME,loss=P")),
        }
    }
    Ok((name, client))
}

fn parse_pair<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<(u8, T), String> {
    let (id, value) = text.split_once('=').ok_or("give ID=VALUE, such as 0=3")?;
    let id = id.parse().map_err(|_| format!("{id:?} is not the id of a replica"))?;
    Ok((id, value.parse().map_err(|error: T::Err| error.to_string())?))
}

/// Writes a configuration, and makes its secret unless there is one. The configuration of a cluster that is there
/// already is not replaced, unless that is asked for; then it is kept under another name.
///
/// # Errors
/// When it is no configuration, or cannot be written.
pub fn write_config(args: &ConfigArgs) -> Result<()> {
    let (f, addresses) = args.places()?;
    let last = addresses.len() - 1;
    let name = args.name.clone().unwrap_or_else(|| format!("chat-{:016x}", rand::random::<u64>()));
    let mut config = Config::new(name, f, addresses)?;
    config.loss = args.loss.unwrap_or_default().probability();
    for (user, client) in &args.user {
        config.users.push(user.clone());
        if *client != ClientConfig::default() {
            config.clients.insert(user.clone(), client.clone());
        }
    }
    config.links.clone_from(&args.link_loss);
    if let Some(timeout) = args.timeout_ms {
        config.timeouts = Timeouts::with_election_ms(timeout);
    }
    let known = |flag: &str, id: u8| {
        if usize::from(id) <= last {
            return Ok(usize::from(id));
        }
        Err(anyhow!("{flag} {id}=...: with f = {f} the replicas are 0 to {last}"))
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
    tell_unknown(&config).context("cannot make what looks names up")?;
    let text = config.to_toml();
    match &args.output {
        None => {
            print(&text);
            Ok(())
        }
        Some(path) => write_files(path, &text, args.force),
    }
}

/// Makes a secret, if there is none, and writes the configuration beside it.
fn write_files(path: &Path, text: &str, force: bool) -> Result<()> {
    let file = path.display();
    let exists = path.try_exists().with_context(|| format!("cannot look for {file}"))?;
    if exists && !force {
        return Err(is_there(path));
    }
    places::check("-o", path).map_err(Error::msg)?;
    let secret = secret_path(path);
    let secret_is_new = make_secret(&secret)?;
    if exists {
        let old = keep_as_old(path).with_context(|| format!("cannot keep {file}"))?;
        tell!("cluster: {file} was there and is kept as {}", old.display());
    }
    let existing = if exists { Existing::Goes } else { Existing::Stays };
    match write_whole(path, text, Permissions::from_mode(0o644), existing) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(path)),
        written => written.with_context(|| format!("cannot write the configuration {file}"))?,
    }
    if !secret_is_new {
        tell!("cluster: {} was there and is kept", secret.display());
    }
    tell!(
        "cluster: wrote {file}{}. Next: `replica --config {file} --id 0 --init`, and so with each other id, where it is \
         to run; then `client --config {file} --name NAME`",
        if secret_is_new { format!(" and {}", secret.display()) } else { String::new() }
    );
    Ok(())
}

fn is_there(path: &Path) -> anyhow::Error {
    anyhow!(
        "{}: there is a configuration already, and a new one would make another cluster, without its users and \
         revocations. Give another file; change this one by hand; or give --force, which keeps it \
         under another name",
        path.display()
    )
}

/// A problem with a flag of the same name as a key.
fn flag(problem: Problem) -> anyhow::Error {
    anyhow!("-{problem}")
}
