//! The Qdrant stand-in, built from testing/qdrant into the user's cache.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{QdrantStandIn, cache, names, variable};

use crate::process::{cargo, show};

/// What nobody has used for so long is removed.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// In each folder of the cache: held while something is built there, and as old as its last use.
const LOCK: &str = "lock";

/// The stand-in of these sources. Its engine compiles for minutes, once for each version of it.
pub(crate) fn get() -> anyhow::Result<()> {
    ensure!(
        variable(names::QDRANT_BIN).is_none(),
        "{} names no file",
        names::QDRANT_BIN
    );
    let stand_in = stand_in()?;
    let _lock = use_of(&stand_in)?;
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
    let _lock = use_of(&stand_in)?;
    let cache = cache().context("no folder for a cache")?;
    for folder in fs::read_dir(&cache)? {
        let folder = folder?;
        let ours = folder
            .file_name()
            .to_string_lossy()
            .starts_with(QdrantStandIn::PREFIX);
        if ours && is_old(&folder.path().join(LOCK)) {
            fs::remove_dir_all(folder.path())?;
        }
    }
    for program in fs::read_dir(stand_in.folder())? {
        let path = program?.path();
        if path.is_file() && path != stand_in.program() && is_old(&path) {
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

fn use_of(stand_in: &QdrantStandIn) -> io::Result<File> {
    fs::create_dir_all(stand_in.folder())?;
    let lock = File::create(stand_in.folder().join(LOCK))?;
    lock.lock()?;
    lock.set_modified(SystemTime::now())?;
    Ok(lock)
}

fn is_old(file: &Path) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT))
}
