//! Qdrant: a real server's program, or the stand-in of testing/qdrant.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::environment::{cache, variable};
use crate::names::QDRANT_BIN;
use crate::sources::hash;

/// A program that speaks Qdrant's gRPC API.
#[derive(Debug)]
pub struct Qdrant {
    /// The program.
    pub program: PathBuf,
    /// Whether it is Qdrant's own server, which takes its settings from the environment; the stand-in has options.
    pub real: bool,
}

impl Qdrant {
    /// The server that the environment names, else the stand-in that was built from the sources as they are now.
    pub fn find() -> Option<Self> {
        let (program, real) = match variable(QDRANT_BIN) {
            // It runs in a folder of its own.
            Some(program) => (std::path::absolute(program).ok()?, true),
            None => (StandIn::of_these_sources().ok()??.program(), false),
        };
        Some(Self { program, real }).filter(|qdrant| qdrant.program.is_file())
    }

    /// What the program is started with, to keep its data in `folder` and to listen on these ports of 127.0.0.1.
    /// `certificate` is the file of a certificate and that of its key. The stand-in has no read-only key.
    ///
    /// The first item is the program: for a real server `env`, with the settings as its arguments.
    pub fn command(
        &self,
        folder: &Path,
        ports: Ports,
        api_key: Option<&str>,
        read_only_api_key: Option<&str>,
        certificate: Option<(&Path, &Path)>,
    ) -> Vec<OsString> {
        let mut line = Line::new(self);
        line.set("QDRANT__SERVICE__GRPC_PORT", "--port", ports.grpc.to_string());
        line.set(
            "QDRANT__SERVICE__HTTP_PORT",
            "--rest-port",
            ports.rest.to_string(),
        );
        line.set("QDRANT__STORAGE__STORAGE_PATH", "--data", folder.join("storage"));
        if let Some(api_key) = api_key {
            line.set("QDRANT__SERVICE__API_KEY", "--api-key", api_key);
        }
        if let Some(api_key) = read_only_api_key {
            line.only_real("QDRANT__SERVICE__READ_ONLY_API_KEY", api_key);
        }
        if let Some((certificate, key)) = certificate {
            line.set("QDRANT__TLS__CERT", "--tls-cert", certificate);
            line.set("QDRANT__TLS__KEY", "--tls-key", key);
            line.only_real("QDRANT__SERVICE__ENABLE_TLS", "true");
        }
        line.only_real("QDRANT__SERVICE__HOST", "127.0.0.1");
        line.only_real("QDRANT__STORAGE__SNAPSHOTS_PATH", folder.join("snapshots"));
        line.only_real("QDRANT__TELEMETRY_DISABLED", "true");
        line.finish()
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// gRPC.
    pub grpc: u16,
    /// REST.
    pub rest: u16,
}

/// A command line, in the way that a real server and the stand-in each take settings.
struct Line<'a> {
    qdrant: &'a Qdrant,
    settings: Vec<OsString>,
}

impl<'a> Line<'a> {
    fn new(qdrant: &'a Qdrant) -> Self {
        Self {
            qdrant,
            settings: Vec::new(),
        }
    }

    fn set(&mut self, variable: &str, option: &str, value: impl Into<OsString>) {
        let mut setting = OsString::from(if self.qdrant.real { variable } else { option });
        setting.push("=");
        setting.push(value.into());
        self.settings.push(setting);
    }

    fn only_real(&mut self, variable: &str, value: impl Into<OsString>) {
        if self.qdrant.real {
            self.set(variable, "", value);
        }
    }

    fn finish(self) -> Vec<OsString> {
        let program = self.qdrant.program.clone().into_os_string();
        if self.qdrant.real {
            let settings = std::iter::once("env".into()).chain(self.settings);
            settings.chain([program]).collect()
        } else {
            std::iter::once(program).chain(self.settings).collect()
        }
    }
}

/// Where the stand-in is built, outside the target directory: its engine takes minutes to compile.
///
/// Cargo's own directory is named after the lock, so that other versions of the engine get another and a change of the
/// stand-in's few sources builds little. The program is named after all sources, so that two clones with different
/// ones do not take each other's.
#[derive(Debug)]
pub struct StandIn {
    folder: PathBuf,
    sources: u64,
}

impl StandIn {
    /// What the names of its folders below [`cache`] begin with.
    pub const PREFIX: &str = "qdrant-";

    /// The name of the program that cargo builds.
    pub const PROGRAM: &str = "qdrant-stand-in";

    /// The folder of the stand-in's sources.
    pub fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../qdrant")
    }

    /// For the sources as they are now; absent where the user has no home.
    pub fn of_these_sources() -> io::Result<Option<Self>> {
        let Some(cache) = cache() else { return Ok(None) };
        let root = Self::sources();
        let lock = hash(&[root.join("Cargo.lock")])?;
        let mut files = vec![root.join("Cargo.lock"), root.join("Cargo.toml")];
        rust_files(&root.join("src"), &mut files)?;
        files.sort();
        Ok(Some(Self {
            folder: cache.join(format!("{}{lock:016x}", Self::PREFIX)),
            sources: hash(&files)?,
        }))
    }

    /// The folder that belongs to this lock.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cargo's target directory.
    pub fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.folder
            .join(format!("{}-{:016x}", Self::PROGRAM, self.sources))
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
