//! The environment, and the folders that it names.

use std::path::{Path, PathBuf};

/// An environment variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "these variables steer the tests and are no settings of the product"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A program on the PATH, or in a folder that is often not on it.
pub fn find(program: &str) -> Option<PathBuf> {
    first(folders(), program)
}

/// The folder below the user's cache for what tests need; absent where the user has no home.
///
/// It is outside the target directory, so that a clean build does not get everything again.
pub fn cache() -> Option<PathBuf> {
    let caches = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))?;
    Some(caches.join("mcp-hub-test"))
}

/// The folders of the PATH, and those of Debian's servers, which are not on everybody's.
pub(crate) fn folders() -> impl Iterator<Item = PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    path.into_iter()
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
}

/// The first of the folders that has the program.
pub(crate) fn first(folders: impl IntoIterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
}
