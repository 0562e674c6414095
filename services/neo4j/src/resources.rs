//! Resources: a label is a document that says what the schema tool says of it, at `labels/{label}`; a relationship type is one at
//! `relationships/{type}`.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::{self, Address, Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::catalogue::{self, Found, Kind};
use crate::database::Database;

/// What a document is.
const JSON: &str = "application/json";

/// The variable of an address that names another database.
const DATABASE: &str = "database";

/// The labels and relationship types of the graph.
pub(crate) struct Elements(Database);

impl Elements {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[tonic::async_trait]
impl Resources for Elements {
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let elements = catalogue::elements(&self.0).await?;
        let links = elements
            .iter()
            .map(|(kind, name, count)| link(*kind, name, *count));
        Page::of(links.collect(), cursor)
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        [Kind::Label, Kind::RelationshipType]
            .map(|kind| template(&self.0, kind))
            .into()
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let address = Address::parse(uri)?;
        let known: &[&str] = if has_others(&self.0) { &[DATABASE] } else { &[] };
        let of = address.value(DATABASE);
        let (kind, name, similar) = match address.matches(known) {
            Some(["labels", name]) => match catalogue::label(&self.0, name, of).await? {
                Found::It(schema) => return resource::message(uri, &schema),
                Found::Similar(similar) => (Kind::Label, name, similar),
            },
            Some(["relationships", name]) => match catalogue::relationship_type(&self.0, name, of).await? {
                Found::It(of_type) => return resource::message(uri, &of_type),
                Found::Similar(similar) => (Kind::RelationshipType, name, similar),
            },
            _ => return Err(resource::not_found(uri)),
        };
        let message = match kind {
            Kind::Label => format!("no node has the label \"{name}\""),
            Kind::RelationshipType => format!("no relationship has the type \"{name}\""),
        };
        let query: Vec<(&str, &str)> = of.map(|of| (DATABASE, of)).into_iter().collect();
        let similar: Vec<String> = similar
            .iter()
            .map(|name| Address::with_query(&[folder(kind), name], &query))
            .collect();
        Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(",")))
    }
}

/// Whether calls may name other databases.
fn has_others(database: &Database) -> bool {
    !database.config().databases.is_empty()
}

const fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Label => "labels",
        Kind::RelationshipType => "relationships",
    }
}

/// The form of the addresses of labels or relationship types.
pub(crate) fn form(database: &Database, kind: Kind) -> &'static str {
    match (kind, has_others(database)) {
        (Kind::Label, false) => "labels/{label}",
        (Kind::Label, true) => "labels/{label}{?database}",
        (Kind::RelationshipType, false) => "relationships/{type}",
        (Kind::RelationshipType, true) => "relationships/{type}{?database}",
    }
}

fn template(database: &Database, kind: Kind) -> ResourceTemplate {
    let (name, title, description) = match kind {
        Kind::Label => (
            "label",
            "A label",
            "The nodes of one label: how many, their properties with types, how they are connected, constraints and indexes.",
        ),
        Kind::RelationshipType => (
            "relationship_type",
            "A relationship type",
            "The relationships of one type: how many, their properties with types, which labels they connect, constraints and indexes.",
        ),
    };
    ResourceTemplate {
        uri_template: form(database, kind).to_owned(),
        name: name.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        mime_type: JSON.to_owned(),
    }
}

fn link(kind: Kind, name: &str, count: Option<u64>) -> ResourceLink {
    let what = match (kind, count) {
        (Kind::Label, Some(1)) => "node",
        (Kind::Label, _) => "nodes",
        (Kind::RelationshipType, Some(1)) => "relationship",
        (Kind::RelationshipType, _) => "relationships",
    };
    ResourceLink {
        uri: Address::of(&[folder(kind), name]),
        name: name.to_owned(),
        description: count.map_or_else(|| what.to_owned(), |count| format!("{count} {what}")),
        mime_type: JSON.to_owned(),
        ..ResourceLink::default()
    }
}
