//! What a server of a test's own has beyond the usual settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Settings and files for [`MariaDb::start_with`](crate::MariaDb::start_with) and
/// [`Neo4j::start_with`](crate::Neo4j::start_with).
///
/// A setting has the name that it has in the server's configuration file, and takes the place of the usual one.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    files: Vec<(PathBuf, Vec<u8>)>,
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
