//! What traces cost: the same select through hubs that differ in nothing but what they do with its spans.
//!
//! All hubs run at the same time, and take turns as the ways of [`select`](crate::select) do. Spans leave a process in batches, some time
//! after their calls. So CPU time is that of a whole process from the first call to when all that it had to send is sent, for each of its
//! calls.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use comfy_table::Table as Grid;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

mod collector;
mod mode;

use crate::process::Memory;
use crate::program::{Program, Programs};
use crate::progress;
use crate::select::slices::{Lane, Quartiles, float, per_call, take_turns};
use crate::select::table::Table;
use crate::select::ways::{self, Targets, Way};
use crate::select::{Options, hub};
use crate::wait::until;
use collector::Collector;
use mode::Mode;

/// How long a hub may take to send the last spans, and how long nothing must come for all to be sent. Batches wait for 5 s at most.
const SENDING: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(6);

/// All numbers of clients.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rounds: Vec<Round>,
}

/// What one number of clients came to.
#[derive(Debug, Serialize)]
struct Round {
    clients: usize,
    hubs: Vec<Figures>,
}

/// What one hub came to. Ratios are to the one without telemetry.
#[derive(Debug, Serialize)]
struct Figures {
    mode: Mode,
    calls: u64,
    calls_per_second: f64,
    rate_ratio: Quartiles,
    p50_us: u64,
    p50_ratio: f64,
    cpu_ratio: f64,
    facade: Process,
    adapter: Process,
    /// What the collector was sent.
    sent_bytes_per_call: f64,
}

/// What a process of a hub came to.
#[derive(Clone, Copy, Debug, Serialize)]
struct Process {
    cpu_us_per_call: f64,
    memory: Memory,
}

/// A hub under measurement.
struct Hub {
    mode: Mode,
    adapter: Program,
    facade: Program,
    collector: Collector,
    /// What its processes had spent before the first call that counts.
    before: Spent,
}

/// CPU time of the two processes, and what they had sent.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    facade: Duration,
    adapter: Duration,
    sent: u64,
}

/// Measures all hubs with every number of clients.
pub(crate) async fn measure(options: &Options, programs: &Programs) -> anyhow::Result<Report> {
    options
        .on_table(async |url, table| measure_all(options, programs, url, table).await)
        .await
}

async fn measure_all(
    options: &Options,
    programs: &Programs,
    url: &str,
    table: &Table,
) -> anyhow::Result<Report> {
    let mut rounds = vec![];
    for &clients in &options.clients {
        let clients = usize::from(clients);
        let mut hubs = vec![];
        for mode in Mode::ALL {
            hubs.push(Hub::start(mode, programs, url, clients).await?);
        }
        progress(&format!("{clients} clients: {} s for each hub", options.seconds));
        let measured = measure_one(options, &mut hubs, url, table, clients).await;
        let hubs_of_round = measured.map_err(|error| {
            let logs: Vec<String> = hubs.iter().map(Hub::log).collect();
            anyhow!("{error:#}\n{}", logs.join("\n"))
        })?;
        rounds.push(Round {
            clients,
            hubs: hubs_of_round,
        });
        for hub in hubs {
            hub.facade.end().await?;
            hub.adapter.end().await?;
        }
    }
    Ok(Report { rounds })
}

async fn measure_one(
    options: &Options,
    hubs: &mut [Hub],
    url: &str,
    table: &Table,
    clients: usize,
) -> anyhow::Result<Vec<Figures>> {
    let plan = options.plan();
    let mut lanes = vec![];
    for hub in &*hubs {
        let targets = Targets {
            url,
            adapter: hub.adapter.address,
            facade: hub.facade.address,
        };
        ways::ready(hub.facade.address).await?;
        let callers = ways::connect(Way::StreamableHttp, &targets, table, clients).await?;
        let mut lane = Lane::new(hub.mode.to_string(), lanes.len(), callers);
        lane.warm_up(&plan, &[]).await?;
        lanes.push(lane);
    }
    for hub in &mut *hubs {
        hub.settled().await?;
        hub.before = hub.spent()?;
    }
    take_turns(&plan, &mut lanes, &[]).await?;
    let mut figures = vec![];
    for (hub, lane) in hubs.iter().zip(&lanes) {
        hub.settled().await?;
        figures.push(hub.figures(lane, &lanes[0])?);
    }
    let base = figures.first().context("no hub to measure")?.cpu();
    for figures in &mut figures {
        figures.cpu_ratio = figures.cpu() / base;
    }
    Ok(figures)
}

impl Hub {
    async fn start(mode: Mode, programs: &Programs, url: &str, clients: usize) -> anyhow::Result<Self> {
        let collector = Collector::start().await?;
        let programs = programs.with(mode.settings(&collector.endpoint()));
        let (adapter, facade) = hub(&programs, url, clients).await?;
        Ok(Self {
            mode,
            adapter,
            facade,
            collector,
            before: Spent::default(),
        })
    }

    fn spent(&self) -> anyhow::Result<Spent> {
        Ok(Spent {
            facade: self.facade.watched.cpu()?,
            adapter: self.adapter.watched.cpu()?,
            sent: self.collector.bytes(),
        })
    }

    /// Waits until all of its spans are sent.
    async fn settled(&self) -> anyhow::Result<()> {
        if !self.mode.exports() {
            return Ok(());
        }
        until(SENDING, "a hub that has sent its spans", async || {
            let quiet = self.collector.quiet_for();
            ensure!(quiet.is_none_or(|time| time > QUIET), "it still sends");
            Ok(())
        })
        .await
    }

    fn figures(&self, lane: &Lane, base: &Lane) -> anyhow::Result<Figures> {
        let (latency, after) = (lane.latency(), self.spent()?);
        let sent = after.sent - self.before.sent;
        ensure!(
            (sent > 0) == self.mode.exports(),
            "{} has sent {sent} bytes of spans",
            self.mode
        );
        let process = |program: &Program, after: Duration, before: Duration| {
            anyhow::Ok(Process {
                cpu_us_per_call: per_call(after.saturating_sub(before), latency.count),
                memory: program.watched.memory()?,
            })
        };
        Ok(Figures {
            mode: self.mode,
            calls: latency.count,
            calls_per_second: lane.calls_per_second(),
            rate_ratio: lane.rate_ratio(base),
            p50_us: latency.p50_us,
            p50_ratio: float(latency.p50_us) / float(base.latency().p50_us),
            cpu_ratio: f64::NAN,
            facade: process(&self.facade, after.facade, self.before.facade)?,
            adapter: process(&self.adapter, after.adapter, self.before.adapter)?,
            sent_bytes_per_call: float(sent) / float(latency.count),
        })
    }

    fn log(&self) -> String {
        format!("{}\n{}", self.facade.log(), self.adapter.log())
    }
}

impl Figures {
    fn cpu(&self) -> f64 {
        self.facade.cpu_us_per_call + self.adapter.cpu_us_per_call
    }
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut grid = Grid::new();
        grid.load_preset(UTF8_FULL_CONDENSED).set_header([
            "clients",
            "traces",
            "calls",
            "calls/s",
            "ratio (quartiles)",
            "p50 µs",
            "ratio",
            "CPU µs/call: facade",
            "adapter",
            "ratio of both",
            "MiB: facade",
            "adapter",
            "sent KiB/call",
        ]);
        for round in &self.rounds {
            for hub in &round.hubs {
                let rate = &hub.rate_ratio;
                let mib = |process: &Process| format!("{:.0}", float(process.memory.rss_kib) / 1024.0);
                grid.add_row([
                    round.clients.to_string(),
                    hub.mode.to_string(),
                    hub.calls.to_string(),
                    format!("{:.0}", hub.calls_per_second),
                    format!("{:.2} ({:.2}-{:.2})", rate.median, rate.lower, rate.upper),
                    hub.p50_us.to_string(),
                    format!("{:.2}", hub.p50_ratio),
                    format!("{:.0}", hub.facade.cpu_us_per_call),
                    format!("{:.0}", hub.adapter.cpu_us_per_call),
                    format!("{:.2}", hub.cpu_ratio),
                    mib(&hub.facade),
                    mib(&hub.adapter),
                    format!("{:.1}", hub.sent_bytes_per_call / 1024.0),
                ]);
            }
        }
        grid.to_string()
    }
}
