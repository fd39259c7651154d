//! Completions and man pages, made from the command lines themselves, so that they can't lag behind.

use crate::output::print;
use clap::builder::PossibleValuesParser;
use clap::{Command, Subcommand};
use clap_complete::Shell;
use std::io;
use std::path::{Path, PathBuf};

/// What a program tells of its command line.
#[derive(Clone, Debug, Subcommand)]
pub enum ManualCommand {
    /// Prints completions for a shell; with the users of cluster.toml in this folder, if it lists any.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
        /// Of which program, if this one knows others.
        #[arg(long)]
        program: Option<String>,
    },
    /// Writes man pages, one for each command.
    Man {
        /// The folder to write them to; it is made if it is not there.
        folder: PathBuf,
    },
}

/// Why there is no manual.
#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    /// It is not known here.
    #[error("--program {0}: this program knows {1}")]
    Unknown(String, String),
    /// It cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What may stand for an argument of a command: what completions offer, beside what the command line knows itself.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The command within the program; none, if the argument is the program's own.
    pub command: Option<&'static str>,
    /// The name of its argument.
    pub argument: &'static str,
    /// The values.
    pub values: Vec<String>,
}

/// A program whose completions offer these. It is not for reading arguments: what may stand there is for the program to
/// judge.
fn offering(program: Command, offers: &[Offer]) -> Command {
    let offers = offers.iter().filter(|offer| !offer.values.is_empty());
    offers.fold(program, |program, Offer { command, argument, values }| {
        // A program that prints completions ends then.
        let values = values.iter().map(|value| &*value.clone().leak());
        let values = PossibleValuesParser::new(values.collect::<Vec<&'static str>>());
        let offer = |command: Command| command.mut_arg(argument, |it| it.value_parser(values));
        match command {
            Some(command) => program.mut_subcommand(command, offer),
            None => offer(program),
        }
    })
}

impl ManualCommand {
    /// Tells what is asked of these programs, with what completions of each offer; the first is the one that runs.
    ///
    /// # Errors
    /// When the program is not known, or something cannot be written.
    pub fn run(&self, programs: Vec<(Command, Vec<Offer>)>) -> Result<(), ManualError> {
        match self {
            ManualCommand::Completions { shell, program } => {
                let programs = programs.into_iter().map(|(it, offers)| offering(it, &offers));
                let programs = programs.collect();
                let text = completions(programs, *shell, program.as_deref())?;
                print(&String::from_utf8_lossy(&text));
                Ok(())
            }
            ManualCommand::Man { folder } => {
                std::fs::create_dir_all(folder).map_err(unwritten(folder))?;
                programs.into_iter().try_for_each(|(program, _)| pages(program, folder))
            }
        }
    }
}

fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> ManualError {
    let path = path.to_owned();
    move |error| ManualError::Unwritten { path, error }
}

fn completions(
    programs: Vec<Command>,
    shell: Shell,
    wanted: Option<&str>,
) -> Result<Vec<u8>, ManualError> {
    let names: Vec<String> = programs.iter().map(|known| known.get_name().to_owned()).collect();
    let is_wanted = |known: &Command| wanted.is_none_or(|wanted| known.get_name() == wanted);
    let Some(mut program) = programs.into_iter().find(is_wanted) else {
        return Err(ManualError::Unknown(wanted.unwrap_or_default().into(), names.join(", ")));
    };
    let name = program.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut text);
    Ok(text)
}

/// The page of a program, and of each of its commands.
fn pages(mut program: Command, folder: &Path) -> Result<(), ManualError> {
    program.build();
    let name = program.get_name().to_owned();
    page(program, &name, folder)
}

fn page(command: Command, name: &str, folder: &Path) -> Result<(), ManualError> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        if inner.get_name() != "help" {
            page(inner.clone(), &format!("{name}-{}", inner.get_name()), folder)?;
        }
    }
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    let man = clap_mangen::Man::new(command).title(name.to_uppercase());
    man.render(&mut text).map_err(unwritten(&path))?;
    std::fs::write(&path, text).map_err(unwritten(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn program() -> Command {
        Command::new("box")
            .about("Opens and closes.")
            .subcommand(Command::new("open").about("Opens."))
            .subcommand(Command::new("secret").hide(true))
    }

    #[test]
    fn every_command_that_is_not_hidden_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let manual = ManualCommand::Man { folder: folder.path().join("man") };
        manual.run(vec![(program(), Vec::new())]).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("man"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["box-open.1", "box.1"]);
        let page = std::fs::read_to_string(folder.path().join("man/box-open.1")).unwrap();
        assert!(page.contains(".TH") && page.contains("Opens."), "{page}");
    }

    #[test]
    fn completions_are_of_the_program_that_is_asked_for() {
        let ask = |program: Option<&str>| {
            let told = completions(vec![self::program()], Shell::Bash, program);
            told.map(|text| String::from_utf8(text).unwrap())
        };
        assert!(ask(None).unwrap().contains("complete -F _box"));
        assert!(ask(Some("box")).unwrap().contains("open"));
        let values = vec!["lid".into(), "drawer".into()];
        let offer = Offer { command: Some("open"), argument: "what", values };
        let opens = Command::new("box").subcommand(Command::new("open").arg(Arg::new("what")));
        let told = completions(vec![offering(opens, &[offer])], Shell::Bash, None).unwrap();
        assert!(String::from_utf8(told).unwrap().contains("lid drawer"));
        let error = ask(Some("bag")).unwrap_err().to_string();
        assert_eq!(error, "--program bag: this program knows box");
    }
}
