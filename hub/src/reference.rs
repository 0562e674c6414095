//! `mcp-hub reference`: the pages of docs/, or parts of them, that are made from the code, so that they can't be wrong for long.

use clap::{Args as _, ValueEnum};
use mcp_hub_chassis::Process;

use crate::adapters::Kind;
use crate::error::Result;

mod configuration;
mod metrics;
mod tools;
mod verdicts;

/// The settings of `mcp-hub reference`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Which page.
    page: Page,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Page {
    /// docs/tools.md
    Tools,
    /// docs/configuration.md
    Configuration,
    /// docs/metrics.md
    Metrics,
    /// The table of docs/network.md.
    Verdicts,
}

/// Prints a page.
pub async fn run(options: Options, process: Process) -> Result<()> {
    crate::say(&match options.page {
        Page::Tools => tools::page(&process.lifecycle).await?,
        Page::Configuration => configuration::page(),
        Page::Metrics => metrics::page(),
        Page::Verdicts => verdicts::page(),
    })
}

/// A process or a part of one, as the page of settings groups them.
pub(crate) struct Part {
    title: String,
    /// What to know before the table.
    introduction: String,
    pub(crate) command: clap::Command,
}

/// All parts but the command itself: their variables mean something in its environment.
pub(crate) fn parts() -> Vec<Part> {
    let facade = mcp_hub_facade::config::Options::augment_args(clap::Command::new("mcp-hub-facade"));
    let facade = Part {
        title: "mcp-hub-facade".to_owned(),
        introduction: "The facade as a process of its own.".to_owned(),
        command: facade,
    };
    let adapters = Kind::adapters().map(|kind| Part {
        title: format!("The {} adapter", kind.name()),
        introduction: configuration::introduction(kind),
        command: kind.program(),
    });
    std::iter::once(facade).chain(adapters).collect()
}
