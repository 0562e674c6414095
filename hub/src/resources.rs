//! `mcp-hub resources`: the resources of a running hub, or one of them.

use std::io::{IsTerminal as _, Write as _};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::{List, Target};
use crate::error::{Error, Result};
use crate::text;

/// The settings of `mcp-hub resources`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print the resource at this address; without it, list what is worth choosing from, and the forms of all addresses.
    address: Option<String>,
    /// Print it as JSON, as the hub sent it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Prints the lists, or a resource.
pub async fn run(options: Options) -> Result<()> {
    let client = options.target.client()?;
    let Some(address) = options.address else {
        let (resources, templates) = (
            client.list(List::RESOURCES).await?,
            client.list(List::TEMPLATES).await?,
        );
        return crate::say(&if options.json {
            let both = json!({ "resources": resources, "resourceTemplates": templates });
            format!("{both:#}\n")
        } else {
            let resources = resources.iter().map(|resource| text::entry(resource, "uri"));
            let templates = templates
                .iter()
                .map(|template| text::entry(template, "uriTemplate"));
            text::lines(resources.chain(templates))
        });
    };
    let resource = client
        .request("resources/read", json!({ "uri": address }))
        .await?;
    if options.json {
        return crate::say(&format!("{resource:#}\n"));
    }
    for part in resource["contents"].as_array().into_iter().flatten() {
        print(part)?;
    }
    Ok(())
}

/// Prints a part of a resource: its bytes as they are, unless they would go to a terminal.
fn print(part: &Value) -> Result<()> {
    if std::io::stdout().is_terminal() {
        return crate::say(&format!("{}\n", text::harmless(text::document(part).trim_end())));
    }
    let Some(blob) = part["blob"].as_str() else {
        return crate::say(&format!("{}\n", text::document(part).trim_end()));
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(blob)
        .map_err(Error::Base64)?;
    std::io::stdout().write_all(&bytes).map_err(Error::Stdout)
}
