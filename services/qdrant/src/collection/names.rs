//! What collections are called: their own names, and their aliases.

use std::collections::BTreeMap;

use crate::database::Session;
use crate::error::Error;

/// The aliases of each collection, sorted; `None` when the API key may not know them.
///
/// # Errors
/// The server's, time-outs.
pub(crate) async fn aliases(session: &Session) -> Result<Option<BTreeMap<String, Vec<String>>>, Error> {
    let aliases = match session.aliases().await {
        Err(Error::Server(_)) => return Ok(None),
        aliases => aliases?,
    };
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for alias in aliases {
        of.entry(alias.collection_name)
            .or_default()
            .push(alias.alias_name);
    }
    for names in of.values_mut() {
        names.sort_unstable();
    }
    Ok(Some(of))
}

/// All names that a caller may give for a collection: their own, sorted, and behind them the aliases, sorted.
///
/// # Errors
/// The server's, time-outs.
pub(crate) async fn callable(session: &Session) -> Result<Vec<String>, Error> {
    let (names, aliases) = tokio::try_join!(session.names(), aliases(session))?;
    let mut aliases = aliases.unwrap_or_default();
    // Only of collections that may be asked.
    let mut others: Vec<String> = names
        .iter()
        .flat_map(|name| aliases.remove(name.as_str()).unwrap_or_default())
        .collect();
    others.sort_unstable();
    Ok(names.iter().map(ToString::to_string).chain(others).collect())
}
