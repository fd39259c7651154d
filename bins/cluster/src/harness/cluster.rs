//! The replicas of a run: configured on free ports, started, and started again.

use super::client::{ClientArgs, ClientProcess};
use super::error::RunError;
use super::fault::{Fault, KillLoop};
use super::options::RunOptions;
use super::process::{Programs, ReplicaArgs, ReplicaProcess, StartError, StorageMode};
use super::script::Script;
use actor_runtime::addresses::Endpoint;
use paxos_chat_config::credentials::{Token, make_secret, read_keyring, secret_path};
use paxos_chat_config::{Config, Timeouts, check_f};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often other free ports are tried when another process was faster.
const START_ATTEMPTS: u32 = 5;
/// How long the port of a killed replica may be held by somebody else.
const RESTART_MAX: Duration = Duration::from_secs(5);

/// How long nothing may be acknowledged.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The folder must not hold the files of another run.
fn prepare_folder(folder: &Path) -> Result<(), RunError> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let folder = folder.display();
        RunError::Usage(format!("--log-dir {folder}: cannot be made: {error}; name another folder"))
    })?;
    let mut files = std::fs::read_dir(folder)?.filter_map(Result::ok);
    if let Some(file) = files.find(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.ends_with(".log")
            || name.ends_with(paxos_chat_client::record::EXTENSION)
            || name == "run.json"
    }) {
        return Err(RunError::Usage(format!(
            "{} is of an earlier run: give --log-dir another folder, or remove that file and the \
             others of that run",
            file.path().display()
        )));
    }
    Ok(())
}

/// The configuration to run, on free ports of this machine if none is given.
fn configure(options: &RunOptions) -> Result<Config, RunError> {
    let mut config = match &options.config {
        Some(config) => config.clone(),
        None => {
            check_f(options.f)?;
            let name = format!("run-{:016x}", rand::random::<u64>());
            Config::new(name, options.f, free_addresses(2 * usize::from(options.f) + 1)?)?
        }
    };
    if let Some(loss) = options.loss {
        config.lose_everywhere(loss);
    }
    if let Some(timeout) = options.timeout_ms {
        config.timeouts = Timeouts::with_election_ms(timeout);
    }
    for replica in &mut config.replicas {
        replica.skip_slots.extend(&options.skip_slots);
    }
    config.check()?;
    if let Fault::KillLoop(KillLoop::One(id)) = options.fault
        && usize::from(id) >= config.replicas.len()
    {
        let last = config.replicas.len() - 1;
        return Err(RunError::Usage(format!("--kill-loop {id}: the replicas are 0 to {last}")));
    }
    let (kill, f) = (options.fault.killed_for_good(), config.f);
    if kill > f {
        return Err(RunError::Usage(format!(
            "--kill {kill}: a cluster with f = {f} survives at most {f}; kill fewer, or raise -f"
        )));
    }
    Ok(config)
}

/// Ports of this machine that were free a moment ago.
fn free_addresses(count: usize) -> io::Result<Vec<Endpoint>> {
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    // All are held at once, so that they differ.
    let sockets: Vec<UdpSocket> =
        (0..count).map(|_| UdpSocket::bind(any)).collect::<io::Result<_>>()?;
    sockets.iter().map(|socket| socket.local_addr().map(Endpoint::At)).collect()
}

/// Running replicas.
pub(super) struct Cluster {
    config: Config,
    config_path: PathBuf,
    pub(super) replicas: Vec<ReplicaProcess>,
    /// Those that were killed for good.
    pub(super) killed: BTreeSet<u8>,
    /// How often each was killed and restarted.
    pub(super) restarts: BTreeMap<u8, u64>,
}

impl Cluster {
    pub(super) fn start(programs: &Programs, options: &RunOptions) -> Result<Cluster, RunError> {
        prepare_folder(&options.folder)?;
        let mut attempt = 1;
        loop {
            match Cluster::try_start(programs, options) {
                Err(RunError::Start(StartError::Ended { said, .. }))
                    if options.config.is_none()
                        && attempt < START_ATTEMPTS
                        && said.contains("in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn try_start(programs: &Programs, options: &RunOptions) -> Result<Cluster, RunError> {
        let config = configure(options)?;
        let config_path = options.folder.join("cluster.toml");
        std::fs::write(&config_path, config.to_toml())?;
        make_secret(&secret_path(&config_path))?;
        let mut replicas: Vec<ReplicaProcess> = Vec::new();
        for replica in &config.replicas {
            let args = ReplicaArgs {
                id: replica.id,
                config: &config_path,
                folder: &options.folder,
                seed: options.seed.wrapping_mul(1000).wrapping_add(replica.id.into()),
                storage: if options.volatile { StorageMode::Volatile } else { StorageMode::New },
                recording: options.recording_of(&format!("replica-{}", replica.id)),
            };
            match ReplicaProcess::start(programs, &args) {
                Ok(replica) => replicas.push(replica),
                Err(error) => {
                    for mut started in replicas {
                        // Nothing was said yet, so nothing is lost with its log.
                        let _ = started.kill();
                        remove_storage(&options.folder, started.id)?;
                    }
                    return Err(error.into());
                }
            }
        }
        let (killed, restarts) = (BTreeSet::new(), BTreeMap::new());
        Ok(Cluster { config, config_path, replicas, killed, restarts })
    }

    /// Starts a killed replica again, on the storage that it left.
    pub(super) fn restart(
        &mut self,
        programs: &Programs,
        options: &RunOptions,
        index: usize,
    ) -> Result<(), RunError> {
        let id = self.replicas[index].id;
        let count = self.restarts.entry(id).or_default();
        *count += 1;
        let args = ReplicaArgs {
            id,
            config: &self.config_path,
            folder: &options.folder,
            seed: options.seed.wrapping_mul(1000).wrapping_add(*count * 100 + u64::from(id)),
            storage: StorageMode::Existing,
            recording: options.recording_of(&format!("replica-{id}")),
        };
        let deadline = Instant::now() + RESTART_MAX;
        loop {
            match ReplicaProcess::start(programs, &args) {
                Ok(replica) => {
                    self.replicas[index] = replica;
                    return Ok(());
                }
                // Another process of this machine may hold the port for a moment.
                Err(StartError::Ended { said, .. })
                    if said.contains("in use") && Instant::now() < deadline =>
                {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn start_clients(
        &mut self,
        programs: &Programs,
        options: &RunOptions,
    ) -> Result<Vec<ClientProcess>, RunError> {
        let mut clients = Vec::new();
        for ((name, script), index) in self.cast(options)?.into_iter().zip(0..) {
            let token = self.invite(&name)?;
            let args = ClientArgs {
                name: &name,
                script,
                token: &token,
                config: &self.config_path,
                folder: &options.folder,
                seed: options.seed.wrapping_mul(1000).wrapping_add(500 + index),
                patience: PATIENCE,
                recording: options.recording_of(&name),
            };
            clients.push(ClientProcess::start(programs, &args)?);
        }
        Ok(clients)
    }

    /// Who speaks, and what: first those who have messages of their own, then others of the
    /// configuration, or any.
    fn cast(&self, options: &RunOptions) -> Result<Vec<(String, Script)>, RunError> {
        let users = &self.config.users;
        let mut cast: Vec<(String, Script)> = Vec::new();
        for input in &options.inputs {
            if !users.is_empty() && !users.contains(&input.name) {
                let (name, listed) = (&input.name, users.join(", "));
                return Err(RunError::Usage(format!(
                    "--input: the configuration does not list {name}, but {listed}; add {name} to \
                     its users, or rename the client"
                )));
            }
            cast.push((input.name.clone(), Script::Lines(Arc::clone(&input.lines))));
        }
        let count = options.clients.max(cast.len() as u32);
        if !users.is_empty() && users.len() < count as usize {
            let known = users.len();
            return Err(RunError::Usage(format!(
                "--clients {count}: the configuration lists only {known} users; list more, or none"
            )));
        }
        let is_free = |name: &String| options.inputs.iter().all(|input| input.name != *name);
        let any = (0..).map(|index| format!("client-{index}"));
        let others: Box<dyn Iterator<Item = String>> =
            if users.is_empty() { Box::new(any) } else { Box::new(users.iter().cloned()) };
        let others = others.filter(is_free).take(count as usize - cast.len());
        cast.extend(others.map(|name| (name, Script::Generated(options.messages))));
        Ok(cast)
    }

    /// Makes a token of this user; gives its file.
    pub(super) fn invite(&self, user: &str) -> Result<PathBuf, RunError> {
        let keyring = read_keyring(&secret_path(&self.config_path))?;
        let path = Token::path(&self.config_path, user);
        Token::issue(keyring.seals(), &self.config, user)?.write(&path)?;
        Ok(path)
    }

    /// Its configuration.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The file of its configuration.
    pub(super) fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// The replica that leads in the highest round, if one does, and the round.
    pub(super) fn primary(&mut self) -> Option<(usize, u32)> {
        let killed = &self.killed;
        let statuses = self.replicas.iter_mut().enumerate().filter_map(|(index, replica)| {
            let status = if killed.contains(&replica.id) { None } else { replica.status().ok() };
            status
                .filter(paxos_chat_replica::status::Status::leads)
                .map(|status| (status.round, index))
        });
        statuses.max().map(|(round, index)| (index, round))
    }
}

/// Removes what a replica wrote that never served.
fn remove_storage(folder: &Path, id: u8) -> io::Result<()> {
    let own = format!("replica-{id}.");
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with(&own) {
            match file.file_type()?.is_dir() {
                true => std::fs::remove_dir_all(file.path())?,
                false => std::fs::remove_file(file.path())?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it has obeyed, too: it would refuse to be of the next cluster.
    #[test]
    fn nothing_is_left_of_a_replica_that_has_to_be_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("replica-1.journal")).unwrap();
        let others = ["cluster.toml", "replica-10.log"];
        let own =
            ["replica-1.journal/segment", "replica-1.log", "replica-1.index", "replica-1.revoked"];
        for name in own.iter().chain(&others) {
            std::fs::write(path(name), "").unwrap();
        }
        remove_storage(folder.path(), 1).unwrap();
        let mut left: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, others);
    }
}
