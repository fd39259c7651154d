//! Serves stateright's Explorer.

use crate::interrupt;
use crate::plot::thousands;
use crate::selection::named;
use actor_checker::compact::Reductions;
use anyhow::{Context, bail};
use paxos_chat_models::explorer;
use paxos_chat_shell::say;
use std::net::{TcpListener, ToSocketAddrs};

/// Serves an entry until the process is ended.
pub(super) fn serve(name: &str, address: &str) -> anyhow::Result<()> {
    let entry = named(name)?;
    let addresses: Vec<_> = address
        .to_socket_addrs()
        .with_context(|| format!("--address {address}: give a host and a port, as 127.0.0.1:3000"))?
        .collect();
    // stateright panics on an address that it cannot have, and does not tell which port it got; asking
    // first gives a clear answer, and a port with a number.
    let (address, addresses) = match TcpListener::bind(&*addresses) {
        Ok(free) if addresses.iter().any(|address| address.port() == 0) => {
            let address = free.local_addr().context("the address that was given")?;
            (address.to_string(), vec![address])
        }
        Ok(_) => (address.to_owned(), addresses),
        Err(error) => {
            bail!("--address {address}: cannot listen there: {error}; choose another port")
        }
    };
    // The handler that lets runs end cleanly would keep the server alive.
    std::thread::spawn(|| {
        while !interrupt::is_asked() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        std::process::exit(0);
    });
    say!("{}: {}", entry.name, entry.purpose);
    if let Some(states) = entry.unique_states {
        say!(
            "No reduction is applied, so that every step can be seen; `check list` counts {} states with all of them.",
            thousands(states)
        );
    }
    say!("Explorer is on http://{address}; end it with Ctrl-C");
    explorer::serve(&entry.config, entry.reaches, Reductions::default(), &addresses);
    Ok(())
}
