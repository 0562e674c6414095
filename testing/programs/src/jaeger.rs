//! Jaeger: a program that is there, or the one that testing/jaeger names, built from its Go modules.

use std::io;
use std::path::{Path, PathBuf};

use crate::environment::{cache, find, variable};
use crate::names::JAEGER_BIN;
use crate::sources::hash;

/// The program of a Jaeger of version 2: the one that the environment names, else the one that was built, else one on the PATH.
pub fn jaeger() -> Option<PathBuf> {
    let program = match variable(JAEGER_BIN) {
        Some(program) => PathBuf::from(program),
        None => return built().or_else(|| find(JaegerBuild::PROGRAM)),
    };
    // It runs in a folder of its own.
    std::path::absolute(program)
        .ok()
        .filter(|program| program.is_file())
}

fn built() -> Option<PathBuf> {
    let build = JaegerBuild::of_these_modules().ok()??;
    Some(build.program()).filter(|program| program.is_file())
}

/// Where Jaeger is built, outside the target directory: it takes minutes.
#[derive(Debug)]
pub struct JaegerBuild {
    folder: PathBuf,
}

impl JaegerBuild {
    /// What the names of its folders below [`cache`] begin with.
    pub const PREFIX: &str = "jaeger-";

    /// The name of the program.
    pub const PROGRAM: &str = "jaeger";

    /// The Go module that names Jaeger and the modules it is built from.
    pub fn module() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../jaeger")
    }

    /// For the modules as they are named now; absent where the user has no home.
    pub fn of_these_modules() -> io::Result<Option<Self>> {
        let Some(cache) = cache() else { return Ok(None) };
        let module = Self::module();
        let modules = hash(&[module.join("go.mod"), module.join("go.sum")])?;
        Ok(Some(Self {
            folder: cache.join(format!("{}{modules:016x}", Self::PREFIX)),
        }))
    }

    /// The folder that belongs to these modules.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program, once it is built.
    pub fn program(&self) -> PathBuf {
        self.folder.join(Self::PROGRAM)
    }
}
