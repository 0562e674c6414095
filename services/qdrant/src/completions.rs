//! Completions: the collections, vectors and payload keys that an argument of a prompt, or the variable of an address, may name.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::{Completions, starting_with};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::collection;
use crate::database::{Database, Session};
use crate::error::Error;
use crate::resources::TEMPLATE;

/// The limit of a look-up: somebody is typing.
const LIMIT: Duration = Duration::from_secs(2);

/// The names of the server.
pub(crate) struct Names(Database);

impl Names {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[tonic::async_trait]
impl Completions for Names {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        let session = self.0.read(LIMIT);
        let candidates = match Wanted::of(request) {
            Wanted::Collection => collection::callable(&session).await,
            Wanted::Vector { of } => vectors(&session, of).await,
            Wanted::TextKey { of } => collection::text_keys(&session, of).await,
            Wanted::Nothing => Ok(vec![]),
        };
        match candidates.map_err(Fault::from) {
            Ok(candidates) => Ok(starting_with(candidates, &request.value)),
            // The collection that was typed before is none, and so has nothing to name.
            Err(fault) if fault.reason == Reason::ObjectNotFound => Ok(vec![]),
            Err(fault) => Err(fault),
        }
    }
}

/// The names of a collection's vectors; the unnamed one has none.
async fn vectors(session: &Session, collection: &str) -> Result<Vec<String>, Error> {
    let vectors = session.shape(collection).await?.vectors;
    Ok(vectors.into_iter().map(|vector| vector.name).collect())
}

/// What an argument names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Collection,
    /// A vector of a collection.
    Vector {
        of: &'a str,
    },
    /// A payload key that holds texts in a collection.
    TextKey {
        of: &'a str,
    },
    Nothing,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a CompleteRequest) -> Self {
        let collection = request.arguments.get("collection").map(String::as_str);
        let collection = collection.filter(|name| !name.is_empty());
        let place = (request.prompt.as_str(), request.uri_template.as_str());
        match (place, request.argument.as_str(), collection) {
            (("", TEMPLATE) | ("explore" | "set_up_semantic_search", ""), "collection", _) => {
                Self::Collection
            }
            (("set_up_semantic_search", ""), "vector", Some(of)) => Self::Vector { of },
            (("set_up_semantic_search", ""), "text_key", Some(of)) => Self::TextKey { of },
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_names_nothing_has_no_values() {
        let request = |prompt: &str, uri_template: &str, argument: &str, collection: &str| CompleteRequest {
            prompt: prompt.to_owned(),
            uri_template: uri_template.to_owned(),
            argument: argument.to_owned(),
            arguments: [("collection".to_owned(), collection.to_owned())].into(),
            ..CompleteRequest::default()
        };
        for (prompt, template, argument, collection, wanted) in [
            ("", TEMPLATE, "collection", "", Wanted::Collection),
            ("explore", "", "collection", "", Wanted::Collection),
            (
                "set_up_semantic_search",
                "",
                "vector",
                "a",
                Wanted::Vector { of: "a" },
            ),
            (
                "set_up_semantic_search",
                "",
                "text_key",
                "a",
                Wanted::TextKey { of: "a" },
            ),
            ("set_up_semantic_search", "", "vector", "", Wanted::Nothing),
            ("explore", "", "question", "a", Wanted::Nothing),
            ("explore", "", "vector", "a", Wanted::Nothing),
            ("other", "", "collection", "", Wanted::Nothing),
            ("", "{other}", "collection", "", Wanted::Nothing),
        ] {
            let request = request(prompt, template, argument, collection);
            assert_eq!(Wanted::of(&request), wanted, "{request:?}");
        }
    }
}
