//! `cluster invite`: makes a token.

use actor_runtime::keys::Beside;
use anyhow::Result;
use clap::Args;
use paxos_chat_config::Config;
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_shell::{output, tell};
use std::path::PathBuf;

/// Whom to invite.
#[derive(Args)]
pub struct InviteArgs {
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The cluster's configuration.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
    /// The cluster's secret; cluster.secret beside the configuration, if it is not given.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// A file for the token, which only you may read; standard output if it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes a token, and writes it.
///
/// # Errors
/// When the configuration or the secret cannot be read, or the token not be written.
pub fn invite(args: &InviteArgs) -> Result<()> {
    let config = Config::read(&args.config)?;
    let secret = args.secret.clone().unwrap_or_else(|| secret_path(&args.config));
    let keyring = read_keyring(&secret)?;
    let token = Token::issue(keyring.seals(), &config, &args.user)?;
    if let Some(Beside::Next(_)) = keyring.beside() {
        tell!(
            "cluster: this token becomes void when the rotation ends: \
             make one after `cluster rotate switch`"
        );
    }
    match &args.output {
        None => output::print(&token.to_text()),
        Some(path) => token.write(path)?,
    }
    Ok(())
}
