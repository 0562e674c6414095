//! Completions: the databases and tables that an argument of a prompt, or a variable of an address, may name.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::Completions;
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::catalogue;
use crate::database::Database;
use crate::resources::TEMPLATE;

/// The limit of a look-up: somebody is typing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The names of the server.
pub(crate) struct Names(Database);

impl Names {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }
}

#[tonic::async_trait]
impl Completions for Names {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        let (database, value) = (&self.0, request.value.as_str());
        match Wanted::of(request) {
            Wanted::Database => catalogue::databases_beginning(database, value, TIMEOUT).await,
            Wanted::Table { of } => catalogue::tables_beginning(database, of, value, TIMEOUT).await,
            Wanted::Nothing => Ok(vec![]),
        }
    }
}

/// What an argument names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Database,
    Table { of: Option<&'a str> },
    Nothing,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a CompleteRequest) -> Self {
        let place = (request.prompt.as_str(), request.uri_template.as_str());
        match (place, request.argument.as_str()) {
            (("", TEMPLATE), "schema") | (("explore" | "explain_slow_query", ""), "database") => {
                Self::Database
            }
            (("", TEMPLATE), "table") => {
                let schema = request.arguments.get("schema").map(String::as_str);
                Self::Table {
                    of: schema.filter(|schema| !schema.is_empty()),
                }
            }
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_names_nothing_has_no_values() {
        let request = |prompt: &str, uri_template: &str, argument: &str| CompleteRequest {
            prompt: prompt.to_owned(),
            uri_template: uri_template.to_owned(),
            argument: argument.to_owned(),
            arguments: [("schema".to_owned(), "shop".to_owned())].into(),
            ..CompleteRequest::default()
        };
        let table = request("", TEMPLATE, "table");
        assert_eq!(Wanted::of(&table), Wanted::Table { of: Some("shop") });
        assert_eq!(Wanted::of(&request("", TEMPLATE, "schema")), Wanted::Database);
        assert_eq!(Wanted::of(&request("explore", "", "database")), Wanted::Database);
        for (prompt, template, argument) in [
            ("explore", "", "question"),
            ("explain_slow_query", "", "sql"),
            ("other", "", "database"),
            ("", "{table}", "table"),
        ] {
            assert_eq!(Wanted::of(&request(prompt, template, argument)), Wanted::Nothing);
        }
    }
}
