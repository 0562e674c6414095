//! `Query`, `FollowQuery` and `StreamQuery`: a caller's read, from the guard to the last row.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::arguments::{QueryLimits, TIMEOUT_MS};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_chassis::{Fault, trace};
use mcp_hub_proto::data::v1::{self as data, Value};
use mcp_hub_proto::postgres::v1::{QueryRequest, QueryResponse};
use prost::Message as _;
use tracing::Instrument as _;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::execution::{Columns, Plan, Rows};
use crate::guard;
use crate::row::Row;
use crate::traced::{Returned, Shown, settle};

mod follow;
mod stream;
mod suggestions;

pub(crate) use follow::follow;
pub(crate) use stream::stream;

/// How many bytes of rows are held back while the types of their columns are unknown, for each character of the answer.
const HELD_BYTES: usize = 4;

/// Runs a read and returns a page of its rows.
///
/// # Errors
/// The guard's refusal, wrong arguments, the server's error, time-outs.
pub(crate) async fn query(
    database: &Database,
    request: QueryRequest,
    remaining: Option<Duration>,
) -> Result<QueryResponse, Fault> {
    let begun = Instant::now();
    let limits = QueryLimits::of(request.limit, request.timeout_ms, TIMEOUT_MS, remaining)?;
    run(database, request, limits, begun, &Counter::default()).await
}

async fn run(
    database: &Database,
    request: QueryRequest,
    limits: QueryLimits,
    begun: Instant,
    counter: &Counter,
) -> Result<QueryResponse, Fault> {
    let read = guard::read(&request.sql)?;
    catalogue::check_read(database, request.database.as_deref(), &read).await?;
    let statement = identity(&request);
    let page = Page {
        shown: Shown::theirs(read.kind.operation(), &read.relations),
        sql: &request.sql,
        params: &request.params,
        delivered: statement.delivered(request.cursor.as_deref())?,
        caps: Caps::rows(limits.rows),
        counter,
    };
    let mut transaction = database.read(request.database.as_deref(), limits.timeout).await?;
    let mut answer = match transaction.page(&page).await {
        Ok(answer) => answer,
        Err(error) => {
            // Its session goes back first: the look-up may need it.
            drop(transaction);
            let name = request.database.as_deref();
            return Err(suggestions::suggest(database, name, &read, &request.sql, error).await);
        }
    };
    for notice in limits.notices.into_iter().chain(transaction.take_notices()) {
        answer.notice(notice);
    }
    let result = answer.finish(begun.elapsed(), |rows| {
        Some(statement.cursor(page.delivered + rows as u64))
    });
    Ok(QueryResponse { result: Some(result) })
}

/// What a cursor must fit: the statement, its parameters and its database.
fn identity(request: &QueryRequest) -> Statement {
    let params = data::List {
        values: request.params.clone(),
        lower_bounds: vec![],
    };
    let params = params.encode_to_vec();
    let database = request.database.as_deref().unwrap_or_default();
    Statement::of([request.sql.as_bytes(), params.as_slice(), database.as_bytes()])
}

/// A page of a read.
pub(crate) struct Page<'a> {
    shown: Shown<'a>,
    sql: &'a str,
    params: &'a [Value],
    /// Rows of earlier pages.
    delivered: u64,
    caps: Caps,
    /// Counts the rows as they come.
    counter: &'a Counter,
}

impl Transaction {
    /// Reads a page and ends the transaction, all in one flight where it can be. A session that turns out to have died before the
    /// first answer is replaced once.
    async fn page(&mut self, page: &Page<'_>) -> Result<Answer, Error> {
        match self.limited(page).await {
            Err(error) if error.is_lost_connection() && self.lease().was_used() => {
                tracing::debug!(
                    error = mcp_hub_chassis::fault::chain(&error),
                    "the session had died"
                );
                self.begin_again().await?;
                self.limited(page).await
            }
            result => result,
        }
    }

    async fn limited(&mut self, page: &Page<'_>) -> Result<Answer, Error> {
        let timer = self.timer();
        let statement = self.lease().connection().begin(page.shown, page.sql);
        let answer = self.read_page(page, &statement);
        let answer = answer.instrument(statement.span().clone());
        let answer = timer.limit(answer).await;
        settle(statement, answer)
    }

    async fn read_page(
        &mut self,
        page: &Page<'_>,
        statement: &trace::statement::Statement,
    ) -> Result<(Answer, Option<Returned>), Error> {
        // One more than is shown tells whether there are more.
        let wanted = page.delivered + u64::from(page.caps.rows) + 1;
        let plan = Plan {
            statement,
            sql: page.sql,
            params: page.params,
            rows: i32::try_from(wanted).map_err(|_| too_far())?,
            then: self.end(),
            describe_first: false,
        };
        let lease = self.lease();
        let (connection, types) = lease.parts();
        let mut rows = Rows::start(connection, types, &plan).await?;
        let mut gathered = match rows.known_columns(types) {
            Some(columns) => Gathered::answer(columns, page.caps),
            None => Gathered::Held {
                rows: vec![],
                bytes: 0,
            },
        };
        let (mut skipped, mut returned) = (0, Returned::default());
        loop {
            let Some(row) = rows.next(connection).await? else {
                break;
            };
            page.counter.row();
            if skipped < page.delivered {
                skipped += 1;
            } else if !gathered.push(row, page.caps, &mut returned)? {
                break;
            }
        }
        lease.finish().await?;
        let (connection, types) = lease.parts();
        match gathered {
            Gathered::Shown { answer, .. } => Ok((answer, Some(returned))),
            Gathered::Held { rows: held, .. } => {
                let columns = rows.columns(connection, types).await?;
                let mut gathered = Gathered::answer(columns.unwrap_or_default(), page.caps);
                for row in held {
                    if !gathered.push(row, page.caps, &mut returned)? {
                        break;
                    }
                }
                match gathered {
                    Gathered::Shown { answer, .. } => Ok((answer, Some(returned))),
                    Gathered::Held { .. } => Err(Error::Protocol("rows without columns")),
                }
            }
        }
    }
}

fn too_far() -> Fault {
    Fault::argument(
        "cursor",
        "this is further than a statement can be paged: narrow it with WHERE",
    )
}

/// The rows so far: in an answer, or as they came while the types of their columns are unknown.
enum Gathered {
    Shown { columns: Columns, answer: Answer },
    Held { rows: Vec<Row>, bytes: usize },
}

impl Gathered {
    fn answer(columns: Columns, caps: Caps) -> Self {
        let answer = Answer::new(columns.shown(), caps);
        Self::Shown { columns, answer }
    }

    /// Takes a row; `false` when no more are wanted.
    fn push(&mut self, row: Row, caps: Caps, returned: &mut Returned) -> Result<bool, Error> {
        match self {
            Self::Shown { columns, answer } => {
                let added = answer.push(columns.decode(&row))? == Push::Added;
                if added {
                    returned.add(&row);
                }
                returned.truncated = !added;
                Ok(added)
            }
            Self::Held { rows, bytes } => {
                *bytes += row.len();
                rows.push(row);
                Ok(*bytes < caps.characters * HELD_BYTES)
            }
        }
    }
}
