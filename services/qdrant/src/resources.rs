//! Resources: a collection is a document that says what `collection_info` says of it, at `{collection}`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::{self, Address, Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::qdrant::v1::CollectionInfoRequest;
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::collection;
use crate::database::Database;
use crate::embedding::Embeddings;

/// The form of all addresses.
pub(crate) const TEMPLATE: &str = "{collection}";

/// What a document is.
const JSON: &str = "application/json";

/// The limit of a look at the list.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// How many characters of its aliases an entry shows.
const ALIASES: usize = 120;

/// The collections of the server.
pub(crate) struct Collections {
    database: Database,
    embeddings: Embeddings,
}

impl Collections {
    pub(crate) fn new(database: Database, embeddings: Embeddings) -> Self {
        Self { database, embeddings }
    }
}

#[tonic::async_trait]
impl Resources for Collections {
    /// By two calls, however many collections there are: the list is looked at again and again while somebody watches it.
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let session = self.database.read(LIST_LIMIT);
        let (names, aliases) = tokio::try_join!(session.names(), collection::aliases(&session))?;
        let aliases = aliases.unwrap_or_default();
        let links = names.iter().map(|name| {
            let others = aliases.get(name.as_str()).map(Vec::as_slice);
            link(name.as_str(), others.unwrap_or_default())
        });
        Page::of(links.collect(), cursor)
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: TEMPLATE.to_owned(),
            name: "collection".to_owned(),
            title: "A collection".to_owned(),
            description: "Vectors, payload keys with types and examples, and how query_text is searched in one collection, \
                          by its name or an alias."
                .to_owned(),
            mime_type: JSON.to_owned(),
        }]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let address = Address::parse(uri)?;
        let Some([name]) = address.matches(&[]) else {
            return Err(resource::not_found(uri));
        };
        let request = CollectionInfoRequest {
            collection: name.to_owned(),
            sample: None,
        };
        match collection::collection_info(&self.database, &self.embeddings, &request, None).await {
            Ok(info) => resource::message(uri, &info),
            // A name that no collection can have.
            Err(fault) if fault.reason == Reason::ArgumentInvalid => Err(resource::not_found(uri)),
            Err(fault) => Err(addressed(fault)),
        }
    }
}

/// A fault whose similar names are addresses, which is what was asked for.
fn addressed(mut fault: Fault) -> Fault {
    if let Some(similar) = fault.metadata.get_mut("did_you_mean") {
        let addresses = similar.split(',').map(|name| Address::of(&[name]));
        *similar = addresses.collect::<Vec<_>>().join(",");
    }
    fault
}

/// A collection's entry: its name, and what else it is called.
fn link(name: &str, aliases: &[String]) -> ResourceLink {
    let description = if aliases.is_empty() {
        String::new()
    } else {
        let aliases = format!("also {}", aliases.join(", "));
        match aliases.char_indices().nth(ALIASES) {
            Some((end, _)) => format!("{} ..", &aliases[..end]),
            None => aliases,
        }
    };
    ResourceLink {
        uri: Address::of(&[name]),
        name: name.to_owned(),
        description,
        mime_type: JSON.to_owned(),
        ..ResourceLink::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_short_line() {
        let aliases = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let entry = link("a b%", &aliases(&["live", "shop"]));
        assert_eq!((entry.uri.as_str(), entry.name.as_str()), ("a%20b%25", "a b%"));
        assert_eq!(entry.description, "also live, shop");
        assert_eq!(link("a", &[]).description, "");
        let many = vec!["ä".repeat(50); 50];
        assert_eq!(link("a", &many).description.chars().count(), ALIASES + 3);
    }

    #[test]
    fn similar_names_are_addresses() {
        let fault = Fault::new(Reason::ObjectNotFound, "").with("did_you_mean", "a b,c");
        assert_eq!(addressed(fault).metadata["did_you_mean"], "a%20b,c");
    }
}
