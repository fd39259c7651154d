//! The operator's commands: `cluster status`, `watch`, `move-leader`, `rotate`, `fault`.

use super::ask::Operator;
use super::current::{self, ReadCurrent};
use super::handover::Reach;
use super::rotate::RotateArgs;
use super::table::{Health, Tint, json, table};
use super::watch::{WatchOptions, in_lines, on_terminal};
use crate::action::{Action, Fault};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use crossterm::style::Stylize;
use paxos_chat_config::Config;
use paxos_chat_config::credentials::{Token, read_keyring, secret_path};
use paxos_chat_shell::output::{Results, print};
use paxos_chat_shell::{say, tell};
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How long `move-leader` waits for the next leader, in election time-outs: an ordinary election, which
/// follows if something goes wrong, is over by then.
const ELECTIONS: u32 = 6;
/// Who reads where the configuration names no users.
const ANY_USER: &str = "operator";

/// What needs the configuration and the cluster's secret, and replicas that run.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Shows how each replica is. Exit status: 0 all answer and one leads; 1 the cluster serves, but
    /// some replica does not answer; 3 no leader, or no majority, answers.
    Status {
        /// Where the cluster is.
        #[command(flatten)]
        access: OperatorArgs,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// Have a majority confirm how far the log goes, before the replicas are asked; if none does, the exit status
        /// is 3. What each replica tells of itself may be old.
        #[arg(long)]
        current: bool,
    },
    /// Shows how each replica is, again and again.
    Watch {
        /// Where the cluster is.
        #[command(flatten)]
        access: OperatorArgs,
        /// Milliseconds between two looks.
        #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=3_600_000))]
        interval: u64,
        /// End after so many looks; without it, at `q` or Ctrl-C.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Has another replica lead. Exit status: 0 it leads, 1 it does not.
    MoveLeader {
        /// The id of the next leader; the follower that has applied most if not given.
        replica: Option<u8>,
        /// Where the cluster is.
        #[command(flatten)]
        access: OperatorArgs,
    },
    /// Replaces the cluster's secret while it serves, in three steps. Exit status: 0 the file has taken the step, 1
    /// some replica has not taken the one before.
    Rotate(RotateArgs),
    /// Injects a fault into a replica that was started with --enable-faults. Exit status: 0 it is
    /// injected, 1 it is not.
    Fault {
        /// The replica's id.
        replica: u8,
        /// What is to go wrong.
        #[command(subcommand)]
        fault: AskedFault,
        /// Where the cluster is.
        #[command(flatten)]
        access: OperatorArgs,
    },
}

/// A fault, as it was asked for.
#[derive(Subcommand)]
pub enum AskedFault {
    /// One that there is.
    #[command(flatten)]
    Known(Fault),
    /// Something else.
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

impl AskedFault {
    fn known(self) -> Result<Fault> {
        let words = match self {
            AskedFault::Known(fault) => return Ok(fault),
            AskedFault::Unknown(words) => words,
        };
        let all = Fault::augment_subcommands(clap::Command::new("fault"));
        let names: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
        bail!("there is no fault {:?}; there are {}", words.join(" "), names.join(", "))
    }
}

/// Where the cluster is.
#[derive(Args)]
pub struct OperatorArgs {
    /// The cluster's configuration.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml", global = true)]
    config: PathBuf,
    /// The cluster's secret; cluster.secret beside the configuration, if it is not given.
    #[arg(long, value_name = "FILE", global = true)]
    secret: Option<PathBuf>,
    /// How long to wait for an answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=600_000), global = true)]
    patience: u64,
}

impl OperatorArgs {
    /// The file of the cluster's secret.
    pub(super) fn secret_path(&self) -> PathBuf {
        self.secret.clone().unwrap_or_else(|| secret_path(&self.config))
    }

    pub(super) fn open(&self) -> Result<(Config, Operator)> {
        let config = Config::read(&self.config)?;
        let keyring = read_keyring(&self.secret_path())?;
        let patience = Duration::from_millis(self.patience);
        let operator = Operator::new(keyring.seals(), &config, patience)?;
        Ok((config, operator))
    }

    /// A token of some user. Whoever has the secret may make one.
    fn token(&self, config: &Config) -> Result<Token> {
        let user = config.users.first().map_or(ANY_USER, String::as_str);
        Ok(Token::issue(read_keyring(&self.secret_path())?.seals(), config, user)?)
    }

    fn check_id(&self, config: &Config, id: u8) -> Result<()> {
        if usize::from(id) >= config.replicas.len() {
            let last = config.replicas.len() - 1;
            bail!("replica {id}: {} has the replicas 0 to {last}", self.config.display());
        }
        Ok(())
    }
}

impl OperatorCommand {
    /// Runs the command, with this way to make a current read.
    ///
    /// # Errors
    /// When it is used wrongly.
    pub fn run(self, read: ReadCurrent) -> Result<ExitCode> {
        match self {
            OperatorCommand::Status { access, json, current } => {
                status(&access, json, current.then_some(read))
            }
            OperatorCommand::Watch { access, interval, count } => {
                let (_, mut operator) = access.open()?;
                let options = WatchOptions { interval: Duration::from_millis(interval), count };
                if stdout().is_terminal() {
                    on_terminal(&mut operator, options)?;
                } else {
                    in_lines(&mut operator, options, Results)?;
                }
                Ok(ExitCode::SUCCESS)
            }
            OperatorCommand::MoveLeader { replica, access } => move_leader(&access, replica),
            OperatorCommand::Rotate(args) => args.run(),
            OperatorCommand::Fault { replica, fault, access } => {
                let (config, mut operator) = access.open()?;
                access.check_id(&config, replica)?;
                let fault = fault.known()?;
                match operator.act(replica, Action::Fault(fault))? {
                    Ok(()) => Ok(ExitCode::SUCCESS),
                    Err(error) => {
                        tell!("cluster: {error}");
                        Ok(ExitCode::FAILURE)
                    }
                }
            }
        }
    }
}

fn status(access: &OperatorArgs, as_json: bool, read: Option<ReadCurrent>) -> Result<ExitCode> {
    let (config, mut operator) = access.open()?;
    let patience = Duration::from_millis(access.patience);
    // First, so that whoever lags behind it is seen to.
    let current = read.map(|read| read(&config, &access.token(&config)?, patience)).transpose()?;
    let statuses = operator.statuses()?;
    if statuses.iter().all(Option::is_none) {
        tell!(
            "cluster: none of them answers: none runs at the addresses of {}, or they have another secret than {}, or \
             are of another cluster than {}",
            access.config.display(),
            access.secret_path().display(),
            config.cluster
        );
    }
    let text = if as_json {
        let mut all = json(&statuses);
        if let Some(current) = current {
            all["current"] = current::value(current);
        }
        format!("{all}\n")
    } else {
        let table = table(&statuses, terminal_width().unwrap_or(usize::MAX), paint);
        let line = current.map(|current| current::line(current, patience) + "\n");
        table + &line.unwrap_or_default()
    };
    print(&text);
    let health = match current {
        Some(None) => Health::Down,
        _ => Health::of(&statuses),
    };
    Ok(ExitCode::from(health.exit_code()))
}

/// How wide the terminal is that takes the output, if it is one.
fn terminal_width() -> Option<usize> {
    let (width, _) = stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten()?;
    Some(width.into())
}

fn paint(tint: Tint, line: &str) -> String {
    let has_colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match tint {
        Tint::Leads if has_colour => line.green().to_string(),
        Tint::Silent if has_colour => line.red().to_string(),
        _ => line.to_owned(),
    }
}

fn move_leader(access: &OperatorArgs, target: Option<u8>) -> Result<ExitCode> {
    let (config, mut operator) = access.open()?;
    if let Some(target) = target {
        access.check_id(&config, target)?;
    }
    let limit = Duration::from_millis(config.timeouts.election_ms) * ELECTIONS;
    match (Reach { operator: &mut operator, own: None }).hand_over(target, limit) {
        Ok(moved) if moved.from == moved.to => {
            say!("replica {} leads already", moved.to);
            Ok(ExitCode::SUCCESS)
        }
        Ok(moved) => {
            let millis = moved.took.as_secs_f64() * 1000.0;
            say!("replica {} leads after replica {}, in {millis:.1} ms", moved.to, moved.from);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            tell!("cluster: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
