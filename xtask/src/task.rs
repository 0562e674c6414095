//! The command line.

use std::process::ExitCode;

use clap::Parser;

use crate::{bench, docs, lint, proto, test};

/// The repository's own commands.
#[derive(Parser, Debug)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Runs the tests, all or by part, and provides what they need: PostgreSQL, PgBouncer, MCP clients.
    Test(test::Options),
    /// Checks format, clippy, rustdoc, and the dependencies by deny.toml.
    Lint(lint::Options),
    /// Writes docs/tools.md and docs/configuration.md from the descriptors and the settings.
    Docs,
    /// Measures what idle streams and a select cost, in an optimised build.
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Makes the present contract the one that `buf breaking` compares with. Only for a release.
    ProtoBaseline,
}

/// Runs the task that the command line names.
pub(crate) fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Test(options) => test::run(&options),
        Task::Lint(options) => lint::run(&options),
        Task::Docs => docs::write(),
        Task::Bench(options) => bench::run(&options),
        Task::ProtoBaseline => proto::move_baseline(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
