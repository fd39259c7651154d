//! The files that were asked for.
//!
//! **Invariant**: a file that cannot be written is refused before the run, not after an hour of it.

use anyhow::Error;
use paxos_chat_models::coverage::Coverage;
use paxos_chat_models::situations::Situations;
use paxos_chat_shell::places::{self, is_stdout};
use std::path::{Path, PathBuf};

/// Makes sure, before a long run, that this file can be written after it.
///
/// # Errors
/// What is wrong with the path, and what to do.
pub(super) fn claim(option: &str, file: Option<&PathBuf>) -> anyhow::Result<()> {
    file.map_or(Ok(()), |file| places::claim(option, file)).map_err(Error::msg)
}

/// Writes the message sequence chart to a file, if one was asked for; returns the exit status.
pub(super) fn write_chart(file: Option<&PathBuf>, draw: impl FnOnce() -> String) -> u8 {
    file.map_or(0, |file| write_file(file, &draw(), "the message sequence chart"))
}

/// The same with what has happened to replicas.
pub(super) fn write_situations(file: Option<&PathBuf>, coverage: &Coverage) -> u8 {
    let lines = || coverage.situations().iter().map(|(text, _)| text + "\n").collect::<String>();
    file.map_or(0, |file| write_file(file, &lines(), "what has happened to replicas"))
}

/// The same with what has happened to the replicas of a real run.
pub(super) fn write_table(file: Option<&PathBuf>, situations: &Situations) -> u8 {
    file.map_or(0, |file| write_file(file, &situations.table(), "what has happened to replicas"))
}

/// The same with a plot.
pub(super) fn write_plot(file: Option<&PathBuf>, draw: impl FnOnce() -> String) -> u8 {
    file.map_or(0, |file| write_file(file, &draw(), "the plot"))
}

/// Standard output takes one picture, and this many entries may have one each.
pub(super) fn one_for_stdout(
    option: &str,
    file: Option<&PathBuf>,
    entries: usize,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        entries == 1 || !file.is_some_and(|file| is_stdout(file)),
        "{option} -: there is a picture for each entry; name a file, or one entry"
    );
    Ok(())
}

/// Writes a file; returns the exit status.
fn write_file(file: &Path, content: &str, what: &str) -> u8 {
    places::write("check", file, content, what).err().unwrap_or_default()
}

/// The file for one entry of several: `dir/name-ENTRY.svg` for `dir/name.svg`.
pub(super) fn file_of(file: &Path, entry: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let extension = file.extension().map_or("svg".into(), |e| e.to_string_lossy());
    file.with_file_name(format!("{stem}-{entry}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_each_entry_is_named_after_it() {
        assert_eq!(file_of(Path::new("a/b.svg"), "rivals"), Path::new("a/b-rivals.svg"));
        assert_eq!(file_of(Path::new("b"), "rivals"), Path::new("b-rivals.svg"));
    }

    #[test]
    fn claiming_a_file_leaves_nothing_behind_and_refuses_a_missing_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("chart.svg");
        claim("--svg", Some(&file)).expect("it can be written");
        assert!(!file.exists());
        let refused = claim("--svg", Some(&folder.path().join("none/chart.svg")));
        assert!(format!("{:#}", refused.expect_err("no folder")).contains("--svg"));
    }
}
