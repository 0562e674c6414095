//! A server that answers as it is told, for what a real hub does not do on request.

use std::sync::{Arc, Mutex};

use mcp_hub_testing::eventually;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::DEADLINE;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Its head, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// To send this and close.
    Send(String),
    /// To send this and keep the connection until the other side ends it.
    Hold(String),
    /// To close without a word.
    HangUp,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::with_status("200 OK", "application/json", &body.to_string())
    }

    pub(crate) fn with_status(status: &str, kind: &str, body: &str) -> Self {
        let length = body.len();
        Self::Send(format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    pub(crate) fn events(body: &str) -> Self {
        Self::Send(format!("{EVENTS}{body}"))
    }

    pub(crate) fn endless_events(body: &str) -> Self {
        Self::Hold(format!("{EVENTS}{body}"))
    }
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// The server.
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How many held connections the other side has ended.
    left: Arc<Mutex<usize>>,
}

impl Fake {
    /// Answers each request with what `reply` makes of it.
    pub(crate) async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(reply, None).await
    }

    /// The same over TLS. Also returns the certificate to trust, in PEM.
    pub(crate) async fn start_tls(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Self, String) {
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        Self::start_tls_with(params, reply).await
    }

    /// The same with a certificate that is like this.
    pub(crate) async fn start_tls_with(
        params: CertificateParams,
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> (Self, String) {
        let pair = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&pair).expect("a certificate");
        let key = PrivateKeyDer::try_from(pair.serialize_der()).expect("its key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        let mut fake = Self::listen(reply, Some(Arc::new(config).into())).await;
        fake.url = fake.url.replace("http://127.0.0.1", "https://localhost");
        (fake, certificate.pem())
    }

    async fn listen(
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let (seen, left) = (Arc::default(), Arc::default());
        let fake = Self {
            url,
            seen: Arc::clone(&seen),
            left: Arc::clone(&left),
        };
        let reply = Arc::new(reply);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen, left) = (Arc::clone(&reply), Arc::clone(&seen), Arc::clone(&left));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, reply.as_ref(), &seen, &left).await,
                        // A client that does not trust the certificate ends the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, reply.as_ref(), &seen, &left).await;
                            }
                        }
                    }
                });
            }
        });
        fake
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// Waits until it has seen `count` requests.
    pub(crate) async fn has_seen(&self, count: usize) {
        eventually(DEADLINE, async || self.seen().len() >= count).await;
    }

    /// Waits until the other side has ended a held connection.
    pub(crate) async fn was_left(&self) {
        eventually(DEADLINE, async || *self.left.lock().expect("not poisoned") > 0).await;
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Seen>>,
    left: &Mutex<usize>,
) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let start = head.len();
        if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
            return;
        }
        if &head[start..] == "\r\n" {
            break;
        }
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or_default();
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let request = Seen {
        head,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let reply = reply(&request);
    seen.lock().expect("not poisoned").push(request);
    match reply {
        Reply::HangUp => {}
        Reply::Send(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hold(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            *left.lock().expect("not poisoned") += 1;
        }
    }
}
