//! The witness of what was done: a file with a line for each order, however often it was done.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// The ledger of a running shop. Several processes may write to one file.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<File>);

impl Ledger {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self(Arc::new(file)))
    }

    /// Writes a line. It is there when this returns, even if the process is killed at the next moment.
    pub(crate) fn write(&self, id: &str) -> io::Result<()> {
        // One write, so that the lines of several processes do not mix.
        (&*self.0).write_all(format!("{id}\n").as_bytes())
    }
}

/// How often each order of a ledger was done.
///
/// # Errors
/// When the file can't be read. A file that is not there yet is an empty ledger.
pub fn read(path: &Path) -> io::Result<HashMap<String, u32>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut times = HashMap::new();
    for line in text.lines() {
        *times.entry(line.to_owned()).or_default() += 1;
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_counted_as_often_as_it_was_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger");
        assert!(read(&path).expect("none yet").is_empty());
        let (one, other) = (
            Ledger::open(&path).expect("a file"),
            Ledger::open(&path).expect("a file"),
        );
        one.write("a").expect("written");
        other.write("b").expect("written");
        one.write("a").expect("written");
        let times = read(&path).expect("readable");
        assert_eq!((times["a"], times["b"], times.len()), (2, 1, 2));
    }
}
