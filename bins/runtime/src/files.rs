//! Small files that matter: configurations, secrets, tokens.
//!
//! **Invariant**: a file has its name only when it is whole and durable. It is written beside, under a name
//! that nobody can guess, synced, and then given its name; the name is synced, too. So whatever happens, there
//! is the file from before or this one.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Stays,
    /// It goes.
    Goes,
}

/// Writes a whole file with these permissions, or none.
///
/// # Errors
/// When that fails; of kind `AlreadyExists`, if the name is taken and stays so.
pub fn write_whole(
    path: &Path,
    text: &str,
    permissions: Permissions,
    existing: Existing,
) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Stays => file.persist_noclobber(path)?,
        Existing::Goes => file.persist(path)?,
    };
    sync_folder(folder)
}

/// Gives a file another name beside its own, which is free: `NAME.old`, or `NAME.old.1` and so on.
///
/// # Errors
/// When that fails.
pub fn keep_as_old(path: &Path) -> io::Result<PathBuf> {
    let named = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let numbered = (1..).map(|number| named(&format!(".old.{number}")));
    for old in std::iter::once(named(".old")).chain(numbered) {
        // A second name takes nobody else's away.
        match std::fs::hard_link(path, &old) {
            Ok(()) => {
                sync_folder(folder_of(path))?;
                return Ok(old);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("numbers do not end")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_there_stays_or_is_kept_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.toml");
        let write =
            |text, existing| write_whole(&path, text, Permissions::from_mode(0o640), existing);
        write("one", Existing::Stays).unwrap();
        let error = write("two", Existing::Stays).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        for (text, old) in [("two", "cluster.toml.old"), ("three", "cluster.toml.old.1")] {
            let before = std::fs::read_to_string(&path).unwrap();
            let kept = keep_as_old(&path).unwrap();
            write(text, Existing::Goes).unwrap();
            assert_eq!(kept, folder.path().join(old));
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), before);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, std::fs::read_dir(folder.path()).unwrap().count()), (0o640, 3));
    }
}
