//! What the login may do beyond what the adapter's mode needs, each a sentence for an operator.

use crate::database::Database;
use crate::error::Error;

/// Judges the reading user.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn judge(_database: &Database) -> Result<Vec<String>, Error> {
    Ok(vec![])
}
