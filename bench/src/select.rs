//! What a primary-key select costs: straight, by the adapter's gRPC, and by the facade's doors.
//!
//! All ways are measured in one run, in slices of a fraction of a second by turns, so that what else the machine does hits all
//! alike; the ratios are of slices that lie side by side. Each answer is checked to be the row that was asked for.

use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use comfy_table::Table as Grid;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use mcp_hub_testing::Postgres;
use serde::Serialize;

pub(crate) mod slices;
pub(crate) mod table;
pub(crate) mod ways;

use crate::program::{Program, Programs};
use crate::{progress, unless_interrupted};
use slices::{Figures, Plan};
use table::Table;
use ways::{Targets, Way};

/// The key of the adapter at the facade.
pub(crate) const UPSTREAM: &str = "postgres";

/// What to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The PostgreSQL to ask, `postgres://user@host/database`; a table is made in it and removed at the end. Without it, a private
    /// one is started from the programs on this machine.
    #[arg(long, env = mcp_hub_programs::names::POSTGRES_URL, hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// How many clients ask at the same time, each one question after the other; give it again for more rounds.
    #[arg(long = "clients", value_name = "COUNT", default_values_t = [1, 16], value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) clients: Vec<u16>,
    /// How long each way or hub is measured with each number of clients, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// How long a way or hub is measured before it is the next one's turn, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(50..=10_000))]
    slice: u64,
    /// How many rows the table has.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(i32).range(1..=10_000_000))]
    rows: i32,
}

/// All numbers of clients.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rows: i32,
    rounds: Vec<Round>,
}

/// What one number of clients came to.
#[derive(Debug, Serialize)]
struct Round {
    clients: usize,
    ways: Vec<Figures>,
}

impl Options {
    /// Measures on a table that is made for it and removed at the end, also after a failure or Ctrl-C: the database may be somebody's.
    pub(crate) async fn on_table<T>(
        &self,
        measure: impl AsyncFnOnce(&str, &Table) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        // It ends when this is dropped.
        let private;
        let url = if let Some(url) = &self.url {
            url
        } else {
            private = postgres().await?;
            private.url()
        };
        progress(&format!("a table of {} rows", self.rows));
        let table = Table::create(url, self.rows).await?;
        let result = unless_interrupted(measure(url, &table)).await;
        table.remove().await?;
        result
    }

    /// By which turns.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            slice: Duration::from_millis(self.slice),
            each: Duration::from_secs(self.seconds),
            rows: self.rows,
        }
    }
}

/// Measures every way with every number of clients.
pub(crate) async fn measure(options: &Options, programs: &Programs) -> anyhow::Result<Report> {
    options
        .on_table(async |url, table| measure_all(options, programs, url, table).await)
        .await
}

async fn postgres() -> anyhow::Result<Postgres> {
    ensure!(
        mcp_hub_programs::postgres().is_some(),
        "no PostgreSQL: name one with --url, or install its programs (initdb, postgres, pg_ctl)"
    );
    progress("a PostgreSQL of its own");
    Postgres::start().await.context("PostgreSQL does not start")
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
        // As many connections as clients, so that the path is measured and not the queue in front of the database.
        let (adapter, facade) = hub(programs, url, clients).await?;
        progress(&format!("{clients} clients: {} s for each way", options.seconds));
        let ways = measure_one(options, &adapter, &facade, url, table, clients)
            .await
            .map_err(|error| anyhow!("{error:#}\n{}\n{}", facade.log(), adapter.log()))?;
        rounds.push(Round { clients, ways });
        facade.end().await?;
        adapter.end().await?;
    }
    Ok(Report {
        rows: options.rows,
        rounds,
    })
}

/// An adapter and a facade in front of it, for so many clients.
pub(crate) async fn hub(
    programs: &Programs,
    url: &str,
    clients: usize,
) -> anyhow::Result<(Program, Program)> {
    let adapter = programs.postgres(url, clients).await?;
    let upstreams = format!(
        "[upstreams.{UPSTREAM}]\naddress = \"http://{}\"\nconcurrency = {}\n",
        adapter.address,
        clients + 1
    );
    let facade = programs.facade(&upstreams, &[]).await?;
    Ok((adapter, facade))
}

async fn measure_one(
    options: &Options,
    adapter: &Program,
    facade: &Program,
    url: &str,
    table: &Table,
    clients: usize,
) -> anyhow::Result<Vec<Figures>> {
    let targets = Targets {
        url,
        adapter: adapter.address,
        facade: facade.address,
    };
    ways::ready(facade.address).await?;
    let mut callers = vec![];
    for way in Way::ALL {
        callers.push((way, ways::connect(way, &targets, table, clients).await?));
    }
    slices::run(&options.plan(), callers, &[&facade.watched, &adapter.watched]).await
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut grid = Grid::new();
        grid.load_preset(UTF8_FULL_CONDENSED).set_header([
            "clients",
            "way",
            "calls",
            "calls/s",
            "ratio (quartiles)",
            "p50 µs",
            "ratio",
            "p99 µs",
            "ratio",
            "hub CPU µs/call",
        ]);
        for round in &self.rounds {
            for way in &round.ways {
                let rate = &way.rate_ratio;
                grid.add_row([
                    round.clients.to_string(),
                    way.way.to_string(),
                    way.latency.count.to_string(),
                    format!("{:.0}", way.calls_per_second),
                    format!("{:.2} ({:.2}-{:.2})", rate.median, rate.lower, rate.upper),
                    way.latency.p50_us.to_string(),
                    format!("{:.1}", way.p50_ratio),
                    way.latency.p99_us.to_string(),
                    format!("{:.1}", way.p99_ratio),
                    format!("{:.0}", way.hub_cpu_us_per_call),
                ]);
            }
        }
        grid.to_string()
    }
}
