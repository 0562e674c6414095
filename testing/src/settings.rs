//! What a server of a test's own has beyond the usual settings.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_programs::clock;

use crate::skip::required;

/// Settings and files for [`MariaDb::start_with`](crate::MariaDb::start_with) and
/// [`Neo4j::start_with`](crate::Neo4j::start_with).
///
/// A setting has the name that it has in the server's configuration file, and takes the place of the usual one.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Variables as `env` takes them: `NAME=value`.
    environment: Vec<OsString>,
}

impl Settings {
    /// Nothing beyond the usual.
    pub fn new() -> Self {
        Self::default()
    }

    /// One line of the configuration file.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// The server's clock is that much behind the machine's. `None` when that can't be had: [`required`] has been called, return from the
    /// test.
    #[must_use]
    pub fn clock_behind(mut self, behind: Duration) -> Option<Self> {
        let Some(library) = clock() else {
            required("no libfaketime, which shows a server another time");
            return None;
        };
        self.environment = vec![
            OsString::from(format!("LD_PRELOAD={}", library.display())),
            OsString::from(format!("FAKETIME=-{}s", behind.as_secs())),
            // Time-outs are those of this machine; also those of conditions, for a glibc that is not old.
            OsString::from("FAKETIME_DONT_FAKE_MONOTONIC=1"),
            OsString::from("FAKETIME_FORCE_MONOTONIC_FIX=0"),
        ];
        Some(self)
    }

    /// The line that starts a program in the environment of these settings.
    pub(crate) fn command(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> (PathBuf, Vec<OsString>) {
        let program = std::iter::once(program.as_os_str().to_owned());
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        let words = self.environment.iter().cloned().chain(program).chain(arguments);
        (PathBuf::from("env"), words.collect())
    }

    /// A file for the server to read, such as a certificate, by its path below the folder from which the server takes
    /// relative paths.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    /// The lines `name=value` of a configuration file, with `usual` for what was not set.
    pub(crate) fn lines(&self, usual: &[(&str, &str)]) -> String {
        let mut all: BTreeMap<&str, &str> = usual.iter().copied().collect();
        all.extend(
            self.values
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        all.iter()
            .map(|(name, value)| [name, "=", value, "\n"].concat())
            .collect()
    }

    /// Writes the files below `folder`.
    pub(crate) fn write_files(&self, folder: &Path) -> std::io::Result<()> {
        self.files.iter().try_for_each(|(path, content)| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(path, content)
        })
    }
}
