//! One replica as a process: reads its configuration, binds its socket, and serves until it is
//! killed; its console is on standard input.

use anyhow::{Context, Result, bail};
use clap::Parser;
use paxos_chat::replica::Replica;
use paxos_chat::types::{NodeId, ReplicaId};
use paxos_chat_runtime::chatlog::Store;
use paxos_chat_runtime::clock::SystemClock;
use paxos_chat_runtime::config::Config;
use paxos_chat_runtime::console::{ConsoleCommand, HELP, Status};
use paxos_chat_runtime::credentials::{read_secret, secret_path};
use paxos_chat_runtime::disk::SystemDisk;
use paxos_chat_runtime::disk::stall::{Stall, StallingDisk};
use paxos_chat_runtime::driver::{Driver, DriverError, Handle, Input, World};
use paxos_chat_runtime::journal::{self, Identity, Place, SEGMENT_BYTES};
use paxos_chat_runtime::loss::{Loss, LossyNetwork};
use paxos_chat_runtime::network::UdpNetwork;
use paxos_chat_runtime::nodes::NodeTable;
use paxos_chat_runtime::replica_host::ReplicaHost;
use paxos_chat_runtime::storage::{MemoryStorage, Storage};
use paxos_chat_runtime::wire::{CLIENTS_MAX, Codec};
use rand::SeedableRng;
use rand::rngs::StdRng;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use std::io::{BufRead, ErrorKind, IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

/// The status of a process that a signal would have killed.
const KILLED: i32 = 137;
/// The status of a replica whose disk failed: it must not vote any more. `EX_IOERR` of sysexits.
const DISK_FAILED: u8 = 74;

/// Runs one replica of a Multi-Paxos chat cluster.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The cluster's configuration, as `cluster config` writes it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The cluster's secret; cluster.secret beside the configuration, if it is not given.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Which of its replicas to run.
    #[arg(long)]
    id: u8,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    loss: Option<Loss>,
    /// Slots to jump over when this replica leads: an injected fault.
    #[arg(long, value_name = "SLOT,...", value_delimiter = ',')]
    skip_slots: Option<Vec<u64>>,
    /// Format this replica's storage, once, before its first start.
    #[arg(long, conflicts_with = "volatile")]
    init: bool,
    /// Keep promises and votes in memory only, for benchmarks: such a replica can't come back.
    #[arg(long)]
    volatile: bool,
    /// The folder of the chat log and of the journal.
    #[arg(long, value_name = "DIR", default_value = ".")]
    log_dir: PathBuf,
    /// Seed of random delays and of injected loss; random if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// End when standard input ends, so that nothing is left behind when a parent dies.
    #[arg(long)]
    stop_at_end_of_input: bool,
}

type Control = Handle<Replica, ReplicaHost>;

fn main() -> ExitCode {
    let args = Args::parse();
    let stall = Stall::default();
    let (mut driver, control, inbox) = match start(&args, &stall) {
        Ok(started) => started,
        Err(error) => {
            eprintln!("replica: {error:#}");
            return ExitCode::from(2);
        }
    };
    let args = Arc::new(args);
    if let Err(error) = reload_on_hangup(Arc::clone(&args), control.clone()) {
        eprintln!("replica: warning: SIGHUP has no effect: {error}");
    }
    std::thread::spawn(move || read_console(&args, &control, &stall));
    match driver.run(&inbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replica: {error}");
            match error {
                DriverError::Storage(_) | DriverError::Host(_) => ExitCode::from(DISK_FAILED),
                DriverError::Network(_) => ExitCode::FAILURE,
            }
        }
    }
}

type Started =
    (Driver<Replica, ReplicaHost>, Control, std::sync::mpsc::Receiver<Input<Replica, ReplicaHost>>);

fn start(args: &Args, stall: &Stall) -> Result<Started> {
    let mut config = Config::read(&args.config)?;
    let last = config.replicas.len() - 1;
    let Some(own) = config.replicas.get_mut(usize::from(args.id)) else {
        bail!("--id {}: {} has the replicas 0 to {last}", args.id, args.config.display());
    };
    if let Some(skip_slots) = &args.skip_slots {
        own.skip_slots = skip_slots.iter().copied().collect();
    }
    let own = own.clone();
    let secret = args.secret.clone().unwrap_or_else(|| secret_path(&args.config));
    let secret = read_secret(&secret)?;
    let socket = UdpNetwork::bind(own.address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "the address {} is in use: is replica {} running already? Stop the other process, or \
             change the address in {}",
            own.address,
            own.id,
            args.config.display()
        ),
        _ => anyhow::Error::from(error).context(format!(
            "cannot listen on {}: correct the address of replica {} in {}",
            own.address,
            own.id,
            args.config.display()
        )),
    })?;
    let tuning = config.tuning_of(&own);
    let identity = Identity { cluster: config.cluster_id(), replica: own.id };
    let place = Place {
        disk: Rc::new(StallingDisk::new(SystemDisk, stall.clone())),
        folder: args.log_dir.clone(),
        identity,
        sessions_max: tuning.sessions_max,
        segment_bytes: SEGMENT_BYTES,
    };
    let (storage, log) = open_storage(args, &place)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let loss = args.loss.unwrap_or(config.loss_of(Some(&own)));
    let (control, inbox) = Handle::new(socket.waker());
    let world = World {
        network: Box::new(LossyNetwork::new(socket, loss, seed)),
        clock: Box::new(SystemClock::start()),
        rng: Box::new(StdRng::seed_from_u64(seed.wrapping_add(1))),
        storage,
    };
    let host = ReplicaHost::new(log, config.users.clone(), &tuning);
    let driver = Driver::start(
        Replica::new(config.size(), tuning),
        NodeId::from(ReplicaId(own.id)),
        NodeTable::new(config.addresses(), CLIENTS_MAX),
        Codec::replica(
            &secret,
            config.cluster_id(),
            own.id,
            config.replicas.len(),
            config.revoked.clone(),
        ),
        host,
        world,
    )?;
    println!(
        "replica {} of {} listens on {}, log {}",
        own.id,
        config.replicas.len(),
        own.address,
        place.chat_log().display()
    );
    Ok((driver, control, inbox))
}

type OpenStorage = (Box<dyn Storage<paxos_chat::acceptor::Storage>>, Store);

/// Opens the journal and the chat log; formats them first if that is asked for.
fn open_storage(args: &Args, place: &Place) -> Result<OpenStorage> {
    std::fs::create_dir_all(&place.folder)
        .with_context(|| format!("cannot make the folder {}", place.folder.display()))?;
    if args.volatile {
        let log = create_log(place)?;
        return Ok((Box::new(MemoryStorage::default()), log));
    }
    if args.init {
        journal::format(place)?;
    }
    let opened = journal::open(place)?;
    for warning in &opened.warnings {
        eprintln!("replica: warning: {warning}");
    }
    Ok((Box::new(opened.storage), opened.log))
}

/// Makes the chat log of a replica that keeps nothing else.
fn create_log(place: &Place) -> Result<Store> {
    let path = place.chat_log();
    if path.exists() {
        bail!(
            "{} exists, so this replica ran before. A replica with --volatile keeps what it \
             promised in memory only, and must not come back under its id, because it could \
             contradict itself. Leave it down (the cluster goes on while a majority is up), or \
             begin a new cluster: stop all replicas, and give each --log-dir an empty folder",
            path.display()
        );
    }
    Store::create(&*place.disk, &path, place.identity.cluster)
        .with_context(|| format!("cannot make {}", path.display()))
}

fn read_console(args: &Args, control: &Control, stall: &Stall) {
    let is_terminal = stdin().is_terminal();
    if is_terminal {
        println!("{HELP}");
    }
    for line in stdin().lock().lines() {
        let Ok(line) = line else { break };
        if line.trim().is_empty() {
            continue;
        }
        match line.parse() {
            Ok(command) => obey(command, args, control, stall),
            Err(error) => eprintln!("replica: {error}"),
        }
    }
    if is_terminal || args.stop_at_end_of_input {
        control.give(Input::Stop);
    }
}

/// Reads users and revoked tokens again whenever SIGHUP arrives.
fn reload_on_hangup(args: Arc<Args>, control: Control) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    std::thread::spawn(move || signals.forever().for_each(|_| reload(&args, &control)));
    Ok(())
}

/// Reads users and revoked tokens again; what can't be read leaves everything as it is.
fn reload(args: &Args, control: &Control) {
    let config = match Config::read(&args.config) {
        Ok(config) => config,
        Err(error) => return eprintln!("replica: nothing is changed: {error}"),
    };
    let (cluster, file) = (config.cluster_id(), args.config.display().to_string());
    let (users, revoked) = (config.users.len(), config.revoked.len());
    let changed = Input::Change(Box::new(move |driver: &mut Driver<Replica, ReplicaHost>| {
        if driver.codec_mut().cluster() != cluster {
            eprintln!("replica: nothing is changed: {file} is of another cluster by now");
            return;
        }
        driver.codec_mut().set_generations(config.revoked);
        driver.host_mut().serve_only(config.users);
        let listed = if users == 0 { "any user".to_owned() } else { format!("{users} users") };
        say(&format!("reloaded: {listed}, tokens of {revoked} revoked"));
    }));
    control.give(changed);
}

fn obey(command: ConsoleCommand, args: &Args, control: &Control, stall: &Stall) {
    let id = args.id;
    match command {
        ConsoleCommand::Help => say(HELP),
        ConsoleCommand::StallDisk(millis) => {
            stall.next_sync(millis);
            say(&format!("the next sync takes {millis} ms"));
        }
        ConsoleCommand::Reload => reload(args, control),
        ConsoleCommand::KillMe => std::process::exit(KILLED),
        ConsoleCommand::SkipSlot => {
            let leads = control.ask(move |driver| Status::of(id, driver).leads());
            if leads == Some(true) {
                control.give(Input::Deliver(paxos_chat::message::Message::SkipSlot));
                say("skips the next slot");
            } else {
                say("does not lead, so it hands out no slots; `status` says who leads");
            }
        }
        ConsoleCommand::Status => {
            if let Some(status) = control.ask(move |driver| Status::of(id, driver)) {
                say(&status.to_string());
            }
        }
        ConsoleCommand::Log => {
            let path = args.log_dir.join(format!("replica-{id}.log"));
            match std::fs::read_to_string(&path) {
                Ok(log) => say(log.trim_end()),
                Err(error) => eprintln!("replica: cannot read {}: {error}", path.display()),
            }
        }
    }
}

/// Prints; whoever closed the output does not want to hear it.
fn say(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}
