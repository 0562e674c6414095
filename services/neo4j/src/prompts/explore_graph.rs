//! `ExploreGraph`: what is in the graph, and how to find out more.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, patiently, quoted};
use mcp_hub_proto::neo4j::v1 as pb;

use super::PATIENCE;
use crate::catalogue;
use crate::database::Database;

/// The most labels, patterns, and properties of a label that are named.
const LABELS: usize = 30;
const PATTERNS: usize = 40;
const PROPERTIES: usize = 8;

/// Begins an exploration.
pub(crate) async fn explore_graph(
    database: &Database,
    request: &pb::ExploreGraphRequest,
) -> pb::ExploreGraphResponse {
    let about = About {
        description: database.config().description.as_deref(),
        database: given(request.database.as_deref()),
        // Not trimmed: a label may begin with a space.
        label: request.label.as_deref().filter(|label| !label.is_empty()),
        question: given(request.question.as_deref()),
    };
    let wanted = pb::SchemaRequest {
        labels: about.label.map(str::to_owned).into_iter().collect(),
        database: about.database.map(str::to_owned),
    };
    let found = patiently(PATIENCE, catalogue::schema(database, &wanted, Some(PATIENCE))).await;
    pb::ExploreGraphResponse {
        messages: about.text(&found).user(),
    }
}

/// What an exploration is about.
struct About<'a> {
    /// The operator's words.
    description: Option<&'a str>,
    database: Option<&'a str>,
    label: Option<&'a str>,
    question: Option<&'a str>,
}

impl About<'_> {
    fn text(&self, found: &Result<pb::SchemaResponse, Fault>) -> Text {
        let mut text = Text::new(
            "Get to know this Neo4j graph, and tell me in plain words what is in it: what it is about and whom it serves, which kinds of \
             nodes there are, how they are connected, and what can be asked of it.",
        );
        if let Some(name) = self.database {
            text = text.paragraph(&format!(
                "Look at the database {} (argument database of the tools).",
                quoted(name)
            ));
        }
        if let Some(label) = self.label {
            let label = quoted(label);
            text = text.paragraph(&format!(
                "Look at the label {label} only, and at what it is connected with."
            ));
        }
        if let Some(question) = self.question {
            text = text
                .paragraph("What I want to find out:")
                .code("text", question, REPEATED);
        }
        if let Some(description) = self.description {
            text = text.paragraph(&format!("Its operator says of it: {}", quoted(description)));
        }
        match found {
            Ok(found) => facts(text, found),
            Err(fault) => {
                let text = text.trouble("The graph could not be looked at", fault);
                if fault.reason == Reason::ObjectNotFound {
                    text
                } else {
                    text.paragraph(LATER)
                }
            }
        }
        .paragraph(TOOLS)
        .paragraph(
            "1. schema, with the labels that matter, for properties, constraints and indexes that are not named above.\n\
             2. list_nodes and get_relationships, with a small limit, for what such nodes and relationships look like.\n\
             3. search for the words of what I want to find out, where there is a full-text index.\n\
             4. query, with Cypher that begins at a label and a property with an index, for counts and for paths of a few steps.",
        )
        .paragraph(
            "Then tell me what you found, say which labels and relationship types it is from, and what you did not look at. End with three \
             questions that this graph can answer, each with its Cypher.",
        )
    }
}

fn facts(text: Text, found: &pb::SchemaResponse) -> Text {
    let count = |count: Option<u64>| count.unwrap_or_default();
    if count(found.node_count) == 0 {
        return text.paragraph(
            "The login sees no node there. If there should be some, tell me that the login may lack rights, or that it is another database.",
        );
    }
    let size = format!(
        "{} nodes and {} relationships",
        count(found.node_count),
        count(found.relationship_count)
    );
    let labels = found.labels.iter().take(LABELS).map(described);
    let patterns = found.patterns.iter().take(PATTERNS).map(|pattern| {
        let node = |label: &str| {
            if label.is_empty() {
                "()".to_owned()
            } else {
                format!("({})", quoted(label))
            }
        };
        let (start, end) = (node(&pattern.start), node(&pattern.end));
        let many = pattern
            .count
            .map(|count| format!(": {count}"))
            .unwrap_or_default();
        format!("{start}-[{}]->{end}{many}", quoted(&pattern.r#type))
    });
    let searchable = found
        .indexes
        .iter()
        .filter(|index| ["fulltext", "vector"].contains(&index.r#type.as_str()));
    let searchable = searchable.map(|index| {
        let name = quoted(&index.name);
        format!("the search tool can use the index {name} ({})", index.r#type)
    });
    text.facts(
        &format!("Labels of all {size}, the most frequent first, with some of their properties"),
        labels,
        found.labels.len().saturating_sub(LABELS),
    )
    .facts(
        "How they are connected",
        patterns,
        found.patterns.len().saturating_sub(PATTERNS),
    )
    .facts("Notes", searchable.chain(found.notices.iter().cloned()), 0)
}

/// One label: how many nodes have it, and what they have.
fn described(label: &pb::Label) -> String {
    let count = label.count.map(|count| format!(": {count}")).unwrap_or_default();
    let name = format!("{}{count}", quoted(&label.name));
    let properties = label.properties.iter().take(PROPERTIES).map(|property| {
        let index = Some(property.index.as_str()).filter(|index| !index.is_empty());
        let index = index.map(|index| format!(", {index}")).unwrap_or_default();
        format!("{} ({}{index})", quoted(&property.name), property.r#type)
    });
    let properties: Vec<String> = properties.collect();
    if properties.is_empty() {
        name
    } else {
        format!("{name}; {}", properties.join(", "))
    }
}
