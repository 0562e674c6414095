//! A server for tests that says what it is told to say: what can't be had from a real one.

use bytes::BytesMut;
use mcp_hub_chassis::Lifecycle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::chunks::{self, Chunks};
use super::packstream::{self, Packed};
use crate::config::Address;

/// Serves until the test ends. `answer` gets a request's tag and fields.
pub(crate) async fn serve(
    lifecycle: &Lifecycle,
    answer: impl Fn(u8, &[Packed]) -> Vec<Packed> + Clone + Send + Sync + 'static,
) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let tasks = lifecycle.clone();
    lifecycle.spawn_until_stopped(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tasks.spawn_until_stopped(async move {
                // The client may go at any time.
                let _ = talk(stream, answer).await;
            });
        }
    });
    Address {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

async fn talk(mut stream: TcpStream, answer: impl Fn(u8, &[Packed]) -> Vec<Packed>) -> std::io::Result<()> {
    let mut hello = [0; 20];
    stream.read_exact(&mut hello).await?;
    stream.write_all(&[0, 0, 8, 5]).await?;
    let (mut chunks, mut input) = (Chunks::default(), BytesMut::new());
    while stream.read_buf(&mut input).await? > 0 {
        while let Ok(Some(message)) = chunks.next(&mut input) {
            let Ok(Packed::Struct(tag, fields)) = packstream::decode(&message) else {
                return Ok(());
            };
            let mut output = BytesMut::new();
            for message in answer(tag, &fields) {
                chunks::write(&mut output, &message);
            }
            stream.write_all(&output).await?;
        }
    }
    Ok(())
}

/// A request that worked.
pub(crate) fn success(metadata: Vec<(&str, Packed)>) -> Packed {
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value));
    Packed::Struct(0x70, vec![Packed::Map(metadata.collect())])
}

/// A request that failed.
pub(crate) fn failure(code: &str) -> Packed {
    let details = [("neo4j_code", code), ("message", "no")];
    let details = details.map(|(key, value)| (key.to_owned(), value.into()));
    Packed::Struct(0x7F, vec![Packed::Map(details.to_vec())])
}
