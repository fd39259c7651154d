//! Where files are going to be made: looked at before the work that fills them, and filled after it.

use crate::output::{self, CANNOT_WRITE};
use crate::tell;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// Is the folder there in which this file is to be made?
///
/// # Errors
/// Says which is not, and what to do.
pub fn check(option: &str, file: &Path) -> Result<(), String> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => Err(format!(
            "{option} {}: there is no folder {}; make it, or name a file in one that is there",
            file.display(),
            folder.display()
        )),
    }
}

/// Is this standard output, rather than a file?
pub fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Makes sure, before long work, that what it comes to can be written to this file, or to standard output for `-`, which
/// then takes nothing else. Leaves nothing behind.
///
/// # Errors
/// What is wrong with the path, and what to do.
pub fn claim(option: &str, file: &Path) -> Result<(), String> {
    if is_stdout(file) {
        output::give_away_stdout();
        return Ok(());
    }
    let existed = file.exists();
    OpenOptions::new().append(true).create(true).open(file).map_err(|error| {
        format!(
            "{option} {}: cannot be written; name a file in a folder that exists and may be written to: {error}",
            file.display()
        )
    })?;
    if !existed {
        // It comes back after the work, if there is something to write.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// Makes sure that no two of these are to be written to one place.
///
/// # Errors
/// Names two that are.
pub fn apart(asked: &[(&str, Option<&Path>)]) -> Result<(), String> {
    // `-` is no file, and `./a` is `a`.
    let place = |file: &Path| match is_stdout(file) {
        true => file.to_owned(),
        false => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
    };
    let mut before: Vec<(&str, PathBuf)> = Vec::new();
    for (option, file) in asked.iter().filter_map(|(option, file)| Some((*option, (*file)?))) {
        let wanted = place(file);
        if let Some((first, _)) = before.iter().find(|(_, other)| *other == wanted) {
            let takes = match is_stdout(file) {
                true => "standard output takes one of them; name a file for the other",
                false => "a file takes one of them; name another file for one",
            };
            let file = file.display();
            return Err(format!("{first} {file} and {option} {file}: {takes}"));
        }
        before.push((option, wanted));
    }
    Ok(())
}

/// Writes a file that was claimed, and says on standard error that `program` has written `what` there, or why not.
///
/// # Errors
/// The exit status, if it could not be written.
pub fn write(program: &str, file: &Path, content: &str, what: &str) -> Result<(), u8> {
    if is_stdout(file) {
        output::content(content);
        return Ok(());
    }
    match std::fs::write(file, content) {
        Ok(()) => tell!("{program}: {what} is in {}", file.display()),
        Err(error) => {
            tell!(
                "{program}: {what} could not be written to {}: {error}; name a file in a folder that exists and may be \
                 written to, on a disk with space left",
                file.display()
            );
            return Err(CANNOT_WRITE);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_folder_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check("-o", Path::new("file")), Ok(()));
        assert_eq!(check("-o", &folder.path().join("file")), Ok(()));
        let told = check("-o", &folder.path().join("none/file")).unwrap_err();
        assert!(
            told.starts_with("-o ") && told.contains("none/file: there is no folder"),
            "{told}"
        );
    }

    #[test]
    fn a_file_that_is_claimed_is_not_there_until_it_is_written_and_one_that_was_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        std::fs::write(&old, "old").unwrap();
        assert_eq!((claim("-o", &new), claim("-o", &old)), (Ok(()), Ok(())));
        assert!(!new.exists());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
        let told = claim("-o", &folder.path().join("none/file")).unwrap_err();
        assert!(told.contains("none/file: cannot be written; name a file"), "{told}");
        assert_eq!(write("test", &new, "new", "something"), Ok(()));
        assert_eq!(std::fs::read_to_string(&new).unwrap(), "new");
        assert_eq!(write("test", folder.path(), "new", "something"), Err(CANNOT_WRITE));
    }

    #[test]
    fn a_file_and_standard_output_take_one_each() {
        let file = Some(Path::new("file"));
        let told = apart(&[("--a", file), ("--b", file)]).unwrap_err();
        assert_eq!(
            told,
            "--a file and --b file: a file takes one of them; name another file for one"
        );
        let same = Some(Path::new("./file"));
        assert!(apart(&[("--a", file), ("--b", same)]).is_err());
        let dash = Some(Path::new("-"));
        assert_eq!(apart(&[("--a", dash), ("--b", Some(Path::new("b"))), ("--c", None)]), Ok(()));
        let told = apart(&[("--a", dash), ("--b", None), ("--c", dash)]).unwrap_err();
        assert!(told.starts_with("--a - and --c -: standard output takes one"), "{told}");
    }
}
