//! Revoking the tokens of a user: a change of one line in `cluster.toml`.
//!
//! **Invariant**: everything else in the file, comments included, stays as it is, and the file is
//! replaced as a whole or not at all.

use super::check::problem;
use super::place::{Key, line_of};
use super::{Config, ConfigError, Problem};
use actor_runtime::files::{Existing, write_whole};
use std::path::Path;

const TABLE: &str = "[revoked]";

/// Makes all tokens of this user void that were made so far; tells how often that was done.
/// Replicas obey once they have read the file.
///
/// # Errors
/// When the file is not a configuration, can't be written, or is arranged so that a line can't be
/// changed safely.
pub fn revoke(path: &Path, user: &str) -> Result<u32, ConfigError> {
    let at = || path.to_path_buf();
    let config = Config::read(path)?;
    let unreadable = |error| ConfigError::Unreadable { path: at(), error };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut wanted = config.clone();
    let times = wanted.revoked.entry(user.to_owned()).or_default();
    *times = times.saturating_add(1);
    let times = *times;
    let valid = |problem: Problem| {
        let line = line_of(&text, problem.key());
        ConfigError::Value { path: at(), line, problem }
    };
    wanted.check().map_err(valid)?;
    let changed = with_line(&text, user, times);
    if toml::from_str(&changed).ok().as_ref() != Some(&wanted) {
        let remedy = format!("set it to {times} by hand, in a table {TABLE}");
        return problem(Key::from("revoked").then(user), "can't be set in this file", remedy)
            .map_err(valid);
    }
    let replaced = std::fs::metadata(path)
        .and_then(|metadata| write_whole(path, &changed, metadata.permissions(), Existing::Goes));
    replaced.map_err(|error| ConfigError::Unwritten { path: at(), error })?;
    Ok(times)
}

fn with_line(text: &str, user: &str, times: u32) -> String {
    let key = toml::Value::String(user.to_owned()).to_string();
    let line = format!("{key} = {times}");
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(table) = lines.iter().position(|line| line.trim() == TABLE) else {
        lines.extend(["", TABLE, &line]);
        return lines.join("\n") + "\n";
    };
    let body = &lines[table + 1..];
    let length = body.iter().position(|line| line.trim_start().starts_with('['));
    let is_of_user = |line: &&str| {
        let found = line.split_once('=').map(|(key, _)| key.trim());
        found == Some(user) || found == Some(&key)
    };
    match body[..length.unwrap_or(body.len())].iter().position(is_of_user) {
        Some(old) => lines[table + 1 + old] = &line,
        None => lines.insert(table + 1, &line),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_revocation_changes_one_line_and_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.toml");
        let text = format!("# Ours.\n{}", config(1).to_toml());
        std::fs::write(&path, &text).unwrap();
        assert_eq!(revoke(&path, "alice").unwrap(), 1);
        assert_eq!(revoke(&path, "größer").unwrap(), 1);
        assert_eq!(revoke(&path, "alice").unwrap(), 2);
        let changed = std::fs::read_to_string(&path).unwrap();
        assert!(changed.starts_with(&text), "{changed}");
        let read = Config::read(&path).unwrap();
        assert_eq!(read.revoked, [("alice".into(), 2), ("größer".into(), 1)].into());
        assert_eq!(read.cluster_id(), config(1).cluster_id());
        let error = revoke(&path, "a b").unwrap_err().to_string();
        assert!(error.contains("white space"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
    }

    #[test]
    fn a_file_that_is_arranged_otherwise_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.toml");
        let text = format!("revoked = {{ bob = 1 }}\n{}", config(1).to_toml());
        std::fs::write(&path, &text).unwrap();
        let error = revoke(&path, "alice").unwrap_err().to_string();
        assert!(error.contains("by hand"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
