//! Users, revoked tokens and the secret, read again while a replica serves: on SIGHUP, or by `reload` at its console.
//!
//! **Invariant — all or nothing**: what cannot be read, or would make valid what was void, leaves everything as it is.

use crate::host::ReplicaHost;
use crate::ledger::Ledger;
use crate::operator::rotate::what;
use crate::panel::Panel;
use crate::process::Args;
use actor_runtime::driver::{Driver, Order};
use actor_runtime::keys::Keyring;
use paxos_chat::replica::Replica;
use paxos_chat_config::Config;
use paxos_chat_config::credentials::read_keyring;
use paxos_chat_shell::output::note;
use paxos_chat_shell::tell;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long the driver may take to obey, before that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads users, revoked tokens and the secret again whenever SIGHUP arrives.
///
/// # Errors
/// When the system gives no thread.
pub fn on_hangups(mut hangups: Signals, args: Arc<Args>, panel: Panel) -> io::Result<()> {
    let reloads = move || hangups.forever().for_each(|_| reload(&args, &panel));
    std::thread::Builder::new().name("reload".into()).spawn(reloads).map(drop)
}

/// Reads users, revoked tokens and the secret again; what can't be read, or would revive a token or a secret, leaves
/// everything as it is.
pub fn reload(args: &Args, panel: &Panel) {
    // Until it is given to the driver: of two at a time, what was read later comes later there, too.
    let mut ledger = panel.ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let (config, keyring) = match read_again(args, &mut ledger) {
        Ok(read) => read,
        Err(error) => {
            drop(ledger);
            return tell!("replica: nothing is changed: {error:#}");
        }
    };
    let (users, revoked) = (config.users.len(), config.revoked.len());
    let waiting = panel.config.needs_restart(&config).join(", ");
    let secrets = what(&keyring.fingerprints());
    let (done, obeys) = channel();
    let keys = panel.keys.clone();
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
    panel.control.give(changed);
    drop(ledger);
    // Who prints may wait for whoever reads; the driver never does.
    let listed = if users == 0 { "any user".to_owned() } else { format!("{users} users") };
    match obeys.recv_timeout(PATIENCE) {
        Ok(true) => {
            note(&format!("reloaded: {listed}, tokens of {revoked} revoked; {secrets}"));
        }
        Ok(false) => note(&format!("reloaded: {listed}, tokens of {revoked} revoked")),
        Err(RecvTimeoutError::Timeout) => {
            note(
                "read, but not in effect yet: the disk is slow, or the replica still waits for others",
            );
        }
        // It has ended.
        Err(RecvTimeoutError::Disconnected) => {}
    }
    if !waiting.is_empty() {
        note(&format!(
            "of the file, these keys wait until this replica is started again: {waiting}"
        ));
    }
}

/// What is to be obeyed from now on, and is remembered.
fn read_again(args: &Args, ledger: &mut Ledger) -> anyhow::Result<(Config, Keyring)> {
    let (config, keyring) = (Config::read(&args.config)?, read_keyring(&args.secret_path())?);
    args.obey(ledger, &config, &keyring)?;
    Ok((config, keyring))
}
