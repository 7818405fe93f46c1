//! What the system says of this process, for `/metrics`. From `/proc`; what is not there is not
//! told.

use std::fs;

use onemcp::input::ProcessFacts;

/// Finds it out now.
pub(crate) fn measure(started_unix_ms: u64, log_lines_dropped: u64) -> ProcessFacts {
    ProcessFacts {
        resident_bytes: fs::read_to_string("/proc/self/status")
            .ok()
            .as_deref()
            .and_then(resident),
        open_fds: open_fds(),
        started_unix_ms: Some(started_unix_ms),
        log_lines_dropped: Some(log_lines_dropped),
    }
}

/// The line `VmRSS: 5340 kB` of `/proc/self/status`: `statm` would need the size of a page.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim_end();
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// How many entries there are, but for the one by which they are read.
fn open_fds() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    let count = u64::try_from(entries.count()).ok()?;
    count.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_what_the_system_says_is_told_and_nothing_else() {
        let facts = measure(17, 3);
        assert_eq!(facts.started_unix_ms, Some(17));
        assert_eq!(facts.log_lines_dropped, Some(3));
        let kib = "Name:\tx\nVmRSS:\t    5340 kB\nVmData: 1 kB\n";
        assert_eq!(resident(kib), Some(5340 * 1024));
        for odd in ["", "VmRSS:", "VmRSS: kB", "VmRSS: -1 kB", "VmRSS: 5 MB"] {
            assert_eq!(resident(odd), None, "{odd}");
        }
        if facts.open_fds.is_some() {
            let one = fs::File::open("/proc/self/status");
            assert!(measure(0, 0).open_fds > Some(2) && one.is_ok());
            assert!(facts.resident_bytes > Some(0));
        }
    }
}
