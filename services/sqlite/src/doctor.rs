//! The file, looked at from here: whether it is there, can be read, is a database, and whether it can be used where it lies.

use std::io::Read as _;
use std::path::Path;

use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use tokio::time::Instant;

use crate::config::Config;
use crate::database::Database;
use crate::error::Error;

/// Where the header of a database says how it is read; 2 is by a write-ahead log.
const READ_VERSION: usize = 19;

/// Looks at the file, on a connection of its own. `key` is the service's.
pub async fn examine(config: Config, key: &str, scope: Scope) -> Vec<Finding> {
    let path = config.path.clone().filter(|_| config.is_configured());
    let Some(path) = path else {
        let subject = format!("{key}: its settings");
        let finding = Finding::new(Hop::Adapter, subject, Verdict::SettingMissing);
        return vec![finding.of_setting("SQLITE_PATH").with_detail("SQLITE_PATH")];
    };
    let begun = Instant::now();
    let (verdict, detail) = match Database::new(&config, key).look(scope.timeout).await {
        Ok(()) => (Verdict::Ok, String::new()),
        Err(error) => told(&error, &path),
    };
    let subject = format!("{key}: {}", path.display());
    let finding = Finding::new(Hop::Host, subject, verdict).of_setting("SQLITE_PATH");
    vec![finding.with_detail(detail).after(begun.elapsed())]
}

/// What an error comes to, and why.
fn told(error: &Error, path: &Path) -> (Verdict, String) {
    let detail = error
        .unavailability()
        .map_or_else(|| error.to_string(), std::borrow::Cow::into_owned);
    let verdict = match error.verdict() {
        // The file can be read, and SQLite fails on those beside it: it has to make them, where there are none.
        Verdict::FileUnreadable if has_log(path) => Verdict::WalReadOnly,
        verdict => verdict,
    };
    (verdict, detail)
}

/// Whether the file can be read, and is of a database with a write-ahead log.
fn has_log(path: &Path) -> bool {
    let mut header = [0; READ_VERSION + 1];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[READ_VERSION] == 2
}
