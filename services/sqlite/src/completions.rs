//! What a table may be called, for addresses of resources.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::{Completions, starting_with};
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::catalogue;
use crate::database::Database;

/// How long somebody waits for names who may as well type them.
const PATIENCE: Duration = Duration::from_secs(3);

#[tonic::async_trait]
impl Completions for Database {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        if request.argument != "table" {
            return Ok(vec![]);
        }
        let relations = self.read(PATIENCE, |session| {
            session.ours(catalogue::SCHEMA, catalogue::relations)
        });
        let names = relations.await?.into_iter().map(|relation| relation.name);
        Ok(starting_with(names, &request.value))
    }
}
