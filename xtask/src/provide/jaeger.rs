//! Jaeger, built into the user's cache from the Go modules that testing/jaeger names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{JaegerBuild, find, names, variable};

use super::kept;
use crate::process::read;

/// Where Go's own archive puts it, which is not on everybody's PATH.
const USUAL: &str = "/usr/local/go/bin/go";

/// The package that testing/jaeger/go.mod names as a tool.
const PACKAGE: &str = "github.com/jaegertracing/jaeger/cmd/jaeger";

/// Builds the program of these modules unless it is there.
pub(crate) fn get() -> anyhow::Result<()> {
    ensure!(
        variable(names::JAEGER_BIN).is_none(),
        "{} names no file",
        names::JAEGER_BIN
    );
    let go = go()?;
    let build =
        JaegerBuild::of_these_modules()?.context("no folder for a cache: neither XDG_CACHE_HOME nor HOME")?;
    let _lock = kept::use_of(build.folder())?;
    if build.program().is_file() {
        // Another run has built it meanwhile.
        return Ok(());
    }
    println!("building Jaeger in {}", build.folder().display());
    println!("this takes some minutes and 3 GB, once");
    let scratch = build.folder().join("scratch");
    remove(&scratch)?;
    let compiled = compile(&go, &scratch);
    let moved = compiled.and_then(|program| Ok(fs::rename(program, build.program())?));
    // Of no use any more, and too much to keep.
    remove(&scratch)?;
    moved
}

/// Says that the program of these modules is of use, and removes what is not.
pub(crate) fn tidy() -> anyhow::Result<()> {
    if let Some(build) = JaegerBuild::of_these_modules()?.filter(|build| build.program().is_file()) {
        kept::use_of(build.folder())?;
    }
    kept::tidy(JaegerBuild::PREFIX)
}

/// A Go that is new enough, or can get one that is.
fn go() -> anyhow::Result<PathBuf> {
    let usual = || Some(PathBuf::from(USUAL)).filter(|go| go.is_file());
    let go = find("go").or_else(usual).context("no Go")?;
    // In the folder of a module, Go itself says whether it is new enough for it.
    read(
        Command::new(&go)
            .arg("version")
            .current_dir(JaegerBuild::module()),
    )?;
    Ok(go)
}

/// The program, in a folder that is to be removed.
fn compile(go: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let program = scratch.join(JaegerBuild::PROGRAM);
    let mut build = Command::new(go);
    build
        .current_dir(JaegerBuild::module())
        // Without the last one, Go makes its folders of modules so that they can't be removed.
        .args(["build", "-trimpath", "-ldflags=-s -w", "-modcacherw", "-o"])
        .arg(&program)
        .arg(PACKAGE)
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .env("GOMODCACHE", scratch.join("modules"))
        .env("GOCACHE", scratch.join("compiled"));
    read(&mut build)?;
    Ok(program)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}
