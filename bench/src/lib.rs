//! Measurements of the hub as processes of their own: `mcp-hub-facade` and `mcp-hub-postgres` beside this program, real sockets
//! on loopback.
//!
//! [`idle`] says what a client that only waits costs the facade, [`select`] what a primary-key select costs at each of the doors,
//! [`mod@tracing`] what traces add to that.
//! [`program`] and [`process`] start and watch what is measured, [`http`] and [`sse`] are the clients. README.md beside the sources
//! says what the figures mean and what they do not.
#![expect(clippy::print_stdout, reason = "figures are what this program is run for")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use serde::Serialize;

mod http;
mod idle;
mod latency;
mod process;
mod program;
mod select;
mod sse;
mod tracing;
mod wait;

/// What the hub costs, measured.
#[derive(Parser, Debug)]
#[command(name = "mcp-hub-bench", version, about)]
struct Cli {
    /// Print one JSON document instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// The folder with mcp-hub-facade and mcp-hub-postgres; that of this program when absent.
    #[arg(long, value_name = "FOLDER", global = true)]
    programs: Option<PathBuf>,
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand, Debug)]
enum Measurement {
    /// What idle SSE streams cost the facade: memory, time to open, CPU.
    IdleStreams(idle::Options),
    /// What a primary-key select costs straight, by the adapter's gRPC, and by the facade's doors.
    Select(select::Options),
    /// What a traced select costs, next to one without traces.
    Tracing(select::Options),
}

/// Measures what the command line asks for, and prints it.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mcp-hub-bench: can't start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp-hub-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let programs = program::Programs::find(cli.programs.as_deref())?;
    match &cli.measurement {
        Measurement::IdleStreams(options) => {
            let report = unless_interrupted(idle::measure(options, &programs)).await?;
            print(cli.json, &report, idle::Report::table)
        }
        Measurement::Select(options) => {
            let report = select::measure(options, &programs).await?;
            print(cli.json, &report, select::Report::table)
        }
        Measurement::Tracing(options) => {
            let report = tracing::measure(options, &programs).await?;
            print(cli.json, &report, tracing::Report::table)
        }
    }
}

fn print<R: Serialize>(json: bool, report: &R, table: impl Fn(&R) -> String) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{}", table(report));
    }
    Ok(())
}

/// Drops the work at SIGINT or SIGTERM, so that what it started ends with it.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

/// Tells people what is going on; figures go to stdout.
fn progress(text: &str) {
    eprintln!("{text}");
}
