//! A URL at which a facade is to answer, from its name to the events that come through.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request};
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::probe::http::{Answer, Connection, ask};
use mcp_hub_chassis::doctor::probe::protocol::{Spoken, spoken};
use mcp_hub_chassis::doctor::probe::tls::speak;
use mcp_hub_chassis::doctor::probe::{self, Server};
use mcp_hub_chassis::doctor::surroundings::Place;
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use tokio::net::TcpStream;
use url::Url;

use super::answer::{Page, page};
use super::events;

/// A certificate that ends sooner should have been renewed: ACME clients renew a month before, those of short-lived ones days before.
const SOON: Duration = Duration::from_hours(7 * 24);

/// How far clocks may be apart, in seconds: an answer's date has whole seconds, and nothing breaks before.
const APART: i64 = 10;

/// The part of HTTP that is offered by ALPN.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// A URL at which a facade is to answer.
#[derive(Clone, Debug)]
pub struct Door {
    key: String,
    url: Url,
    hop: Hop,
    setting: String,
    /// The name that requests are addressed to, where it is not the URL's: the public one.
    pub host: Option<String>,
    /// The token to show.
    pub token: Option<Secret>,
    /// Certificates to trust beside the system's, as PEM.
    pub authorities: Option<PathBuf>,
}

impl Door {
    /// The door at `url`, which `setting` names; `hop` is the part of the way that it is.
    pub fn new(key: impl Into<String>, url: Url, hop: Hop, setting: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            url,
            hop,
            setting: setting.into(),
            host: None,
            token: None,
            authorities: None,
        }
    }

    /// Looks at it.
    pub async fn examine(self, scope: Scope) -> Vec<Finding> {
        let server = self.server();
        let reached = probe::reach(&server, &scope).await;
        let mut findings = reached.findings;
        let Some(stream) = reached.stream else {
            return findings;
        };
        let public = is_public(&stream, &scope);
        let connection = if self.is_secure() {
            match self.secure(stream, &scope).await {
                Ok((connection, finding)) => {
                    findings.push(finding);
                    connection
                }
                Err(finding) => {
                    findings.push(finding);
                    return findings;
                }
            }
        } else {
            if self.hop == Hop::PublicUrl && public {
                findings.push(self.finding(Hop::Tls, Verdict::PlainHttp));
            }
            Connection::Plain(stream)
        };
        match self.page(connection, &scope).await {
            Ok(more) => findings.extend(more),
            Err(finding) => {
                findings.push(finding);
                return findings;
            }
        }
        let (origin, facade, events) = tokio::join!(
            self.origin(&scope),
            self.facade(public, &scope),
            events::examine(&self, &scope)
        );
        findings.extend(origin);
        findings.extend(facade);
        findings.extend(events);
        findings
    }

    /// Looks at the certificate, and speaks TLS.
    async fn secure(&self, stream: TcpStream, scope: &Scope) -> Result<(Connection, Finding), Finding> {
        let peer = stream.peer_addr();
        let authorities = self.authorities.as_deref();
        let secured = match speak(stream, self.host_name(), authorities, PROTOCOLS, scope.timeout).await {
            Ok(secured) => secured,
            Err(Verdict::TlsFailed) => {
                let spoken = match peer {
                    Ok(address) => spoken(address, scope.timeout).await,
                    Err(_) => Spoken::HangsUp,
                };
                let verdict = match spoken {
                    Spoken::Http1 | Spoken::Http2 => Verdict::TlsMissing,
                    _ => Verdict::TlsFailed,
                };
                return Err(self
                    .finding(Hop::Tls, verdict)
                    .with_detail(format!("{} answers", spoken.name())));
            }
            Err(verdict) => return Err(self.finding(Hop::Tls, verdict)),
        };
        let left = secured
            .not_after
            .and_then(|end| end.duration_since(SystemTime::now()).ok());
        let verdict = match left {
            Some(left) if left < SOON => Verdict::TlsExpiresSoon,
            _ => Verdict::Ok,
        };
        let mut finding = self.finding(Hop::Tls, verdict);
        if let Some(left) = left {
            finding = finding.with_detail(format!("the certificate ends in {}", days(left)));
        }
        Ok((Connection::Secured(Box::new(secured.stream)), finding))
    }

    /// Asks for the page at the root, which only a facade has.
    async fn page(&self, connection: Connection, scope: &Scope) -> Result<Vec<Finding>, Finding> {
        let mut answer = match ask(connection, self.request(Method::GET, "/"), scope.timeout).await {
            Ok(answer) => answer,
            Err(verdict) => return Err(self.no_answer(verdict, scope).await),
        };
        let text = answer.text(scope.timeout).await;
        let status = answer.status.as_u16();
        match page(answer.status, &text) {
            Page::Ours => {
                let ours = self.finding(self.hop, Verdict::Ok).after(answer.took);
                let ours = ours.with_detail(format!("the facade answers in {} ms", answer.took.as_millis()));
                Ok(std::iter::once(ours).chain(self.clock(&answer)).collect())
            }
            Page::Is(Verdict::Redirected) => {
                let location = answer.headers.get(http::header::LOCATION);
                let location = location
                    .and_then(|location| location.to_str().ok())
                    .unwrap_or_default();
                let subject = format!("{}: {} -> {location}", self.key, self.url);
                let finding = Finding::new(self.hop, subject, Verdict::Redirected).of_setting(&self.setting);
                Err(finding.with_detail(format!("HTTP {status}")))
            }
            Page::Is(verdict) => Err(self
                .finding(self.hop, verdict)
                .with_detail(format!("HTTP {status}"))),
        }
    }

    /// What is on the port, where no HTTP came back.
    async fn no_answer(&self, verdict: Verdict, scope: &Scope) -> Finding {
        let finding = |verdict| self.finding(self.hop, verdict);
        if self.is_secure() || verdict == Verdict::Silent {
            return finding(verdict);
        }
        let server = self.server();
        let addresses = probe::resolve(server.host, server.port, scope.timeout).await;
        let Some(address) = addresses.ok().and_then(|addresses| addresses.first().copied()) else {
            return finding(verdict);
        };
        match spoken(address, scope.timeout).await {
            Spoken::Tls => finding(Verdict::TlsRequired),
            Spoken::HangsUp => finding(Verdict::Closed),
            other => finding(Verdict::WrongProtocol).with_detail(format!("{} answers", other.name())),
        }
    }

    /// How far the clocks are apart.
    fn clock(&self, answer: &Answer) -> Option<Finding> {
        let ahead = answer.clock_ahead()?;
        let verdict = if ahead.abs() > APART {
            Verdict::ClockSkew
        } else {
            Verdict::Ok
        };
        let side = if ahead < 0 { "behind" } else { "ahead" };
        let detail = match verdict {
            Verdict::Ok => "the clocks agree".to_owned(),
            _ => format!("the other end is {} s {side}", ahead.abs()),
        };
        Some(self.finding(Hop::Clock, verdict).with_detail(detail))
    }

    /// Whether pages of the URL's own origin may call.
    async fn origin(&self, scope: &Scope) -> Option<Finding> {
        if self.hop != Hop::PublicUrl {
            return None;
        }
        let mut request = self.request(Method::GET, "/");
        let origin = HeaderValue::try_from(self.url.origin().ascii_serialization()).ok()?;
        request.headers_mut().insert(http::header::ORIGIN, origin);
        let (status, text) = self.exchange(request, scope).await.ok()?;
        match page(status, &text) {
            Page::Is(Verdict::OriginRefused) => Some(self.finding(self.hop, Verdict::OriginRefused)),
            _ => None,
        }
    }

    /// Whether the facade is ready, its version, and whether it lets everybody in.
    async fn facade(&self, public: bool, scope: &Scope) -> Vec<Finding> {
        let (ready, version, open) = tokio::join!(
            self.readiness(scope),
            self.version(scope),
            self.openness(public, scope)
        );
        [ready, version, open].into_iter().flatten().collect()
    }

    async fn readiness(&self, scope: &Scope) -> Option<Finding> {
        let (status, text) = self
            .exchange(self.request(Method::GET, "/readyz"), scope)
            .await
            .ok()?;
        let finding = |verdict| Some(self.finding(Hop::Facade, verdict));
        match (status.as_u16(), text.trim()) {
            (200, "ok") => finding(Verdict::Ok).map(|finding| finding.with_detail("it is ready")),
            (503, "not ready") => finding(Verdict::NotReady),
            // A proxy need not pass this on.
            _ => None,
        }
    }

    /// Its version, which it tells those whom it lets in.
    async fn version(&self, scope: &Scope) -> Option<Finding> {
        let mut request = self.request_with_token(Method::POST, "/mcp");
        let ours = env!("CARGO_PKG_VERSION");
        let message = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "mcp-hub-doctor", "version": ours },
            },
        });
        *request.body_mut() = Body::from(message.to_string());
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(ACCEPT, both);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(http::header::CONTENT_TYPE, json);
        let (status, text) = self.exchange(request, scope).await.ok()?;
        if !status.is_success() {
            return None;
        }
        let answer: serde_json::Value = serde_json::from_str(&text).ok()?;
        let theirs = crate::words::line(answer["result"]["serverInfo"]["version"].as_str()?, 64);
        let verdict = if theirs == ours {
            Verdict::Ok
        } else {
            Verdict::OtherVersion
        };
        let detail = match verdict {
            Verdict::Ok => format!("its version is {theirs}"),
            _ => format!("its version is {theirs}, and this program's {ours}"),
        };
        Some(self.finding(Hop::Facade, verdict).with_detail(detail))
    }

    /// Whether a facade that others reach lets everybody in.
    async fn openness(&self, public: bool, scope: &Scope) -> Option<Finding> {
        if !public || self.hop != Hop::PublicUrl {
            return None;
        }
        let (status, _) = self
            .exchange(self.request(Method::HEAD, "/sse"), scope)
            .await
            .ok()?;
        status
            .is_success()
            .then(|| self.finding(Hop::Facade, Verdict::NoAuthentication))
    }

    /// A request to this door, with the token if there is one: only what is known to be a facade is shown it.
    pub(super) fn request_with_token(&self, method: Method, target: &str) -> Request<Body> {
        let mut request = self.request(method, target);
        if let Some(token) = &self.token
            && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose().trim()))
        {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }

    /// A request to this door that shows no token.
    fn request(&self, method: Method, target: &str) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        // What can't be read is no door's fault: the root is asked then, and its answer is not what was expected.
        *request.uri_mut() = target.parse().unwrap_or_default();
        let headers = request.headers_mut();
        let agent = concat!("mcp-hub-doctor/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let host = self.host.clone().unwrap_or_else(|| self.authority());
        if let Ok(host) = HeaderValue::try_from(host) {
            headers.insert(HOST, host);
        }
        request
    }

    /// Sends a request on a connection of its own, and reads the whole answer.
    async fn exchange(
        &self,
        request: Request<Body>,
        scope: &Scope,
    ) -> Result<(http::StatusCode, String), Verdict> {
        let mut answer = ask(self.open(scope).await?, request, scope.timeout).await?;
        let text = answer.text(scope.timeout).await;
        Ok((answer.status, text))
    }

    /// Another connection to it.
    pub(super) async fn open(&self, scope: &Scope) -> Result<Connection, Verdict> {
        let server = self.server();
        let addresses = probe::resolve(server.host, server.port, scope.timeout).await?;
        let mut failure = Verdict::NameNotFound;
        for address in addresses {
            match probe::connect(address, scope.timeout).await {
                Ok(stream) if self.is_secure() => {
                    let authorities = self.authorities.as_deref();
                    let secured =
                        speak(stream, self.host_name(), authorities, PROTOCOLS, scope.timeout).await?;
                    return Ok(Connection::Secured(Box::new(secured.stream)));
                }
                Ok(stream) => return Ok(Connection::Plain(stream)),
                Err(verdict) => failure = verdict,
            }
        }
        Err(failure)
    }

    /// A finding about it.
    pub(super) fn finding(&self, hop: Hop, verdict: Verdict) -> Finding {
        let subject = format!("{}: {}", self.key, self.url);
        let server = self.server();
        Finding::new(hop, subject, verdict)
            .of_setting(&self.setting)
            .fill("host", server.host)
            .fill("port", server.port.to_string())
    }

    /// The part of the way that it is.
    pub(super) fn hop(&self) -> Hop {
        self.hop
    }

    fn server(&self) -> Server<'_> {
        let port = self.url.port_or_known_default().unwrap_or_default();
        Server::new(&self.key, self.host_name(), port)
            .named_by(&self.setting, &self.setting)
            .as_hops(self.hop, self.hop)
    }

    /// The host without the brackets of IPv6.
    fn host_name(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Host and port as a request names them.
    fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Whether others than this machine reach what is at the other end.
fn is_public(stream: &TcpStream, scope: &Scope) -> bool {
    let peer = stream.peer_addr();
    peer.is_ok_and(|peer| scope.surroundings.place(peer.ip()) != Place::Loopback)
}

fn days(left: Duration) -> String {
    match left.as_secs() / 86_400 {
        0 => format!("{} hours", left.as_secs() / 3_600),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}
