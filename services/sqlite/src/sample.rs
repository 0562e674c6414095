//! A database to try things on: a small shop with a history, always the same.
//!
//! [`create`] writes it in a moment. It holds what real data holds: keys, NULLs, dates, exact decimals, JSON, names in many
//! scripts, a view or two, and answers worth asking for. `shop` fills the tables from the lists in `words`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

mod random;
mod shop;
mod words;

/// What stands in `application_id`, so that no other file is taken for ours: "Shop".
const APPLICATION_ID: i32 = 0x5368_6f70;

/// Raised whenever what is in the file changes; an older file is then made again.
const VERSION: i32 = 1;

/// Three questions to ask first.
pub const QUESTIONS: [&str; 3] = [
    "Which products were reviewed clearly worse in 2026 than in 2025, and what do their reviews complain about?",
    "Show the revenue by month and country since January 2025. Which country grew fastest?",
    "Which customers have never ordered anything, and how many of them get the newsletter?",
];

/// Makes the sample database at `path`, with the folders above it, unless a good one is there.
///
/// It is written beside its place and then renamed, so that nobody ever sees half of it.
///
/// # Errors
/// When the folder or file can't be written, or when a file that is not a sample database is in the way.
pub fn create(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => {
            if version(path)? == Some(VERSION) {
                return Ok(());
            }
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::Sample(error)),
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::Sample)?;
    }
    let draft = Draft::beside(path);
    let mut connection = Connection::open_with_flags(
        &draft.0,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    )?;
    // The draft is thrown away if anything goes wrong, so no journal and no waiting for the disk.
    connection
        .execute_batch("pragma journal_mode = off; pragma synchronous = off; pragma page_size = 4096")?;
    let transaction = connection.transaction()?;
    shop::fill(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    connection.execute_batch("analyze")?;
    connection.close().map_err(|(_, error)| error)?;
    std::fs::File::open(&draft.0)
        .and_then(|file| file.sync_all())
        .map_err(Error::Sample)?;
    std::fs::rename(&draft.0, path).map_err(Error::Sample)
}

/// The version of the sample database at `path`; `None` for one that is damaged or old.
fn version(path: &Path) -> Result<Option<i32>, Error> {
    let in_the_way = || {
        let message = "a file that is not a sample database is in its place";
        Err(Error::Sample(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            message,
        )))
    };
    let read = || -> Result<(i32, i32, bool), rusqlite::Error> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let application: i32 = connection.query_row("pragma application_id", [], |row| row.get(0))?;
        let version: i32 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
        let complete = connection
            .prepare("select 1 from order_items, reviews, order_totals limit 1")?
            .exists([])
            .is_ok();
        Ok((application, version, complete))
    };
    match read() {
        Ok((APPLICATION_ID, version, complete)) => Ok(complete.then_some(version)),
        // Never overwrite what is somebody's data.
        _ => in_the_way(),
    }
}

/// The file while it is written; removed unless it was renamed.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        Self(path.with_file_name(name))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
