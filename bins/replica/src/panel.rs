//! What may be asked of a process, whoever asks: the server of operators, its console, or the process
//! itself when it ends.
//!
//! **Invariants**
//! - *Nothing is done late*: what the driver has not done while whoever asks waits, because it hangs in its
//!   disk, it does not do afterwards.
//! - *Only what models explore*: of the driver it asks that a timer goes off, that messages are lost, or
//!   that a slot is skipped, and nothing else.

use crate::action::{Action, Fault};
use crate::host::ReplicaHost;
use crate::ledger::Ledger;
use crate::office::CommitMeter;
use crate::operator::keys::OperatorKeys;
use crate::status::{Role, Status};
use crate::vitals::Vitals;
use crate::warm_up::Gate;
use actor_runtime::disk::meter::SyncMeter;
use actor_runtime::disk::stall::Stall;
use actor_runtime::driver::{Driver, Handle, Order, Sends};
use actor_runtime::loss::{Loss, LossDial};
use actor_runtime::memory::resident_bytes;
use paxos_chat::effects::Timer;
use paxos_chat::message::{Input, Message};
use paxos_chat::replica::Replica;
use paxos_chat_config::Config;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The status of a process that a signal would have killed.
pub const KILLED: i32 = 137;
/// How long the driver may take to do what an operator has told it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Talks to the driver of a replica.
pub type Control = Handle<Replica, ReplicaHost>;
/// The driver of a replica.
pub type ReplicaDriver = Driver<Replica, ReplicaHost>;

/// The dials and levers of a replica's process.
#[derive(Clone)]
pub struct Panel {
    /// Its id.
    pub id: u8,
    /// Its driver.
    pub control: Control,
    /// Holds it back, if it warms up.
    pub gate: Gate,
    /// What it shows.
    pub vitals: Vitals,
    /// Its disk's syncs.
    pub syncs: SyncMeter,
    /// The slots that it has proposed.
    pub commits: CommitMeter,
    /// Stalls its disk.
    pub stall: Stall,
    /// Its injected loss.
    pub loss: LossDial,
    /// May faults be injected over the network?
    pub faults_enabled: bool,
    /// Datagrams in the name of operators that were dropped.
    pub dropped: Arc<AtomicU64>,
    /// The secrets that it seals and opens under.
    pub keys: OperatorKeys,
    /// The revocations and rotations that it has obeyed.
    pub ledger: Arc<Mutex<Ledger>>,
    /// The configuration that it has started with.
    pub config: Arc<Config>,
}

impl Panel {
    /// How it was at the end of its last turn; its driver is not waited for.
    pub fn status(&self) -> Status {
        self.completed(self.vitals.last())
    }

    /// How it is, once its driver has time to tell; `None` when that has ended.
    pub fn status_now(&self) -> Option<Status> {
        let of_driver =
            |driver: &ReplicaDriver| driver.host().status(driver.state(), driver.counters());
        self.control.ask(of_driver).map(|status| self.completed(status))
    }

    /// What the driver tells, and what it does not know of its process.
    fn completed(&self, of_driver: Status) -> Status {
        Status {
            replica: self.id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            injected_loss: self.loss.highest().probability(),
            faults_enabled: self.faults_enabled,
            waits: self.gate.status().is_some(),
            syncs: self.syncs.times(),
            uptime: self.vitals.uptime(),
            rss_bytes: resident_bytes(),
            operator_dropped: self.dropped.load(Ordering::Relaxed),
            secrets: self.keys.keyring().fingerprints(),
            ..of_driver
        }
    }

    /// Ends the process: when the driver has finished its turn, or at once, if there is no driver yet and
    /// so nothing to finish.
    pub fn stop(&self) {
        if self.gate.status().is_some() {
            std::process::exit(0);
        }
        self.control.give(Order::Stop);
    }

    /// Does this for an operator, soon or never; but for [`Fault::Kill`], which is the caller's to do.
    ///
    /// # Errors
    /// Says why it is not done.
    pub fn act(&self, action: Action) -> Result<(), String> {
        let obeyed = || self.obey(action, PATIENCE).map_err(|reason| format!("it {reason}"));
        let result = self.permit(action).and_then(|()| obeyed());
        match &result {
            Ok(()) => tracing::info!(%action, "obeyed an operator"),
            Err(reason) => tracing::warn!(%action, reason, "refused an operator's command"),
        }
        result
    }

    /// May an operator have this done?
    fn permit(&self, action: Action) -> Result<(), String> {
        let Action::Fault(fault) = action else { return Ok(()) };
        if !self.faults_enabled {
            let id = self.id;
            return Err(format!("replica {id} was started without --enable-faults"));
        }
        fault.check()
    }

    /// Does this within so long, or never, whoever wants it; but for [`Fault::Kill`], which is the caller's to do.
    ///
    /// # Errors
    /// Says of the replica why it is not done.
    pub fn obey(&self, action: Action, patience: Duration) -> Result<(), String> {
        match action {
            Action::StepDown => self.change(patience, step_down),
            Action::ForgetLeader => self.change(patience, |driver| {
                as_follower(driver)?;
                expire_election(driver, Sends::Lost)
            }),
            Action::Stand => self.change(patience, |driver| {
                as_follower(driver)?;
                expire_election(driver, Sends::Leave)
            }),
            Action::Fault(Fault::SkipSlot) => self.change(patience, skip_slot),
            Action::Fault(Fault::StallDisk { millis }) => {
                self.stall.next_sync(millis);
                Ok(())
            }
            Action::Fault(Fault::Loss { loss }) => {
                self.loss.set(Loss::new(loss).unwrap_or(Loss::NONE));
                Ok(())
            }
            Action::Fault(Fault::Kill) => Ok(()),
        }
    }

    /// Has the driver do this within so long, or never.
    fn change(
        &self,
        patience: Duration,
        change: impl FnOnce(&mut ReplicaDriver) -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        if let Some(waits) = self.gate.status() {
            return Err(waits);
        }
        let deadline = Instant::now() + patience;
        let (done, result) = sync_channel(1);
        self.control.give(Order::Change(Box::new(move |driver: &mut ReplicaDriver| {
            if Instant::now() < deadline {
                // Whoever asked may have given up in this very moment.
                let _ = done.send(change(driver));
            }
        })));
        result.recv_timeout(patience).unwrap_or_else(|why| {
            Err(match why {
                RecvTimeoutError::Timeout => {
                    format!("did nothing within {} s: does its disk hang?", patience.as_secs())
                }
                RecvTimeoutError::Disconnected => "has ended".to_owned(),
            })
        })
    }
}

fn leads(driver: &ReplicaDriver) -> bool {
    Role::of(&driver.state().phase) == Role::Leading
}

fn step_down(driver: &mut ReplicaDriver) -> Result<(), String> {
    if !leads(driver) {
        return Err("does not lead".into());
    }
    expire_election(driver, Sends::Leave)
}

fn skip_slot(driver: &mut ReplicaDriver) -> Result<(), String> {
    if !leads(driver) {
        return Err("does not lead, so it hands out no slots".into());
    }
    driver.deliver(Message::Input(Input::SkipSlot));
    Ok(())
}

fn as_follower(driver: &ReplicaDriver) -> Result<(), String> {
    match Role::of(&driver.state().phase) {
        Role::Follower | Role::PreVoting => Ok(()),
        role => Err(format!("is {role}, not a follower")),
    }
}

fn expire_election(driver: &mut ReplicaDriver, sends: Sends) -> Result<(), String> {
    let expired = driver.expire(&Timer::Election, sends);
    if expired { Ok(()) } else { Err("waits for no leader".into()) }
}
