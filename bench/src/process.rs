//! What Linux counts of another process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::wait::until;

/// The unit of times in /proc/PID/stat, 1/100 s: the kernel's interface has it fixed on the architectures that we build for.
const TICK: Duration = Duration::from_millis(10);

/// How many readings in a row must agree for memory to count as settled; they are some 50 ms apart.
const AGREEING: u32 = 10;

/// How far readings that agree may lie apart, in KiB.
const NOISE: u64 = 32;

/// How long memory may take to settle.
const SETTLING: Duration = Duration::from_secs(30);

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Memory {
    /// Resident, pages shared with other processes included.
    pub(crate) rss_kib: u64,
    /// Resident, a shared page counted by its share.
    pub(crate) pss_kib: u64,
}

/// Another process.
#[derive(Clone, Debug)]
pub(crate) struct Watched(PathBuf);

impl Watched {
    pub(crate) fn new(id: u32) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{id}"));
        ensure!(
            folder.join("smaps_rollup").exists(),
            "memory is read from /proc/PID/smaps_rollup, which takes Linux 4.14 or later"
        );
        Ok(Self(folder))
    }

    /// What it takes now.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let text = self.read("smaps_rollup")?;
        let field = |name: &str| -> anyhow::Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            Ok(number
                .with_context(|| format!("no {name} in smaps_rollup"))?
                .parse()?)
        };
        Ok(Memory {
            rss_kib: field("Rss:")?,
            pss_kib: field("Pss:")?,
        })
    }

    /// What it takes once that no longer changes.
    pub(crate) async fn settled(&self) -> anyhow::Result<Memory> {
        let mut first = self.memory()?;
        let mut agreeing = 0;
        until(SETTLING, "memory that no longer changes", async || {
            let now = self.memory()?;
            if now.rss_kib.abs_diff(first.rss_kib) > NOISE {
                (first, agreeing) = (now, 0);
            }
            agreeing += 1;
            ensure!(agreeing >= AGREEING, "{} KiB a moment ago", now.rss_kib);
            Ok(now)
        })
        .await
    }

    /// The time that it has spent on a CPU since its start, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let text = self.read("stat")?;
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
        let mut times = fields.split_whitespace().skip(11);
        let mut ticks = || -> anyhow::Result<u32> { Ok(times.next().context("no times in stat")?.parse()?) };
        let (user, system) = (ticks()?, ticks()?);
        Ok(TICK * (user + system))
    }

    /// How many file descriptors it has open.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        let folder = self.0.join("fd");
        Ok(fs::read_dir(&folder)
            .with_context(|| format!("reading {}", folder.display()))?
            .count())
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.0.join(file);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_very_process_can_be_watched() {
        let us = Watched::new(std::process::id()).unwrap();
        let before = us.memory().unwrap();
        assert!(before.pss_kib <= before.rss_kib);
        let ballast = vec![1_u8; 8 << 20];
        let after = us.memory().unwrap();
        assert!(after.rss_kib >= before.rss_kib + 7 * 1024, "{before:?} {after:?}");
        drop(ballast);

        let (cpu, descriptors) = (us.cpu().unwrap(), us.descriptors().unwrap());
        let _open = fs::File::open("/proc/self/stat").unwrap();
        assert!(us.descriptors().unwrap() > descriptors);
        until(SETTLING, "CPU time", async || {
            std::hint::black_box((0..1_000_000_u64).fold(0, |sum, n| sum ^ std::hint::black_box(n)));
            ensure!(us.cpu()? > cpu, "none");
            Ok(())
        })
        .await
        .unwrap();
    }
}
