//! `cluster verify`: judges what a cluster left in a folder.

use crate::judge::{Evidence, judge};
use crate::verdict;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Judges the logs of a folder, and prints the verdict.
///
/// # Errors
/// When there is nothing to judge.
pub fn verify(folder: &Path, json: bool) -> Result<ExitCode> {
    let started = Instant::now();
    let verdict = judge(&Evidence::read(folder)?);
    verdict::print(&verdict, json, started)
}
