//! `cluster revoke`: makes a user's tokens void.

use anyhow::Result;
use clap::Args;
use paxos_chat_shell::say;
use std::path::PathBuf;

/// Whose tokens.
#[derive(Args)]
pub struct RevokeArgs {
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The cluster's configuration, in which the revocation is noted.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
}

/// Notes in the configuration that the user's tokens are void.
///
/// # Errors
/// When the configuration cannot be read or written.
pub fn revoke(args: &RevokeArgs) -> Result<()> {
    let user = &args.user;
    paxos_chat_config::revoke(&args.config, user)?;
    let file = args.config.display();
    say!(
        "{file} says that the tokens of {user} are void. Each replica obeys when it has read it: \
         give it this file, then SIGHUP or `reload` at its console. `cluster invite --user {user}` \
         makes a new token"
    );
    Ok(())
}
