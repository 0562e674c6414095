//! What a process holds, as Linux counts it.

/// Memory and descriptors of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident, in KiB.
    pub(crate) resident: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

impl Usage {
    /// Of a process that runs.
    pub(crate) fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|line| line.split_whitespace().next())
            .and_then(|number| number.parse().ok());
        Self {
            resident: resident.unwrap_or_else(|| panic!("no memory in {status}")),
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))
                .expect("it is ours")
                .count(),
        }
    }
}
