//! `Upsert`: points are checked, their texts embedded, and all of them written by one request.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::{PointStruct, UpsertPoints};

use super::point::{self, Draft};
use super::{applied, failed, late, limit};
use crate::binding::{self, Bindings};
use crate::collection::Shape;
use crate::database::{Database, Session};
use crate::embedding::{Embeddings, Model, Purpose, bm25};
use crate::guard::guard;
use crate::value;

/// Writes points.
///
/// # Errors
/// Wrong arguments, those of the model that embeds texts, the server's error, time-outs. When it is not known whether the points were
/// written, the message says that the same call may be made again, because it writes each point once.
pub(crate) async fn upsert(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::UpsertRequest,
    remaining: Option<Duration>,
) -> Result<pb::UpsertResponse, Fault> {
    let session = database.write(limit(remaining));
    let shape = session.shape(&request.collection).await?;
    let mut drafts = guard(|| point::read(&request.points, &shape))?;
    let embedding = embed(&mut drafts, &shape, embeddings, &session);
    // The limit is the whole call's; what embeds has limits of its own as well.
    let embedded = tokio::time::timeout(session.remaining(), embedding).await;
    let embedded =
        embedded.map_err(|_| late("the texts were not embedded", session.timeout()).unchanged())??;
    let ids = drafts.iter().map(|draft| value::id_to_value(&draft.id)).collect();
    let points: Vec<PointStruct> = drafts.into_iter().map(PointStruct::from).collect();
    let upsert = UpsertPoints {
        wait: Some(true),
        points,
        ..UpsertPoints::default()
    };
    let answer = session.ask(&shape.collection, upsert).await;
    let answer = answer.map_err(|error| failed(error, again))?;
    applied(answer.result, session.timeout(), again)?;
    Ok(pb::UpsertResponse { ids, embedded })
}

/// Makes vectors of texts, and checks that each point has one. Answers how many texts were embedded.
async fn embed(
    drafts: &mut [Draft],
    shape: &Shape,
    embeddings: &Embeddings,
    session: &Session,
) -> Result<u32, Fault> {
    let bindings = Bindings::of(shape, embeddings);
    let wanted = |name: &str| drafts.iter().any(|draft| draft.wants(name));
    let bound = bindings.of_documents(embeddings, wanted).await?;
    let mut embedded = vec![false; drafts.len()];
    for bound in bound {
        let name = bound.vector.name.as_str();
        let waiting: Vec<usize> = (0..drafts.len())
            .filter(|index| drafts[*index].wants(name))
            .collect();
        let texts = waiting.iter().filter_map(|index| drafts[*index].text.clone());
        let texts: Vec<String> = texts.collect();
        match &bound.model {
            Model::Bm25(language) => {
                session.needs(bm25::SINCE, "making vectors of words").await?;
                let language = embeddings.language(*language);
                for (index, text) in waiting.iter().zip(&texts) {
                    drafts[*index].take(name, bm25::document(text, language));
                }
            }
            model @ Model::Dense(_) => {
                let vectors = embeddings.embed(model, Purpose::Document, &texts).await?;
                for (index, vector) in waiting.iter().zip(vectors) {
                    // Behind the model's name there may be another one than a moment ago.
                    bindings.check(bound, vector.len())?;
                    drafts[*index].take(name, vector);
                }
            }
        }
        for index in waiting {
            embedded[index] = true;
        }
    }
    let text_search = binding::describe(shape, embeddings);
    for draft in drafts.iter() {
        draft.check(shape, &text_search)?;
    }
    let embedded = embedded.into_iter().filter(|embedded| *embedded).count();
    Ok(u32::try_from(embedded).unwrap_or(u32::MAX))
}

/// What to do when it is not known whether points were written.
fn again(mut fault: Fault) -> Fault {
    fault.message.push_str(
        "; whether the points were written is not known: the same call may be made again, because it writes each point once",
    );
    fault
}
