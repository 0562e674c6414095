//! What is in the server, in short: for those who do not know it yet.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::list::{AT_ONCE, Known, info};
use super::{Shape, aliases};
use crate::database::{Name, Session};
use crate::error::Error;

/// How many collections are looked at.
const LOOKED_AT: usize = 60;

/// The collections of a server.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// Those that were looked at, the biggest first.
    pub(crate) collections: Vec<Shape>,
    /// How many there are beside them, unseen.
    pub(crate) more: usize,
}

/// Looks at the collections that may be asked, the first ones by name when there are many.
///
/// # Errors
/// The server's, time-outs.
pub(crate) async fn overview(session: &Session) -> Result<Overview, Error> {
    let (names, aliases) = tokio::try_join!(session.names(), aliases(session))?;
    let (count, mut aliases) = (names.len(), aliases.unwrap_or_default());
    let looked_at: Vec<(Name, Vec<String>)> = names
        .into_iter()
        .take(LOOKED_AT)
        .map(|name| {
            let others = aliases.remove(name.as_str()).unwrap_or_default();
            (name, others)
        })
        .collect();
    let mut more = count - looked_at.len();
    let mut found = stream::iter(looked_at)
        .map(async |(name, others)| Ok::<_, Error>((info(session, &name).await?, name, others)))
        .buffered(AT_ONCE);
    let mut collections = vec![];
    while let Some((info, name, others)) = found.try_next().await? {
        match info {
            Known::Info(info) => collections.push(Shape::of(name, others, &info)),
            Known::Forbidden => more += 1,
            Known::Gone => {}
        }
    }
    // Those of the same size stay in the order of their names.
    collections.sort_by_key(|shape| std::cmp::Reverse(shape.points));
    Ok(Overview { collections, more })
}
