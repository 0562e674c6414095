//! What clients that only wait cost the facade.
//!
//! Each round has a facade of its own, so that what one leaves behind is not in the figures of the next.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde::Serialize;

mod held;

use crate::latency::Summary;
use crate::process::Memory;
use crate::program::{Program, Programs};
use crate::progress;
use crate::wait::until;
use held::{Held, Kind};

/// How often the facade says something on an idle stream.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How many are opened and used before the first look at the memory, since what the facade sets up once is no cost of a stream. They
/// stay open, or the others would take the memory that they give back.
const WARM_UP: usize = 16;

/// How many streams are asked for an answer.
const SAMPLE: usize = 64;

/// Descriptors of a process beside those of the connections.
const OTHER_DESCRIPTORS: u64 = 128;

/// How long the facade may take to notice that its clients have gone.
const CLOSING: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// How many streams; give it again for more rounds.
    #[arg(long = "streams", value_name = "COUNT", default_values_t = [1_000, 10_000],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    streams: Vec<u32>,
    /// How long they are watched while nothing is said, in seconds. From 20 on, each stream must have had a ping by the end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=120))]
    idle: u64,
    /// What is held: SSE streams, or HTTP/1.1 connections that are only kept, for comparison.
    #[arg(long = "hold", value_enum, default_values_t = [Kind::Streams, Kind::Connections])]
    kinds: Vec<Kind>,
}

/// All rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rounds: Vec<Round>,
}

/// What one number of clients came to.
#[derive(Debug, Serialize)]
struct Round {
    held: Kind,
    count: usize,
    before: Memory,
    idle: Memory,
    after_closing: Memory,
    /// With as many again in the same process: what is kept after closing is used again, or it is lost.
    idle_again: Memory,
    /// By resident memory, from before the first to when all were idle.
    kib_each: f64,
    /// From the first connection to the last answer.
    opened_in_ms: u64,
    /// Each from its connection to its first answer, 64 at a time.
    opening: Summary,
    /// Of the whole facade, while nobody said anything.
    cpu_ms_per_idle_minute: f64,
    pings: u64,
    /// A `ping` of MCP, from the POST to the answer, one after the other on a sample.
    answering: Summary,
}

/// Measures every kind at every number.
pub(crate) async fn measure(options: &Options, programs: &Programs) -> anyhow::Result<Report> {
    let most = u64::from(options.streams.iter().copied().max().unwrap_or_default());
    raise_limit(most + OTHER_DESCRIPTORS)?;
    let mut rounds = vec![];
    for &count in &options.streams {
        for &kind in &options.kinds {
            let facade = programs
                .facade("", &["--max-connections", &(count + 64).to_string()])
                .await?;
            let idle = Duration::from_secs(options.idle);
            let round = measure_one(&facade, kind, count as usize, idle)
                .await
                .map_err(|error| anyhow!("{count} {kind}: {error:#}\n{}", facade.log()))?;
            facade.end().await?;
            rounds.push(round);
        }
    }
    Ok(Report { rounds })
}

/// Both this process, which hands its limit on, and the facade have a descriptor for each connection.
fn raise_limit(needed: u64) -> anyhow::Result<()> {
    let limit = rlimit::increase_nofile_limit(needed).context("raising the limit on open files")?;
    ensure!(
        limit >= needed,
        "this takes {needed} file descriptors in each of two processes, and no more than {limit} are allowed: raise the hard \
         limit (`ulimit -Hn`), or ask for fewer --streams"
    );
    Ok(())
}

async fn measure_one(facade: &Program, kind: Kind, count: usize, idle: Duration) -> anyhow::Result<Round> {
    progress(&format!("{count} {kind}: opening"));
    let watched = &facade.watched;
    let at_first = watched.descriptors()?;
    let mut warm_up = Held::open(facade.address, kind, WARM_UP).await?;
    warm_up.sample(WARM_UP).await?;
    let before = watched.settled().await?;

    let start = Instant::now();
    let mut held = Held::open(facade.address, kind, count).await?;
    let opened_in = start.elapsed();
    watched.settled().await?;

    progress(&format!("{count} {kind}: idle for {} s", idle.as_secs()));
    let (start, cpu) = (Instant::now(), watched.cpu()?);
    tokio::time::sleep(idle).await;
    let cpu = watched.cpu()?.saturating_sub(cpu);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let pings = held.all_alive(idle > PING_INTERVAL + Duration::from_secs(4))?;
    let idle = watched.settled().await?;

    let answering = held.sample(SAMPLE.min(count)).await?;
    let opening = held.opening.summary();
    drop((held, warm_up));
    until(CLOSING, "a facade without clients", async || {
        let more = watched.descriptors()?.saturating_sub(at_first);
        ensure!(more == 0, "{more} descriptors more than at first");
        Ok(())
    })
    .await?;
    let after_closing = watched.settled().await?;
    let _again = Held::open(facade.address, kind, count).await?;
    let idle_again = watched.settled().await?;
    #[expect(clippy::cast_precision_loss, reason = "for people; far below 2^52")]
    let kib_each = idle.rss_kib.saturating_sub(before.rss_kib) as f64 / count as f64;
    Ok(Round {
        held: kind,
        count,
        before,
        idle,
        after_closing,
        idle_again,
        kib_each,
        opened_in_ms: u64::try_from(opened_in.as_millis())?,
        opening,
        cpu_ms_per_idle_minute: cpu.as_secs_f64() * 1000.0 / minutes,
        pings,
        answering,
    })
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header([
            "held",
            "count",
            "KiB each",
            "MiB before",
            "MiB idle",
            "MiB after closing",
            "MiB idle again",
            "opened in s",
            "CPU ms per idle min",
            "pings",
            "ping µs p50",
            "ping µs p99",
        ]);
        for round in &self.rounds {
            table.add_row([
                round.held.to_string(),
                round.count.to_string(),
                format!("{:.1}", round.kib_each),
                mib(round.before.rss_kib),
                mib(round.idle.rss_kib),
                mib(round.after_closing.rss_kib),
                mib(round.idle_again.rss_kib),
                format!("{:.2}", Duration::from_millis(round.opened_in_ms).as_secs_f64()),
                format!("{:.0}", round.cpu_ms_per_idle_minute),
                round.pings.to_string(),
                round.answering.p50_us.to_string(),
                round.answering.p99_us.to_string(),
            ]);
        }
        table.to_string()
    }
}

fn mib(kib: u64) -> String {
    format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024)
}
