//! The files of a bundle, and the one that they are packed into.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Files that are packed into one folder.
pub(super) struct Bundle {
    name: String,
    files: Vec<(String, String)>,
}

impl Bundle {
    /// Nothing yet. `name` is the folder's.
    pub(super) fn new(name: String) -> Self {
        Self { name, files: vec![] }
    }

    /// The folder's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a file.
    pub(super) fn text(&mut self, name: &str, content: &str) {
        self.files
            .push((format!("{}/{name}", self.name), content.to_owned()));
    }

    /// Writes them, compressed, into a new file that only its owner reads.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::best()));
        for (name, content) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, content.as_bytes())?;
        }
        let mut file = archive.into_inner()?.finish()?;
        file.flush()?;
        file.sync_all()
    }
}
