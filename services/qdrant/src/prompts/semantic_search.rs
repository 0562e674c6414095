//! `SetUpSemanticSearch`: what is there for searching texts, what is missing, who sets it, and how to see that it works.
//!
//! Models are asked before collections are looked at: then it is known which vectors they fit.

use futures_util::future::join_all;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{TOOLS, Text, quoted};
use mcp_hub_proto::prompt::v1::PromptMessage;
use mcp_hub_proto::qdrant::v1 as pb;

use super::{PATIENCE, line, numbered};
use crate::binding::{self, Ways};
use crate::collection::{self, Form, Overview, Shape};
use crate::database::{Database, Session};
use crate::embedding::{Embeddings, Model, Purpose, bm25};
use crate::error::Error;

/// The most models of the settings that are asked.
const MODELS: usize = 4;

/// The most bindings of the settings that are shown.
const BINDINGS: usize = 10;

/// Begins to set up search.
pub(crate) async fn set_up_semantic_search(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::SetUpSemanticSearchRequest,
) -> Vec<PromptMessage> {
    let wanted = given(request.collection.as_deref());
    let models = ask(embeddings).await;
    let session = database.read(PATIENCE);
    let found = Found::look(&session, wanted).await;
    let state = State {
        embeddings,
        allow_writes: database.config().allow_writes,
        wanted,
        vector: given(request.vector.as_deref()),
        text_key: given(request.text_key.as_deref()),
        models: &models,
        found: &found,
    };
    let version = session.version().await.ok();
    state.text(version.as_deref()).user()
}

/// A model of the settings, and how many dimensions its vectors have now.
type Asked = (Model, Result<usize, Fault>);

/// The models of the settings that make dense vectors: the default one first.
async fn ask(embeddings: &Embeddings) -> Vec<Asked> {
    let bound = embeddings.bindings().iter().map(|bound| &bound.model);
    let mut models: Vec<Model> = vec![];
    for model in embeddings.default_model().into_iter().chain(bound) {
        if matches!(model, Model::Dense(_)) && !models.contains(model) && models.len() < MODELS {
            models.push(model.clone());
        }
    }
    let asked = models.into_iter().map(async |model| {
        // What is remembered of a model says nothing of whether it still answers.
        let word = ["word".to_owned()];
        let made = embeddings.embed(&model, Purpose::Document, &word);
        let made = tokio::time::timeout(PATIENCE, made).await;
        let late = || {
            let message = format!("the model did not answer within {} s", PATIENCE.as_secs());
            Fault::new(Reason::EmbeddingsUnavailable, message)
        };
        let dimensions = made
            .unwrap_or_else(|_| Err(late()))
            .map(|vectors| vectors.first().map_or(0, Vec::len));
        (model, dimensions)
    });
    join_all(asked).await
}

/// What there is to search.
enum Found {
    /// The collection that was named.
    One(Box<Shape>),
    /// There is none of that name, yet.
    None(Fault),
    /// No collection was named.
    All(Overview),
    /// The server can't be asked.
    Unknown(Fault),
}

impl Found {
    /// The collections that were looked at.
    fn shapes(&self) -> &[Shape] {
        match self {
            Self::One(shape) => std::slice::from_ref(shape),
            Self::All(found) => &found.collections,
            Self::None(_) | Self::Unknown(_) => &[],
        }
    }

    async fn look(session: &Session, wanted: Option<&str>) -> Self {
        let found = async {
            Ok::<_, Error>(match wanted {
                Some(wanted) => Self::One(Box::new(session.shape(wanted).await?)),
                None => Self::All(collection::overview(session).await?),
            })
        };
        found.await.unwrap_or_else(|error| {
            let fault = Fault::from(error);
            if fault.reason == Reason::ObjectNotFound {
                Self::None(fault)
            } else {
                Self::Unknown(fault)
            }
        })
    }
}

/// What is known, of which the text is made.
struct State<'a> {
    embeddings: &'a Embeddings,
    allow_writes: bool,
    wanted: Option<&'a str>,
    vector: Option<&'a str>,
    text_key: Option<&'a str>,
    models: &'a [Asked],
    found: &'a Found,
}

impl State<'_> {
    fn text(&self, version: Option<&str>) -> Text {
        let place = match self.wanted {
            Some(wanted) => format!("the collection {} of this Qdrant server", quoted(wanted)),
            None => "this Qdrant server".to_owned(),
        };
        let mut text = Text::new(format!(
            "Help me search {place} by meaning and by words, with query_text: find out what is missing, tell me what to set, and then see \
             that it works."
        ));
        if let Some(vector) = self.vector {
            text = text.paragraph(&format!("The vector to search is {}.", quoted(vector)));
        }
        if let Some(key) = self.text_key {
            text = text.paragraph(&format!("The texts are under the payload key {}.", quoted(key)));
        }
        text = self.settings(text, version);
        text = self.collections(text);
        text = text.paragraph(&format!("What is to be done:\n{}", numbered(&self.steps())));
        text.paragraph(&format!(
            "Then see that it works. {TOOLS}\n{}",
            numbered(&self.checks())
        ))
        .paragraph(
            "Settings are environment variables of the adapter, which its operator sets and which count when it starts again: tell me \
             their names and values, and never ask me for a key. Say what you found before you change anything.",
        )
    }

    /// What the settings have.
    fn settings(&self, text: Text, version: Option<&str>) -> Text {
        let default = self.embeddings.default_model();
        let mut facts: Vec<String> = self
            .models
            .iter()
            .map(|(model, asked)| {
                let role = if Some(model) == default {
                    ", the model of each dense vector that nothing binds to another one"
                } else {
                    ""
                };
                let state = match asked {
                    Ok(dimensions) => format!("it answers, with vectors of {dimensions} dimensions"),
                    Err(fault) => format!("it can't be used now: {}", fault.message),
                };
                format!("model {}{role}: {state}", quoted(&model.to_string()))
            })
            .collect();
        if facts.is_empty() {
            facts.push("by meaning: no model makes vectors of texts".to_owned());
        }
        // Of collections that are there for the caller, or what is hidden would be named here.
        let shapes = self.found.shapes();
        let bindings = self.embeddings.bindings().iter();
        let bindings: Vec<_> = bindings
            .filter(|bound| shapes.iter().any(|shape| shape.is_called(&bound.collection)))
            .collect();
        facts.extend(bindings.iter().take(BINDINGS).map(|bound| {
            let vector = bound.vector.as_deref().map(|vector| format!("/{vector}"));
            let target = format!("{}{}", bound.collection, vector.unwrap_or_default());
            format!(
                "QDRANT_COLLECTION_MODELS binds {} to {}",
                quoted(&target),
                quoted(&bound.model.to_string())
            )
        }));
        let language = self.embeddings.language(None);
        let (name, since) = (bm25::NAME, bm25::SINCE);
        facts.push(format!(
            "by words: {name} inside Qdrant since {since}, language {language}; this server is {}",
            version.unwrap_or("unknown")
        ));
        facts.push(if self.allow_writes {
            "the tools that write are offered".to_owned()
        } else {
            "the tools that write are not offered (QDRANT_ALLOW_WRITES)".to_owned()
        });
        text.facts("Settings", facts, bindings.len().saturating_sub(BINDINGS))
    }

    /// What there is to search.
    fn collections(&self, text: Text) -> Text {
        match self.found {
            Found::One(shape) => {
                let how = binding::describe(shape, self.embeddings);
                let mut facts = vec![line(shape, self.embeddings), format!("text search here: {how}")];
                let missing = self.vector.filter(|name| binding::vector(shape, name).is_none());
                facts.extend(missing.map(|name| format!("it has no vector {}", quoted(name))));
                text.facts("The collection", facts, 0)
            }
            Found::All(found) => {
                let lines = found.collections.iter();
                let lines = lines.map(|shape| line(shape, self.embeddings));
                text.facts("Collections, the biggest first", lines, found.more)
            }
            Found::None(fault) => text.trouble("The collection is not there", fault),
            Found::Unknown(fault) => text.trouble("Qdrant could not be looked at", fault),
        }
    }

    /// What an operator or a caller has to do, as far as the facts tell.
    fn steps(&self) -> Vec<String> {
        let mut steps = vec![];
        if let Found::Unknown(_) = self.found {
            steps.push(
                "Qdrant has to answer first: list_services says why it does not, and QDRANT_URL and QDRANT_API_KEY say where it is."
                    .to_owned(),
            );
        }
        if self.models.is_empty() {
            steps.push(MODEL.to_owned());
        }
        if self.models.iter().any(|(_, asked)| asked.is_err()) {
            steps.push(
                "A model can't be used: mend what its line above says, before anything else.".to_owned(),
            );
        }
        match self.found {
            Found::One(shape) => self.steps_of(shape, &mut steps),
            Found::All(found) if !found.collections.is_empty() => {
                self.steps_of_all(&found.collections, &mut steps);
            }
            Found::All(_) | Found::None(_) => steps.push(self.create()),
            Found::Unknown(_) => steps.push(BIND.to_owned()),
        }
        steps
    }

    fn steps_of(&self, shape: &Shape, steps: &mut Vec<String>) {
        let ways = binding::ways(shape, self.embeddings);
        match (has_dense(shape), self.models.is_empty()) {
            (true, false) if ways.meaning => steps.push(
                "The model above must be the one that made the vectors of these points; that the size is the same does not tell. If it is \
                 another one, bind the collection to it by QDRANT_COLLECTION_MODELS (collection=model, or collection/vector=model)."
                    .to_owned(),
            ),
            (true, false) => steps.push(BIND.to_owned()),
            _ => {}
        }
        if !ways.words {
            steps.push(WORDS.to_owned());
        }
        if !has_dense(shape) {
            let create = self.create();
            steps.push(format!(
                "It has no vector to search by meaning, and gets none later: that takes another collection. {create}"
            ));
        } else if shape.points == Some(0) {
            steps.push(self.written(
                "It has no points: upsert with `text` embeds each text and keeps it in the payload",
            ));
        }
    }

    fn steps_of_all(&self, shapes: &[Shape], steps: &mut Vec<String>) {
        let without = |way: fn(Ways) -> bool| {
            let mut shapes = shapes.iter();
            shapes.any(|shape| has_dense(shape) && !way(binding::ways(shape, self.embeddings)))
        };
        if !self.models.is_empty() && without(|ways| ways.meaning) {
            steps.push(BIND.to_owned());
        }
        if without(|ways| ways.words) {
            steps.push(WORDS.to_owned());
        }
        steps.push("Begin with one collection, best the one that I ask most about.".to_owned());
    }

    /// How texts come into a collection that is not there.
    fn create(&self) -> String {
        self.written(
            "create_collection makes a collection for both ways (its vector is the default model's, and `bm25` is its sparse one); upsert \
             with `text` embeds each text and keeps it in the payload",
        )
    }

    /// What is done by writing, and what that needs.
    fn written(&self, what: &str) -> String {
        if self.allow_writes {
            format!("{what}. Ask me before you write.")
        } else {
            format!(
                "{what}. That needs QDRANT_ALLOW_WRITES=true, best with an API key of its own for writes, QDRANT_WRITE_API_KEY_FILE."
            )
        }
    }

    fn checks(&self) -> Vec<String> {
        let key = match self.text_key {
            Some(key) => format!("its {}", quoted(key)),
            None => "its text".to_owned(),
        };
        let using = match self.vector {
            Some(vector) => format!(" and using {}", quoted(vector)),
            None => String::new(),
        };
        vec![
            "collection_info: text_search says by which model and vector query_text is searched.".to_owned(),
            format!("scroll, with limit 3: take one point and {key}."),
            format!(
                "search, with that text as query_text, mode dense{using}: this very point should come first. If others do, the model is not \
                 the one that made the vectors."
            ),
            "search, with two rare words of it, mode sparse; then what it means in other words, mode auto, where both ways are fused.".to_owned(),
        ]
    }
}

fn has_dense(shape: &Shape) -> bool {
    shape.vectors.iter().any(|vector| vector.form == Form::Dense)
}

/// How texts become vectors at all.
const MODEL: &str = "By meaning: QDRANT_EMBEDDINGS_URL, an OpenAI-compatible API (Ollama: http://HOST:11434/v1, vLLM, \
    text-embeddings-inference, OpenAI), with QDRANT_EMBEDDINGS_MODEL, and QDRANT_EMBEDDINGS_API_KEY_FILE where it wants a key; or \
    QDRANT_EMBEDDINGS_DIR, a folder with a model2vec model, which needs no server. It must be the model that made the vectors of the \
    points. A collection of another model is bound to that by QDRANT_COLLECTION_MODELS: collection=model, or collection/vector=model, \
    several separated by commas.";

/// How a collection comes to its model.
const BIND: &str = "Where a collection is not searched by meaning, its dense vectors are of another model than the default one: \
    QDRANT_COLLECTION_MODELS says of which (collection=model, or collection/vector=model, several separated by commas). It must be the \
    model that made the vectors of the points; the same size is not enough.";

/// How a collection comes to be searched by words.
const WORDS: &str = "By words: a collection needs a sparse vector with the modifier idf, whose points qdrant/bm25 made. One that was made \
    otherwise gets it as a new collection: create_collection, then scroll the old one and upsert its points with `text`.";
