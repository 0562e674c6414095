//! MCP on a pair of byte streams: one message a line. Both eras, like every door.

use std::sync::Arc;

use http::StatusCode;
use opentelemetry::Context;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};

use super::body::MAX_MESSAGE_BYTES;
use super::conversation::{self, Answers, Conversation, Door};
use super::filter::ToolFilter;
use super::message::Refusal;
use crate::auth::Principal;
use crate::server::{Remote, Server};

/// Serves one client until its input ends or the process stops. Calls in flight are answered before it returns.
pub(crate) async fn serve<R, W>(
    server: Server,
    tools: ToolFilter,
    reader: R,
    writer: W,
) -> std::io::Result<()>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let principal = Arc::new(Principal::anybody());
    let (conversation, answers) = conversation::open(server, tools, principal, Remote::pipe(), Door::Stdio);
    let (read, written) = tokio::join!(read(&conversation, reader), write(answers, writer));
    read.and(written)
}

async fn read(
    conversation: &Arc<Conversation>,
    reader: impl AsyncRead + Unpin + Send,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut line = vec![];
    let result = loop {
        line.clear();
        let next = tokio::select! {
            next = next_line(&mut reader, &mut line) => next,
            () = conversation.finishing() => break Ok(()),
        };
        let taken = match next {
            Ok(Line::Whole) if line.trim_ascii().is_empty() => continue,
            Ok(Line::Whole) => conversation.receive(line.trim_ascii(), Context::new()),
            Ok(Line::TooLong) => Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the message is too large",
            )),
            Ok(Line::End) => break Ok(()),
            Err(error) => break Err(error),
        };
        match taken {
            // It ends when the conversation does; a panic in it has been logged where it was.
            Ok(Some(initialize)) => drop(initialize.await),
            Ok(None) => {}
            Err(refusal) => {
                if !conversation.send(refusal.to_json()).await {
                    break Ok(());
                }
            }
        }
        // One huge message must not keep its memory for good.
        line.shrink_to(64 * 1024);
    };
    conversation.finish();
    result
}

async fn write(mut answers: Answers, mut writer: impl AsyncWrite + Unpin + Send) -> std::io::Result<()> {
    while let Some(mut message) = answers.next().await {
        message.push('\n');
        writer.write_all(message.as_bytes()).await?;
        writer.flush().await?;
    }
    Ok(())
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads one line, without ever holding more than a message may have. The last one may lack its line break.
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<Line> {
    let bound = MAX_MESSAGE_BYTES as u64 + 1;
    if reader.take(bound).read_until(b'\n', line).await? == 0 {
        return Ok(Line::End);
    }
    if line.ends_with(b"\n") || line.len() <= MAX_MESSAGE_BYTES {
        return Ok(Line::Whole);
    }
    loop {
        let available = reader.fill_buf().await?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(available.len(), |end| end + 1);
        let last = end.is_some() || available.is_empty();
        reader.consume(skipped);
        if last {
            return Ok(Line::TooLong);
        }
    }
}
