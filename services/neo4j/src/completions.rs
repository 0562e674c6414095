//! Completions: the labels, relationship types and databases that an argument of a prompt, or a variable of an address, may name.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::{Completions, starting_with};
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::catalogue::{self, Kind};
use crate::database::Database;
use crate::resources;

/// The limit of a look-up: somebody is typing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The names of the graph.
pub(crate) struct Names(Database);

impl Names {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[tonic::async_trait]
impl Completions for Names {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        let database = &self.0;
        let forms = [Kind::Label, Kind::RelationshipType].map(|kind| resources::form(database, kind));
        let of = request.arguments.get("database").map(String::as_str);
        let names = match wanted(request, forms) {
            Wanted::Name(kind) => catalogue::names(database, kind, of, TIMEOUT).await?,
            Wanted::Database => {
                let default = database.default_database()?;
                let others = database.config().databases.iter().cloned();
                default.into_iter().chain(others).collect()
            }
            Wanted::Nothing => vec![],
        };
        Ok(starting_with(names, &request.value))
    }
}

/// What an argument names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Name(Kind),
    Database,
    Nothing,
}

/// `forms` are those of the addresses of labels and relationship types.
fn wanted(request: &CompleteRequest, [labels, relationships]: [&str; 2]) -> Wanted {
    let (prompt, template) = (request.prompt.as_str(), request.uri_template.as_str());
    let is_template = |form: &str| prompt.is_empty() && template == form;
    let is_known = |names: &[&str]| template.is_empty() && names.contains(&prompt);
    match request.argument.as_str() {
        "label" if is_template(labels) || is_known(&["explore_graph"]) => Wanted::Name(Kind::Label),
        "type" if is_template(relationships) => Wanted::Name(Kind::RelationshipType),
        "database"
            if is_template(labels)
                || is_template(relationships)
                || is_known(&["explore_graph", "explain_slow_query"]) =>
        {
            Wanted::Database
        }
        _ => Wanted::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_names_nothing_has_no_values() {
        let forms = ["labels/{label}", "relationships/{type}"];
        let of = |prompt: &str, uri_template: &str, argument: &str| {
            let request = CompleteRequest {
                prompt: prompt.to_owned(),
                uri_template: uri_template.to_owned(),
                argument: argument.to_owned(),
                ..CompleteRequest::default()
            };
            wanted(&request, forms)
        };
        assert_eq!(of("", forms[0], "label"), Wanted::Name(Kind::Label));
        assert_eq!(of("explore_graph", "", "label"), Wanted::Name(Kind::Label));
        assert_eq!(of("", forms[1], "type"), Wanted::Name(Kind::RelationshipType));
        assert_eq!(of("explain_slow_query", "", "database"), Wanted::Database);
        for (prompt, template, argument) in [
            ("explore_graph", "", "question"),
            ("explain_slow_query", "", "label"),
            ("other", "", "database"),
            ("", "labels/{label}{?database}", "label"),
            ("", forms[1], "label"),
        ] {
            assert_eq!(
                of(prompt, template, argument),
                Wanted::Nothing,
                "{prompt} {template} {argument}"
            );
        }
    }
}
