//! The command line.

use std::process::ExitCode;

use clap::Parser;

use crate::workspace::Workspace;
use crate::{bench, docs, lint, monitoring, proto, test};

/// The repository's own commands.
#[derive(Parser, Debug)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Runs the tests, all or by part, and provides what they need: PostgreSQL, PgBouncer, MCP clients.
    Test(test::Options),
    /// Checks format, clippy, rustdoc, the dependencies by deny.toml, scripts, images, docker-compose.yml, manifests, and what monitors the hub.
    Lint(lint::Options),
    /// Writes docs/tools.md and docs/configuration.md from the descriptors and the settings.
    Docs,
    /// Writes monitoring/grafana/dashboards/mcp-hub.json from its description.
    Dashboards,
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
        Task::Dashboards => Workspace::read()
            .and_then(|workspace| monitoring::dashboard::write(&workspace.root))
            .map(|()| true),
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
