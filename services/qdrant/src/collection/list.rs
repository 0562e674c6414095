//! `ListCollections`: the collections by name, a page at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::Bounds;
use mcp_hub_chassis::cursor::{Statement, damaged};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::{CollectionInfo, CollectionStatus, GetCollectionInfoRequest};

use super::{aliases, shape, timeout};
use crate::database::{Database, Name, Session};
use crate::error::Error;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 1000,
};

/// How many collections are asked about at the same time.
pub(super) const AT_ONCE: usize = 8;

/// The most characters of a list: what an answer may have, with room for its frame.
const CHARACTERS: usize = 58_000;

/// What the names of a collection's fields take in JSON.
const FRAME: usize = 60;

/// Lists collections.
///
/// # Errors
/// `ARGUMENT_INVALID` for a foreign cursor, the server's error, time-outs.
pub(crate) async fn list_collections(
    database: &Database,
    request: &pb::ListCollectionsRequest,
    remaining: Option<Duration>,
) -> Result<pb::ListCollectionsResponse, Fault> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)?;
    let pattern = request.pattern.as_deref().unwrap_or_default().to_lowercase();
    let statement = Statement::of([b"list_collections".as_slice(), pattern.as_bytes()]);
    let after = match statement.position(request.cursor.as_deref())? {
        Some(name) => Some(String::from_utf8(name).map_err(|_| damaged())?),
        None => None,
    };
    let session = database.read(timeout(remaining)?);
    let (names, aliases) = tokio::try_join!(session.names(), aliases(&session))?;
    let aliases = aliases.unwrap_or_else(|| {
        notices.push("aliases can't be told: the API key may not list them".to_owned());
        BTreeMap::new()
    });

    let called = |name: &str| name.to_lowercase().contains(&pattern);
    let mut names = names
        .into_iter()
        .filter(|name| after.as_deref().is_none_or(|after| name.as_str() > after))
        .filter(|name| {
            let mut others = aliases.get(name.as_str()).into_iter().flatten();
            called(name.as_str()) || others.any(|alias| called(alias))
        });
    let page: Vec<Name> = names.by_ref().take(limit as usize).collect();
    let mut more = names.next().is_some();

    let mut found = stream::iter(page)
        .map(async |name| Ok::<_, Error>((info(&session, &name).await?, name)))
        .buffered(AT_ONCE);
    let mut collections = Vec::new();
    let (mut characters, mut last, mut forbidden) = (0, None, 0);
    while let Some((info, name)) = found.try_next().await? {
        let info = match info {
            Known::Gone => continue,
            Known::Forbidden => {
                forbidden += 1;
                None
            }
            Known::Info(info) => Some(info),
        };
        let collection = described(&name, info.as_deref(), &aliases);
        characters += length(&collection);
        if characters > CHARACTERS && !collections.is_empty() {
            more = true;
            break;
        }
        collections.push(collection);
        last = Some(name);
    }
    if forbidden > 0 {
        notices.push(format!(
            "of {forbidden} collections the API key may know the names only"
        ));
    }
    Ok(pb::ListCollectionsResponse {
        next_cursor: last
            .filter(|_| more)
            .map(|name| statement.cursor_at(name.as_str().as_bytes())),
        collections,
        notices,
    })
}

/// What can be known of a collection.
pub(super) enum Known {
    Info(Box<CollectionInfo>),
    /// It was deleted since the list of names.
    Gone,
    Forbidden,
}

pub(super) async fn info(session: &Session, name: &Name) -> Result<Known, Error> {
    let answer = session.ask(name, GetCollectionInfoRequest::default()).await;
    match answer.map_err(Fault::from) {
        Ok(answer) => Ok(answer
            .result
            .map_or(Known::Gone, |info| Known::Info(Box::new(info)))),
        Err(fault) if fault.reason == Reason::ObjectNotFound => Ok(Known::Gone),
        Err(fault) if fault.reason == Reason::AccessDenied => Ok(Known::Forbidden),
        Err(fault) => Err(fault.into()),
    }
}

fn described(
    name: &Name,
    info: Option<&CollectionInfo>,
    aliases: &BTreeMap<String, Vec<String>>,
) -> pb::Collection {
    let params = info.and_then(|info| info.config.as_ref()?.params.as_ref());
    let vectors = params.map(shape::vectors).unwrap_or_default();
    let status = info.map(CollectionInfo::status);
    pb::Collection {
        name: name.to_string(),
        points: info.and_then(|info| info.points_count),
        vectors: vectors.iter().map(ToString::to_string).collect(),
        status: status
            .filter(|status| *status != CollectionStatus::Green)
            .map(super::status_name)
            .unwrap_or_default()
            .to_owned(),
        aliases: aliases.get(name.as_str()).cloned().unwrap_or_default(),
    }
}

/// About how many characters it takes.
fn length(collection: &pb::Collection) -> usize {
    let lists = collection.vectors.iter().chain(&collection.aliases);
    let lists: usize = lists.map(|text| text.chars().count() + 4).sum();
    collection.name.chars().count() + lists + FRAME
}
