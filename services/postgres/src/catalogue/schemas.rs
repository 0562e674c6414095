//! Which schemas a statement may name.
//!
//! The lists of the configuration are a convenience for an operator, not a wall: a view or a function of an allowed schema reads what its
//! owner may read. The wall is the role's rights.

use std::collections::BTreeSet;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;

use super::{SCHEMATA, rows};
use crate::config::Config;
use crate::database::Database;
use crate::guard::{Read, Write};
use crate::row::text_array;

/// Refuses a read of a schema that the configuration denies. Costs nothing without lists, and a round trip for names without a schema.
///
/// # Errors
/// `ACCESS_DENIED`, and when the server can't be asked.
pub(crate) async fn check_read(
    database: &Database,
    name: Option<&str>,
    read: &Read<'_>,
) -> Result<(), Fault> {
    let lists = Lists::of(database.config());
    if lists.are_empty() {
        return Ok(());
    }
    let named = read.relations.iter().chain(&read.functions);
    for schema in named.filter_map(|name| name.schema.as_deref()) {
        lists.check(schema)?;
    }
    let unqualified = read.relations.iter().filter(|name| name.schema.is_none());
    let unqualified = unqualified.map(|name| name.name.as_str()).collect();
    lists
        .check_on_server(database, name, &BTreeSet::new(), &unqualified)
        .await
}

/// Refuses a write that names a schema that the configuration denies. The text does not tell a schema from an alias, so an alias must not
/// be called like a schema that is denied; names without a schema go by the role's search path.
///
/// # Errors
/// As [`check_read`].
pub(crate) async fn check_writes(
    database: &Database,
    name: Option<&str>,
    writes: &[Write<'_>],
) -> Result<(), Fault> {
    let lists = Lists::of(database.config());
    if lists.are_empty() {
        return Ok(());
    }
    let qualifiers: BTreeSet<&str> = writes
        .iter()
        .flat_map(|write| &write.qualifiers)
        .map(String::as_str)
        .collect();
    for denied in lists
        .denied
        .iter()
        .filter(|denied| qualifiers.contains(denied.as_str()))
    {
        lists.check(denied)?;
    }
    lists
        .check_on_server(database, name, &qualifiers, &BTreeSet::new())
        .await
}

/// The schemas among names, and those that the search path finds relations in.
const SQL: &str = "
    select n.nspname from pg_catalog.pg_namespace n where n.nspname = any ($1::text[])
    union
    select n.nspname from pg_catalog.unnest($2::text[]) as r (name)
      join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(r.name))
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace";

struct Lists<'a> {
    allowed: &'a [String],
    denied: Vec<String>,
}

impl<'a> Lists<'a> {
    fn of(config: &'a Config) -> Self {
        Self {
            allowed: &config.allow_schemas,
            denied: config.denied_schemas(),
        }
    }

    fn are_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }

    fn check(&self, schema: &str) -> Result<(), Fault> {
        let of_the_system = matches!(schema, "pg_catalog" | "information_schema");
        let listed = |list: &[String]| list.iter().any(|listed| listed == schema);
        if !listed(&self.denied) && (self.allowed.is_empty() || of_the_system || listed(self.allowed)) {
            return Ok(());
        }
        let message = format!("schema \"{schema}\" may not be asked here");
        Err(Fault::new(Reason::AccessDenied, message))
    }

    /// Checks what the server says of names that may be schemas, and of relations without one.
    async fn check_on_server(
        &self,
        database: &Database,
        name: Option<&str>,
        qualifiers: &BTreeSet<&str>,
        relations: &BTreeSet<&str>,
    ) -> Result<(), Fault> {
        if qualifiers.is_empty() && relations.is_empty() {
            return Ok(());
        }
        let (qualifiers, relations) = (
            text_array(qualifiers.iter().copied()),
            text_array(relations.iter().copied()),
        );
        for row in rows(
            database,
            name,
            SCHEMATA,
            SQL,
            &[Some(&qualifiers), Some(&relations)],
        )
        .await?
        {
            self.check(row.text(0).unwrap_or_default())?;
        }
        Ok(())
    }
}
