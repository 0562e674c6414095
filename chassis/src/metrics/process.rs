//! What the process itself takes, by the names that Prometheus' own libraries use, so that dashboards know them.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;

crate::instruments! {
    /// The instruments of every process.
    pub(crate) static INSTRUMENTS;
    /// Which version runs, as a label; always 1.
    static BUILD: Observed = ("mcp_hub.build.info", "", ["version"]);
    /// When the process started, in seconds since 1970.
    static STARTED: Observed = ("process.start_time", "s", []);
    /// Memory of the process that is in RAM.
    static MEMORY: Observed = ("process.resident_memory", "By", []);
    /// Open files and sockets.
    static DESCRIPTORS: Observed = ("process.open_fds", "", []);
    /// The most files and sockets that may be open.
    static MOST_DESCRIPTORS: Observed = ("process.max_fds", "", []);
    /// Threads of the process.
    static THREADS: Observed = ("process.threads", "", []);
    /// CPU time that was taken, by the process and by the kernel for it.
    static CPU: ObservedTotal = ("process.cpu", "s", []);
}

/// From now on they are told.
pub(super) fn start() {
    let started = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    STARTED.observe(move |say| say(started.try_into().unwrap_or(i64::MAX), &[]));
    BUILD.observe(|say| say(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]));
    #[cfg(target_os = "linux")]
    linux::start();
}

/// What `/proc` tells. What can't be read is not there.
#[cfg(target_os = "linux")]
mod linux {
    use procfs::ProcResult;
    use procfs::process::{LimitValue, Process, Stat};

    use super::{CPU, DESCRIPTORS, MEMORY, MOST_DESCRIPTORS, THREADS};

    pub(super) fn start() {
        let number = |look: fn(&Process) -> ProcResult<i64>| {
            move |say: &mut dyn FnMut(i64, &[opentelemetry::KeyValue])| {
                if let Ok(number) = Process::myself().and_then(|process| look(&process)) {
                    say(number, &[]);
                }
            }
        };
        MEMORY.observe(number(|process| {
            let pages = process.statm()?.resident;
            Ok(saturated(pages.saturating_mul(procfs::page_size())))
        }));
        DESCRIPTORS.observe(number(|process| Ok(saturated(process.fd_count()? as u64))));
        MOST_DESCRIPTORS.observe(number(|process| {
            match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(limit) => Ok(saturated(limit)),
                LimitValue::Unlimited => Ok(i64::MAX),
            }
        }));
        THREADS.observe(number(|process| Ok(process.stat()?.num_threads)));
        CPU.observe(|| {
            Process::myself()
                .and_then(|process| process.stat())
                .ok()
                .map(|stat| cpu(&stat))
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds with two digits")]
    fn cpu(stat: &Stat) -> f64 {
        (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64
    }

    fn saturated(number: u64) -> i64 {
        number.try_into().unwrap_or(i64::MAX)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_process_tells_what_it_takes() {
        super::start();
        let text = crate::metrics::text();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
            line.rsplit(' ').next()?.parse::<f64>().ok()
        };
        let memory = value("process_resident_memory_bytes").expect("told");
        assert!((1e6..1e10).contains(&memory), "{memory}");
        let [open, most] = ["process_open_fds", "process_max_fds"].map(|name| value(name).expect("told"));
        assert!(3.0 <= open && open < most, "{open} {most}");
        let started = value("process_start_time_seconds").expect("told");
        assert!(started > 1.7e9, "{started}");
        assert!(value("process_threads") >= Some(1.0));
        assert!(value("process_cpu_seconds_total") >= Some(0.0));
        let build = format!(
            "mcp_hub_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        assert!(text.contains(&build), "{text}");
    }
}
