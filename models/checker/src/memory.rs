//! The memory of this process, as Linux reports it; `None` where a system does not say.

/// Bytes that are resident now.
pub fn resident_bytes() -> Option<u64> {
    of_status("VmRSS:")
}

/// The most bytes that were ever resident.
pub fn peak_resident_bytes() -> Option<u64> {
    of_status("VmHWM:")
}

/// Bytes of address space in use now.
pub fn address_space_bytes() -> Option<u64> {
    of_status("VmSize:")
}

fn of_status(key: &str) -> Option<u64> {
    kib_after(&std::fs::read_to_string("/proc/self/status").ok()?, key).map(|kib| kib << 10)
}

/// The number of KiB on the line of a `/proc` file that begins with this key.
pub fn kib_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_key() {
        let text = "VmPeak:\t  10 kB\nVmRSS:\t    5324 kB\n";
        assert_eq!(kib_after(text, "VmRSS:"), Some(5324));
        assert_eq!(kib_after(text, "VmHWM:"), None);
    }
}
