//! `cargo xtask bench`: builds what is measured, optimised, and measures it.

use std::ffi::OsString;
use std::process::Command;

use anyhow::ensure;

use crate::process::{cargo, show};
use crate::workspace::Workspace;

/// What takes part in the measurements, and what measures.
const PACKAGES: [&str; 3] = ["mcp-hub-facade", "mcp-hub-postgres", "mcp-hub-bench"];

/// The options of `cargo xtask bench`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// What to measure, and how: `idle-streams`, `select`, `--help` for all of it.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "MEASUREMENT"
    )]
    arguments: Vec<OsString>,
}

/// Builds and measures; true when the measurement came to figures.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let mut build = cargo(&workspace.root);
    build.args(["build", "--release", "--locked"]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    ensure!(show(&mut build)?, "the build failed");
    let program = workspace.target.join("release/mcp-hub-bench");
    show(Command::new(program).args(&options.arguments))
}
