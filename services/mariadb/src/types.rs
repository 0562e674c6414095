//! What the type of a column is: from the wire, and from the catalogue where the wire does not tell.
//!
//! The driver shows neither flags nor the character set of a column, but it serialises them, which is why its feature `offline` is on.
//! MariaDB sends JSON, UUID, INET and VECTOR columns as texts and bytes; the table that a column comes from tells them apart, and is
//! asked once a minute. Columns of expressions stay what the wire says, and so does MariaDB's JSON in a view or an inner
//! SELECT, which have no checks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_proto::data::v1 as data;
use serde::Deserialize;
use sqlx::Column as _;
use sqlx::ColumnOrigin;
use sqlx_mysql::MySqlColumn;
use tracing::Instrument as _;

use crate::database::Session;
use crate::error::Error;
use crate::execution;
use crate::traced::{Shown, settle};

/// How long what a table told counts as known.
const FRESH: Duration = Duration::from_mins(1);

/// The most tables that are kept in mind.
const TABLES: usize = 10_000;

/// The number of the collation `binary`: these are bytes, not characters.
const BINARY: u16 = 63;

/// The form of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers, YEAR included, of the width that the binary protocol gives them.
    Integer {
        bytes: usize,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal,
    Date,
    /// TIME, with so many digits behind the second.
    Time(usize),
    /// DATETIME.
    DateTime(usize),
    /// TIMESTAMP, which our sessions see in UTC.
    Timestamp(usize),
    /// BIT of so many bits.
    Bit(usize),
    Text,
    Json,
    /// SET: a text with commas.
    Set,
    Bytes,
    Geometry,
    Vector,
    /// NULL itself.
    Nothing,
}

/// A column: its name, the server's name of its type, and the form of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    name: String,
    type_name: String,
    pub(crate) kind: Kind,
}

impl Column {
    /// What the wire tells.
    pub(crate) fn of_wire(column: &MySqlColumn) -> Self {
        let (type_name, kind) =
            Wire::of(column).map_or(("unknown".to_owned(), Kind::Bytes), |wire| wire.read());
        Self {
            name: column.name().to_owned(),
            type_name,
            kind,
        }
    }

    /// As an answer shows it.
    pub(crate) fn shown(&self) -> data::Column {
        data::Column {
            name: self.name.clone(),
            r#type: self.type_name.clone(),
        }
    }

    /// What the catalogue knows better.
    fn declared(mut self, declared: &Declared) -> Self {
        self.kind = match declared.type_name.as_str() {
            "json" => Kind::Json,
            "vector" => Kind::Vector,
            // Where the wire says bytes, these are bytes.
            _ => self.kind,
        };
        self.type_name.clone_from(&declared.type_name);
        self
    }
}

/// A column's type as the driver serialises it.
#[derive(Debug, Deserialize)]
struct Wire {
    r#type: String,
    flags: String,
    collation: u16,
    /// The most characters or octets that a value is shown with.
    max_size: Option<u32>,
}

impl Wire {
    fn of(column: &MySqlColumn) -> Option<Self> {
        let wire = serde_json::to_value(column.type_info()).ok()?;
        serde_json::from_value(wire).ok()
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.split('|').any(|one| one.trim() == flag)
    }

    /// The type's name and form.
    fn read(&self) -> (String, Kind) {
        let size = self.max_size.unwrap_or(0);
        let unsigned = self.has("UNSIGNED");
        let integer = |name: &str, bytes| {
            let name = if unsigned {
                format!("{name} unsigned")
            } else {
                name.to_owned()
            };
            (name, Kind::Integer { bytes, unsigned })
        };
        let named = |name: &str, kind| (name.to_owned(), kind);
        let number = |name: &str, kind| {
            let name = if unsigned {
                format!("{name} unsigned")
            } else {
                name.to_owned()
            };
            (name, kind)
        };
        match self.r#type.as_str() {
            "Tiny" if size == 1 => integer("tinyint(1)", 1),
            "Tiny" => integer("tinyint", 1),
            "Short" => integer("smallint", 2),
            "Int24" => integer("mediumint", 4),
            "Long" => integer("int", 4),
            "LongLong" => integer("bigint", 8),
            "Year" => named(
                "year",
                Kind::Integer {
                    bytes: 2,
                    unsigned: true,
                },
            ),
            "Float" => number("float", Kind::Float),
            "Double" => number("double", Kind::Double),
            "Decimal" | "NewDecimal" => number("decimal", Kind::Decimal),
            "Date" => named("date", Kind::Date),
            "Time" => named("time", Kind::Time(digits(size, "-838:59:59"))),
            "Datetime" => named("datetime", Kind::DateTime(digits(size, "0000-00-00 00:00:00"))),
            "Timestamp" => named("timestamp", Kind::Timestamp(digits(size, "0000-00-00 00:00:00"))),
            "Bit" => named("bit", Kind::Bit(size as usize)),
            "Json" => named("json", Kind::Json),
            "Geometry" => named("geometry", Kind::Geometry),
            "Null" => named("null", Kind::Nothing),
            _ if self.has("ENUM") || self.r#type == "Enum" => named("enum", Kind::Text),
            _ if self.has("SET") || self.r#type == "Set" => named("set", Kind::Set),
            other if self.collation == BINARY => named(binary_name(other, size), Kind::Bytes),
            other => named(text_name(other, size), Kind::Text),
        }
    }

    /// Whether the table may know more about a column of this type: those that are texts or bytes to the wire alone.
    fn hides_something(&self) -> bool {
        let strings = [
            "VarChar",
            "TinyBlob",
            "MediumBlob",
            "LongBlob",
            "Blob",
            "VarString",
            "String",
        ];
        strings.contains(&self.r#type.as_str()) && !self.has("ENUM") && !self.has("SET")
    }
}

/// How many digits stand behind the second: what the width has beyond that of the type without any. The dot is one.
fn digits(size: u32, plain: &str) -> usize {
    (size as usize).saturating_sub(plain.len() + 1).min(6)
}

fn binary_name(wire: &str, size: u32) -> &'static str {
    match wire {
        "String" => "binary",
        "VarChar" | "VarString" => "varbinary",
        _ => match size {
            0..=255 => "tinyblob",
            256..=65_535 => "blob",
            65_536..=16_777_215 => "mediumblob",
            _ => "longblob",
        },
    }
}

/// The width of a text is in bytes, four for each character.
fn text_name(wire: &str, size: u32) -> &'static str {
    match wire {
        "String" => "char",
        "VarChar" | "VarString" => "varchar",
        _ => match size {
            0..=1_020 => "tinytext",
            1_021..=262_140 => "text",
            262_141..=67_108_860 => "mediumtext",
            _ => "longtext",
        },
    }
}

/// What the catalogue says of columns, by their tables.
#[derive(Debug, Default)]
pub(crate) struct Types(Mutex<HashMap<Arc<str>, Table>>);

#[derive(Clone, Debug)]
struct Table {
    columns: Arc<HashMap<String, Declared>>,
    since: Instant,
}

/// A column in the catalogue.
#[derive(Debug)]
struct Declared {
    type_name: String,
}

/// The types of a table's columns; JSON is a LONGTEXT that a check keeps valid.
const COLUMNS: &str = "
    select c.column_name,
           if(c.data_type = 'longtext' and exists (
                  select 1 from information_schema.check_constraints k
                   where k.constraint_schema = c.table_schema and k.table_name = c.table_name
                     and k.check_clause = concat('json_valid(`', replace(c.column_name, '`', '``'), '`)')),
              'json', c.data_type)
      from information_schema.columns c
     where c.table_schema = ? and c.table_name = ?
     limit 5000";

impl Types {
    /// Asks about the tables that the columns come from, as far as they are not known and could tell more than the wire.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn load(&self, session: &mut Session, columns: &[MySqlColumn]) -> Result<(), Error> {
        let hidden = columns
            .iter()
            .filter(|column| Wire::of(column).is_some_and(|wire| wire.hides_something()));
        let tables: BTreeSet<Arc<str>> = hidden
            .filter_map(|column| origin(column).map(|(table, _)| table))
            .collect();
        for name in tables {
            if self.get(&name).is_some_and(|table| table.since.elapsed() < FRESH) {
                continue;
            }
            let mut known = HashMap::new();
            // Schema and table come as one text, and both may have dots in their names.
            for (dot, _) in name.match_indices('.') {
                let params = [&name[..dot], &name[dot + 1..]].map(|part| Some(part.to_owned()));
                let statement = session.statement(Shown::ours("SELECT information_schema.columns"), COLUMNS);
                let rows = execution::rows(session, COLUMNS, params.to_vec());
                let rows = rows.instrument(statement.span().clone()).await;
                for row in settle(statement, rows)? {
                    known.insert(
                        row.get(0)?,
                        Declared {
                            type_name: row.get(1)?,
                        },
                    );
                }
            }
            let table = Table {
                columns: Arc::new(known),
                since: Instant::now(),
            };
            let mut tables = self.known();
            if tables.len() >= TABLES {
                tables.clear();
            }
            tables.insert(name, table);
        }
        Ok(())
    }

    /// The columns, with what is known of their tables.
    pub(crate) fn columns(&self, columns: &[MySqlColumn]) -> Vec<Column> {
        let columns = columns.iter().map(|column| {
            let read = Column::of_wire(column);
            if !Wire::of(column).is_some_and(|wire| wire.hides_something()) {
                return read;
            }
            let table = origin(column).and_then(|(table, name)| Some((self.get(&table)?, name)));
            match &table {
                Some((table, name)) => match table.columns.get(&**name) {
                    Some(declared) => read.declared(declared),
                    None => read,
                },
                None => read,
            }
        });
        columns.collect()
    }

    fn get(&self, table: &str) -> Option<Table> {
        self.known().get(table).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Arc<str>, Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table, with its database, and the column there.
fn origin(column: &MySqlColumn) -> Option<(Arc<str>, Arc<str>)> {
    match column.origin() {
        ColumnOrigin::Table(origin) => Some((origin.table, origin.name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, flags: &str, collation: u16, size: u32) -> (String, Kind) {
        Wire {
            r#type: kind.to_owned(),
            flags: flags.to_owned(),
            collation,
            max_size: Some(size),
        }
        .read()
    }

    #[test]
    fn the_wire_tells_names_and_forms() {
        for (kind, flags, collation, size, name, form) in [
            (
                "Tiny",
                "NOT_NULL",
                BINARY,
                1,
                "tinyint(1)",
                Kind::Integer {
                    bytes: 1,
                    unsigned: false,
                },
            ),
            (
                "LongLong",
                "UNSIGNED | NUM",
                BINARY,
                20,
                "bigint unsigned",
                Kind::Integer {
                    bytes: 8,
                    unsigned: true,
                },
            ),
            (
                "Year",
                "UNSIGNED | ZEROFILL",
                BINARY,
                4,
                "year",
                Kind::Integer {
                    bytes: 2,
                    unsigned: true,
                },
            ),
            ("Time", "BINARY", BINARY, 17, "time", Kind::Time(6)),
            ("Datetime", "BINARY", BINARY, 19, "datetime", Kind::DateTime(0)),
            ("Timestamp", "BINARY", BINARY, 23, "timestamp", Kind::Timestamp(3)),
            ("String", "SET", 45, 28, "set", Kind::Set),
            ("String", "ENUM | BINARY", BINARY, 28, "enum", Kind::Text),
            ("String", "BINARY", 46, 28, "char", Kind::Text),
            ("String", "BINARY", BINARY, 28, "binary", Kind::Bytes),
            ("Blob", "BLOB", 45, 262_140, "text", Kind::Text),
            ("Blob", "BLOB | BINARY", BINARY, 65_535, "blob", Kind::Bytes),
            ("Bit", "UNSIGNED", BINARY, 8, "bit", Kind::Bit(8)),
            ("Null", "BINARY", BINARY, 0, "null", Kind::Nothing),
        ] {
            assert_eq!(
                read(kind, flags, collation, size),
                (name.to_owned(), form),
                "{kind} {flags}"
            );
        }
    }
}
