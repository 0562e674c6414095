//! Resources: a table is a document that says what `describe_table` says of it, at `{schema}/{table}`.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::cursor::{self, Statement};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::{self, Address, LISTED, PAGE, Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink};
use mcp_hub_proto::mariadb::v1 as pb;
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::catalogue::{self, Name};
use crate::database::Database;

/// The form of all addresses.
pub(crate) const TEMPLATE: &str = "{schema}/{table}";

/// What a document is.
const JSON: &str = "application/json";

/// How much of a table's comment its entry shows.
const COMMENT: usize = 120;

/// The tables and views of the server.
pub(crate) struct Tables(Database);

impl Tables {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[tonic::async_trait]
impl Resources for Tables {
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let place = Place::read(cursor)?;
        let wanted = PAGE.min(LISTED.saturating_sub(place.listed));
        if wanted == 0 {
            return Ok(Page::default());
        }
        let (tables, last) = catalogue::tables_behind(&self.0, place.behind.as_ref(), wanted).await?;
        let listed = place.listed + wanted;
        let next = last.filter(|_| listed < LISTED).map(|last| Place {
            listed,
            behind: Some(last),
        });
        Ok(Page {
            resources: tables.iter().map(link).collect(),
            next_cursor: next.map(|next| next.cursor()),
        })
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: TEMPLATE.to_owned(),
            name: "table".to_owned(),
            title: "A table or view".to_owned(),
            description:
                "Columns, keys, foreign keys in both directions, indexes, checks and comments of one table or view; the schema is its \
                 database."
                    .to_owned(),
            mime_type: JSON.to_owned(),
        }]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let address = Address::parse(uri)?;
        let Some([schema, table]) = address.matches(&[]) else {
            return Err(resource::not_found(uri));
        };
        if let Some(described) = catalogue::describe_exactly(&self.0, schema, table).await? {
            return resource::message(uri, &described);
        }
        let similar = catalogue::similar(&self.0, schema, table).await?;
        let similar: Vec<String> = similar
            .iter()
            .map(|(schema, name)| Address::of(&[schema, name]))
            .collect();
        let message =
            format!("there is no table or view \"{table}\" in a database \"{schema}\" that can be asked");
        Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(",")))
    }
}

/// A table's entry: its name, and what its makers say of it.
fn link(table: &pb::Table) -> ResourceLink {
    let comment: String = table.comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let description = match comment.char_indices().nth(COMMENT) {
        Some((end, _)) => format!("{} ..", &comment[..end]),
        None if comment.is_empty() && table.r#type != "table" => table.r#type.clone(),
        None => comment,
    };
    ResourceLink {
        uri: Address::of(&[&table.database, &table.name]),
        name: format!("{}.{}", table.database, table.name),
        description,
        mime_type: JSON.to_owned(),
        ..ResourceLink::default()
    }
}

/// Where a page begins.
#[derive(Debug, Default, PartialEq)]
struct Place {
    /// How many tables the pages before have looked at.
    listed: usize,
    /// The last of them.
    behind: Option<Name>,
}

impl Place {
    /// The list has one identity: a cursor fits it on every replica.
    fn list() -> Statement {
        Statement::of([b"tables".as_slice()])
    }

    fn cursor(&self) -> String {
        let (schema, name) = self.behind.clone().unwrap_or_default();
        Self::list().cursor_at(format!("{}\0{schema}\0{name}", self.listed).as_bytes())
    }

    fn read(cursor: Option<&str>) -> Result<Self, Fault> {
        let Some(position) = Self::list().position(cursor)? else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(position).map_err(|_| cursor::damaged())?;
        let mut parts = text.splitn(3, '\0');
        let mut next = || parts.next().ok_or_else(cursor::damaged);
        let listed = next()?.parse().map_err(|_| cursor::damaged())?;
        let behind = Some((next()?.to_owned(), next()?.to_owned()));
        Ok(Self { listed, behind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_where_to_go_on() {
        let place = Place {
            listed: 300,
            behind: Some(("my \"shop\"".to_owned(), "a/b\nc".to_owned())),
        };
        let cursor = place.cursor();
        assert_eq!(Place::read(Some(&cursor)), Ok(place));
        assert_eq!(Place::read(None), Ok(Place::default()));
        for damaged in [
            "x",
            &cursor[1..],
            &Place::list().cursor_at(b"300"),
            &Place::list().cursor(3),
        ] {
            assert!(Place::read(Some(damaged)).is_err(), "{damaged}");
        }
    }

    #[test]
    fn an_entry_is_one_short_line() {
        let table = |comment: &str, r#type: &str| pb::Table {
            database: "a/b".to_owned(),
            name: "ä?".to_owned(),
            r#type: r#type.to_owned(),
            comment: comment.to_owned(),
            ..pb::Table::default()
        };
        let described = |comment, r#type| link(&table(comment, r#type)).description;
        assert_eq!(described("two\nlines ", "table"), "two lines");
        assert_eq!(described("", "table"), "");
        assert_eq!(described("", "view"), "view");
        assert_eq!(described(&"ä".repeat(200), "table").chars().count(), COMMENT + 3);
    }
}
