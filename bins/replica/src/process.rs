//! A replica's process: reads its configuration, opens its storage, binds its socket, and starts what
//! serves others beside the driver; then the driver, which may be held back ([`crate::warm_up`]).
//!
//! **Invariant**: what serves operators, scrapers and signals does so while the driver is held back.
//!
//! **Absent**: its console, and how it ends ([`crate::shutdown`]).

use crate::health;
use crate::host::ReplicaHost;
use crate::journal::{self, Identity, Place, SEGMENT_BYTES};
use crate::ledger::Ledger;
use crate::logging::{LogFormat, LogLevel};
use crate::operator::ask::Operator;
use crate::operator::challenge::Challenges;
use crate::operator::keys::OperatorKeys;
use crate::operator::server::Server;
use crate::operator::tap::OperatorTap;
use crate::panel::{Panel, ReplicaDriver};
use crate::recordings;
use crate::shutdown::{self, Ending};
use crate::warm_up::{Gate, Reason, hold};
use crate::web;
use actor_recording::recorder::Recorder;
use actor_runtime::addresses::{Addresses, Endpoint};
use actor_runtime::clock::SystemClock;
use actor_runtime::disk::hook::HookedDisk;
use actor_runtime::disk::meter::SyncMeter;
use actor_runtime::disk::stall::Stall;
use actor_runtime::disk::{Disk, SystemDisk};
use actor_runtime::driver::{Driver, Handle, Order, World};
use actor_runtime::keys::Keyring;
use actor_runtime::loss::{Loss, LossDial, Losses, LossyNetwork};
use actor_runtime::network::UdpNetwork;
use actor_runtime::nodes::NodeTable;
use actor_runtime::storage::{MemoryStorage, StableStorage};
use actor_runtime::wire::{CLIENTS_MAX, Codec};
use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use paxos_chat::replica::Replica;
use paxos_chat::types::ReplicaId;
use paxos_chat_config::credentials::{read_keyring, secret_path};
use paxos_chat_config::{Config, ReplicaConfig};
use paxos_chat_log::Store;
use paxos_chat_packets::formats::{FORMATS, version};
use paxos_chat_shell::output::note;
use paxos_chat_shell::tell;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

/// Runs one replica of a Multi-Paxos chat cluster.
#[derive(Parser)]
#[command(name = "replica", version, long_version = version())]
pub struct Args {
    /// The cluster's configuration, as `cluster config` writes it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The cluster's secret; cluster.secret beside the configuration, if it is not given.
    #[arg(long, value_name = "FILE")]
    pub secret: Option<PathBuf>,
    /// Which of its replicas to run.
    #[arg(long)]
    pub id: u8,
    /// Probability that a datagram is dropped, on sending and again on receiving.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub loss: Option<Loss>,
    /// Slots to jump over when this replica leads: an injected fault.
    #[arg(long, value_name = "SLOT,...", value_delimiter = ',')]
    pub skip_slots: Option<Vec<u64>>,
    /// Format this replica's storage, once, before its first start; fails if there is any.
    #[arg(long, conflicts_with = "volatile")]
    pub init: bool,
    /// Format this replica's storage, once, and end; fails if there is any.
    #[arg(long, conflicts_with_all = ["volatile", "init"])]
    pub init_only: bool,
    /// Where to listen, if others reach this replica's configured address through a translation of
    /// addresses, such as a container's.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Keep promises and votes in memory only, for benchmarks: such a replica can't come back.
    #[arg(long)]
    pub volatile: bool,
    /// Wait, before serving, until all other replicas or a leader were heard, or `start` is typed.
    #[arg(long)]
    pub wait: bool,
    /// The folder of the chat log and of the journal.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub log_dir: PathBuf,
    /// Seed of random delays and of injected loss; random if it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// End when standard input ends, so that nothing is left behind when a parent dies.
    #[arg(long)]
    pub stop_at_end_of_input: bool,
    /// Let operators inject faults over the network.
    #[arg(long)]
    pub enable_faults: bool,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics, and probes at /healthz and /readyz, to anybody who can reach it.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// A folder in which to record all that this replica is told and does, for `check validate`. It has room for the
    /// last lives of it; when the present one alone exceeds that, recording ends, which is logged.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// How many MiB that folder may have.
    #[arg(long, value_name = "N", requires = "record", default_value_t = 4096,
        value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub record_mib_max: u64,
    /// How a line of the log on standard error looks.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// What is logged.
    #[arg(long, value_enum, default_value_t)]
    pub log_level: LogLevel,
}

impl Args {
    /// Where the cluster's secret is.
    pub fn secret_path(&self) -> PathBuf {
        self.secret.clone().unwrap_or_else(|| secret_path(&self.config))
    }

    /// Has what these files say obeyed from now on.
    ///
    /// # Errors
    /// Says in which of them is what must not be obeyed, or can't be remembered.
    pub fn obey(&self, ledger: &mut Ledger, config: &Config, keyring: &Keyring) -> Result<()> {
        ledger.obey(config, keyring).map_err(|error| {
            let file = error.file(&self.config, &self.secret_path()).display().to_string();
            anyhow::Error::from(error).context(file)
        })
    }
}

/// A replica that is ready to run, but for its driver.
pub struct Assembly {
    addresses: Addresses,
    own: ReplicaConfig,
    panel: Panel,
    waits: bool,
    inbox: Inbox,
    network: LossyNetwork<OperatorTap<UdpNetwork>>,
    codec: Codec,
    host: ReplicaHost,
    storage: Box<dyn StableStorage<paxos_chat::state::Storage>>,
    recorder: Option<Box<dyn Recorder<Replica>>>,
    actor: Replica,
    seed: u64,
}

/// What is asked of a driver from other threads.
pub type Inbox = Receiver<Order<Replica, ReplicaHost>>;

/// Reads the configuration, opens the storage and the socket, and starts what serves operators,
/// scrapers and signals.
///
/// # Errors
/// Says what is wrong, where, and what to do.
pub fn prepare(args: &Args) -> Result<Assembly> {
    let (config, own) = own_config(args)?;
    let keyring = read_keyring(&args.secret_path())?;
    // Before anything is written: a replica that cannot be as it is asked to is none.
    let (socket, scraped) = (bind(args, &own)?, bind_metrics(args)?);
    let (sender, waker) = (socket.sender()?, socket.waker());
    let (tap, diverted, dropped) = OperatorTap::new(socket);
    let (stall, syncs) = (Stall::default(), SyncMeter::default());
    let disk = HookedDisk::new(HookedDisk::new(SystemDisk, stall.clone()), syncs.clone());
    let place = place(args, &config, &own, Rc::new(disk));
    let (storage, log) = open_storage(args, &place)?;
    let remembers = (!args.volatile).then(|| place.chat_log().with_extension("revoked"));
    let mut ledger = Ledger::read(config.cluster_id(), remembers)?;
    args.obey(&mut ledger, &config, &keyring)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let losses = args.loss.map_or_else(|| config.losses_of(&own), Losses::from);
    let loss = LossDial::new(losses);
    let (control, inbox) = Handle::new(waker);
    let host = ReplicaHost::new(log, config.users.clone(), &config.tuning_of(&own));
    let (id, replicas) = (own.id, config.replicas.len());
    let panel = Panel {
        id,
        control,
        gate: if args.wait { Gate::closed(id, replicas) } else { Gate::default() },
        vitals: host.vitals(),
        commits: host.commits(),
        syncs,
        stall,
        loss: loss.clone(),
        faults_enabled: args.enable_faults,
        dropped,
        keys: OperatorKeys::new(keyring.clone(), &config, id),
        ledger: Arc::new(Mutex::new(ledger)),
        config: Arc::new(config.clone()),
    };
    let server = Server { sender, panel: panel.clone(), challenges: Challenges::default() };
    std::thread::Builder::new().name("operators".into()).spawn(move || server.run(&diverted))?;
    let addresses = config.addresses().context("cannot make what looks names up")?;
    let metrics = serve_others(scraped, &config, &addresses, &panel)?;
    let codec = Codec::replica(keyring, config.cluster_id(), id, replicas, config.revoked.clone())
        .with_packing(config.packing())
        .with_formats(FORMATS);
    note(&format!(
        "replica {id} of {replicas} listens on {}, log {}",
        listens_at(args, &own),
        place.chat_log().display()
    ));
    if let Some(address) = metrics {
        note(&format!("metrics on http://{address}/metrics"));
    }
    let network = LossyNetwork::dialled(tap, loss, seed);
    let actor = Replica::new(config.size(), config.tuning_of(&own));
    let recorder = match &args.record {
        Some(folder) => Some(recordings::recorder(folder, args.record_mib_max << 20, &actor)?),
        None => None,
    };
    let waits = args.wait;
    Ok(Assembly {
        addresses,
        own,
        panel,
        waits,
        inbox,
        network,
        codec,
        host,
        storage,
        recorder,
        actor,
        seed,
    })
}

impl Assembly {
    /// What may be asked of it from other threads.
    pub fn panel(&self) -> &Panel {
        &self.panel
    }

    /// Starts the driver, at once or when the gate is open, of which `say` is told.
    ///
    /// # Errors
    /// When its storage or network fails.
    pub fn start(self, say: impl FnOnce(&str)) -> Result<(ReplicaDriver, Inbox)> {
        let Assembly {
            addresses,
            own,
            panel,
            waits,
            inbox,
            mut codec,
            mut network,
            host,
            storage,
            recorder,
            actor,
            seed,
        } = self;

        if waits {
            let reason = hold(&panel.gate, &mut network, &mut codec, own.id, &addresses)?;
            say(&match reason {
                Reason::AllHeard => "serves: all replicas were heard".to_owned(),
                Reason::Leader(id) => format!("serves: replica {id} leads already"),
                Reason::Told => "serves: told to".to_owned(),
            });
        }
        let world = World {
            network: Box::new(network),
            clock: Box::new(SystemClock::start()),
            rng: Box::new(StdRng::seed_from_u64(seed.wrapping_add(1))),
            storage,
            recorder,
        };
        let driver = Driver::start(
            actor,
            ReplicaId(own.id).into(),
            NodeTable::new(addresses, CLIENTS_MAX).of_life(codec.boot().number()),
            codec,
            host,
            world,
        )?;
        let applied_upto = driver.state().learner.applied_upto.0;
        tracing::info!(replica = own.id, address = %own.address, applied_upto, "started");
        Ok((driver, inbox))
    }
}

/// The replica that the arguments name, and its cluster.
fn own_config(args: &Args) -> Result<(Config, ReplicaConfig)> {
    let config = Config::read(&args.config)?;
    let last = config.replicas.len() - 1;
    let Some(mut own) = config.replicas.get(usize::from(args.id)).cloned() else {
        bail!("--id {}: {} has the replicas 0 to {last}", args.id, args.config.display());
    };
    if let Some(skip_slots) = &args.skip_slots {
        own.skip_slots = skip_slots.iter().copied().collect();
    }
    Ok((config, own))
}

/// Where its storage is.
fn place(args: &Args, config: &Config, own: &ReplicaConfig, disk: Rc<dyn Disk>) -> Place {
    Place {
        disk,
        folder: args.log_dir.clone(),
        identity: Identity { cluster: config.cluster_id(), replica: own.id },
        sessions_max: config.tuning_of(own).sessions_max,
        segment_bytes: SEGMENT_BYTES,
    }
}

/// Scrapers, if they are asked for, and signals. Tells where scrapers are served.
fn serve_others(
    scraped: Option<TcpListener>,
    config: &Config,
    addresses: &Addresses,
    panel: &Panel,
) -> Result<Option<SocketAddr>> {
    let (keys, of, at) = (panel.keys.clone(), config.clone(), addresses.clone());
    let operator = move || Operator::at(at, keys.keyring().seals(), &of, shutdown::PATIENCE);
    shutdown::on_signals(panel.clone(), operator, Ending::of(config))
        .context("cannot make what SIGTERM needs")?;
    let Some(listener) = scraped else { return Ok(None) };
    let panel = panel.clone();
    let answer = move |path: &str| health::answer(path, &panel);
    web::serve(listener, answer).map(Some).context("cannot make what serves metrics")
}

/// Where scrapers are going to be served, if they are asked for.
fn bind_metrics(args: &Args) -> Result<Option<TcpListener>> {
    let Some(address) = args.metrics else { return Ok(None) };
    let listener = TcpListener::bind(address).with_context(|| {
        format!("--metrics {address}: cannot listen there; give another address, or stop what does")
    })?;
    Ok(Some(listener))
}

/// Formats the storage of a replica, once.
///
/// # Errors
/// When there is storage already, or it cannot be written.
pub fn format_only(args: &Args) -> Result<()> {
    let (config, own) = own_config(args)?;
    let place = place(args, &config, &own, Rc::new(SystemDisk));
    make_folder(&place)?;
    Ok(journal::format(&place)?)
}

/// Where it listens. At a name that is on all addresses of this machine.
fn listens_at(args: &Args, own: &ReplicaConfig) -> Endpoint {
    args.listen.map_or_else(|| own.address.clone(), Endpoint::At)
}

/// The socket of this replica.
fn bind(args: &Args, own: &ReplicaConfig) -> Result<UdpNetwork> {
    let address = listens_at(args, own);
    let bound = match address.literal() {
        Some(address) => UdpNetwork::bind(address),
        // Whatever it means elsewhere: here it is a machine with all its addresses.
        None => UdpNetwork::bind_any(address.port(), true),
    };
    bound.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "the address {address} is in use: is replica {} running already? Stop the other process, \
             or change the address in {}",
            own.id,
            args.config.display()
        ),
        _ => anyhow::Error::from(error).context(format!(
            "cannot listen on {address}: correct the address of replica {} in {}, or --listen",
            own.id,
            args.config.display()
        )),
    })
}

type OpenStorage = (Box<dyn StableStorage<paxos_chat::state::Storage>>, Store);

fn make_folder(place: &Place) -> Result<()> {
    place
        .disk
        .create_folder(&place.folder)
        .with_context(|| format!("cannot make the folder {}", place.folder.display()))
}

/// Opens the journal and the chat log; formats them first if that is asked for.
fn open_storage(args: &Args, place: &Place) -> Result<OpenStorage> {
    make_folder(place)?;
    if args.volatile {
        let log = create_log(place)?;
        return Ok((Box::new(MemoryStorage::default()), log));
    }
    if args.init {
        journal::format(place)?;
    }
    let opened = journal::open(place)?;
    for warning in &opened.warnings {
        tell!("replica: warning: {warning}");
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
