//! One statement on a session: prepared, executed, its rows one by one into a [`Sink`].
//!
//! Everything goes by the prepared protocol, so that one text is one statement. A statement is prepared first, because that alone
//! tells how many parameters it wants (the driver can't go on after a wrong count) and which columns it has when no row comes.
//!
//! The driver keeps prepared statements as long as the session lives, and none is ever closed before: what closes one has no answer,
//! and as the driver leaves Nagle's algorithm on, the next message would wait 40 ms for the server's acknowledgement. A session that has
//! many is closed instead. MySQL reads the parameters of later executions as the types of the first one's, so the types are part of the
//! text.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::trace::statement;
use mcp_hub_proto::data::v1::{self as data, Value};
use sqlx::mysql::{MySqlArguments, MySqlRow, MySqlStatement};
use sqlx::{
    Arguments as _, AssertSqlSafe, Connection as _, Either, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _,
};
use tokio::sync::oneshot;

use crate::database::Session;
use crate::error::Error;
use crate::params;
use crate::row::Row;
use crate::traced::Returned;
use crate::types::{Column, Types};
use crate::value;

/// After how many rows other work gets its turn.
const YIELD_AFTER: u32 = 64;

/// A caller's statement.
pub(crate) struct Plan {
    sql: String,
    params: Vec<Value>,
    /// Whether the server may keep its text for good.
    keeps_text: bool,
}

impl Plan {
    pub(crate) fn new(sql: &str, params: &[Value]) -> Self {
        Self {
            sql: sql.to_owned(),
            params: params.to_vec(),
            keeps_text: false,
        }
    }

    /// The server keeps the texts of definitions, so that nothing of ours must be in them.
    pub(crate) fn keeping_text(self, keeps_text: bool) -> Self {
        Self { keeps_text, ..self }
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }
}

/// Where the rows of a statement go.
pub(crate) trait Sink: Send + 'static {
    /// Takes the columns, before the first row; at the end when there is none. Not called for a statement that has no rows at all.
    fn columns(&mut self, columns: Vec<data::Column>);

    /// Whether the next row can be left out without looking at it.
    fn skips(&mut self) -> bool {
        false
    }

    /// Takes a row of so many bytes; `false` when no more are wanted.
    fn row(&mut self, row: data::Row, bytes: usize) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Whether rows were left out although the statement ran to its end.
    fn is_cut(&self) -> bool {
        false
    }
}

/// A sink that wants no more rows, or why, and what it had until then.
pub(crate) type Early<S> = Result<(S, Returned), Error>;

/// What a statement did.
pub(crate) struct Done<S> {
    /// The sink; absent when it went out early.
    pub(crate) sink: S,
    /// How many rows it changed.
    pub(crate) affected: Option<u64>,
    /// The first value that `AUTO_INCREMENT` gave.
    pub(crate) last_insert_id: Option<u64>,
    /// The rows that the sink took.
    pub(crate) returned: Returned,
}

/// Runs a statement. A sink that wants no more rows goes out by `early`, or its error does, and the rest is read and dropped: the
/// driver can't leave it.
///
/// # Errors
/// The server's; [`Error::Fault`] for parameters that do not fit.
pub(crate) async fn run<S: Sink>(
    session: &mut Session,
    types: Arc<Types>,
    plan: Plan,
    sink: S,
    early: oneshot::Sender<Early<S>>,
) -> Result<Done<Option<S>>, Error> {
    let bare = match params::signature(&plan.params) {
        types if types.is_empty() => format!("{}{}", session.mark, plan.sql),
        types => format!("{}/* {types} */ {}", session.mark, plan.sql),
    };
    let text = told(session, &plan, &bare);
    let comment = &text[bare.len()..];
    let located = |error: sqlx::Error| match Error::from(error) {
        Error::Server(error) => Error::Server(Box::new(error.without(comment, &plan.sql).locate(&plan.sql))),
        error => error,
    };
    let before = session.connection.cached_statements_size();
    let statement = prepare(session, text.to_string()).await.map_err(located)?;
    let is_new = session.connection.cached_statements_size() > before;
    let wanted = statement.parameters().and_then(Either::right).unwrap_or_default();
    if wanted != plan.params.len() {
        return Err(wrong_count(wanted, plan.params.len()).into());
    }
    let arguments = params::encode(&plan.params)?;
    if session.flavor.is_mariadb() {
        types.load(session, statement.columns()).await?;
    }
    let mut way = Way {
        sink: Some(sink),
        early: Some(early),
        columns: vec![],
        results: 0,
        returned: Returned::default(),
    };
    let (mut affected, mut last_insert_id) = (None, None);
    let mut rows = 0_u32;
    {
        let query = sqlx::query_with(AssertSqlSafe(text.to_string()), arguments);
        let mut results = session.connection.fetch_many(query);
        while let Some(result) = results.try_next().await.map_err(located)? {
            // A server that is faster than we are leaves the socket ready for good: without this nobody else is polled, not even the
            // clock that ends the statement. (The runtime's own budget does not help: it would be spent for the others as well.)
            rows = rows.wrapping_add(1);
            if rows.is_multiple_of(YIELD_AFTER) {
                tokio::task::yield_now().await;
            }
            match result {
                Either::Right(row) => way.take(&row, &types).await,
                Either::Left(done) => {
                    if way.results == 0 {
                        affected = Some(done.rows_affected());
                        last_insert_id = Some(done.last_insert_id()).filter(|id| *id > 0);
                    }
                    way.results += 1;
                }
            }
        }
    }
    if way.columns.is_empty()
        && !statement.columns().is_empty()
        && let Some(sink) = &mut way.sink
    {
        // One that was kept may tell of columns that are no more. Another text makes another statement.
        let statement = if is_new {
            statement
        } else {
            let count = session.connection.cached_statements_size();
            prepare(session, format!("{text} /* {count} */")).await?
        };
        let columns = types.columns(statement.columns());
        sink.columns(columns.iter().map(Column::shown).collect());
    }
    Ok(Done {
        sink: way.sink,
        affected,
        last_insert_id,
        returned: way.returned,
    })
}

/// The text with the trace behind it, for the server's slow log and list of processes, if this session has not run it before.
///
/// Driver and server keep prepared statements by their text, so a text that is asked again and again stays as it is: with another
/// trace in it each time, each would be prepared anew and kept beside the others until the session is worn. The server's general log has
/// the trace all the same: the beginning of each transaction carries it.
fn told<'a>(session: &mut Session, plan: &Plan, text: &'a str) -> Cow<'a, str> {
    if session.is_new(text) && !plan.keeps_text {
        statement::commented(text)
    } else {
        Cow::Borrowed(text)
    }
}

/// The rows' way to the sink.
struct Way<S> {
    /// Absent when it went out early.
    sink: Option<S>,
    early: Option<oneshot::Sender<Early<S>>>,
    columns: Vec<Column>,
    /// How many results have ended; rows of a second one are left out.
    results: usize,
    returned: Returned,
}

impl<S: Sink> Way<S> {
    async fn take(&mut self, row: &MySqlRow, types: &Types) {
        let Some(sink) = self.sink.as_mut().filter(|_| self.results == 0) else {
            return;
        };
        if self.columns.is_empty() {
            statement::first_row();
            self.columns = types.columns(row.columns());
            sink.columns(self.columns.iter().map(Column::shown).collect());
        }
        if sink.skips() {
            return;
        }
        let (row, bytes) = value::decode_row(row, &self.columns);
        let enough = match sink.row(row, bytes).await {
            Ok(true) => return self.returned.add(bytes),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some((early, sink)) = self.early.take().zip(self.sink.take()) {
            // Nobody waits for it when the call was given up.
            let _ = early.send(enough.map(|()| (sink, self.returned)));
        }
    }
}

async fn prepare(session: &mut Session, text: String) -> Result<MySqlStatement, sqlx::Error> {
    let text = AssertSqlSafe(text).into_sql_str();
    (&mut session.connection).prepare(text).await
}

/// Runs one of our own statements, its parameters texts, and returns all rows. What columns come from is not looked up.
///
/// # Errors
/// The server's.
pub(crate) async fn rows(
    session: &mut Session,
    sql: &str,
    params: Vec<Option<String>>,
) -> Result<(Vec<Row>, Returned), Error> {
    let mut arguments = MySqlArguments::default();
    for text in params {
        arguments
            .add(text)
            .map_err(|error| Error::Protocol(error.to_string()))?;
    }
    let text = format!("{}{sql}", session.mark);
    let query = sqlx::query_with(AssertSqlSafe(text), arguments);
    let mut stream = query.fetch(&mut session.connection);
    let mut rows = Vec::new();
    let mut columns = Vec::new();
    let mut returned = Returned::default();
    while let Some(row) = stream.try_next().await? {
        if columns.is_empty() {
            statement::first_row();
            columns = row.columns().iter().map(Column::of_wire).collect::<Vec<_>>();
        }
        let (row, bytes) = value::decode_row(&row, &columns);
        returned.add(bytes);
        rows.push(Row::new(row.values));
    }
    Ok((rows, returned))
}

/// What is wrong when the statement has another number of `?` than there are values.
pub(crate) fn wrong_count(wanted: usize, given: usize) -> Fault {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let message = format!(
        "the statement has {wanted} parameter{} (?), and params has {given} value{}",
        plural(wanted),
        plural(given),
    );
    Fault::argument("params", message)
}
