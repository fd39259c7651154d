//! The end of a replica's process on SIGTERM and SIGINT: in good order, and soon.
//!
//! 1. If it leads, the leadership is handed over to the follower that has applied most.
//! 2. It stays for as long as a client waits before it asks again, so that clients who were not
//!    told of the new leader hear of it; as a follower it votes on.
//! 3. The driver finishes its turn: what it has promised is on disk, as always, and the chat log, too.
//!    A replica that warms up has no driver yet, and ends at once.
//!
//! **Invariants**
//! - *Nothing is made then*: the threads that it takes wait from the start, because there may be none to be had
//!   when a signal comes.
//! - *Bounded*: after [`Ending::bound`] the process ends, whatever hangs.
//! - *A second signal ends it at once.* So does SIGKILL, after which nothing is lost either.

use crate::operator::ask::Operator;
use crate::operator::handover::{Handover, HandoverError, Reach};
use crate::panel::Panel;
use crate::supervisor;
use paxos_chat_config::Config;
use paxos_chat_shell::tell;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How long an operator's question may take, while a process ends.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// The status of a process that could not end in good order.
const HANGS: i32 = 1;

/// How long everything may take.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// How long another replica may take to lead.
    handover: Duration,
    /// How long the process stays for its clients.
    linger: Duration,
}

impl Ending {
    /// In proportion to the time-outs of a cluster.
    pub fn of(config: &Config) -> Ending {
        Ending {
            handover: Duration::from_millis(config.timeouts.election_ms) * 2,
            linger: Duration::from_millis(config.timeouts.retry_ms) * 2,
        }
    }

    /// The longest time from the signal to an end in good order.
    fn in_good_order(&self) -> Duration {
        self.handover + self.linger + 8 * PATIENCE
    }

    /// The longest time from the signal to the end.
    pub fn bound(&self) -> Duration {
        self.in_good_order() + PATIENCE
    }
}

/// Ends the process when it is told to, from threads of its own. `operator` is made then, because
/// nothing should wait in its socket before.
///
/// # Errors
/// When the system lets no signal be handled, or gives no thread.
pub fn on_signals(
    panel: Panel,
    operator: impl FnOnce() -> io::Result<Operator> + Send + 'static,
    ending: Ending,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let says = when_told("says", move || {
        let waited = ending.in_good_order();
        tell!("replica: it did not end within {waited:?}: does its disk hang?");
    })?;
    let bounds = when_told("bound", move || {
        std::thread::sleep(ending.in_good_order());
        // Whoever reads it may be slow; nobody is waited for.
        let _ = says.send(());
        std::thread::sleep(PATIENCE);
        std::process::exit(HANGS);
    })?;
    let ends = when_told("end", move || end(&panel, operator, ending))?;
    let listen = move || {
        let mut arriving = signals.forever();
        if arriving.next().is_none() {
            return;
        }
        // Nobody is there only if it has ended already.
        let _ = (bounds.send(()), ends.send(()));
        if let Some(signal) = arriving.next() {
            std::process::exit(128 + signal);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

/// A thread that waits until it is told to do this.
fn when_told(name: &str, does: impl FnOnce() + Send + 'static) -> io::Result<Sender<()>> {
    let (tells, told) = channel();
    let thread = move || {
        if told.recv().is_ok() {
            does();
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(thread)?;
    Ok(tells)
}

fn end(panel: &Panel, operator: impl FnOnce() -> io::Result<Operator>, ending: Ending) {
    tracing::info!("told to end");
    supervisor::ends();
    if panel.status().leads() {
        match hand_over(panel, operator, ending) {
            Ok(moved) => {
                let millis = moved.took.as_millis() as u64;
                tracing::info!(to = moved.to, millis, "has handed over");
                std::thread::sleep(ending.linger);
            }
            Err(error) => tracing::warn!(%error, "ends without a successor"),
        }
    }
    panel.stop();
}

fn hand_over(
    panel: &Panel,
    operator: impl FnOnce() -> io::Result<Operator>,
    ending: Ending,
) -> Result<Handover, HandoverError> {
    let mut operator = operator()?;
    (Reach { operator: &mut operator, own: Some(panel) }).hand_over(None, ending.handover)
}
