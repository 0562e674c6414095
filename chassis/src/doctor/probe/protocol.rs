//! What answers on a port where something else was due.
//!
//! It is asked in several languages at the same time, each on a connection of its own: HTTP/1.1, HTTP/2, TLS, PostgreSQL's and Neo4j's. A server that greets
//! whoever connects, as MariaDB and SSH do, says by itself what it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect;
use crate::tls;

/// How long a server that greets may take for it.
const GREETING: Duration = Duration::from_millis(300);

/// What is read of an answer at most.
const MOST: usize = 1024;

/// A server of HTTP/2 answers this with a frame of settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// PostgreSQL answers this with the one letter S or N: whether it speaks TLS.
const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Neo4j answers this with the version of Bolt that it chose, or with zeros for none.
const BOLT: &[u8] = &[
    0x60, 0x60, 0xb0, 0x17, 0, 8, 8, 5, 0, 0, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1: a REST interface, a web page.
    Http1,
    /// HTTP/2 without TLS: gRPC.
    Http2,
    /// TLS.
    Tls,
    /// PostgreSQL's protocol.
    Postgres,
    /// Bolt, the protocol of Neo4j.
    Bolt,
    /// It greets whoever connects, and was not asked further.
    Greeting(Greeting),
    /// It hangs up on everything.
    HangsUp,
    /// It takes the connection and says nothing.
    Nothing,
    /// Something else.
    Other,
}

/// How a server greets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// MariaDB or MySQL.
    Mysql,
    /// SSH.
    Ssh,
    /// Somebody else.
    Other,
}

impl Spoken {
    /// For people: `HTTP/1.1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2 (gRPC)",
            Self::Tls => "TLS",
            Self::Postgres => "PostgreSQL",
            Self::Bolt => "Bolt (Neo4j)",
            Self::Greeting(Greeting::Mysql) => "MariaDB or MySQL",
            Self::Greeting(Greeting::Ssh) => "SSH",
            Self::Greeting(Greeting::Other) | Self::Other => "an unknown protocol",
            Self::HangsUp => "nothing but a closed connection",
            Self::Nothing => "nothing",
        }
    }
}

/// Asks what is spoken at an address.
pub async fn spoken(address: SocketAddr, limit: Duration) -> Spoken {
    let (plain, framed, secured, postgres, bolt) = tokio::join!(
        plain(address, limit),
        framed(address, limit),
        secured(address, limit),
        answer(address, SSL_REQUEST, limit),
        answer(address, BOLT, limit)
    );
    // PostgreSQL may speak TLS as well, and Neo4j HTTP on the same port.
    if matches!(postgres.as_slice(), b"S" | b"N") {
        Spoken::Postgres
    } else if matches!(bolt.as_slice(), [0, 0, _, 0..=9]) {
        Spoken::Bolt
    } else if secured {
        Spoken::Tls
    } else if framed {
        Spoken::Http2
    } else {
        plain
    }
}

/// Waits for a greeting, then asks in HTTP/1.1.
async fn plain(address: SocketAddr, limit: Duration) -> Spoken {
    let Ok(mut stream) = connect(address, limit).await else {
        return Spoken::HangsUp;
    };
    if let Some(greeting) = read(&mut stream, GREETING.min(limit)).await {
        return match greeting.as_slice() {
            [] => Spoken::HangsUp,
            // The length, the number 0, and version 10 of the handshake; 0xff is a refusal in its place.
            [_, _, 0, 0, 10 | 0xff, ..] => Spoken::Greeting(Greeting::Mysql),
            text if text.starts_with(b"SSH-") => Spoken::Greeting(Greeting::Ssh),
            _ => Spoken::Greeting(Greeting::Other),
        };
    }
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return Spoken::HangsUp;
    }
    match read(&mut stream, limit).await.as_deref() {
        None => Spoken::Nothing,
        Some([]) => Spoken::HangsUp,
        // Web servers say so in words where TLS is due, others by an alert.
        Some(answer) if answer.starts_with(b"HTTP/1") && says_https(answer) => Spoken::Tls,
        Some(answer) if answer.starts_with(b"HTTP/1") => Spoken::Http1,
        Some([0x15, 0x03, ..]) => Spoken::Tls,
        Some(_) => Spoken::Other,
    }
}

fn says_https(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    answer.starts_with("HTTP/1.1 400") && (answer.contains("HTTPS") || answer.contains("https"))
}

/// What comes first when something is said; nothing when there is no answer.
async fn answer(address: SocketAddr, said: &[u8], limit: Duration) -> Vec<u8> {
    let Ok(mut stream) = connect(address, limit).await else {
        return vec![];
    };
    if stream.write_all(said).await.is_err() {
        return vec![];
    }
    read(&mut stream, limit).await.unwrap_or_default()
}

/// Whether it speaks HTTP/2 at once.
async fn framed(address: SocketAddr, limit: Duration) -> bool {
    let answer = answer(address, PREFACE, limit).await;
    // Settings come first, of stream 0; a server that says goodbye at once speaks it too.
    matches!(answer.as_slice(), [0, _, _, 0x04 | 0x07, _, 0, 0, 0, 0, ..])
}

/// Whether it speaks TLS, whoever it is.
async fn secured(address: SocketAddr, limit: Duration) -> bool {
    let options = tls::Options {
        check: tls::Check::Nothing,
        authorities: None,
        client: None,
    };
    let (Ok(stream), Ok(config)) = (connect(address, limit).await, tls::client_config(&options)) else {
        return false;
    };
    let connecting = TlsConnector::from(Arc::new(config)).connect(ServerName::from(address.ip()), stream);
    match timeout(limit, connecting).await {
        Ok(Ok(_)) => true,
        // An alert is TLS, whatever it says.
        Ok(Err(error)) => matches!(tls::of_handshake(error), tls::Error::Refused(_)),
        Err(_) => false,
    }
}

/// What comes first; nothing when the server hangs up, none when it says nothing.
async fn read(stream: &mut TcpStream, limit: Duration) -> Option<Vec<u8>> {
    let mut buffer = vec![0; MOST];
    let length = timeout(limit, stream.read(&mut buffer))
        .await
        .ok()?
        .unwrap_or_default();
    buffer.truncate(length);
    Some(buffer)
}
