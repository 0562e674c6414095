//! The library that shows a program another time than the machine's.

use std::path::PathBuf;

/// libfaketime for programs with threads, as it is in the packages of Debian and Ubuntu.
pub fn clock() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut libraries =
        folders.filter_map(|folder| Some(folder.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    libraries.find(|library| library.is_file())
}
