//! Servers that are none of those that a client expects.

use std::sync::Arc;

use mcp_hub_chassis::Lifecycle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What a server does with whoever connects.
#[derive(Clone, Copy, Debug)]
pub enum Serves {
    /// It speaks HTTP/1.1: a web page, a REST interface.
    Http,
    /// It speaks TLS only, with a certificate that nobody trusts.
    Tls,
    /// It says this first.
    Greeting(&'static [u8]),
    /// It closes the connection.
    HangsUp,
    /// It takes what it is sent, and says nothing.
    Nothing,
}

impl Serves {
    /// Serves on a free port of 127.0.0.1 until the test's runtime ends. Returns the port.
    ///
    /// # Panics
    ///
    /// When it can't listen.
    pub async fn start(self) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = acceptor();
        let lifecycle = Lifecycle::new();
        let connections = lifecycle.clone();
        lifecycle.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(self.serve(stream, acceptor.clone()));
            }
        });
        port
    }

    async fn serve(self, mut stream: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
        match self {
            Self::HangsUp => Ok(()),
            Self::Nothing => swallow(&mut stream).await,
            Self::Greeting(text) => {
                stream.write_all(text).await?;
                swallow(&mut stream).await
            }
            Self::Http => {
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await?;
                let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                stream.write_all(answer).await
            }
            Self::Tls => swallow(&mut acceptor.accept(stream).await?).await,
        }
    }
}

async fn swallow(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn acceptor() -> TlsAcceptor {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .expect("a pair");
    TlsAcceptor::from(Arc::new(config))
}
