//! One table with everything that a query on it needs to know.

use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};
use mcp_hub_proto::mariadb::v1 as pb;

use super::{
    databases, is_of_the_system, listed, marks, same_database, table_comment, table_type, texts, transaction,
};
use crate::database::{Database, Transaction};
use crate::error::Error;

mod columns;
mod keys;
mod partitions;

/// The most tables that a misspelt name is compared with.
const COMPARED: u32 = 20_000;

/// Where a table is: the parameters of most statements here.
pub(super) struct Place {
    database: String,
    name: String,
}

impl Place {
    fn params(&self) -> [Option<&str>; 2] {
        [Some(&self.database), Some(&self.name)]
    }
}

/// Describes a table, view or sequence.
///
/// # Errors
/// `OBJECT_NOT_FOUND` with `did_you_mean`, and the server's.
pub(crate) async fn describe_table(
    database: &Database,
    request: &pb::DescribeTableRequest,
) -> Result<pb::DescribeTableResponse, Fault> {
    // Not trimmed: a name may begin with a space.
    let table = request.table_name.as_str();
    if table.is_empty() {
        return Err(Fault::argument("table_name", "table_name is empty"));
    }
    let named = given(request.database.as_deref());
    let default = database.default_database()?;
    let mut transaction = transaction(database).await?;
    let admitted = match named {
        Some(_) => listed(database, &mut transaction, named, None).await?,
        None => databases(database, &mut transaction).await?,
    };
    let home = named.or(default.as_deref());
    let mut found = find(&mut transaction, &admitted, home, table).await?;
    let place = match (found.pop(), found.as_slice()) {
        (Some(place), []) => place,
        (Some(last), others) => {
            let all = others.iter().chain([&last]);
            let found: Vec<String> = all
                .map(|place| format!("{}.{}", place.database, place.name))
                .collect();
            let message = format!("there are several tables \"{table}\": say which database");
            return Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", found.join(",")));
        }
        (None, _) => return Err(not_found(database, &mut transaction, named, table).await?),
    };
    let described = describe(database, &mut transaction, &place).await?;
    transaction.rollback().await?;
    described.ok_or_else(|| {
        // It has just been dropped.
        let message = format!("there is no table or view \"{table}\"");
        Fault::new(Reason::ObjectNotFound, message)
    })
}

/// Describes the table, view or sequence of exactly this name in exactly this database.
///
/// # Errors
/// As [`describe_table`]; `did_you_mean` is left to the caller, which knows how its own callers write names: see [`similar`].
pub(crate) async fn describe_exactly(
    database: &Database,
    schema: &str,
    table: &str,
) -> Result<Option<pb::DescribeTableResponse>, Fault> {
    let mut transaction = transaction(database).await?;
    let names = databases(database, &mut transaction).await?;
    let Some(home) = same_database(schema, &names) else {
        return Ok(None);
    };
    let found = find(&mut transaction, std::slice::from_ref(home), Some(home), table).await?;
    // What it may mean otherwise, such as a name in quotes, is another table's.
    let place = found
        .into_iter()
        .find(|place| place.name.to_lowercase() == table.to_lowercase());
    let described = match place {
        Some(place) => describe(database, &mut transaction, &place).await?,
        None => None,
    };
    transaction.rollback().await?;
    Ok(described)
}

/// The tables that the name may mean. Of all meanings only the best kind counts: the name in the database that was said or is connected,
/// or as `database.name`, or anywhere, or written with SQL's quotes.
async fn find(
    transaction: &mut Transaction,
    admitted: &[String],
    home: Option<&str>,
    table: &str,
) -> Result<Vec<Place>, Error> {
    if admitted.is_empty() {
        return Ok(vec![]);
    }
    let quoted = |column: &str| format!("concat('`', replace({column}, '`', '``'), '`')");
    let (schema, name) = (quoted("table_schema"), quoted("table_name"));
    // Alike here, exactly below: a server may tell ORDERS from orders or not.
    let alike = |column: &str| format!("convert({column} using utf8mb4) collate utf8mb4_general_ci = ?");
    let meanings = [
        "table_name".to_owned(),
        "concat(table_schema, '.', table_name)".to_owned(),
        name.clone(),
        format!("concat({schema}, '.', {name})"),
        format!("concat(table_schema, '.', {name})"),
    ];
    let sql = format!(
        "select table_schema, table_name, @@lower_case_table_names from information_schema.tables
          where table_schema in ({}) and ({})",
        marks(admitted.len()),
        meanings.map(|meaning| alike(&meaning)).join(" or ")
    );
    let mut params = texts(admitted);
    params.extend([Some(table); 5]);
    let rows = transaction
        .rows("SELECT information_schema.tables", &sql, &params)
        .await?;
    let mut best = u8::MAX;
    let mut found = Vec::new();
    for row in rows {
        let (database, name): (String, String) = (row.get(0)?, row.get(1)?);
        // The system's own names are the same in any case on all servers.
        let folds = row.get::<u32>(2)? != 0 || is_of_the_system(&database);
        let same = |text: String| text == table || folds && text.to_lowercase() == table.to_lowercase();
        let is_home =
            home.is_some_and(|home| home == database || folds && home.eq_ignore_ascii_case(&database));
        let rank = if same(name.clone()) && is_home {
            1
        } else if same(format!("{database}.{name}")) {
            2
        } else if same(name.clone()) {
            3
        } else if same(in_quotes(&name))
            || same(format!("{}.{}", in_quotes(&database), in_quotes(&name)))
            || same(format!("{database}.{}", in_quotes(&name)))
        {
            4
        } else {
            continue;
        };
        if rank < best {
            best = rank;
            found.clear();
        }
        if rank == best {
            found.push(Place { database, name });
        }
    }
    // In quotes, too, the connected database comes first.
    if best == 4
        && let Some(at) = found
            .iter()
            .position(|place| home == Some(place.database.as_str()))
    {
        found = vec![found.swap_remove(at)];
    }
    found.sort_by(|left, right| left.database.cmp(&right.database));
    Ok(found)
}

fn in_quotes(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

async fn describe(
    database: &Database,
    transaction: &mut Transaction,
    place: &Place,
) -> Result<Option<pb::DescribeTableResponse>, Error> {
    let rows = transaction
        .rows(
            "SELECT information_schema.tables",
            "select table_type, table_comment, table_rows, engine, table_collation, create_options
               from information_schema.tables where table_schema = ? and table_name = ?",
            &place.params(),
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
    let kind = table_type(&text(0));
    let collation = text(4);
    let has_partitions = text(5).contains("partitioned");
    let mut checks = keys::checks(transaction, place).await?;
    let columns = columns::of(transaction, place, &collation, &mut checks).await?;
    let indexes = keys::indexes(transaction, place).await?;
    let definition = if kind == "view" {
        definition(transaction, place).await?
    } else {
        String::new()
    };
    let partitioning = if has_partitions {
        partitions::of(transaction, place).await?
    } else {
        String::new()
    };
    let (foreign_keys, referenced_by) = if kind == "view" {
        (vec![], vec![])
    } else {
        let others = databases(database, transaction).await?;
        (
            keys::foreign_keys(transaction, place).await?,
            keys::referenced_by(transaction, place, &others).await?,
        )
    };
    Ok(Some(pb::DescribeTableResponse {
        database: place.database.clone(),
        name: place.name.clone(),
        r#type: kind.to_owned(),
        comment: table_comment(kind, text(1)),
        estimated_rows: row.get::<Option<u64>>(2)?.filter(|_| kind.ends_with("table")),
        engine: text(3),
        collation,
        columns,
        primary_key: indexes.primary_key,
        foreign_keys,
        referenced_by,
        indexes: indexes.others,
        checks,
        definition,
        partitioning,
    }))
}

/// The query of a view; nothing when the login may not see it.
async fn definition(transaction: &mut Transaction, place: &Place) -> Result<String, Error> {
    let sql =
        "select view_definition from information_schema.views where table_schema = ? and table_name = ?";
    let rows = transaction
        .rows("SELECT information_schema.views", sql, &place.params())
        .await?;
    Ok(rows
        .first()
        .and_then(|row| row.text(0))
        .unwrap_or_default()
        .to_owned())
}

async fn not_found(
    database: &Database,
    transaction: &mut Transaction,
    named: Option<&str>,
    table: &str,
) -> Result<Fault, Fault> {
    let default = database.default_database()?;
    let home = named.or(default.as_deref());
    let similar: Vec<String> = similar_in(database, transaction, home, table)
        .await?
        .into_iter()
        .map(|(schema, name)| {
            if Some(schema.as_str()) == default.as_deref() {
                name
            } else {
                format!("{schema}.{name}")
            }
        })
        .collect();
    let place = named
        .map(|named| format!(" in database \"{named}\""))
        .unwrap_or_default();
    let message = format!("there is no table or view \"{table}\"{place}");
    Ok(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(",")))
}

/// Databases and names of the tables that one that is not there may mean, the best first.
///
/// # Errors
/// The server's.
pub(crate) async fn similar(
    database: &Database,
    schema: &str,
    table: &str,
) -> Result<Vec<(String, String)>, Fault> {
    let mut transaction = transaction(database).await?;
    let similar = similar_in(database, &mut transaction, Some(schema), table).await?;
    transaction.rollback().await?;
    Ok(similar)
}

/// In all databases, `home` first: the database may be what is wrong.
async fn similar_in(
    database: &Database,
    transaction: &mut Transaction,
    home: Option<&str>,
    table: &str,
) -> Result<Vec<(String, String)>, Fault> {
    let admitted = listed(database, transaction, None, None).await?;
    let mut tables: Vec<(String, String)> = Vec::new();
    if !admitted.is_empty() {
        let sql = format!(
            "select table_schema, table_name from information_schema.tables where table_schema in ({}) limit {COMPARED}",
            marks(admitted.len())
        );
        for row in transaction
            .rows("SELECT information_schema.tables", &sql, &texts(&admitted))
            .await?
        {
            tables.push((row.get(0)?, row.get(1)?));
        }
    }
    tables.sort_by_key(|(schema, name)| (Some(schema.as_str()) != home, schema.clone(), name.clone()));
    let wanted = table.rsplit('.').next().unwrap_or(table).trim_matches('`');
    let similar = arguments::similar(wanted, tables.iter().map(|(_, name)| name.as_str()));
    let places = similar
        .into_iter()
        .flat_map(|similar| tables.iter().filter(move |(_, name)| name == similar));
    Ok(places.take(5).cloned().collect())
}
