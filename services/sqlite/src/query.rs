//! The rows of one read-only statement: as one capped answer, or in batches.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::cursor;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_chassis::trace::statement::Statement as Traced;
use mcp_hub_proto::data::v1::{Column, ResultSet, Row, Truncation, TruncationReason, Value};
use prost::Message as _;
use rusqlite::Statement;

use crate::database::{Returned, Session};
use crate::error::Error;
use crate::statement;
use crate::value::{self, Declared};

/// Rows and encoded bytes of a batch: small enough for a receiver with gRPC's usual 4 MiB, large enough to be few.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 512 * 1024;

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// One SQL statement.
    pub(crate) sql: String,
    /// Its parameters, in order.
    pub(crate) params: Vec<Value>,
}

impl Query {
    /// What a cursor belongs to.
    pub(crate) fn identity(&self) -> cursor::Statement {
        let params: Vec<Vec<u8>> = self.params.iter().map(prost::Message::encode_to_vec).collect();
        cursor::Statement::of(std::iter::once(self.sql.as_bytes()).chain(params.iter().map(Vec::as_slice)))
    }
}

/// One page of an answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// Rows that earlier pages delivered.
    pub(crate) skip: u64,
    /// What the page may hold.
    pub(crate) caps: Caps,
    /// What to say with it.
    pub(crate) notices: Vec<String>,
    /// When the call began.
    pub(crate) started: Instant,
}

/// Runs a query for one page. `counter` counts its rows as they come, those of earlier pages too.
pub(crate) fn page(
    session: &Session<'_>,
    query: &Query,
    page: Page,
    counter: &Counter,
) -> Result<ResultSet, Error> {
    let mut statement = statement::read(session, &query.sql, Some(&query.params))?;
    let identity = query.identity();
    let (answer, types) = session.theirs(&query.sql, |span| {
        let (filled, returned) = fill(&mut statement, span, page.caps, page.skip, false, counter)?;
        Ok((filled, Some(returned)))
    })?;
    let mut result = finish(answer, &types, page.started, |rows| {
        Some(identity.cursor(page.skip + rows as u64))
    });
    result.notices.extend(page.notices);
    Ok(result)
}

/// Reads rows into an answer until it is full; `to_the_end` steps on without keeping, for statements whose effect lies in running.
pub(crate) fn fill(
    statement: &mut Statement<'_>,
    span: &Traced,
    caps: Caps,
    skip: u64,
    to_the_end: bool,
    counter: &Counter,
) -> Result<((Answer, Types), Returned), Error> {
    let mut types = Types::of(statement);
    let mut answer = Answer::new(types.placeholders(statement), caps);
    let mut rows = statement.raw_query();
    let mut seen = 0;
    let mut returned = Returned::counting();
    while let Some(row) = rows.next()? {
        if seen == 0 {
            span.first_row();
        }
        seen += 1;
        counter.row();
        if seen <= skip || returned.truncated {
            continue;
        }
        let row = types.row(row)?;
        // Before: the answer takes it, and may cut it.
        let bytes = returned.bytes.map(|_| row.encoded_len());
        if let Push::Full(_) = answer.push(row)? {
            returned.truncated = true;
            if !to_the_end {
                break;
            }
        } else {
            returned.add(bytes);
        }
    }
    Ok(((answer, types), returned))
}

/// Ends an answer and gives its columns the types that were seen.
pub(crate) fn finish(
    answer: Answer,
    types: &Types,
    started: Instant,
    next_cursor: impl FnOnce(usize) -> Option<String>,
) -> ResultSet {
    let mut result = answer.finish(started.elapsed(), next_cursor);
    types.name(&mut result.columns);
    result
}

/// Runs a query and hands its rows to `send` in batches; `send` says no when nobody listens any more.
pub(crate) fn batches(
    session: &Session<'_>,
    query: &Query,
    limit: Option<u64>,
    send: impl FnMut(ResultSet) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = statement::read(session, &query.sql, Some(&query.params))?;
    session.theirs(&query.sql, |span| {
        let returned = send_all(&mut statement, span, limit, send)?;
        Ok(((), Some(returned)))
    })
}

fn send_all(
    statement: &mut Statement<'_>,
    span: &Traced,
    limit: Option<u64>,
    mut send: impl FnMut(ResultSet) -> Result<(), Error>,
) -> Result<Returned, Error> {
    let started = Instant::now();
    let mut types = Types::of(statement);
    let mut columns = types.placeholders(statement);
    let mut rows = statement.raw_query();
    let mut batch = ResultSet::default();
    let mut returned = Returned {
        bytes: Some(0),
        ..Returned::default()
    };
    let (mut bytes, mut has_columns) = (0, false);
    while let Some(row) = rows.next()? {
        if returned.rows == 0 {
            span.first_row();
        }
        if limit.is_some_and(|limit| returned.rows >= limit) {
            returned.truncated = true;
            batch.truncated = Some(Truncation {
                reason: TruncationReason::Rows.into(),
                next_cursor: None,
                consistent: None,
            });
            break;
        }
        let row = types.row(row)?;
        let length = row.encoded_len();
        bytes += length;
        returned.add(Some(length));
        batch.rows.push(row);
        if batch.rows.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            if !std::mem::replace(&mut has_columns, true) {
                types.name(&mut columns);
                batch.columns = std::mem::take(&mut columns);
            }
            send(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    if !has_columns {
        types.name(&mut columns);
        batch.columns = columns;
    }
    batch.elapsed_ms = elapsed_ms(started.elapsed());
    send(batch)?;
    Ok(returned)
}

fn elapsed_ms(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX)
}

/// The columns' types: as declared, else the storage class of the first value that is not NULL.
#[derive(Debug)]
pub(crate) struct Types(Vec<Type>);

#[derive(Debug)]
struct Type {
    declared: Declared,
    name: Option<String>,
}

impl Types {
    fn of(statement: &Statement<'_>) -> Self {
        let columns = statement.columns();
        Self(
            columns
                .iter()
                .map(|column| {
                    let name = column
                        .decl_type()
                        .filter(|name| !name.is_empty())
                        .map(str::to_owned);
                    Type {
                        declared: Declared::of(name.as_deref()),
                        name,
                    }
                })
                .collect(),
        )
    }

    /// The columns before any row was seen. What is not known is as long as the longest that it can become, because the answer
    /// counts its characters from here.
    fn placeholders(&self, statement: &Statement<'_>) -> Vec<Column> {
        let names = statement.column_names();
        let types = self
            .0
            .iter()
            .map(|column| column.name.as_deref().unwrap_or("integer"));
        names
            .into_iter()
            .zip(types)
            .map(|(name, r#type)| Column {
                name: name.to_owned(),
                r#type: r#type.to_owned(),
            })
            .collect()
    }

    fn row(&mut self, row: &rusqlite::Row<'_>) -> Result<Row, Error> {
        let mut values = Vec::with_capacity(self.0.len());
        for (index, column) in self.0.iter_mut().enumerate() {
            let value = row.get_ref(index)?;
            if column.name.is_none() && value != rusqlite::types::ValueRef::Null {
                column.name = Some(value::storage_class(value).to_owned());
            }
            values.push(value::from_sqlite(value, column.declared));
        }
        Ok(Row { values })
    }

    fn name(&self, columns: &mut [Column]) {
        for (column, seen) in columns.iter_mut().zip(&self.0) {
            column.r#type = seen.name.clone().unwrap_or_else(|| "null".to_owned());
        }
    }
}
