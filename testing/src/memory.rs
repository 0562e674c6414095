//! How much memory a process takes, as Linux counts it.

use anyhow::Context as _;

/// The memory of another process, watched from now on.
#[derive(Debug)]
pub struct Memory {
    process: u32,
    before: u64,
}

impl Memory {
    /// Forgets the process's peak and begins anew.
    ///
    /// # Panics
    ///
    /// When there is no such process, or it is another user's.
    pub fn watch(process: u32) -> Self {
        // 5 resets the peak to what is resident now: proc(5).
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the peak can be reset");
        let before = kib(process, "VmRSS:").expect("a process's status");
        Self { process, before }
    }

    /// What was resident when the watch began, and the most since then, in KiB.
    ///
    /// # Panics
    ///
    /// When the process has ended.
    pub fn peak(&self) -> (u64, u64) {
        let peak = kib(self.process, "VmHWM:").expect("a process's status");
        (self.before, peak)
    }
}

fn kib(process: u32, field: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number
        .with_context(|| format!("no {field} in {status}"))?
        .parse()?)
}
