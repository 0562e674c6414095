//! `mcp-hub tools`: the tools of a running hub.

use serde_json::Value;

use crate::client::{List, Target};
use crate::error::Result;
use crate::text;

/// The settings of `mcp-hub tools`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print the tools as JSON, with their schemas.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Prints the tools.
pub async fn run(options: Options) -> Result<()> {
    let tools = options.target.client()?.list(List::TOOLS).await?;
    let text = if options.json {
        format!("{:#}\n", Value::from(tools))
    } else {
        text::lines(tools.iter().map(|tool| text::entry(tool, "name")))
    };
    crate::say(&text)
}
