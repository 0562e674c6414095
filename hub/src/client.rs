//! A running hub as its command-line clients see it: where it is, how it lets us in, and one POST per message.
//!
//! [`bridge`](crate::bridge) relays whole messages with it; [`tools`](crate::tools), [`prompts`](crate::prompts),
//! [`resources`](crate::resources) and [`call`](crate::call) ask with [`Client::request`] and [`Client::list`].

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mcp_hub_chassis::server;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::error::{Error, Result};
use crate::message::{Incoming, Message, NoMessage};
use crate::trace::Trace;

/// The revision that our own requests speak: stateless, nothing to set up.
pub(crate) const PROTOCOL_VERSION: &str = "2026-07-28";

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a hub may be silent in an answer. A call that tells nothing takes 55 s at most, and a stream is pinged every 15 s.
const SILENCE: Duration = Duration::from_secs(90);

/// Shorter than any server closes an idle connection, so that a message rarely meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// Where a running hub is.
#[derive(clap::Args, Clone, Debug)]
pub struct Target {
    /// The address of the running hub.
    #[arg(
        long,
        env = "MCP_HUB_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8000/mcp"
    )]
    pub url: Url,
    /// How it lets us in.
    #[command(flatten)]
    pub access: Access,
}

impl Target {
    /// A client of it.
    pub fn client(&self) -> Result<Client> {
        Client::new(self.url.clone(), &self.access)
    }
}

/// How a running hub lets us in.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Access {
    /// A file with the bearer token to send. It is read for every message, so a new token needs no restart.
    #[arg(long, env = "MCP_HUB_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A header to send with every message, "Name: value". Can be given several times.
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<Header>,
    /// A file with the certificates, in PEM, of authorities to trust beside those of the system.
    #[arg(long, env = "MCP_HUB_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Access {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.token_file.is_none() && self.header.is_empty() && self.ca_file.is_none()
    }
}

/// One HTTP header from the command line. Its value may be a secret, so it does not print.
#[derive(Clone, Debug)]
pub struct Header {
    name: HeaderName,
    value: HeaderValue,
}

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (name, value) = text
            .split_once(':')
            .ok_or("a header looks like \"Name: value\"")?;
        let name = name.trim().parse().map_err(|_| "this is no name of a header")?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| "this is no value of a header")?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

/// A running hub.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    token_file: Option<PathBuf>,
}

impl Client {
    /// A client of the hub at `url`. Nothing is sent yet.
    pub fn new(url: Url, access: &Access) -> Result<Self> {
        let mut url = url;
        if url.path() == "/" {
            url.set_path("/mcp");
        }
        let is_loopback = url.host_str().is_some_and(server::is_loopback);
        let secret = access.token_file.is_some() || !access.header.is_empty();
        if secret && url.scheme() == "http" && !is_loopback {
            tracing::warn!("the token travels in clear text: use an https:// address");
        }
        let headers: HeaderMap = access
            .header
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("mcp-hub/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            // A token must not follow a redirect to another host, and a POST would become a GET on the way.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback {
            // A proxy of the environment can't reach this machine's loopback.
            builder = builder.no_proxy();
        }
        if let Some(path) = &access.ca_file {
            let pem = std::fs::read(path).map_err(|source| Error::unreadable(path, source))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| Error::Certificates { path: path.clone() })?;
            builder = builder.tls_certs_merge(certificates);
        } else if url.scheme() == "http" {
            // Without TLS no authorities are needed, and a bare container has none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(Error::Client)?;
        Ok(Self {
            http,
            url,
            token_file: access.token_file.clone(),
        })
    }

    /// The address of the hub, without what may be secret in it.
    pub fn address(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        // Both fail only for addresses that have no place for them.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.into()
    }

    /// The hub's host and port, as the address names them.
    pub fn server(&self) -> (&str, Option<u16>) {
        let host = self.url.host_str().unwrap_or_default();
        (host, self.url.port_or_known_default())
    }

    /// Sends one message as it is.
    pub async fn post(&self, message: Vec<u8>, headers: HeaderMap) -> Result<reqwest::Response> {
        let mut request = self
            .http
            .post(self.url.clone())
            .headers(headers)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(message);
        if let Some(path) = &self.token_file {
            let token = tokio::fs::read_to_string(path)
                .await
                .map_err(|source| Error::unreadable(path, source))?;
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .map_err(|_| Error::Token { path: path.clone() })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| self.failed(&error))
    }

    /// Whether the hub says that it can serve calls.
    pub async fn is_ready(&self) -> Result<bool> {
        let mut url = self.url.clone();
        url.set_path("/readyz");
        url.set_query(None);
        let response = self
            .http
            .get(url)
            .send()
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(response.status().is_success())
    }

    /// Sends one request of our own and waits for its result.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value> {
        self.exchange(method, params, &mut |_| {}).await
    }

    /// The same, and tells the parameters of each notification of its progress.
    pub async fn request_telling(
        &self,
        method: &str,
        params: Value,
        tell: &mut impl FnMut(&Value),
    ) -> Result<Value> {
        let mut params = params;
        params["_meta"]["progressToken"] = json!(1);
        self.exchange(method, params, tell).await
    }

    /// Asks for a whole list, page by page.
    pub async fn list(&self, list: List) -> Result<Vec<Value>> {
        list.pages(|params| self.request(list.method, params)).await
    }

    async fn exchange(&self, method: &str, params: Value, tell: &mut impl FnMut(&Value)) -> Result<Value> {
        let body = request(method, params).to_string();
        let headers = Message::parse(body.as_bytes())
            .map(|message| message.headers(None))
            .unwrap_or_default();
        let mut incoming = Incoming::new(self.post(body.into_bytes(), headers).await?).await?;
        while let Some(text) = incoming.next().await? {
            let answer: Value =
                serde_json::from_str(&text).map_err(|error| Error::Answer(NoMessage::Json(error)))?;
            if answer["method"] == "notifications/progress" {
                tell(&answer["params"]);
            } else if let Some(result) = result(answer)? {
                return Ok(result);
            }
        }
        Err(Error::NoAnswer)
    }

    /// What went wrong below HTTP.
    fn failed(&self, error: &reqwest::Error) -> Error {
        let address = self.address();
        // The layers above the last one only say that something failed.
        let mut last: &dyn std::error::Error = error;
        while let Some(source) = last.source() {
            last = source;
        }
        let cause = last.to_string();
        if error.is_connect() && is_tls(last) {
            Error::Untrusted { address, cause }
        } else if error.is_connect() {
            Error::Unreachable { address, cause }
        } else if error.is_timeout() {
            Error::Silent { address }
        } else {
            Error::Lost { address, cause }
        }
    }
}

/// One of the lists of a hub.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// What asks for it.
    method: &'static str,
    /// The field of an answer that has the entries.
    field: &'static str,
}

impl List {
    /// The tools.
    pub const TOOLS: Self = Self::new("tools/list", "tools");
    /// The prompts.
    pub const PROMPTS: Self = Self::new("prompts/list", "prompts");
    /// The resources that are worth listing.
    pub const RESOURCES: Self = Self::new("resources/list", "resources");
    /// The forms of the addresses of all resources.
    pub const TEMPLATES: Self = Self::new("resources/templates/list", "resourceTemplates");

    const fn new(method: &'static str, field: &'static str) -> Self {
        Self { method, field }
    }

    /// What asks for it.
    pub(crate) fn method(self) -> &'static str {
        self.method
    }

    /// All entries; `ask` brings a page by its parameters.
    pub(crate) async fn pages<F>(self, ask: impl Fn(Value) -> F) -> Result<Vec<Value>>
    where
        F: Future<Output = Result<Value>>,
    {
        let mut entries = Vec::new();
        let mut params = json!({});
        loop {
            let mut page = ask(params).await?;
            if let Some(Value::Array(more)) = page.get_mut(self.field).map(Value::take) {
                entries.extend(more);
            }
            match page.get("nextCursor") {
                Some(Value::String(cursor)) => params = json!({ "cursor": cursor }),
                _ => return Ok(entries),
            }
        }
    }
}

/// A request of our own.
pub(crate) fn request(method: &str, params: Value) -> Value {
    let mut params = params;
    for (name, value) in [
        ("protocolVersion", json!(PROTOCOL_VERSION)),
        (
            "clientInfo",
            json!({ "name": "mcp-hub", "version": env!("CARGO_PKG_VERSION") }),
        ),
        ("clientCapabilities", json!({})),
    ] {
        params["_meta"][format!("io.modelcontextprotocol/{name}")] = value;
    }
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The result that an answer brings; `None` when it is no answer.
pub(crate) fn result(mut answer: Value) -> Result<Option<Value>> {
    if let Some(error) = answer.get("error") {
        return Err(Error::Rpc {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            trace: Trace::of_error(error),
        });
    }
    Ok(answer.get_mut("result").map(Value::take))
}

/// Whether a connection failed in the TLS handshake, which the layers below reqwest wrap as invalid data.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        error.kind() == io::ErrorKind::InvalidData || error.get_ref().is_some_and(|inner| is_tls(inner))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_and_its_value_hidden() {
        let header: Header = "X-Api-Key: hunter2".parse().expect("a header");
        assert_eq!(
            (header.name.as_str(), header.value.as_bytes()),
            ("x-api-key", &b"hunter2"[..])
        );
        assert!(!format!("{header:?}").contains("hunter2"));
        assert!("no colon".parse::<Header>().is_err());
        assert!("bad name: x".parse::<Header>().is_err());
    }
}
