//! `mcp-hub support-bundle`: what somebody who helps from afar needs to know of a hub, in one file that can be sent to strangers.
//!
//! In it are the versions, the states of the services as the running hub tells them, what doctor finds, the settings with their sources,
//! and the last warnings and errors of a log. Secrets are left out where settings say that they are some, and whatever is known of them
//! is taken out of everything else ([`redact`]). Addresses and names of hosts become pseudonyms, the same ones everywhere in the bundle.
//!
//! Errors come from a log that the caller names, because processes keep none: an interface that told them would tell others too.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mcp_hub_chassis::{Process, fault};
use serde_json::{Value, json};
use url::Url;

use crate::client::{Access, Client};
use crate::doctor;
use crate::error::{Error, Result};

mod archive;
mod log;
mod redact;
mod settings;

use archive::Bundle;
use redact::Redactor;

/// What a reader is told first.
const README: &str = "\
What is in this bundle of mcp-hub:

  versions.json       the program and the system
  services.json       the services and their databases, as the running hub tells them
  doctor.json         what `mcp-hub doctor` finds, with a mend for each
  configuration.json  every setting with a value, and where the value is from
  files.json          mcp-hub.toml and the upstreams file, as far as they are known settings
  errors.json         the last warnings and errors of the log that --log-file named

Passwords, tokens and keys are left out. Addresses and names of hosts are pseudonyms, such as host-1 or ip-2, the same ones in all files,
unless --with-addresses was given. Names of users, of databases and of folders are there as they are: have a look before you send it.
";

/// The settings of `mcp-hub support-bundle`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where to write it. A file that is there is not overwritten; mcp-hub-support-TIME.tar.gz in the working folder when absent.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A log of which the last warnings and errors are taken, or - for stdin: `kubectl logs deployment/mcp-hub | mcp-hub support-bundle
    /// --log-file -`.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// How many of them.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    errors: usize,
    /// Keep addresses and names of hosts.
    #[arg(long)]
    with_addresses: bool,
    /// The address of the running hub, when it is not the one that a hub with this environment listens on.
    #[arg(long, env = "MCP_HUB_URL", value_name = "URL")]
    url: Option<Url>,
    /// How the running hub lets us in.
    #[command(flatten)]
    access: Access,
}

/// Writes the bundle.
pub async fn run(options: Options, process: Process) -> Result<()> {
    let look = doctor::Options::of_environment(options.url.clone(), &options.access)?;
    let known = settings::known(process.config.as_deref(), look.upstreams());
    let errors = match &options.log_file {
        Some(path) => log::last(path, options.errors)?,
        None => json!({ "note": "no log was named: --log-file FILE, or --log-file - for stdin" }),
    };
    let (services, findings) = tokio::join!(services(&look, &options.access), look.document(&process));
    let mut redactor = Redactor::new(known.secrets, options.with_addresses);
    for host in &known.hosts {
        redactor.host(host);
    }
    let mut bundle = Bundle::new(name());
    bundle.text("README.txt", README);
    for (name, content) in [
        ("versions.json", versions()),
        ("services.json", services),
        ("doctor.json", findings),
        ("configuration.json", known.settings),
        ("files.json", known.files),
        ("errors.json", errors),
    ] {
        bundle.text(name, &format!("{:#}\n", redactor.value(content)));
    }
    let path = options
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.tar.gz", bundle.name())));
    let written = bundle.write(&path);
    written.map_err(|source| Error::Bundle {
        path: path.clone(),
        source,
    })?;
    crate::tell(&told(&path))
}

fn told(path: &Path) -> String {
    format!(
        "{} is written: have a look before you send it (tar -xzf; README.txt says what is in it)\n",
        path.display()
    )
}

/// The name of the bundle, and of the folder inside.
fn name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("mcp-hub-support-{}", now.as_secs())
}

fn versions() -> Value {
    json!({
        "mcp-hub": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
    })
}

/// What the running hub says of its services; why not, when it says nothing.
async fn services(look: &doctor::Options, access: &Access) -> Value {
    let Some(url) = look.url() else {
        return json!({ "error": "nothing says where the running hub is: --url" });
    };
    let asked = async {
        let params = json!({ "name": "list_services", "arguments": {} });
        Client::new(url, access)?.request("tools/call", params).await
    };
    match asked.await {
        Ok(result) => result["structuredContent"].clone(),
        Err(error) => json!({ "error": fault::chain(&error) }),
    }
}

/// Reads a file, or stdin for `-`.
fn open(path: &Path) -> io::Result<Box<dyn io::BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(io::BufReader::new(std::fs::File::open(path)?)))
}
