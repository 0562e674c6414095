//! Jaeger's query API. Traces come as OTLP in JSON (version 3), which loses nothing; only the API of the page finds them by
//! attributes.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use url::Url;

use super::otlp::TracesData;
use super::trace::Trace;

/// See [`super::Jaeger::trace`].
pub(super) async fn trace(ui: &Url, id: &str) -> anyhow::Result<Trace> {
    ensure!(
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id:?} is no id of a trace"
    );
    let mut url = ui.join("/api/v3/traces/")?.join(id)?;
    // As it was sent: without what the page does to spans for those who look at them.
    url.query_pairs_mut().append_pair("raw_traces", "true");
    let (status, body) = get(&url).await?;
    if status == StatusCode::NOT_FOUND {
        return Ok(Trace::default());
    }
    let Streamed { result } = answer(&url, status, &body)?;
    Ok(result.into())
}

/// See [`super::Jaeger::search`].
pub(super) async fn search(
    ui: &Url,
    service: &str,
    attributes: &[(&str, &str)],
) -> anyhow::Result<Vec<String>> {
    let tags: BTreeMap<_, _> = attributes.iter().copied().collect();
    let mut url = ui.join("/api/traces")?;
    url.query_pairs_mut()
        .append_pair("service", service)
        .append_pair("tags", &serde_json::to_string(&tags)?)
        .append_pair("limit", "100");
    let (status, body) = get(&url).await?;
    let found: Data<Vec<Found>> = answer(&url, status, &body)?;
    // Leading zeros of an id are not in the answer.
    Ok(found
        .data
        .into_iter()
        .map(|found| format!("{:0>32}", found.trace_id))
        .collect())
}

/// Whether questions are answered.
pub(super) async fn ready(ui: &Url) -> anyhow::Result<()> {
    let url = ui.join("/api/services")?;
    let (status, _) = get(&url).await?;
    ensure!(status.is_success(), "{url} answers {status}");
    Ok(())
}

async fn get(url: &Url) -> anyhow::Result<(StatusCode, Bytes)> {
    let host = url.host_str().context("a host")?;
    let authority = url.authority();
    let stream = TcpStream::connect((host, url.port().context("a port")?)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, authority)
        .body(Empty::<Bytes>::new())?;
    let exchange = async move {
        // The sender ends with this block, and with it the connection.
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let (answer, ()) = tokio::try_join!(exchange, connection)?;
    Ok(answer)
}

fn answer<T: DeserializeOwned>(url: &Url, status: StatusCode, body: &[u8]) -> anyhow::Result<T> {
    let text = String::from_utf8_lossy(body);
    ensure!(status.is_success(), "{url} answers {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{url} answers {text}"))
}

/// An answer of the page's API.
#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "traceID")]
    trace_id: String,
}

/// An answer of version 3, as a gateway makes it of a stream of gRPC.
#[derive(Deserialize)]
struct Streamed {
    result: TracesData,
}
