//! The Qdrant stand-in, built from testing/qdrant into the user's cache.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{QdrantStandIn, names, variable};

use super::kept;
use crate::process::{cargo, show};

/// The stand-in of these sources. Its engine compiles for minutes, once for each version of it.
pub(crate) fn get() -> anyhow::Result<()> {
    ensure!(
        variable(names::QDRANT_BIN).is_none(),
        "{} names no file",
        names::QDRANT_BIN
    );
    let stand_in = stand_in()?;
    let _lock = kept::use_of(stand_in.folder())?;
    println!("building the Qdrant stand-in in {}", stand_in.folder().display());
    if !stand_in.target().exists() {
        println!("this takes some minutes, once");
    }
    let mut build = command(&stand_in, "build");
    ensure!(show(build.arg("--quiet"))?, "the Qdrant stand-in can't be built");
    // The program appears when it is whole; another may be running.
    let partial = stand_in.program().with_added_extension("partial");
    fs::copy(
        stand_in.target().join("debug").join(QdrantStandIn::PROGRAM),
        &partial,
    )?;
    fs::rename(&partial, stand_in.program())?;
    Ok(())
}

/// Says that the stand-in of these sources is of use, and removes what is not.
pub(crate) fn tidy() -> anyhow::Result<()> {
    let stand_in = stand_in()?;
    let _lock = kept::use_of(stand_in.folder())?;
    kept::tidy(QdrantStandIn::PREFIX)?;
    for program in fs::read_dir(stand_in.folder())? {
        let path = program?.path();
        if path.is_file() && path != stand_in.program() && kept::is_old(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A command of cargo in the stand-in's workspace, with the target directory that its build has.
pub(crate) fn command(stand_in: &QdrantStandIn, name: &str) -> Command {
    let mut command = cargo(&QdrantStandIn::sources());
    command
        .args([name, "--locked"])
        .env("CARGO_TARGET_DIR", stand_in.target());
    command
}

/// Where the stand-in of these sources is.
pub(crate) fn stand_in() -> anyhow::Result<QdrantStandIn> {
    QdrantStandIn::of_these_sources()?.context("no folder for a cache: neither XDG_CACHE_HOME nor HOME")
}
