//! The memory of a process and of the machine, as Linux reports it; `None` where a system does not say.

use std::fmt::Display;

/// Bytes that are resident now.
pub fn resident_bytes() -> Option<u64> {
    of_status("self", "VmRSS:")
}

/// The most bytes that were ever resident.
pub fn peak_resident_bytes() -> Option<u64> {
    of_status("self", "VmHWM:")
}

/// The most bytes that were ever resident of the process with this id.
pub fn peak_resident_bytes_of(process: u32) -> Option<u64> {
    of_status(process, "VmHWM:")
}

/// Bytes of address space in use now.
pub fn address_space_bytes() -> Option<u64> {
    of_status("self", "VmSize:")
}

/// Bytes of address space that this process may use (`ulimit -v`); `None` also if there is no limit.
pub fn address_space_limit_bytes() -> Option<u64> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?, "Max address space")
}

/// The soft limit of this name, which `unlimited` is not.
fn soft_limit(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes that the machine could still give to processes.
pub fn available_bytes() -> Option<u64> {
    bytes_after(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

fn of_status(process: impl Display, key: &str) -> Option<u64> {
    bytes_after(&std::fs::read_to_string(format!("/proc/{process}/status")).ok()?, key)
}

/// What the line says that begins with this key; it counts in KiB.
fn bytes_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_key() {
        let text = "VmPeak:\t  10 kB\nVmRSS:\t    5324 kB\n";
        assert_eq!(bytes_after(text, "VmRSS:"), Some(5324 << 10));
        assert_eq!(bytes_after(text, "VmHWM:"), None);
    }

    #[test]
    fn a_limit_is_the_soft_one_or_none() {
        let text = "Limit  Soft Limit  Hard Limit  Units\n\
            Max data size             unlimited            unlimited            bytes\n\
            Max address space         4096                 unlimited            bytes\n";
        assert_eq!(soft_limit(text, "Max address space"), Some(4096));
        assert_eq!(soft_limit(text, "Max data size"), None);
    }
}
