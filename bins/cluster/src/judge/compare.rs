//! The logs of a cluster, compared with one another.
//!
//! **Invariants judged**: the logs of surviving replicas are equal byte for byte; that of a killed one is a prefix. Where
//! nobody has waited for the replicas, a log may be a prefix too: its replica is behind.
//!
//! **Invariant — bounded**: two lines are held at a time, however long the logs are.

use super::evidence::Evidence;
use super::faults::Faults;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A longer line is compared in pieces of so many bytes.
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// Of a line that differs, so many characters are shown.
const SHOWN_MAX: usize = 300;

/// What the logs are to one another.
#[derive(Default)]
pub(super) struct Comparison {
    /// The survivors' are equal, and those of the killed are prefixes.
    pub(super) is_identical: bool,
    /// How many entries each survivor lacks that may lack some.
    pub(super) behind: BTreeMap<u8, u64>,
}

/// Compares all logs with the longest survivor's.
pub(super) fn compare(evidence: &Evidence, faults: &mut Faults) -> Comparison {
    let (logs, before) = (&evidence.logs, faults.count());
    let mut behind = BTreeMap::new();
    for file in logs {
        let id = file.id;
        if let Some(wrong) = &file.account.damage {
            faults.push(format!("replica {id}: its log is damaged: {wrong}"));
        } else if let Some(line) = file.account.torn_at
            && !file.killed
        {
            faults.push(format!("replica {id}: its log breaks off in line {line}"));
        }
    }
    let survivors = || logs.iter().filter(|file| !file.killed);
    let Some(reference) = survivors().max_by_key(|file| file.bytes) else {
        faults.push("no replica has survived".into());
        return Comparison::default();
    };
    for file in logs.iter().filter(|file| file.id != reference.id) {
        if file.is_same_as(reference) {
            continue;
        }
        let (id, other) = (file.id, reference.id);
        let may_lack = !evidence.is_of_run && file.is_whole();
        match first_difference(&file.path, &reference.path, file.killed || may_lack) {
            Ok(None) if file.killed => {}
            Ok(None) => {
                behind.insert(id, reference.account.lines.saturating_sub(file.account.lines));
            }
            Ok(Some(Difference { line, left, right })) => faults.push(format!(
                "replicas {id} and {other} differ first in line {line}:\n  {left}\n  {right}"
            )),
            Err(error) => faults.push(format!("replicas {id} and {other}: {error}")),
        }
    }
    Comparison { is_identical: faults.count() == before && behind.is_empty(), behind }
}

/// Where two logs part.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    line: u64,
    left: String,
    right: String,
}

/// The first line in which a log differs from the reference. A prefix may end within a line.
fn first_difference(
    file: &Path,
    reference: &Path,
    may_be_prefix: bool,
) -> io::Result<Option<Difference>> {
    let mut lines = [file, reference].map(|path| File::open(path).map(BufReader::new));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut line = 1;
    loop {
        for (source, piece) in lines.iter_mut().zip([&mut left, &mut right]) {
            piece.clear();
            let source =
                source.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
            source.take(PIECE_BYTES_MAX).read_until(b'\n', piece)?;
        }
        if left != right {
            if may_be_prefix && right.starts_with(&left) {
                return Ok(None);
            }
            let (left, right) = (shown(&left), shown(&right));
            return Ok(Some(Difference { line, left, right }));
        }
        if left.is_empty() {
            return Ok(None);
        }
        line += u64::from(left.ends_with(b"\n"));
    }
}

fn shown(line: &[u8]) -> String {
    if line.is_empty() {
        return "(the end)".into();
    }
    // Nothing that a terminal would act on; tabs separate fields.
    let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
    let text: String = text.chars().map(shown).collect();
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
