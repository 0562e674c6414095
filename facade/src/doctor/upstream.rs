//! An adapter, as the facade reaches it: its addresses, what is spoken there, its health, its version, and what it found itself.

use std::net::SocketAddr;

use futures_util::future::join_all;
use hyper_util::rt::TokioIo;
use mcp_hub_chassis::doctor::diagnosis::heard;
use mcp_hub_chassis::doctor::probe::protocol::{Spoken, spoken};
use mcp_hub_chassis::doctor::probe::{self, Server};
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::server::is_loopback;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{DiagnoseRequest, GetStatusRequest, State};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use url::Url;

use super::UPSTREAMS;
use crate::upstream::Upstream;
use crate::words;

/// The largest answer that is taken.
const MAX_BYTES: usize = 256 * 1024;

/// The longest sentence of an adapter that is shown.
const SENTENCE: usize = 300;

/// The most findings of an adapter that are taken.
const MOST_FINDINGS: usize = 64;

/// Looks at an upstream: each of its addresses, and each replica behind them.
pub(super) async fn examine(key: &str, upstream: &Upstream, scope: &Scope) -> Vec<Finding> {
    let looks = upstream.addresses.iter();
    let looks = looks.map(|address| examine_address(key, address, upstream.optional, scope));
    join_all(looks).await.concat()
}

/// Whether nobody is there at all, as with an adapter that was left out. A closed port is that on this machine only: elsewhere it may be a
/// policy that keeps us out.
fn is_absent(host: &str, finding: &Finding) -> bool {
    match finding.verdict {
        Verdict::NameNotFound | Verdict::LookUpFailed => true,
        Verdict::Refused => is_loopback(host),
        _ => false,
    }
}

/// Host and port of an upstream's address.
fn parts(address: &str) -> Option<(String, u16)> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), url.port_or_known_default()?))
}

async fn examine_address(key: &str, address: &str, optional: bool, scope: &Scope) -> Vec<Finding> {
    let Some((host, port)) = parts(address) else {
        let finding = Finding::new(Hop::Adapter, key, Verdict::SettingWrong);
        return vec![finding.of_setting(UPSTREAMS)];
    };
    let server = Server::new(key, &host, port)
        .named_by(UPSTREAMS, UPSTREAMS)
        .as_hops(Hop::Adapter, Hop::Adapter);
    let reached = probe::reach(&server, scope).await;
    let mut findings = reached.findings;
    if reached.stream.is_none() {
        // Only here: what an adapter finds about its database has the same verdicts.
        if optional && findings.iter().any(|finding| is_absent(&host, finding)) {
            let subject = format!("{key}: {address}");
            return vec![Finding::new(Hop::Adapter, subject, Verdict::Absent).of_setting(UPSTREAMS)];
        }
        return findings;
    }
    let replicas = probe::resolve(&host, port, scope.timeout)
        .await
        .unwrap_or_default();
    let several = replicas.len() > 1;
    let looks = replicas.into_iter().map(async |replica| {
        let name = if several {
            format!("{key} at {replica}")
        } else {
            key.to_owned()
        };
        examine_replica(&name, replica, &server, scope).await
    });
    findings.extend(join_all(looks).await.concat());
    findings
}

/// Looks at one process.
async fn examine_replica(
    name: &str,
    address: SocketAddr,
    server: &Server<'_>,
    scope: &Scope,
) -> Vec<Finding> {
    let server = Server {
        key: name,
        ..server.clone()
    };
    let finding = |verdict| server.of_port(Hop::Adapter, verdict);
    let channel = match channel(address, scope).await {
        Ok(channel) => channel,
        Err(verdict) => return vec![finding(verdict)],
    };
    if let Err(verdict) = health(&channel, scope).await {
        let (verdict, detail) = match verdict {
            Verdict::Closed | Verdict::Silent => of_spoken(spoken(address, scope.timeout).await),
            other => (other, String::new()),
        };
        return vec![finding(verdict).with_detail(detail)];
    }
    let mut client = AdapterServiceClient::new(channel).max_decoding_message_size(MAX_BYTES);
    let mut status = Request::new(GetStatusRequest {});
    status.set_timeout(scope.timeout);
    let status = match client.get_status(status).await {
        Ok(status) => status.into_inner(),
        Err(status) => return vec![finding(of_status(&status))],
    };
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = words::line(&status.adapter_version, SENTENCE);
    let verdict = if theirs == ours {
        Verdict::Ok
    } else {
        Verdict::OtherVersion
    };
    let mut findings = vec![finding(verdict).with_detail(format!("its version is {theirs}"))];
    if status.state() != State::Serving {
        let reason = words::line(&status.reason, SENTENCE);
        findings.push(finding(Verdict::NotServing).with_detail(reason));
    }

    let mut request = Request::new(DiagnoseRequest {});
    request.set_timeout(scope.deadline / 2);
    match client.diagnose(request).await {
        Ok(answer) => {
            let mut answer = answer.into_inner();
            answer.findings.truncate(MOST_FINDINGS);
            for finding in &mut answer.findings {
                finding.detail = words::line(&finding.detail, SENTENCE);
                finding.setting = words::line(&finding.setting, SENTENCE);
            }
            findings.extend(heard(name, answer));
        }
        // An older adapter.
        Err(status) if status.code() == Code::Unimplemented => findings.push(finding(Verdict::NotExamined)),
        Err(status) => findings.push(finding(of_status(&status))),
    }
    findings
}

/// A channel on one connection to one process.
async fn channel(address: SocketAddr, scope: &Scope) -> Result<Channel, Verdict> {
    let stream = probe::connect(address, scope.timeout).await?;
    let mut stream: Option<TcpStream> = Some(stream);
    // A second connection is never asked for: who answers now is looked at.
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
        std::future::ready(stream.map(TokioIo::new).map_err(std::io::Error::from))
    });
    let endpoint = Endpoint::from_static("http://localhost").timeout(scope.deadline);
    endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|_| Verdict::Closed)
}

/// Asks for the health of the process.
async fn health(channel: &Channel, scope: &Scope) -> Result<(), Verdict> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(scope.timeout);
    let mut client = HealthClient::new(channel.clone()).max_decoding_message_size(MAX_BYTES);
    let answer = tokio::time::timeout(scope.timeout, client.check(request)).await;
    match answer {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::NotServing => Err(Verdict::Stopping),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => match of_status(&status) {
            // It has no health service, and may be an adapter all the same.
            Verdict::NotAnAdapter => Ok(()),
            verdict => Err(verdict),
        },
        Err(_) => Err(Verdict::Silent),
    }
}

/// What an error of a call comes to.
fn of_status(status: &Status) -> Verdict {
    match status.code() {
        Code::Unimplemented | Code::NotFound => Verdict::NotAnAdapter,
        Code::DeadlineExceeded | Code::Cancelled => Verdict::Silent,
        Code::ResourceExhausted => Verdict::Busy,
        // The connection broke, or no HTTP/2 came back.
        _ => Verdict::Closed,
    }
}

/// What it means when that is spoken where gRPC is due.
fn of_spoken(spoken: Spoken) -> (Verdict, String) {
    match spoken {
        Spoken::Http1 => (Verdict::RestForGrpc, String::new()),
        Spoken::Tls => (Verdict::TlsRequired, String::new()),
        Spoken::HangsUp => (Verdict::Closed, String::new()),
        Spoken::Nothing => (Verdict::Silent, String::new()),
        Spoken::Http2 => (Verdict::NotAnAdapter, String::new()),
        other => (Verdict::WrongProtocol, format!("{} answers", other.name())),
    }
}
