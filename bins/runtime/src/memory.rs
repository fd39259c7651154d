//! How much memory a process has, as Linux reports it.
//!
//! **Absent**: other systems, which do not say; and what the checker counts of its own process (`actor_checker::memory`),
//! which shares no crate with a runtime.

use std::fmt::Display;

/// The resident set of this process in bytes, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    resident_bytes_in("self")
}

/// The resident set of the process with this id in bytes, where the system tells.
pub fn resident_bytes_of(process: u32) -> Option<u64> {
    resident_bytes_in(process)
}

fn resident_bytes_in(folder: impl Display) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{folder}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_of_itself_what_others_are_told_of_it() {
        let (own, of_own) = (resident_bytes(), resident_bytes_of(std::process::id()));
        assert_eq!(own.is_some(), of_own.is_some());
        assert!(own.is_none_or(|bytes| bytes > 100_000));
        assert_eq!(resident_bytes_of(u32::MAX), None);
    }
}
