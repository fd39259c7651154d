//! One replica as a process: serves until it is told to end, or is killed; its console is on standard
//! input.

use crate::action::{Action, Fault};
use crate::console::{ConsoleCommand, HELP};
use crate::host::ReplicaHost;
use crate::logging;
use crate::obeyed::Obeyed;
use crate::operator::local::{KILLED, Local};
use crate::operator::rotate::what;
use crate::process::{Args, format_only, prepare};
use actor_runtime::disk::stall::STALL_MS_MAX;
use actor_runtime::driver::{Driver, DriverError, Order};
use actor_runtime::keys::{Keyring, stay_out_of_core_dumps};
use anyhow::Context;
use paxos_chat::replica::Replica;
use paxos_chat_config::Config;
use paxos_chat_config::credentials::read_keyring;
use paxos_chat_shell::output::{self, note};
use paxos_chat_shell::tell;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use std::io::{BufRead, IsTerminal, stdin};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The status of a replica whose disk failed: it must not vote any more. `EX_IOERR` of sysexits.
const DISK_FAILED: u8 = 74;

/// The program `replica`.
pub fn main() -> ExitCode {
    output::end_on_panic();
    stay_out_of_core_dumps();
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
        attend(&args, hangups, prepared.local())?;
        prepared.start(note)
    });
    let (mut driver, inbox) = match started {
        Ok(started) => started,
        Err(error) => {
            tell!("replica: {error:#}");
            return ExitCode::from(2);
        }
    };
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

/// How long the driver may take to obey, before that is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long whoever types waits for the driver: longer than any stall of its disk.
const TYPIST_PATIENCE: Duration = Duration::from_millis(2 * STALL_MS_MAX);

/// Reads the console, and the configuration again on SIGHUP, from threads of their own.
fn attend(args: &Arc<Args>, hangups: Signals, local: &Local) -> anyhow::Result<()> {
    reload_on(hangups, Arc::clone(args), local.clone()).context("cannot make what SIGHUP needs")?;
    let (args, local) = (Arc::clone(args), local.clone());
    let console = std::thread::Builder::new().name("console".into());
    console.spawn(move || read_console(&args, &local)).context("cannot read the console")?;
    Ok(())
}

fn read_console(args: &Args, local: &Local) {
    let is_terminal = stdin().is_terminal();
    if is_terminal {
        note(HELP);
    }
    for line in stdin().lock().lines() {
        let Ok(line) = line else { break };
        if line.trim().is_empty() {
            continue;
        }
        match line.parse() {
            Ok(command) => match (command, local.gate.status()) {
                (ConsoleCommand::Start, waits) => {
                    local.gate.open();
                    note(if waits.is_some() { "starts" } else { "serves already" });
                }
                (
                    ConsoleCommand::Status
                    | ConsoleCommand::Reload
                    | ConsoleCommand::Act(Action::Fault(Fault::SkipSlot)),
                    Some(waits),
                ) => note(&waits),
                _ => obey(command, args, local),
            },
            Err(error) => tell!("replica: {error}"),
        }
    }
    if is_terminal || args.stop_at_end_of_input {
        local.stop();
    }
}

/// Reads users, revoked tokens and the secret again whenever SIGHUP arrives.
fn reload_on(mut hangups: Signals, args: Arc<Args>, local: Local) -> std::io::Result<()> {
    let reloads = move || hangups.forever().for_each(|_| reload(&args, &local));
    std::thread::Builder::new().name("reload".into()).spawn(reloads).map(drop)
}

/// Reads users, revoked tokens and the secret again; what can't be read, or would revive a token or a secret, leaves
/// everything as it is.
fn reload(args: &Args, local: &Local) {
    // Until it is given to the driver: of two at a time, what was read later comes later there, too.
    let mut obeyed = local.obeyed.lock().unwrap_or_else(PoisonError::into_inner);
    let (config, keyring) = match read_again(args, &mut obeyed) {
        Ok(read) => read,
        Err(error) => {
            drop(obeyed);
            return tell!("replica: nothing is changed: {error:#}");
        }
    };
    let (users, revoked) = (config.users.len(), config.revoked.len());
    let secrets = what(&keyring.fingerprints());
    let (done, obeys) = channel();
    let keys = local.keys.clone();
    let changed = Order::Change(Box::new(move |driver: &mut Driver<Replica, ReplicaHost>| {
        let is_rotated = keyring.fingerprints() != keys.keyring().fingerprints();
        if is_rotated {
            driver.codec_mut().set_keyring(keyring.clone());
            // Not before: whoever asks is told what the driver seals under.
            keys.replace(keyring);
        }
        driver.codec_mut().set_generations(config.revoked);
        driver.host_mut().serve_only(config.users);
        let _ = done.send(is_rotated);
    }));
    local.control.give(changed);
    drop(obeyed);
    // Who prints may wait for whoever reads; the driver never does.
    let listed = if users == 0 { "any user".to_owned() } else { format!("{users} users") };
    match obeys.recv_timeout(PATIENCE) {
        Ok(true) => {
            note(&format!("reloaded: {listed}, tokens of {revoked} revoked; {secrets}"));
        }
        Ok(false) => note(&format!("reloaded: {listed}, tokens of {revoked} revoked")),
        Err(RecvTimeoutError::Timeout) => {
            note("read, and not obeyed yet: this replica hangs in its disk, or waits for others");
        }
        // It has ended.
        Err(RecvTimeoutError::Disconnected) => {}
    }
}

/// What is to be obeyed from now on, and is remembered.
fn read_again(args: &Args, obeyed: &mut Obeyed) -> anyhow::Result<(Config, Keyring)> {
    let (config, keyring) = (Config::read(&args.config)?, read_keyring(&args.secret_path())?);
    args.obey(obeyed, &config, &keyring)?;
    Ok((config, keyring))
}

fn obey(command: ConsoleCommand, args: &Args, local: &Local) {
    match command {
        ConsoleCommand::Help => note(HELP),
        ConsoleCommand::Start => note("serves already"),
        ConsoleCommand::Reload => reload(args, local),
        ConsoleCommand::Act(action) => act(action, local),
        ConsoleCommand::Status => {
            if let Some(status) = local.status_now() {
                note(&status.to_string());
            }
        }
        ConsoleCommand::Log => {
            let path = args.log_dir.join(format!("replica-{}.log", local.id));
            match std::fs::read_to_string(&path) {
                Ok(log) => note(log.trim_end()),
                Err(error) => tell!("replica: cannot read {}: {error}", path.display()),
            }
        }
    }
}

fn act(action: Action, local: &Local) {
    match (action, local.obey(action, TYPIST_PATIENCE)) {
        (Action::Fault(Fault::Kill), _) => std::process::exit(KILLED),
        (Action::Fault(Fault::SkipSlot), Ok(())) => note("skips the next slot"),
        (Action::Fault(Fault::StallDisk { millis }), Ok(())) => {
            note(&format!("the next sync takes {millis} ms"));
        }
        (_, Ok(())) => note(&format!("has obeyed: {action}")),
        (_, Err(reason)) => note(&format!("{reason}; `status` says who leads")),
    }
}
