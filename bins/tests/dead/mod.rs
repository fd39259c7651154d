//! Outputs that are dead, and what a program's status is then.

#![allow(dead_code, reason = "each test file is a crate of its own, and none uses everything")]

use crate::support::run;
use std::process::{Command, Stdio};

/// How an output is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// It is a pipe without a reader.
    Pipe,
    /// It is a disk without space.
    Full,
    /// There is none.
    Closed,
}

impl Dead {
    /// How a shell redirects a descriptor so. Of a pipe, its other end has gone when the program starts.
    fn redirection(self, descriptor: u8) -> String {
        match self {
            Dead::Pipe => format!("{descriptor}>&9"),
            Dead::Full => format!("{descriptor}>/dev/full"),
            Dead::Closed => format!("{descriptor}>&-"),
        }
    }

    /// The status, with these descriptors dead.
    pub(crate) fn status(self, program: &str, args: &[&str], descriptors: &[u8]) -> Option<i32> {
        let redirections: Vec<_> = descriptors.iter().map(|d| self.redirection(*d)).collect();
        let script = format!("exec \"$@\" {} 9>&-", redirections.join(" "));
        // The shell has the pipe as its own standard output, and as descriptor 9.
        let script = format!("exec 9>&1; exec >/dev/null; {script}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", program]).args(args);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
        command.status().unwrap().code()
    }
}

/// Every subcommand of this program is among those that are tried.
pub(crate) fn are_all(program: &str, commands: &[(&str, Vec<&str>)]) {
    let help = run(program, &["--help"]).stdout;
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    for name in names {
        let is_it = |(of, args): &(&str, Vec<&str>)| *of == program && args.contains(&&*name);
        assert!(commands.iter().any(is_it), "{program} {name} is not tried");
    }
}

/// A command ends with a documented status, whatever has become of its outputs.
pub(crate) fn ends_as_documented(program: &str, args: &[&str]) {
    let alive = run(program, args);
    let shown = format!("{program} {args:?}: {alive:?}");
    assert!((0..=3).contains(&alive.code), "{shown}");
    for dead in [Dead::Pipe, Dead::Full, Dead::Closed] {
        // Nobody need read the errors.
        assert_eq!(dead.status(program, args, &[2]), Some(alive.code), "{dead:?} {shown}");
        let expected = match dead {
            _ if alive.stdout.is_empty() => alive.code,
            Dead::Pipe => 141,
            Dead::Full => 74,
            Dead::Closed => alive.code,
        };
        for descriptors in [&[1][..], &[1, 2]] {
            let found = dead.status(program, args, descriptors);
            assert_eq!(found, Some(expected), "{dead:?} {descriptors:?} {shown}");
        }
    }
}
