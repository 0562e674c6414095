//! What the API key may do beyond what the adapter's mode needs, each a sentence for an operator.

use crate::database::Database;
use crate::error::Error;

pub(crate) async fn judge(_database: &Database) -> Result<Vec<String>, Error> {
    Ok(vec![])
}
