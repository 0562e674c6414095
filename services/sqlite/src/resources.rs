//! Tables and views as resources: `{table}`. A resource is what `DescribeTable` answers.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::resource::{self, Address, Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::catalogue::{self, Relation};
use crate::database::Database;

const JSON: &str = "application/json";

/// The tables of a database.
pub(crate) struct Tables(pub(crate) Database);

#[tonic::async_trait]
impl Resources for Tables {
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let relations = self.0.read(catalogue::LIMIT_OF_TIME, |session| {
            session.ours(catalogue::SCHEMA, catalogue::relations)
        });
        Page::of(relations.await?.into_iter().map(link).collect(), cursor)
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: "{table}".to_owned(),
            name: "table".to_owned(),
            title: "SQLite table".to_owned(),
            description: "Columns, keys, indexes and SQL of a table or view.".to_owned(),
            mime_type: JSON.to_owned(),
        }]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let address = Address::parse(uri)?;
        let Some([table]) = address.matches(&[]) else {
            return Err(resource::not_found(uri));
        };
        let name = table.to_owned();
        let described = self.0.read(catalogue::LIMIT_OF_TIME, move |session| {
            catalogue::describe::describe(session, &name)
        });
        let described = described.await?;
        // The tool takes other ways of writing a name too; an address has one.
        if described.name != table {
            return Err(resource::not_found(uri).with("did_you_mean", described.name));
        }
        resource::message(uri, &described)
    }
}

/// Without a size: counting the rows of all tables is not worth a list.
fn link(table: Relation) -> ResourceLink {
    ResourceLink {
        uri: Address::of(&[&table.name]),
        description: table.kind.to_owned(),
        mime_type: JSON.to_owned(),
        name: table.name,
        ..ResourceLink::default()
    }
}
