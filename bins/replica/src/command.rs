//! One replica as a process: serves until it is told to end, or is killed; its console is on standard
//! input.

use crate::panel::Panel;
use crate::process::{Args, format_only, prepare};
use crate::{console, logging, reload, supervisor};
use actor_runtime::driver::DriverError;
use actor_runtime::keys::stay_out_of_core_dumps;
use anyhow::Context;
use paxos_chat_shell::output::{self, note};
use paxos_chat_shell::tell;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use std::process::ExitCode;
use std::sync::Arc;

/// The status of a replica whose disk failed: it must not vote any more. `EX_IOERR` of sysexits.
const DISK_FAILED: u8 = 74;

/// The program `replica`.
pub fn main() -> ExitCode {
    output::end_on_panic();
    stay_out_of_core_dumps();
    if let Some(kept) = paxos_chat_shell::recordings::keep("replica") {
        return kept;
    }
    let args: Arc<Args> = Arc::new(output::arguments());
    if let Err(error) = output::wait_for_nobody() {
        tell!("replica: there are no threads to print with: {error}");
        return ExitCode::from(2);
    }
    let _log = logging::to_stderr(args.log_format, args.log_level);
    if args.init_only {
        return match format_only(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tell!("replica: {error:#}");
                ExitCode::from(2)
            }
        };
    }
    let id = args.id;
    // From here on it is not ended by what makes it read its files again.
    let hangups = match Signals::new([SIGHUP]) {
        Ok(hangups) => hangups,
        Err(error) => {
            tell!("replica: SIGHUP cannot be handled: {error}");
            return ExitCode::from(2);
        }
    };
    let started = prepare(&args).and_then(|prepared| {
        attend(&args, hangups, prepared.panel())?;
        prepared.start(note)
    });
    let (mut driver, inbox) = match started {
        Ok(started) => started,
        Err(error) => {
            tell!("replica: {error:#}");
            // What its log holds was applied before it serves.
            return ExitCode::from(match error.downcast_ref() {
                Some(DriverError::Storage(_) | DriverError::Host(_)) => DISK_FAILED,
                _ => 2,
            });
        }
    };
    supervisor::ready(id);
    let result = driver.run(&inbox);
    let closed = driver.host_mut().close();
    match result.and_then(|()| closed.map_err(DriverError::Host)) {
        Ok(()) => {
            tracing::info!(replica = id, "ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(replica = id, %error, "failed");
            tell!("replica: {error}");
            match error {
                DriverError::Storage(_) | DriverError::Host(_) => ExitCode::from(DISK_FAILED),
                DriverError::Network(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// Reads the console, and the configuration again on SIGHUP, from threads of their own.
fn attend(args: &Arc<Args>, hangups: Signals, panel: &Panel) -> anyhow::Result<()> {
    reload::on_hangups(hangups, Arc::clone(args), panel.clone())
        .context("cannot make what SIGHUP needs")?;
    supervisor::watch(panel.clone()).context("cannot make what systemd is told by")?;
    console::start(Arc::clone(args), panel).context("cannot read the console")
}
