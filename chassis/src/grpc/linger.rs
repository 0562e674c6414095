//! Connections that end without taking back what was said last.
//!
//! An HTTP/2 server that lets a connection go tells the peer which requests it has not looked at. A peer whose requests are still on
//! their way then would never read it: a socket that is closed with unread input is reset, and a reset throws away what was sent before.
//! The peer could not know whether a write was done. So the end is read to the peer's own end, for a moment.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// How long a peer may take to end its side.
const LINGER: Duration = Duration::from_secs(1);

/// The connections that a server on `listener` accepts.
pub fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Lingering>> {
    // Set here, because the server's own setting does not reach a listener that it is given: without it each answer waits some
    // 40 ms for the peer's delayed acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    incoming.map(|stream| {
        Ok(Lingering {
            stream: stream?,
            end: None,
        })
    })
}

/// A TCP connection that reads on for a moment after it was shut down.
#[derive(Debug)]
pub struct Lingering {
    stream: TcpStream,
    /// Set when this side is shut down: when the other side has to be.
    end: Option<Pin<Box<Sleep>>>,
}

impl Connected for Lingering {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, end } = &mut *self;
        if end.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let end = end.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while end.as_mut().poll(context).is_pending() {
            let mut rest = [0; 4096];
            let mut buffer = ReadBuf::new(&mut rest);
            // Whatever ends the other side is its end.
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn pair() -> (TcpStream, Lingering) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut incoming = Box::pin(incoming(listener));
        let (near, far) = tokio::join!(TcpStream::connect(address), incoming.next());
        (near.expect("connected"), far.expect("one").expect("accepted"))
    }

    #[tokio::test]
    async fn the_last_words_arrive_although_the_peer_was_still_talking() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"last words").await.expect("written");
        near.write_all(&vec![7; 100_000]).await.expect("written");
        let ((), heard) = tokio::join!(
            async move {
                far.shutdown().await.expect("shut down");
                drop(far);
            },
            async {
                let mut heard = String::new();
                near.read_to_string(&mut heard).await.expect("no reset");
                near.shutdown().await.expect("shut down");
                heard
            }
        );
        assert_eq!(heard, "last words");
    }

    #[tokio::test]
    async fn a_peer_that_never_ends_is_left() {
        let (_near, mut far) = pair().await;
        let start = tokio::time::Instant::now();
        far.shutdown().await.expect("shut down");
        assert!(start.elapsed() >= LINGER);
    }
}
