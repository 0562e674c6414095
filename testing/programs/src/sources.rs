//! What a program was built from, as a number.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;

/// Of names and contents.
pub(crate) fn hash(files: &[PathBuf]) -> io::Result<u64> {
    let mut hash = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hash);
        fs::read(file)?.hash(&mut hash);
    }
    Ok(hash.finish())
}
