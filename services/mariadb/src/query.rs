//! `Query`, `FollowQuery` and `StreamQuery`: a caller's read, from the guard to the last row.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::arguments::{FOLLOWED_TIMEOUT_MS, QueryLimits, TIMEOUT_MS};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1 as data;
use mcp_hub_proto::mariadb::v1::{FollowQueryResponse, QueryRequest, QueryResponse};
use prost::Message as _;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::execution::{self, Plan, Sink};
use crate::guard;
use crate::traced::Shown;

mod stream;
mod suggestions;

pub(crate) use stream::stream;

/// Runs a read and returns a page of its rows.
///
/// # Errors
/// The guard's refusal, wrong arguments, the server's error, time-outs.
pub(crate) async fn query(
    database: &Database,
    request: QueryRequest,
    remaining: Option<Duration>,
) -> Result<QueryResponse, Fault> {
    let limits = QueryLimits::of(request.limit, request.timeout_ms, TIMEOUT_MS, remaining)?;
    read_page(database, &request, limits, Counter::default()).await
}

/// Does the same for a caller that wants to know how far it is, and so waits longer. A caller that goes away cancels it.
///
/// # Errors
/// A wrong limit; everything else comes down the stream.
pub(crate) fn follow(
    database: Database,
    request: QueryRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<FollowQueryResponse>, Fault> {
    let limits = QueryLimits::of(request.limit, request.timeout_ms, FOLLOWED_TIMEOUT_MS, remaining)?;
    let message = |progress, response| FollowQueryResponse { progress, response };
    let timeout = limits.timeout;
    Ok(progress::follow(
        lifecycle,
        timeout,
        message,
        move |counter| async move { read_page(&database, &request, limits, counter).await },
    ))
}

/// Runs a read within its limits, and counts the rows that come.
async fn read_page(
    database: &Database,
    request: &QueryRequest,
    limits: QueryLimits,
    counter: Counter,
) -> Result<QueryResponse, Fault> {
    let begun = Instant::now();
    let read = guard::read(&request.sql)?;
    check_count(&read, request.params.len())?;
    let name = request.database.as_deref();
    catalogue::check_read(database, name, &read).await?;
    let statement = identity(request);
    let page = Page {
        answer: None,
        caps: Caps::rows(limits.rows),
        delivered: statement.delivered(request.cursor.as_deref())?,
        skipped: 0,
        counter,
    };
    let delivered = page.delivered;
    let plan = Plan::new(&read.text, &request.params);
    let mut transaction = database.read(name, limits.timeout).await?;
    if read.changes_session {
        transaction.taint();
    }
    let shown = Shown::theirs(read.kind.operation(), &read.relations);
    let answer = match transaction.page(shown, plan, page).await {
        Ok(answer) => answer,
        Err(error) => {
            // Its session goes back first: the look-up may need it.
            drop(transaction);
            return Err(suggestions::suggest(database, name, &read, error).await);
        }
    };
    // A statement without rows can't pass the guard.
    let mut answer = answer.unwrap_or_else(|| Answer::new(vec![], Caps::rows(limits.rows)));
    // The rows are here: a session that is lost now is nothing to the caller.
    let said = transaction.take_notices().await.unwrap_or_default();
    for notice in limits.notices.into_iter().chain(said) {
        answer.notice(notice);
    }
    let result = answer.finish(begun.elapsed(), |rows| {
        Some(statement.cursor(delivered + rows as u64))
    });
    Ok(QueryResponse { result: Some(result) })
}

/// The guard counts before the server does, so that a mistake costs no session.
fn check_count(read: &guard::Read<'_>, given: usize) -> Result<(), Fault> {
    if read.parameters == given {
        Ok(())
    } else {
        Err(execution::wrong_count(read.parameters, given))
    }
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

/// A page of a read in the making.
struct Page {
    answer: Option<Answer>,
    caps: Caps,
    /// Rows of earlier pages.
    delivered: u64,
    skipped: u64,
    counter: Counter,
}

impl Sink for Page {
    fn columns(&mut self, columns: Vec<data::Column>) {
        self.answer = Some(Answer::new(columns, self.caps).counted(self.counter.clone()));
    }

    fn skips(&mut self) -> bool {
        let skips = self.skipped < self.delivered;
        if skips {
            self.skipped += 1;
            self.counter.row();
        }
        skips
    }

    async fn row(&mut self, row: data::Row, _bytes: usize) -> Result<bool, Error> {
        match &mut self.answer {
            Some(answer) => Ok(answer.push(row)? == Push::Added),
            None => Err(Error::Protocol("a row before its columns".to_owned())),
        }
    }
}

impl Transaction {
    /// Reads a page. The server makes one row more than is shown, which tells whether there are more.
    async fn page(&mut self, shown: Shown<'_>, plan: Plan, page: Page) -> Result<Option<Answer>, Error> {
        self.begin(Some(page.delivered + u64::from(page.caps.rows) + 1))
            .await?;
        Ok(self.execute(shown, plan, page).await?.sink.answer)
    }
}
