//! `Explore`: what is in the server, or in one collection, and how to find out more.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::prompt::{REPEATED, TOOLS, Text, quoted};
use mcp_hub_proto::json;
use mcp_hub_proto::prompt::v1::PromptMessage;
use mcp_hub_proto::qdrant::v1 as pb;

use super::{NAMES, PATIENCE, line, listed, numbered, points};
use crate::collection::{self, Overview};
use crate::database::Database;
use crate::embedding::Embeddings;
use crate::error::Error;

/// The most payload keys of a collection, and the most examples of each.
const KEYS: usize = 30;
const EXAMPLES: usize = 2;

/// How to go on; the first two are for who does not know a collection yet.
const STEPS: [&str; 5] = [
    "list_collections for what is not named above.",
    "collection_info for each collection that matters, before you search or filter it: it has the payload keys with examples.",
    "count, with facet_key on an indexed key, for how the points are spread.",
    "scroll, with limit 5, for a few points as they are.",
    "search: with query_text where text can be searched, else with like_ids, the ids of points that scroll showed.",
];

/// Begins an exploration.
pub(crate) async fn explore(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::ExploreRequest,
) -> Vec<PromptMessage> {
    let wanted = given(request.collection.as_deref());
    let mut text = Text::new(
        "Get to know this Qdrant server, and tell me in plain words what is in it: what its collections hold and whom they serve, and \
         what can be searched and asked there.",
    );
    if let Some(wanted) = wanted {
        text = text.paragraph(&format!("Look at the collection {} only.", quoted(wanted)));
    }
    if let Some(question) = given(request.question.as_deref()) {
        text = text
            .paragraph("What I want to find out:")
            .code("text", question, REPEATED);
    }
    if let Some(description) = &database.config().description {
        text = text.paragraph(&format!("Its operator says of it: {}", quoted(description)));
    }
    // What is said of text search rests on what the model's vectors are; it is asked once.
    let learnt = learn(embeddings);
    let (text, known) = match wanted {
        Some(wanted) => {
            learnt.await;
            match one(database, embeddings, wanted).await {
                Ok(info) => (described(text, &info), true),
                Err(fault) => (
                    text.trouble("The collection could not be looked at", &fault),
                    false,
                ),
            }
        }
        None => match tokio::join!(all(database), learnt).0 {
            Ok((version, found)) => (overview(text, embeddings, &version, &found), false),
            Err(fault) => (text.trouble("The server could not be looked at", &fault), false),
        },
    };
    let steps = if known { &STEPS[2..] } else { &STEPS };
    text.paragraph(TOOLS).paragraph(&numbered(steps)).paragraph(
        "Then tell me what you found, say which collections it is from, and what you did not look at. End with three questions that this \
         data can answer.",
    )
    .user()
}

/// Learns how many dimensions the default model's vectors have. When it can't be learnt, the model is taken to fit, as everywhere.
async fn learn(embeddings: &Embeddings) {
    if let Some(model) = embeddings.default_model() {
        let asked = tokio::time::timeout(PATIENCE / 2, embeddings.dimensions(model)).await;
        if let Ok(Err(fault)) = asked {
            tracing::debug!(error = fault.message, "the default model can't be asked");
        }
    }
}

/// What is in the server, and its version.
async fn all(database: &Database) -> Result<(String, Overview), Fault> {
    let session = database.read(PATIENCE);
    let found = async { tokio::try_join!(session.version(), collection::overview(&session)) };
    found.await.map_err(|error: Error| error.into())
}

fn overview(text: Text, embeddings: &Embeddings, version: &str, found: &Overview) -> Text {
    let count = found.collections.len() + found.more;
    if count == 0 {
        return text
            .facts("Server", [format!("Qdrant {version}")], 0)
            .paragraph(
                "It has no collection that can be asked. If there should be some, tell me that the API key may lack rights, or that the \
                 settings hide them (QDRANT_ALLOW_COLLECTIONS, QDRANT_DENY_COLLECTIONS).",
            );
    }
    let collections = if count == 1 { "collection" } else { "collections" };
    text.facts("Server", [format!("Qdrant {version}, {count} {collections}")], 0)
        .facts(
            "Collections, the biggest first",
            found.collections.iter().map(|shape| line(shape, embeddings)),
            found.more,
        )
}

/// What is known of one collection.
async fn one(
    database: &Database,
    embeddings: &Embeddings,
    wanted: &str,
) -> Result<pb::CollectionInfoResponse, Fault> {
    let request = pb::CollectionInfoRequest {
        collection: wanted.to_owned(),
        sample: None,
    };
    collection::collection_info(database, embeddings, &request, Some(PATIENCE)).await
}

fn described(text: Text, info: &pb::CollectionInfoResponse) -> Text {
    let mut lines = vec![];
    let points = points(info.points);
    lines.push(format!("{}: {points}, {}", quoted(&info.name), info.status));
    if !info.aliases.is_empty() {
        let aliases = info.aliases.iter().map(|alias| quoted(alias));
        lines.push(format!("also called {}", listed(aliases, NAMES)));
    }
    lines.extend(info.vectors.iter().take(NAMES).map(vector));
    lines.push(format!("text search: {}", info.text_search));
    let more = info.vectors.len().saturating_sub(NAMES);
    let keys = info.payload.iter().take(KEYS).map(key);
    text.facts("Collection", lines, more).facts(
        "Payload keys, of the first 100 points",
        keys,
        info.payload.len().saturating_sub(KEYS),
    )
}

fn vector(vector: &pb::Vector) -> String {
    let name = match vector.name.as_str() {
        "" => "the unnamed vector".to_owned(),
        name => format!("vector {}", quoted(name)),
    };
    let size = vector
        .size
        .map(|size| format!(", {size} dimensions, {}", vector.distance));
    let model = match vector.model.as_str() {
        "" => String::new(),
        model => format!(", of the model {}", quoted(model)),
    };
    format!("{name}: {}{}{model}", vector.kind, size.unwrap_or_default())
}

fn key(key: &pb::PayloadKey) -> String {
    let indexed = if key.indexed { ", indexed" } else { "" };
    let examples = key.examples.iter().take(EXAMPLES).map(|value| {
        let mut shown = String::new();
        json::write_value(&mut shown, value);
        shown
    });
    let examples = match key.examples.as_slice() {
        [] => String::new(),
        _ => format!(", such as {}", listed(examples, EXAMPLES)),
    };
    format!("{}: {}{indexed}{examples}", quoted(&key.key), key.r#type)
}
