//! The way through the facade, looked at: from its public URL to its adapters.
//!
//! [`Door`] is a URL at which a facade is to answer, looked at from outside: name, TLS, proxy, facade. [`upstreams`] looks at adapters as
//! the facade reaches them, `own` at the settings of one facade where it runs. `mcp-hub doctor` uses the first two from wherever it is.

use std::path::Path;
use std::sync::Arc;

use mcp_hub_chassis::doctor::{Examination, Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::fault;
use url::Url;

use crate::config::Options;
use crate::upstream::Upstreams;

mod answer;
mod door;
mod events;
mod own;
mod upstream;

pub use door::Door;
pub use own::url as url_of_listener;

/// The setting that names the public URL.
pub const PUBLIC_URL: &str = "MCP_HUB_PUBLIC_URL";

/// The setting that names the upstreams' file.
const UPSTREAMS: &str = "MCP_HUB_UPSTREAMS";

/// Looks at everything that a facade with these settings needs, from here: its files, its peers, its upstreams, and its own doors.
pub async fn examine(options: &Options, scope: Scope) -> Vec<Finding> {
    let mut examination = Examination::new();
    let config = options.config.clone();
    let listen = options.listen;
    examination.add(Hop::Facade, "the facade's files", async move {
        own::files(&config, listen)
    });
    let (relay, peers_scope) = (options.config.relay.clone(), scope.clone());
    examination.add(Hop::Facade, "the other replicas", async move {
        own::peers(&relay, &peers_scope).await
    });
    let public = options
        .config
        .public_url
        .as_ref()
        .map(crate::config::PublicUrl::url);
    if let Some(url) = own::url(options.listen) {
        let mut door = Door::new("facade", url, Hop::Facade, "MCP_HUB_LISTEN");
        door.host = public.and_then(|url| url.host_str().map(str::to_owned));
        // What listens here is asked here: loopback is right, in a container too.
        let here = Scope {
            surroundings: Arc::default(),
            ..scope.clone()
        };
        examination.add(Hop::Facade, "the facade itself", door.examine(here));
    }
    public_url(
        &mut examination,
        public.map(|url| Door::new("public URL", url.clone(), Hop::PublicUrl, PUBLIC_URL)),
        &scope,
    );
    upstreams(&mut examination, &options.upstreams, &scope);
    examination.run(&scope).await
}

/// Adds the look at the public URL, if there is one.
pub fn public_url(examination: &mut Examination<'_>, door: Option<Door>, scope: &Scope) {
    let subject = "public URL";
    match door {
        Some(door) => {
            let scope = scope.clone();
            examination.add(Hop::PublicUrl, subject, async move {
                let findings = Box::pin(door.examine(scope)).await;
                let elsewhere = |finding: &Finding| finding.verdict == Verdict::LoopbackInContainer;
                if !findings.iter().any(elsewhere) {
                    return findings;
                }
                // As on a laptop: clients are on the machine, and this is a container on it.
                let finding = Finding::new(Hop::PublicUrl, subject, Verdict::NotExamined);
                let detail = "it is an address of the machine that this container is on";
                vec![finding.of_setting(PUBLIC_URL).with_detail(detail)]
            });
        }
        None => examination.add(Hop::PublicUrl, subject, async move {
            vec![Finding::new(Hop::PublicUrl, subject, Verdict::NotConfigured).of_setting(PUBLIC_URL)]
        }),
    }
}

/// Adds a look at each upstream that a file names.
pub fn upstreams(examination: &mut Examination<'_>, file: &Path, scope: &Scope) {
    let finding = |verdict| {
        let subject = format!("upstreams: {}", file.display());
        Finding::new(Hop::Facade, subject, verdict).of_setting(UPSTREAMS)
    };
    let found = match Upstreams::read(file) {
        Ok(upstreams) => {
            let count = upstreams.keys().count();
            for (key, upstream) in upstreams.entries() {
                let (key, upstream, scope) = (key.clone(), upstream.clone(), scope.clone());
                let subject = key.clone();
                examination.add(Hop::Adapter, subject, async move {
                    upstream::examine(&key, &upstream, &scope).await
                });
            }
            match count {
                0 => finding(Verdict::NoUpstreams),
                count => finding(Verdict::Ok).with_detail(format!("it names {count}")),
            }
        }
        Err(error) => finding(Verdict::FileWrong).with_detail(fault::chain(&error)),
    };
    examination.add(Hop::Facade, "upstreams", async move { vec![found] });
}

/// A URL of a host and a port.
fn url_of(scheme: &str, authority: &str) -> Option<Url> {
    Url::parse(&format!("{scheme}://{authority}/")).ok()
}

#[cfg(test)]
mod tests;
