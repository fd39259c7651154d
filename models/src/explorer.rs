//! A configuration in stateright's Explorer.

use crate::config::Config;
use crate::properties::Milestone;
use actor_checker::compact::Reductions;
use actor_checker::explore::Explorable;
use stateright::Model;
use std::net::SocketAddr;
use std::sync::Arc;

/// Serves a configuration on these addresses, until the process ends.
///
/// # Panics
/// If none of the addresses can be listened on.
pub fn serve(
    config: &Config,
    reaches: &[Milestone],
    reductions: Reductions,
    addresses: &[SocketAddr],
) {
    let model = config.model(reaches, reductions);
    Explorable(Arc::new(model)).checker().serve(addresses);
}
