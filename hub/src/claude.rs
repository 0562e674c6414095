//! `mcp-hub claude-config`: what to paste into Claude Desktop's configuration.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::Target;
use crate::error::{Error, Result};

/// The settings of `mcp-hub claude-config`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The name that Claude shows.
    #[arg(long, value_name = "NAME", default_value = "mcp-hub")]
    name: String,
    /// Print the configuration that goes through Node and mcp-remote.
    #[arg(long)]
    mcp_remote: bool,
    #[command(flatten)]
    target: Target,
}

/// Prints the configuration.
pub fn run(options: &Options) -> Result<()> {
    let url = options.target.url.as_str();
    let access = &options.target.access;
    let server = if options.mcp_remote {
        through_mcp_remote(url, access.token_file.is_some())
    } else {
        let mut server = through_mcp_hub(&executable(), url, None);
        for (option, file) in [
            ("--token-file", &access.token_file),
            ("--ca-file", &access.ca_file),
        ] {
            if let (Some(file), Some(arguments)) = (file, server["args"].as_array_mut()) {
                // Claude Desktop starts the bridge in another folder.
                let file = std::path::absolute(file).map_err(|source| Error::unreadable(file, source))?;
                arguments.extend([json!(option), json!(file.to_string_lossy())]);
            }
        }
        server
    };
    crate::say(&pretty(&options.name, &server))
}

/// The program that runs now, as others can start it.
pub fn executable() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| Path::new("mcp-hub").to_owned());
    path.to_string_lossy().into_owned()
}

/// Stands for the file of a token where nobody knows its name.
pub const TOKEN_FILE: &str = "/path/to/token";

/// The entry of a server that is reached through the bridge of this program, with the file of a token where it asks for one.
pub fn through_mcp_hub(executable: &str, url: &str, token_file: Option<&str>) -> Value {
    let token = token_file.map(|file| ["--token-file", file]);
    let arguments: Vec<&str> = ["stdio", "--url", url]
        .into_iter()
        .chain(token.into_iter().flatten())
        .collect();
    json!({ "command": executable, "args": arguments })
}

/// The entry of a server that is reached through mcp-remote, which needs Node.
///
/// It reads no file, so the token itself has to be put into the configuration; and as `X-API-Key`, because some clients split an
/// argument at its space.
pub fn through_mcp_remote(url: &str, asks_for_tokens: bool) -> Value {
    let header = asks_for_tokens.then_some(["--header", "X-API-Key:TOKEN"]);
    let arguments: Vec<&str> = ["-y", "mcp-remote", url]
        .into_iter()
        .chain(header.into_iter().flatten())
        .collect();
    json!({ "command": "npx", "args": arguments })
}

/// The whole configuration with one server, to be read by people.
pub fn pretty(name: &str, server: &Value) -> String {
    let configuration = json!({ "mcpServers": { name: server } });
    format!("{configuration:#}\n")
}
