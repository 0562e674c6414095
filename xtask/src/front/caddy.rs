//! Caddy's files: in its own form, and such that it would start with them.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use mcp_hub_programs::caddy;

use super::Looked;
use crate::process::read;
use crate::provide::apt;

/// The files that Caddy is started with.
const CONFIGURATIONS: [&str; 2] = ["Caddyfile", "caddy/Caddyfile.local"];
/// What they import.
const IMPORTED: [&str; 2] = ["caddy/log.caddyfile", "caddy/mcp-hub.caddyfile"];
/// The parameters that have no default, and each in another form than its default.
const PARAMETERS: [(&str, &str); 4] = [
    ("HUB_DOMAIN", "hub.example.com"),
    ("HUB_ACME_EMAIL", "operator@example.com"),
    ("HUB_UPSTREAMS", "127.0.0.1:8000 127.0.0.1:8001"),
    ("HUB_CLOUDFLARE", "192.0.2.0/24 2001:db8::/32"),
];

/// What Caddy says of its files; `None` when it is not there.
pub(super) fn check(root: &Path, install: bool) -> anyhow::Result<Option<Vec<Looked>>> {
    if caddy().is_none() && install {
        apt::install_server("caddy", install)?;
    }
    let Some(program) = caddy() else { return Ok(None) };
    let mut looked = Vec::new();
    for name in CONFIGURATIONS.iter().chain(&IMPORTED) {
        // Its status says whether the file was in form; the text says in which it should be.
        let output = Command::new(&program)
            .args(["fmt", name])
            .current_dir(root)
            .output()
            .context("caddy fmt")?;
        let text = std::fs::read(root.join(name)).with_context(|| (*name).to_owned())?;
        let wrong = (output.stdout != text).then(|| format!("run `caddy fmt --overwrite {name}`"));
        looked.push(((*name).to_owned(), wrong.into_iter().collect()));
    }
    for name in CONFIGURATIONS {
        for parameters in [&PARAMETERS[..], &[]] {
            // It makes an authority's key there.
            let home = tempfile::tempdir()?;
            let mut command = Command::new(&program);
            command
                .args(["validate", "--adapter", "caddyfile", "--config", name])
                .current_dir(root)
                .env_clear()
                .env("HOME", home.path())
                .envs(parameters.iter().copied());
            let said = read(&mut command).err().map(|error| format!("{error:#}"));
            looked.push((format!("{name} as a configuration"), said.into_iter().collect()));
        }
    }
    Ok(Some(looked))
}
