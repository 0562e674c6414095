//! Server-sent events as the facade writes them. Comments count here: they are the pings of an idle stream, which the usual readers
//! drop.

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// One event, or a comment, which has neither name nor data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Event {
    /// Whether it says nothing.
    pub(crate) fn is_comment(&self) -> bool {
        self.data.is_empty()
    }

    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event.name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data.push_str(data);
            }
        }
        event
    }
}

/// The events of a stream.
#[derive(Debug)]
pub(crate) struct Events<B = hyper::body::Incoming> {
    body: B,
    unread: Vec<u8>,
}

impl<B> Events<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(crate) fn new(body: B) -> Self {
        Self { body, unread: vec![] }
    }

    /// The next event or comment; `None` at the end of the stream. May be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let rest = self.unread.split_off(end + 2);
                let block = std::mem::replace(&mut self.unread, rest);
                let text = std::str::from_utf8(&block).context("events are UTF-8")?;
                return Ok(Some(Event::parse(text)));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Ok(data) = frame.context("the stream broke off")?.into_data() {
                self.unread.extend_from_slice(&data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_read_however_the_stream_is_cut() {
        let text =
            "event: endpoint\ndata: /messages?session_id=x\n\n: ping\n\nevent: message\ndata: {\"a\":1}\n\n";
        for size in 1..text.len() {
            let chunks: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
            let mut events = Events::new(Chunks(chunks.into_iter()));
            let mut next = async || events.next().await.unwrap();
            let event = |name: &str, data: &str| {
                Some(Event {
                    name: name.to_owned(),
                    data: data.to_owned(),
                })
            };
            assert_eq!(next().await, event("endpoint", "/messages?session_id=x"));
            assert!(next().await.unwrap().is_comment());
            assert_eq!(next().await, event("message", "{\"a\":1}"));
            assert_eq!(next().await, None);
        }
    }

    struct Chunks(std::vec::IntoIter<Bytes>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.next().map(|chunk| Ok(hyper::body::Frame::data(chunk))))
        }
    }
}
