//! Folders of the user's cache in which programs are built: by one run at a time, and removed when nobody has used them for long.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mcp_hub_programs::cache;

/// What nobody has used for so long is removed.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// In each folder of the cache: held while something is built there, and as old as its last use.
const LOCK: &str = "lock";

/// Makes the folder unless it is there, and says that it is of use; nobody else builds there as long as the file is open.
pub(crate) fn use_of(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join(LOCK))?;
    lock.lock()?;
    lock.set_modified(SystemTime::now())?;
    Ok(lock)
}

/// Removes the folders of the cache whose names begin so and that are of no use any more.
pub(crate) fn tidy(prefix: &str) -> anyhow::Result<()> {
    let Some(cache) = cache().filter(|cache| cache.is_dir()) else {
        return Ok(());
    };
    for folder in fs::read_dir(&cache)? {
        let folder = folder?;
        let ours = folder.file_name().to_string_lossy().starts_with(prefix);
        if ours && is_old(&folder.path().join(LOCK)) {
            fs::remove_dir_all(folder.path())?;
        }
    }
    Ok(())
}

/// Whether nobody has used the file for long.
pub(crate) fn is_old(file: &Path) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT))
}
