//! One caller's statement on a session: prepared, bound, executed, its rows one by one.
//!
//! Without parameters everything goes in one flight, what comes after the statement (`ROLLBACK`) included. With parameters the
//! server is asked for their types first, because the text of a value depends on its type.

use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::trace::statement::Statement;
use mcp_hub_proto::data::v1::{self as data, Value};
use postgres_protocol::message::backend::{Message, ParameterDescriptionBody, RowDescriptionBody};

use crate::database::Groups;
use crate::error::{Error, ServerError};
use crate::params;
use crate::row::Row;
use crate::types::{Type, Types};
use crate::value;
use crate::wire::Connection;

/// How to run a statement.
pub(crate) struct Plan<'a> {
    /// Its span.
    pub(crate) statement: &'a Statement,
    /// The statement, as the caller wrote it.
    pub(crate) sql: &'a str,
    /// The values of `$1`, `$2` and so on.
    pub(crate) params: &'a [Value],
    /// The most rows to make; 0 is all.
    pub(crate) rows: i32,
    /// Groups of statements of ours that run after it, whether it worked or not.
    pub(crate) then: Groups,
    /// Whether the types of the columns are looked up before any row comes, at the price of a round trip.
    pub(crate) describe_first: bool,
}

/// A statement under way.
pub(crate) struct Rows<'a> {
    statement: &'a Statement,
    begun: bool,
    /// Name and type's OID of each column; `None` for a statement that has no rows at all.
    columns: Option<Vec<(String, u32)>>,
    parameters: usize,
    given: usize,
    bound: bool,
    cut: bool,
    tag: String,
}

/// The columns with their types.
#[derive(Default)]
pub(crate) struct Columns(Vec<(String, Arc<Type>)>);

impl Columns {
    /// As an answer shows them.
    pub(crate) fn shown(&self) -> Vec<data::Column> {
        let columns = self.0.iter().map(|(name, kind)| data::Column {
            name: name.clone(),
            r#type: kind.name.clone(),
        });
        columns.collect()
    }

    /// A row's values.
    pub(crate) fn decode(&self, row: &Row) -> data::Row {
        let values = row.columns().zip(&self.0);
        data::Row {
            values: values
                .map(|(text, (_, kind))| value::decode(text, kind))
                .collect(),
        }
    }
}

impl<'a> Rows<'a> {
    /// Sends the statement, and reads as far as its columns.
    ///
    /// # Errors
    /// The server's; [`Error::Fault`] for parameters that do not fit. The session is settled unless it is lost.
    pub(crate) async fn start(
        connection: &mut Connection,
        types: &Types,
        plan: &Plan<'a>,
    ) -> Result<Self, Error> {
        let mut rows = Self {
            statement: plan.statement,
            begun: false,
            columns: None,
            parameters: 0,
            given: plan.params.len(),
            bound: false,
            cut: false,
            tag: String::new(),
        };
        connection.queue_prepare(plan.sql)?;
        if plan.params.is_empty() && !plan.describe_first {
            execute(connection, plan, &[])?;
            connection.flush().await?;
            rows.describe(connection, plan).await?;
        } else {
            connection.queue_sync();
            connection.flush().await?;
            let oids = rows.describe(connection, plan).await?;
            connection.settle().await?;
            if rows.parameters != rows.given {
                return Err(rows.wrong_count());
            }
            rows.look_up(connection, types, &oids, plan).await?;
            let kinds = oids.iter().map(|oid| types.get(*oid));
            let texts = params::encode(plan.params, kinds)?;
            let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            execute(connection, plan, &texts)?;
            connection.flush().await?;
        }
        Ok(rows)
    }

    /// The next row; `None` at the end, when [`tag`](Self::tag) is known.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn next(&mut self, connection: &mut Connection) -> Result<Option<Row>, Error> {
        loop {
            match connection.receive().await {
                Ok(Message::DataRow(body)) => {
                    if !self.begun {
                        self.begun = true;
                        self.statement.first_row();
                    }
                    return Row::read(&body).map(Some);
                }
                Ok(Message::BindComplete) => self.bound = true,
                Ok(Message::CommandComplete(body)) => {
                    body.tag().map_err(Error::Lost)?.clone_into(&mut self.tag);
                }
                Ok(Message::PortalSuspended) => self.cut = true,
                Ok(Message::ReadyForQuery(_)) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(self.failed(connection, error).await),
            }
        }
    }

    /// What the server said at the end: `SELECT 5`, or nothing when rows were left.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether the statement had more rows than it was asked for.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The columns, if none of their types must be looked up (again); no columns for a statement that has no rows at all.
    pub(crate) fn known_columns(&self, types: &Types) -> Option<Columns> {
        let columns = self.columns.iter().flatten();
        let columns = columns.map(|(name, oid)| Some((name.clone(), types.fresh(*oid)?)));
        columns.collect::<Option<Vec<_>>>().map(Columns)
    }

    /// The columns of a statement whose types were looked up before its rows came.
    pub(crate) fn described_columns(&self, types: &Types) -> Option<Columns> {
        let columns = self.columns.iter().flatten();
        let columns = columns.map(|(name, oid)| Some((name.clone(), types.get(*oid)?)));
        columns.collect::<Option<Vec<_>>>().map(Columns)
    }

    /// The columns; `None` for a statement that has no rows at all. Types that are not known are looked up, so the statement must
    /// have ended.
    pub(crate) async fn columns(
        &self,
        connection: &mut Connection,
        types: &Types,
    ) -> Result<Option<Columns>, Error> {
        let Some(columns) = &self.columns else {
            return Ok(None);
        };
        types
            .load(connection, columns.iter().map(|(_, oid)| *oid))
            .await?;
        Ok(self.known_columns(types))
    }

    /// Reads the description; returns the OIDs of the parameters' types.
    async fn describe(&mut self, connection: &mut Connection, plan: &Plan<'_>) -> Result<Vec<u32>, Error> {
        let mut oids = Vec::new();
        loop {
            match connection.receive().await {
                Ok(Message::ParameterDescription(body)) => {
                    oids = parameters(&body)?;
                    self.parameters = oids.len();
                }
                Ok(Message::RowDescription(body)) => {
                    self.columns = Some(columns(&body)?);
                    return Ok(oids);
                }
                Ok(Message::NoData) => return Ok(oids),
                Ok(_) => {}
                Err(mut error) => {
                    if let Error::Server(error) = &mut error {
                        error.clamp(plan.sql);
                    }
                    return Err(self.failed(connection, error).await);
                }
            }
        }
    }

    /// Looks up unknown types. That takes the unnamed statement, which is prepared again.
    async fn look_up(
        &self,
        connection: &mut Connection,
        types: &Types,
        parameters: &[u32],
        plan: &Plan<'_>,
    ) -> Result<(), Error> {
        let columns = self.columns.iter().flatten().map(|(_, oid)| *oid);
        let mut oids = parameters.iter().copied().chain(columns);
        if oids.clone().all(|oid| types.fresh(oid).is_some()) {
            return Ok(());
        }
        types.load(connection, &mut oids).await?;
        connection.queue_parse(plan.sql)
    }

    /// An error of the server's with what is known about its place; the session is read to the end of the flight.
    async fn failed(&self, connection: &mut Connection, error: Error) -> Error {
        let Error::Server(error) = error else { return error };
        if connection.is_broken() {
            return Error::Server(error);
        }
        if let Err(lost) = connection.settle().await {
            return lost;
        }
        let in_parameters = !self.bound && (self.columns.is_some() || self.parameters > 0);
        if in_parameters && self.parameters != self.given {
            return self.wrong_count();
        }
        if in_parameters && self.given > 0 {
            return wrong_parameter(*error).into();
        }
        Error::Server(error)
    }

    fn wrong_count(&self) -> Error {
        let message = format!(
            "the statement has {} parameter{}, and params has {} value{}",
            self.parameters,
            if self.parameters == 1 { "" } else { "s" },
            self.given,
            if self.given == 1 { "" } else { "s" },
        );
        Fault::argument("params", message).into()
    }
}

/// The server could not read a parameter's text. It says which one in the context.
fn wrong_parameter(error: ServerError) -> Fault {
    let place = error.context.split_once("parameter $").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()?.checked_sub(1)
    });
    let field = place.map_or_else(|| "params".to_owned(), |index| format!("params[{index}]"));
    Fault::argument(&field, format!("{field}: {}", error.message))
        .with("sqlstate", error.sqlstate)
        .with("detail", error.detail)
        .with("hint", error.hint)
}

fn execute(connection: &mut Connection, plan: &Plan<'_>, texts: &[Option<&str>]) -> Result<(), Error> {
    connection.queue_bind(texts)?;
    connection.queue_execute(plan.rows)?;
    connection.queue_sync();
    plan.then
        .iter()
        .try_for_each(|group| connection.queue_group(group))
}

fn parameters(body: &ParameterDescriptionBody) -> Result<Vec<u32>, Error> {
    body.parameters().collect().map_err(Error::Lost)
}

fn columns(body: &RowDescriptionBody) -> Result<Vec<(String, u32)>, Error> {
    let fields = body.fields();
    fields
        .map(|field| Ok((field.name().to_owned(), field.type_oid())))
        .collect()
        .map_err(Error::Lost)
}

/// What a command tag says: `INSERT 0 5` is `INSERT` and 5 rows, `CREATE TABLE` itself.
pub(crate) fn read_tag(tag: &str) -> (String, Option<u64>) {
    let words = tag.trim_end_matches(|character: char| character.is_ascii_digit() || character == ' ');
    let affected = tag.rsplit(' ').next().and_then(|last| last.parse().ok());
    (words.to_owned(), affected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_tells_what_was_done() {
        assert_eq!(read_tag("INSERT 0 5"), ("INSERT".to_owned(), Some(5)));
        assert_eq!(read_tag("UPDATE 3"), ("UPDATE".to_owned(), Some(3)));
        assert_eq!(read_tag("CREATE TABLE"), ("CREATE TABLE".to_owned(), None));
        assert_eq!(read_tag(""), (String::new(), None));
    }

    #[test]
    fn the_server_says_which_parameter_is_wrong() {
        let error = ServerError {
            context: "unnamed portal parameter $3 = '...'".to_owned(),
            message: "invalid input syntax for type date: \"x\"".to_owned(),
            ..ServerError::default()
        };
        assert_eq!(wrong_parameter(error).metadata["field"], "params[2]");
    }
}
