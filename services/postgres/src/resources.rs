//! Tables and views as resources: `{schema}/{table}`, with `?database=` for another database than the default.
//!
//! A resource is what `DescribeTable` answers.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::resource::{self, Address, Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::catalogue::{self, Listed};
use crate::database::Database;

/// The most characters of a comment in the list.
const COMMENT: usize = 100;

const JSON: &str = "application/json";

/// The tables of a database.
pub(crate) struct Tables(pub(crate) Database);

#[tonic::async_trait]
impl Resources for Tables {
    /// Only of the default database: the others are reached by the template.
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let listed = catalogue::list_resources(&self.0).await?;
        Page::of(listed.iter().map(link).collect(), cursor)
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        let uri_template = if self.0.has_several() {
            "{schema}/{table}{?database}"
        } else {
            "{schema}/{table}"
        };
        vec![ResourceTemplate {
            uri_template: uri_template.to_owned(),
            name: "table".to_owned(),
            title: "PostgreSQL table".to_owned(),
            description: "Columns, keys, indexes and comments of a table or view.".to_owned(),
            mime_type: JSON.to_owned(),
        }]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let address = Address::parse(uri)?;
        let parts = address.matches(&["database"]);
        // A name of the server is never empty, and can't hold NUL.
        let parts = parts.filter(|parts| parts.iter().all(|part| !part.is_empty() && !part.contains('\0')));
        let Some([schema, table]) = parts else {
            return Err(resource::not_found(uri));
        };
        let described = catalogue::describe(&self.0, address.value("database"), Some(schema), table).await?;
        // The tool takes other ways of writing a name too; an address has one.
        if described.schema != schema || described.name != table {
            let name = format!("{}.{}", described.schema, described.name);
            return Err(resource::not_found(uri).with("did_you_mean", name));
        }
        resource::message(uri, &described)
    }
}

fn link(table: &Listed) -> ResourceLink {
    ResourceLink {
        uri: Address::of(&[&table.schema, &table.name]),
        name: format!("{}.{}", table.schema, table.name),
        description: description(table),
        mime_type: JSON.to_owned(),
        ..ResourceLink::default()
    }
}

/// The first line of its comment, or else its size; nothing that a table has anyway.
fn description(table: &Listed) -> String {
    let comment = table.comment.lines().map(str::trim).find(|line| !line.is_empty());
    if let Some(comment) = comment {
        return match comment.char_indices().nth(COMMENT) {
            Some((end, _)) => format!("{}..", &comment[..end]),
            None => comment.to_owned(),
        };
    }
    match table.estimated_rows {
        Some(rows) => format!("{}, {}", table.kind, catalogue::about_rows(rows)),
        None => table.kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_short_line() {
        let of = |comment: &str, estimated_rows| {
            description(&Listed {
                schema: "shop".to_owned(),
                name: "orders".to_owned(),
                kind: "table",
                estimated_rows,
                comment: comment.to_owned(),
            })
        };
        assert_eq!(of("", None), "table");
        assert_eq!(of("", Some(0)), "table, no rows");
        assert_eq!(of(" \n", Some(12)), "table, about 12 rows");
        assert_eq!(of("\n What was bought \nand when", Some(12)), "What was bought");
        assert_eq!(of(&"é".repeat(101), None), format!("{}..", "é".repeat(100)));
    }
}
