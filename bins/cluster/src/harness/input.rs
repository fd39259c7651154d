//! Message files: what a named client says, a message a line.
//!
//! **Invariant — checked before anything runs**: a file that cannot be said is refused with its
//! name, the line and the remedy.

use super::error::RunError;
use paxos_chat::tuning::BODY_BYTES_MAX;
use paxos_chat_config::check_user;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// The ending of message files in a folder.
const EXTENSION: &str = "txt";

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The client's name.
    pub name: String,
    /// Its messages.
    pub lines: Arc<[String]>,
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What this client says is in this file.
    File(String, PathBuf),
    /// Each `NAME.txt` in this folder is what the client NAME says.
    Folder(PathBuf),
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Source, String> {
        if let Some((name, file)) = text.split_once('=') {
            check_user(name)?;
            return Ok(Source::File(name.to_owned(), file.into()));
        }
        if Path::new(text).is_dir() {
            return Ok(Source::Folder(text.into()));
        }
        Err(format!("give NAME=FILE, or a folder with files such as alice.{EXTENSION}"))
    }
}

/// Reads all these.
///
/// # Errors
/// When a file cannot be said, a folder has none, or a client is named twice.
pub fn read(sources: &[Source]) -> Result<Vec<Input>, RunError> {
    let mut inputs = Vec::new();
    for source in sources {
        match source {
            Source::File(name, file) => inputs.push(read_file(name, file)?),
            Source::Folder(folder) => read_folder(folder, &mut inputs)?,
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = inputs.iter().find(|input| !names.insert(&input.name)) {
        let name = &twice.name;
        return wrong(format!("--input: {name} has two files; give each client one"));
    }
    Ok(inputs)
}

fn wrong<T>(what: String) -> Result<T, RunError> {
    Err(RunError::Usage(what))
}

fn read_folder(folder: &Path, inputs: &mut Vec<Input>) -> Result<(), RunError> {
    let shown = folder.display();
    let unreadable = |error| RunError::Usage(format!("cannot read the folder {shown}: {error}"));
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return wrong(format!("{shown} has no message files; name them such as alice.{EXTENSION}"));
    }
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Err(error) = check_user(&name) {
            return wrong(format!("{}: {error}; rename the file", file.display()));
        }
        inputs.push(read_file(&name, &file)?);
    }
    Ok(())
}

fn read_file(name: &str, file: &Path) -> Result<Input, RunError> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| {
        RunError::Usage(format!("cannot read the messages of {name} in {shown}: {error}"))
    })?;
    let mut lines = Vec::new();
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.len() > BODY_BYTES_MAX {
            let length = line.len();
            return wrong(format!(
                "{shown}, line {number}: {length} bytes, and a message has at most \
                 {BODY_BYTES_MAX}; split it"
            ));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return wrong(format!("{shown}, line {number}: not UTF-8 text; convert the file"));
        };
        lines.push(text.to_owned());
    }
    if lines.is_empty() {
        return wrong(format!("{shown} is empty, so {name} has nothing to say; write a line"));
    }
    Ok(Input { name: name.to_owned(), lines: lines.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_read_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("bob.txt"), "one\n\n two \\ \n").unwrap();
        std::fs::write(path("ann.txt"), "no end of line").unwrap();
        std::fs::write(path("README"), "not a message file").unwrap();
        let inputs = read(&[folder.path().to_str().unwrap().parse().unwrap()]).unwrap();
        let said: Vec<(&str, &[String])> =
            inputs.iter().map(|i| (i.name.as_str(), &*i.lines)).collect();
        assert_eq!(said[0], ("ann", &["no end of line".to_owned()][..]));
        assert_eq!(said[1], ("bob", &["one".to_owned(), String::new(), " two \\ ".into()][..]));
    }

    #[test]
    fn what_cannot_be_said_is_refused_with_its_place_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bob.txt");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&[Source::File("bob".into(), path.clone())]).unwrap_err().to_string()
        };
        for (bytes, expected) in [
            (&b""[..], "write a line"),
            (b"fine\n\xff\n", "bob.txt, line 2: not UTF-8 text; convert"),
            (&[b'x'; BODY_BYTES_MAX + 1], "line 1: 16385 bytes"),
        ] {
            let error = refused(bytes);
            assert!(error.contains(expected), "{error}");
        }
        let missing = Source::File("bob".into(), folder.path().join("none"));
        assert!(read(&[missing]).unwrap_err().to_string().contains("none"));
        let empty = tempfile::tempdir().unwrap();
        let error = read(&[Source::Folder(empty.path().into())]).unwrap_err().to_string();
        assert!(error.contains("no message files"), "{error}");
    }

    #[test]
    fn a_source_names_a_client_and_a_file_and_no_client_has_two() {
        assert!("a b=file".parse::<Source>().is_err());
        assert!("no/such/folder".parse::<Source>().unwrap_err().contains("NAME=FILE"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "hi\n").unwrap();
        let source = Source::File("ann".into(), file);
        let error = read(&[source.clone(), source]).unwrap_err().to_string();
        assert!(error.contains("ann has two files"), "{error}");
    }
}
