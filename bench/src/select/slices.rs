//! The run itself: slices of all lanes by turns, and what they come to.
//!
//! A [`Lane`] is one of the things that are compared: here a [`Way`], in [`crate::tracing`] a hub with its own settings.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::RngExt as _;
use serde::Serialize;
use tokio::task::JoinSet;

use super::table::Row;
use super::ways::{Caller, Way};
use crate::latency::{Latencies, Summary};
use crate::process::Watched;

/// How the run goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How long a way is measured at a stretch.
    pub(crate) slice: Duration,
    /// How long a way is measured in all.
    pub(crate) each: Duration,
    /// Keys are from 1 to this.
    pub(crate) rows: i32,
}

/// What one way came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) way: Way,
    pub(crate) latency: Summary,
    pub(crate) calls_per_second: f64,
    /// Of the rate of calls to the first way's, turn by turn.
    pub(crate) rate_ratio: Quartiles,
    /// Of the latencies to the first way's.
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
    /// What the facade and the adapter spent on a CPU together.
    pub(crate) hub_cpu_us_per_call: f64,
}

/// The middle of many figures, and between which the middle half of them lies.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

/// One of the things that are compared.
pub(crate) struct Lane {
    /// What errors call it.
    name: String,
    /// Its place among them, whatever the turn.
    place: usize,
    callers: Vec<Caller>,
    latencies: Latencies,
    elapsed: Duration,
    cpu: Duration,
    /// Calls a second in each turn.
    rates: Vec<f64>,
}

/// Measures all ways.
///
/// # Errors
/// As [`take_turns`].
pub(crate) async fn run(
    plan: &Plan,
    ways: Vec<(Way, Vec<Caller>)>,
    hub: &[&Watched],
) -> anyhow::Result<Vec<Figures>> {
    let mut lanes = vec![];
    let mut names = vec![];
    for (way, callers) in ways {
        lanes.push(Lane::new(way.to_string(), lanes.len(), callers));
        names.push(way);
    }
    for lane in &mut lanes {
        lane.warm_up(plan, hub).await?;
    }
    take_turns(plan, &mut lanes, hub).await?;
    let base = lanes.first().context("no way to measure")?;
    let figures = names
        .iter()
        .zip(&lanes)
        .map(|(way, lane)| Figures::of(*way, lane, base));
    Ok(figures.collect())
}

/// Measures all lanes, and leaves them in their order. A turn is a slice of each; the one that begins changes from turn to turn.
///
/// # Errors
/// A call failed, or an answer was wrong: there are no figures of what does not work.
pub(crate) async fn take_turns(plan: &Plan, lanes: &mut [Lane], hub: &[&Watched]) -> anyhow::Result<()> {
    let turns = plan.each.as_millis().div_ceil(plan.slice.as_millis());
    for _ in 0..turns {
        for lane in &mut *lanes {
            lane.slice(plan, hub).await?;
        }
        lanes.rotate_left(1);
    }
    lanes.sort_by_key(|lane| lane.place);
    Ok(())
}

impl Lane {
    /// The lane of these clients.
    pub(crate) fn new(name: String, place: usize, callers: Vec<Caller>) -> Self {
        Self {
            name,
            place,
            callers,
            latencies: Latencies::new(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            rates: vec![],
        }
    }

    /// A slice that does not count.
    pub(crate) async fn warm_up(&mut self, plan: &Plan, hub: &[&Watched]) -> anyhow::Result<()> {
        self.slice(plan, hub).await?;
        let callers = std::mem::take(&mut self.callers);
        *self = Self::new(std::mem::take(&mut self.name), self.place, callers);
        Ok(())
    }

    /// Lets all clients ask until the slice is over and each has its last answer.
    async fn slice(&mut self, plan: &Plan, hub: &[&Watched]) -> anyhow::Result<()> {
        let cpu = spent(hub)?;
        let start = Instant::now();
        let end = start + plan.slice;
        let mut asking = JoinSet::new();
        for caller in self.callers.drain(..) {
            asking.spawn(ask_until(end, caller, plan.rows));
        }
        let before = self.latencies.count();
        while let Some(asked) = asking.join_next().await {
            let (caller, latencies) = asked?.with_context(|| self.name.clone())?;
            self.callers.push(caller);
            self.latencies.add(&latencies);
        }
        let elapsed = start.elapsed();
        self.elapsed += elapsed;
        self.cpu += spent(hub)?.saturating_sub(cpu);
        self.rates
            .push(float(self.latencies.count() - before) / elapsed.as_secs_f64());
        Ok(())
    }

    /// How long its calls took.
    pub(crate) fn latency(&self) -> Summary {
        self.latencies.summary()
    }

    /// The rate of its calls.
    pub(crate) fn calls_per_second(&self) -> f64 {
        float(self.latencies.count()) / self.elapsed.as_secs_f64()
    }

    /// Its rates to those of another, turn by turn.
    pub(crate) fn rate_ratio(&self, base: &Self) -> Quartiles {
        let ratios = self.rates.iter().zip(&base.rates).map(|(rate, base)| rate / base);
        Quartiles::of(ratios.collect())
    }
}

impl Figures {
    fn of(way: Way, lane: &Lane, base: &Lane) -> Self {
        let (latency, of_base) = (lane.latency(), base.latency());
        Self {
            way,
            latency,
            calls_per_second: lane.calls_per_second(),
            rate_ratio: lane.rate_ratio(base),
            p50_ratio: float(latency.p50_us) / float(of_base.p50_us),
            p99_ratio: float(latency.p99_us) / float(of_base.p99_us),
            hub_cpu_us_per_call: per_call(lane.cpu, latency.count),
        }
    }
}

/// Time for each of so many calls, in microseconds.
pub(crate) fn per_call(time: Duration, calls: u64) -> f64 {
    time.as_secs_f64() * 1e6 / float(calls)
}

async fn ask_until(end: Instant, mut caller: Caller, rows: i32) -> anyhow::Result<(Caller, Latencies)> {
    let mut latencies = Latencies::new();
    loop {
        let key = rand::rng().random_range(1..=rows);
        let start = Instant::now();
        let row: Row = caller.ask(key).await?;
        latencies.record(start.elapsed());
        row.check(key)?;
        if Instant::now() >= end {
            return Ok((caller, latencies));
        }
    }
}

fn spent(hub: &[&Watched]) -> anyhow::Result<Duration> {
    hub.iter().map(|process| process.cpu()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "for people; far below 2^52")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

impl Quartiles {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let last = figures.len().saturating_sub(1);
            figures.get(last * quarter / 4).copied().unwrap_or(f64::NAN)
        };
        Self {
            lower: at(1),
            median: at(2),
            upper: at(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_figures_that_were_measured() {
        let quartiles = Quartiles::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(
            format!("{quartiles:?}"),
            "Quartiles { lower: 2.0, median: 3.0, upper: 4.0 }"
        );
        let one = Quartiles::of(vec![7.0]);
        assert_eq!(
            format!("{one:?}"),
            "Quartiles { lower: 7.0, median: 7.0, upper: 7.0 }"
        );
    }
}
