//! Whole clusters: writes their configuration, runs them with faults, judges what they leave.

use crate::config::{ConfigArgs, write_config};
use crate::harness::error::RunError;
use crate::invite::{InviteArgs, invite};
use crate::revoke::{RevokeArgs, revoke};
use crate::run::{RunArgs, run_cluster};
use crate::scenarios;
use crate::simulate::{SimulateArgs, simulate};
use crate::soak::{SoakArgs, run_soak};
use crate::verify::verify;
use actor_runtime::keys::stay_out_of_core_dumps;
use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use paxos_chat_client::Access;
use paxos_chat_client::reading::{self, ReadingError};
use paxos_chat_config::Config;
use paxos_chat_config::credentials::Token;
use paxos_chat_replica::operator::command::OperatorCommand;
use paxos_chat_replica::operator::current::Current;
use paxos_chat_shell::manual::{ManualCommand, Offer};
use paxos_chat_shell::{output, tell};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Configures, runs and judges Multi-Paxos chat clusters.
#[derive(Parser)]
#[command(name = "cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the configuration of a cluster, which holds no secret, and makes its secret,
    /// cluster.secret beside it, unless there is one.
    Config(ConfigArgs),
    /// Makes a token, with which a client speaks as a user; it is a secret.
    Invite(InviteArgs),
    /// Revokes all tokens that a user has so far.
    Revoke(RevokeArgs),
    /// Runs a cluster of real processes, injects faults, and judges the logs. Exit status: 0 all is well, 1
    /// it is not, 2 it cannot be run, 130 it was interrupted.
    Run(RunArgs),
    /// Lists the scenarios that `cluster run --scenario NAME` knows.
    Scenarios {
        /// Print their names only.
        #[arg(long)]
        names: bool,
    },
    /// Runs whole clusters in one thread each, under virtual time: things go wrong, a majority is well again and must make
    /// progress, and all is judged. Everything is drawn from a seed. Exit status: 0 all is well, 1 it is not, 2 it
    /// cannot be run, 74 what was asked for in a file could not be written, 130 it was interrupted.
    Simulate(SimulateArgs),
    /// Pushes many messages through three durable replicas; measures memory, catch-up and restart.
    Soak(SoakArgs),
    #[command(flatten)]
    Operator(OperatorCommand),
    #[command(flatten)]
    Manual(ManualCommand),
    /// Judges the logs in a folder against what clients recorded there.
    Verify {
        /// The folder, as `cluster run --log-dir` leaves it.
        folder: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// How far the log goes now, as a client is told.
fn read_current(config: &Config, token: &Token, patience: Duration) -> Result<Option<Current>> {
    let access = Access::of(config.clone(), token.clone(), patience)?;
    match reading::current(&access, || false) {
        Ok(current) => {
            Ok(current.map(|current| Current { upto: current.upto.0, took: current.took }))
        }
        Err(ReadingError::NotCurrent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The program `cluster`, which has the manuals of these others, too.
pub fn main(others: Vec<(clap::Command, Vec<Offer>)>) -> ExitCode {
    output::end_on_panic();
    stay_out_of_core_dumps();
    let result = match output::arguments::<Cli>().command {
        Command::Config(args) => write_config(&args).map(|()| ExitCode::SUCCESS),
        Command::Invite(args) => invite(&args).map(|()| ExitCode::SUCCESS),
        Command::Revoke(args) => revoke(&args).map(|()| ExitCode::SUCCESS),
        Command::Run(args) => run_cluster(&args),
        Command::Scenarios { names } => {
            scenarios::list(names);
            Ok(ExitCode::SUCCESS)
        }
        Command::Simulate(args) => simulate(&args),
        Command::Soak(args) => run_soak(&args),
        Command::Operator(command) => command.run(read_current),
        Command::Manual(command) => {
            let values = scenarios::names().map(str::to_owned).collect();
            let scenarios = Offer { command: Some("run"), argument: "scenario", values };
            let of_users = |command| Offer {
                command: Some(command),
                argument: "user",
                values: paxos_chat_config::users_here(),
            };
            let own = (Cli::command(), vec![scenarios, of_users("invite"), of_users("revoke")]);
            let programs = std::iter::once(own).chain(others).collect();
            command.run(programs).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Command::Verify { folder, json } => verify(&folder, json),
    };
    result.unwrap_or_else(|error| {
        tell!("cluster: {error:#}");
        let interrupted = matches!(error.downcast_ref(), Some(RunError::Interrupted));
        ExitCode::from(if interrupted { 130 } else { 2 })
    })
}
