//! `Search`: matches of words in full-text indexes, or neighbours of a vector, with what they are connected with.

mod choice;
mod statement;

use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::{self, Bounds};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_chassis::status::Watched as _;
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::neo4j::v1 as pb;

use crate::catalogue::{Index, indexes};
use crate::database::{Database, Shown};
use crate::error::Error;
use crate::query::Page;
use crate::wire::packstream::{Entries, Packed};

const TOP_K: Bounds = Bounds {
    field: "top_k",
    default: 10,
    maximum: 1_000,
};

const MOST_HOPS: u32 = 3;

/// Characters of a cell where neighbourhoods are shown: some paths of usual nodes.
const NEIGHBOURHOOD: usize = 6_000;

/// The column of the scores.
const SCORE: usize = 1;

/// Searches.
///
/// # Errors
/// Wrong arguments, among them words that are not in Lucene's syntax and vectors that fit no index; `OBJECT_NOT_FOUND` where there is no
/// index; `NOT_SUPPORTED` where the server is too old; the server's error, time-outs.
pub(crate) async fn search(
    database: &Database,
    request: &pb::SearchRequest,
    remaining: Option<Duration>,
) -> Result<pb::SearchResponse, Fault> {
    let begun = Instant::now();
    let mut notices = Vec::new();
    let top_k = TOP_K.apply(request.top_k, &mut notices)?;
    let timeout = arguments::timeout(request.timeout_ms, remaining, &mut notices)?;
    let hops = request.expand_hops.unwrap_or_default();
    if hops > MOST_HOPS {
        notices.push(format!("expand_hops was lowered from {hops} to {MOST_HOPS}"));
    }
    let hops = hops.min(MOST_HOPS);
    let wanted = Wanted::of(request)?;

    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let indexes = indexes(&mut transaction).await?;
    let name = request
        .index
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let found = wanted.indexes(&indexes, name, &mut notices)?;
    let page = Page {
        shown: Shown::ours(match wanted {
            Wanted::Words(_) => "CALL db.index.fulltext",
            Wanted::Vector(_) => "CALL db.index.vector",
        }),
        cypher: &statement::of(&wanted, &found, hops),
        params: wanted.params(&found, top_k),
        delivered: 0,
        caps: Caps {
            cell: if hops == 0 {
                Caps::default().cell
            } else {
                NEIGHBOURHOOD
            },
            ..Caps::rows(top_k)
        },
        counter: Counter::default(),
    };
    let mut table = match transaction.page(&page).await {
        Ok(table) => table,
        Err(error) if is_syntax(&error) => {
            // Its connection may be the only one.
            drop(transaction);
            return Err(too_old(&database.look().await?.version));
        }
        Err(error) => return Err(wanted.explained(error)),
    };
    for notice in notices {
        table.notice(notice);
    }
    let mut result = table.finish(begun.elapsed(), |_| None);
    shorten_scores(&mut result);
    Ok(pb::SearchResponse { result: Some(result) })
}

/// Whether the server can't read the statement, which is ours: then it lacks what came later.
fn is_syntax(error: &Error) -> bool {
    matches!(error, Error::Server(server) if server.code == "Neo.ClientError.Statement.SyntaxError")
}

/// The statement's `CALL () {}` came with version 5.23.
fn too_old(version: &str) -> Fault {
    let message = format!("search needs Neo4j 5.23 or newer, and this server is {version}");
    Fault::new(Reason::NotSupported, message).with(
        "hint",
        "ask the index by query: CALL db.index.fulltext.queryNodes(index, words), CALL db.index.vector.queryNodes(index, top_k, vector)",
    )
}

/// What is looked for.
#[derive(Debug)]
enum Wanted<'a> {
    Words(&'a str),
    Vector(&'a [f32]),
}

impl<'a> Wanted<'a> {
    fn of(request: &'a pb::SearchRequest) -> Result<Self, Fault> {
        let words = request
            .query_text
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        match (words, request.vector.as_slice()) {
            (Some(words), []) => Ok(Self::Words(words)),
            (None, []) => Err(Fault::argument(
                "query_text",
                "give query_text for a full-text index, or vector for a vector index",
            )),
            (None, vector) if vector.iter().all(|number| number.is_finite()) => Ok(Self::Vector(vector)),
            (None, _) => Err(Fault::argument(
                "vector",
                "vector holds a number that is not finite",
            )),
            (Some(_), _) => Err(Fault::argument(
                "vector",
                "give either query_text or vector: they search different indexes",
            )),
        }
    }

    fn params(&self, indexes: &[&Index], top_k: u32) -> Entries {
        let wanted = match self {
            Self::Words(words) => Packed::Text((*words).to_owned()),
            Self::Vector(vector) => Packed::List(
                vector
                    .iter()
                    .map(|number| Packed::Float((*number).into()))
                    .collect(),
            ),
        };
        let names = indexes.iter().map(|index| Packed::Text(index.name.clone()));
        vec![
            ("wanted".to_owned(), wanted),
            ("indexes".to_owned(), Packed::List(names.collect())),
            ("top_k".to_owned(), i64::from(top_k).into()),
        ]
    }

    /// An error of the index, in words about the argument that it is about.
    fn explained(&self, error: Error) -> Fault {
        let Error::Server(server) = &error else {
            return error.into();
        };
        if server.code != "Neo.ClientError.Procedure.ProcedureCallFailed" {
            return error.into();
        }
        // "Failed to invoke procedure `..`: Caused by: org.apache.lucene...ParseException: Encountered .."
        let cause = server
            .message
            .split_once("Caused by: ")
            .map_or(server.message.as_str(), |(_, cause)| cause);
        let is_class = |class: &str| !class.contains(' ') && class.contains('.');
        let cause = match cause.split_once(": ") {
            Some((class, cause)) if is_class(class) => cause,
            _ => cause,
        };
        let cause = cause.trim_end_matches('.');
        match self {
            Self::Words(_) => Fault::argument(
                "query_text",
                format!("query_text is not in Lucene's query syntax: {cause}"),
            )
            .with(
                "hint",
                "Put text with special characters in double quotes, or a backslash before each of + - & | ! ( ) { } [ ] ^ \" ~ * ? : \\ /",
            ),
            Self::Vector(_) => Fault::argument("vector", format!("the index does not take this vector: {cause}")),
        }
    }
}

/// Scores to six significant digits: more are noise, and long.
fn shorten_scores(result: &mut ResultSet) {
    for row in &mut result.rows {
        if let Some(Form::Double(score)) = row.values.get_mut(SCORE).and_then(|value| value.kind.as_mut()) {
            *score = format!("{score:.5e}").parse().unwrap_or(*score);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ServerError;

    /// Our statement is never wrong for any other reason: the tests on a server run it in each of its forms.
    #[test]
    fn a_server_that_cannot_read_our_statement_is_told_by_its_version() {
        let failed = |code: &str| {
            is_syntax(&Error::Server(Box::new(ServerError {
                code: code.to_owned(),
                ..ServerError::default()
            })))
        };
        assert!(failed("Neo.ClientError.Statement.SyntaxError"));
        assert!(!failed("Neo.ClientError.Procedure.ProcedureCallFailed"));
        let fault = too_old("5.15.0 community");
        assert_eq!(fault.reason, Reason::NotSupported);
        assert_eq!(
            fault.message,
            "search needs Neo4j 5.23 or newer, and this server is 5.15.0 community"
        );
    }
}
