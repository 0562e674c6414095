//! `Search`: matches of words in full-text indexes, or neighbours of a vector, with what they are connected with.

mod statement;

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::{Bounds, TIMEOUT_MS};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::neo4j::v1 as pb;

use crate::catalogue::{Index, IndexKind, indexes};
use crate::database::Database;
use crate::error::Error;
use crate::query::Page;
use crate::wire::packstream::{Entries, Packed};

const TOP_K: Bounds = Bounds {
    field: "top_k",
    default: 10,
    maximum: 1_000,
};

const MOST_HOPS: u32 = 3;

/// The most full-text indexes that are searched together.
const MOST_INDEXES: usize = 20;

/// Characters of a cell where neighbourhoods are shown: some paths of usual nodes.
const NEIGHBOURHOOD: usize = 6_000;

/// The column of the scores.
const SCORE: usize = 1;

/// Searches.
///
/// # Errors
/// Wrong arguments, among them words that are not in Lucene's syntax and vectors that fit no index; `OBJECT_NOT_FOUND` where there is no
/// index; the server's error, time-outs.
pub(crate) async fn search(
    database: &Database,
    request: &pb::SearchRequest,
    remaining: Option<Duration>,
) -> Result<pb::SearchResponse, Fault> {
    let begun = Instant::now();
    let mut notices = Vec::new();
    let top_k = TOP_K.apply(request.top_k, &mut notices)?;
    let timeout = TIMEOUT_MS.apply_ms(request.timeout_ms, &mut notices)?;
    let timeout = remaining.map_or(timeout, |remaining| remaining.min(timeout));
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
    };
    let mut table = transaction
        .page(&page)
        .await
        .map_err(|error| wanted.explained(error))?;
    for notice in notices {
        table.notice(notice);
    }
    let mut result = table.finish(begun.elapsed(), |_| None);
    shorten_scores(&mut result);
    Ok(pb::SearchResponse { result: Some(result) })
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

    fn kind(&self) -> IndexKind {
        match self {
            Self::Words(_) => IndexKind::Fulltext,
            Self::Vector(_) => IndexKind::Vector,
        }
    }

    /// The indexes to ask.
    fn indexes<'i>(
        &self,
        indexes: &'i [Index],
        name: Option<&str>,
        notices: &mut Vec<String>,
    ) -> Result<Vec<&'i Index>, Fault> {
        let of_kind: Vec<&Index> = indexes.iter().filter(|index| index.kind == self.kind()).collect();
        if of_kind.is_empty() {
            return Err(self.none());
        }
        let found = match name {
            Some(name) => vec![named(indexes, &of_kind, name)?],
            None => of_kind.into_iter().filter(|index| self.fits(index)).collect(),
        };
        let (mut online, others): (Vec<&Index>, Vec<&Index>) =
            found.into_iter().partition(|index| index.is_online());
        let states = others
            .iter()
            .map(|index| format!("index \"{}\" is {} and is not searched", index.name, index.state));
        notices.extend(states);
        if let (true, Some(index)) = (online.is_empty(), others.first()) {
            let message = format!(
                "index \"{}\" can't be searched now: it is {}",
                index.name, index.state
            );
            return Err(Fault::new(Reason::DatabaseBusy, message));
        }
        match self {
            Self::Words(_) => {
                if online.len() > MOST_INDEXES {
                    let left_out = online.len() - MOST_INDEXES;
                    notices.push(format!(
                        "{left_out} more full-text indexes are not searched: name one in index"
                    ));
                    online.truncate(MOST_INDEXES);
                }
            }
            Self::Vector(vector) => one_for(vector, &online, indexes)?,
        }
        Ok(online)
    }

    fn fits(&self, index: &Index) -> bool {
        match self {
            Self::Words(_) => true,
            Self::Vector(vector) => index
                .dimensions
                .is_none_or(|dimensions| dimensions as usize == vector.len()),
        }
    }

    /// There is no index of the kind.
    fn none(&self) -> Fault {
        let (what, hint) = match self {
            Self::Words(_) => (
                "full-text",
                "One is made with: CREATE FULLTEXT INDEX name FOR (n:Label) ON EACH [n.property]",
            ),
            Self::Vector(_) => (
                "vector",
                "One is made with: CREATE VECTOR INDEX name FOR (n:Label) ON n.property OPTIONS {indexConfig: \
                 {`vector.dimensions`: 1536, `vector.similarity_function`: 'cosine'}}",
            ),
        };
        Fault::new(
            Reason::ObjectNotFound,
            format!("there is no {what} index in this database"),
        )
        .with("hint", hint)
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

/// The index of a name, if it is of the kind.
fn named<'i>(indexes: &'i [Index], of_kind: &[&'i Index], name: &str) -> Result<&'i Index, Fault> {
    if let Some(index) = of_kind.iter().find(|index| index.name == name) {
        return Ok(index);
    }
    let kind = of_kind.first().map_or("", |index| index.kind.name());
    if let Some(other) = indexes.iter().find(|index| index.name == name) {
        let message = format!(
            "index \"{name}\" is a {} index, and this search takes a {kind} index",
            other.kind.name()
        );
        return Err(Fault::argument("index", message).with("did_you_mean", names(of_kind)));
    }
    let similar = arguments::similar(name, of_kind.iter().map(|index| index.name.as_str()));
    let similar = if similar.is_empty() {
        names(of_kind)
    } else {
        similar.join(",")
    };
    let message = format!("there is no {kind} index \"{name}\"");
    Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar))
}

/// Checks that there is one index for a vector and that it takes it.
fn one_for(vector: &[f32], found: &[&Index], indexes: &[Index]) -> Result<(), Fault> {
    let dimensions = vector.len();
    let all = indexes.iter().filter(|index| index.kind == IndexKind::Vector);
    let all = all.map(|index| match index.dimensions {
        Some(dimensions) => format!("{} ({dimensions})", index.name),
        None => index.name.clone(),
    });
    let all = || all.clone().collect::<Vec<_>>().join(", ");
    match found {
        [] => {
            let message = format!(
                "no vector index has {dimensions} dimensions; there are: {}",
                all()
            );
            Err(Fault::argument("vector", message))
        }
        [index] => {
            if let Some(needed) = index.dimensions.filter(|needed| *needed as usize != dimensions) {
                let message = format!(
                    "index \"{}\" has {needed} dimensions, and vector has {dimensions}",
                    index.name
                );
                return Err(Fault::argument("vector", message));
            }
            if index.function == "cosine" && vector.iter().all(|number| *number == 0.0) {
                let message = "vector is all zeros, which has no direction to compare by cosine";
                return Err(Fault::argument("vector", message));
            }
            Ok(())
        }
        several => {
            let message = format!("several vector indexes have {dimensions} dimensions: name one in index");
            Err(Fault::argument("index", message).with("did_you_mean", names(several)))
        }
    }
}

fn names(indexes: &[&Index]) -> String {
    let names: Vec<&str> = indexes.iter().map(|index| index.name.as_str()).take(10).collect();
    names.join(",")
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

    fn index(name: &str, kind: IndexKind, dimensions: Option<u32>) -> Index {
        Index {
            name: name.to_owned(),
            kind,
            state: "online".to_owned(),
            of_relationships: false,
            on: vec!["A".to_owned()],
            properties: vec!["a".to_owned()],
            constraint: None,
            dimensions,
            function: "cosine".to_owned(),
        }
    }

    fn chosen(indexes: &[Index], wanted: &Wanted<'_>, name: Option<&str>) -> Result<Vec<String>, Fault> {
        let found = wanted.indexes(indexes, name, &mut vec![])?;
        Ok(found.into_iter().map(|index| index.name.clone()).collect())
    }

    #[test]
    fn a_vector_goes_to_the_one_index_of_its_size() {
        let indexes = [
            index("a", IndexKind::Vector, Some(3)),
            index("b", IndexKind::Vector, Some(2)),
            index("c", IndexKind::Vector, Some(2)),
            index("d", IndexKind::Range, None),
        ];
        let of = |vector| Wanted::Vector(vector);
        assert_eq!(
            chosen(&indexes, &of(&[1.0, 2.0, 3.0]), None),
            Ok(vec!["a".to_owned()])
        );
        assert_eq!(
            chosen(&indexes, &of(&[1.0, 2.0]), Some("c")),
            Ok(vec!["c".to_owned()])
        );
        let fault = chosen(&indexes, &of(&[1.0, 2.0]), None).expect_err("two");
        assert_eq!(fault.metadata["did_you_mean"], "b,c");
        let fault = chosen(&indexes, &of(&[1.0]), None).expect_err("none");
        assert_eq!(
            fault.message,
            "no vector index has 1 dimensions; there are: a (3), b (2), c (2)"
        );
        let fault = chosen(&indexes, &of(&[1.0]), Some("a")).expect_err("another size");
        assert_eq!(fault.message, "index \"a\" has 3 dimensions, and vector has 1");
        let fault = chosen(&indexes, &of(&[1.0]), Some("d")).expect_err("another kind");
        assert_eq!(
            fault.message,
            "index \"d\" is a range index, and this search takes a vector index"
        );
        assert!(
            chosen(&indexes, &of(&[0.0, 0.0, 0.0]), None).is_err(),
            "no direction"
        );
        let fault = chosen(&indexes, &Wanted::Words("x"), None).expect_err("no such index");
        assert_eq!(fault.reason, Reason::ObjectNotFound);
    }

    #[test]
    fn an_index_that_is_not_ready_is_said() {
        let mut indexes = [
            index("a", IndexKind::Fulltext, None),
            index("b", IndexKind::Fulltext, None),
        ];
        indexes[1].state = "populating".to_owned();
        let mut notices = vec![];
        let found = Wanted::Words("x")
            .indexes(&indexes, None, &mut notices)
            .expect("one");
        assert_eq!((found.len(), notices.len()), (1, 1));
        let fault = chosen(&indexes, &Wanted::Words("x"), Some("b")).expect_err("not ready");
        assert_eq!(fault.reason, Reason::DatabaseBusy);
    }
}
