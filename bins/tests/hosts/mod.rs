//! Names that mean what a test says: each process sees files of the test in place of the system's, in a mount namespace of
//! its own.

use crate::support::{arg, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Shows these files to a command in place of the system's.
const IN_PLACE: &str = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";

/// What names mean to the commands of a test.
pub(crate) struct Hosts {
    hosts: PathBuf,
    order: PathBuf,
}

impl Hosts {
    /// Nothing yet; none, where no namespace can be made.
    pub(crate) fn new(folder: &Path) -> Option<Hosts> {
        if run("unshare", &["-rm", "true"]).code != 0 {
            return None;
        }
        let hosts = Hosts { hosts: folder.join("hosts"), order: folder.join("nsswitch.conf") };
        std::fs::write(&hosts.order, "hosts: files\n").unwrap();
        hosts.are(std::iter::empty::<(String, String)>());
        Some(hosts)
    }

    /// From now on, these names are at these addresses.
    pub(crate) fn are(&self, names: impl IntoIterator<Item = (String, String)>) {
        let line = |(name, address): (String, String)| format!("{address} {name}\n");
        std::fs::write(&self.hosts, names.into_iter().map(line).collect::<String>()).unwrap();
    }

    /// A command to which names mean this.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        let files = [arg(&self.hosts), arg(&self.order)];
        command.args(["-rm", "sh", "-c", IN_PLACE, "sh"]).args(files).arg(program);
        command
    }
}
