//! `cluster rotate`: replaces a cluster's secret while the cluster serves.
//!
//! **Invariant — nobody is left behind**: the file takes a step only when every replica has taken the one before it,
//! unless it is forced to. So all replicas are one step apart at most, and understand each other.
//!
//! **Absent**: how a file comes to a replica; and tokens, which are made anew by `cluster invite`.

use super::command::OperatorArgs;
use crate::status::Status;
use actor_runtime::keys::{Fingerprint, Keyring};
use anyhow::Result;
use clap::{Args, ValueEnum};
use paxos_chat_config::credentials::{draw_secret, read_keyring, write_keyring};
use paxos_chat_shell::tell;
use std::process::ExitCode;

/// How a secret is replaced.
#[derive(Args)]
pub struct RotateArgs {
    /// The step to take.
    step: Step,
    /// Take it though some replica does not answer, or has not taken the step before; that one is not understood
    /// by others until it has read the file.
    #[arg(long)]
    force: bool,
    /// Where the cluster is.
    #[command(flatten)]
    access: OperatorArgs,
}

/// A step of a rotation.
#[derive(Clone, Copy, ValueEnum)]
enum Step {
    /// Draws a new secret, which opens beside the old one.
    Begin,
    /// The new secret seals, and the old one still opens.
    Switch,
    /// The old secret is void, and all tokens that were made with it.
    End,
}

impl RotateArgs {
    /// Takes the step in the file.
    ///
    /// # Errors
    /// When there is no such step to take, or the file cannot be read or written.
    pub fn run(&self) -> Result<ExitCode> {
        let path = self.access.secret_path();
        let keyring = read_keyring(&path)?;
        let stepped = match self.step {
            Step::Begin => keyring.begin(draw_secret()?)?,
            Step::Switch => keyring.switch()?,
            Step::End => keyring.end()?,
        };
        let (_, mut operator) = self.access.open()?;
        let statuses = operator.statuses()?;
        let behind: Vec<String> = (0..)
            .zip(&statuses)
            .filter_map(|(id, status)| behind(id, status.as_ref(), &keyring))
            .collect();
        behind.iter().for_each(|told| tell!("cluster: {told}"));
        if !behind.is_empty() && !self.force {
            tell!(
                "cluster: {} is as it was. Give these replicas that file, and SIGHUP or `reload` at their console; \
                 or go on without them by --force",
                path.display()
            );
            return Ok(ExitCode::FAILURE);
        }
        write_keyring(&path, &stepped)?;
        // On standard error: the result is the file, and the status tells of it whoever reads this.
        tell!("{}", self.step.told(&path.display().to_string()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Says what a replica lacks that should have these secrets.
fn behind(id: u8, status: Option<&Status>, keyring: &Keyring) -> Option<String> {
    let Some(status) = status else {
        return Some(format!(
            "replica {id} does not answer: is it running, and has it the file from this step or the one before?"
        ));
    };
    let wanted = keyring.fingerprints();
    (status.secrets != wanted)
        .then(|| format!("replica {id} {}, and the file {}", what(&status.secrets), what(&wanted)))
}

/// What is done with these secrets.
pub fn what(secrets: &[Fingerprint]) -> String {
    match secrets {
        [] => "does not say what it seals under".to_owned(),
        [seals] => format!("seals and opens under {seals}"),
        [seals, opens, ..] => format!("seals under {seals} and opens under {opens}, too"),
    }
}

impl Step {
    fn told(self, file: &str) -> String {
        let spread = format!("Give {file} to every replica, and SIGHUP or `reload` at its console");
        match self {
            Step::Begin => format!(
                "{file} has a new secret beside the old one. It opens, and does not seal yet.\n{spread}.\n\
                 Then: cluster rotate switch"
            ),
            Step::Switch => format!(
                "The new secret seals, and the old one still opens.\n{spread}.\n\
                 Tokens from before are void at the end: make new ones now (`cluster invite --user NAME -o FILE`).\n\
                 When every user has theirs: cluster rotate end"
            ),
            Step::End => format!(
                "{file} has the new secret alone.\n{spread}. After that the old secret and all tokens made with \
                 it are void.\nDelete what copies there are of the old file."
            ),
        }
    }
}
