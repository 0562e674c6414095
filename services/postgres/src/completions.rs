//! What a database, a schema or a table may be called, for prompts and for addresses of resources alike.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::{Completions, starting_with};
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::catalogue;
use crate::database::Database;

#[tonic::async_trait]
impl Completions for Database {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        let given = |name: &str| {
            let value = request.arguments.get(name).map(|value| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let (typed, database) = (request.value.as_str(), given("database"));
        // Half of a name, or a wrong one, is no failure while somebody types.
        if database.is_some_and(|name| !self.may_ask(name)) {
            return Ok(vec![]);
        }
        match request.argument.as_str() {
            "database" => Ok(starting_with(self.askable()?, typed)),
            "schema" => Ok(catalogue::schemas_beginning(self, database, typed).await?),
            "table" => Ok(catalogue::tables_beginning(self, database, given("schema"), typed).await?),
            _ => Ok(vec![]),
        }
    }
}
