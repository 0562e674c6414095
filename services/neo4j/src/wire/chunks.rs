//! How messages lie in the stream: cut into chunks, each with its length in front, an empty one at the end.

use bytes::{Buf as _, BufMut as _, BytesMut};

use super::packstream::{self, Packed};
use super::{Error, MAX_MESSAGE};

/// The most bytes of a chunk.
const CHUNK: usize = 0xFFFF;

/// Appends a message.
pub(super) fn write(out: &mut BytesMut, message: &Packed) {
    let mut encoded = BytesMut::new();
    packstream::encode(&mut encoded, message);
    out.reserve(encoded.len() + encoded.len() / CHUNK * 2 + 4);
    for chunk in encoded.chunks(CHUNK) {
        // `CHUNK` is the largest `u16`.
        out.put_u16(u16::try_from(chunk.len()).unwrap_or(u16::MAX));
        out.put_slice(chunk);
    }
    out.put_u16(0);
}

/// Puts messages together again.
#[derive(Default)]
pub(super) struct Chunks {
    /// What of the current message has come.
    message: BytesMut,
    /// How many bytes of the current chunk are still to come.
    left: usize,
    /// The current message is larger than any that is read: its bytes are dropped as they come.
    oversized: bool,
}

impl Chunks {
    /// The next whole message in `input`; `None` when more must come first.
    ///
    /// # Errors
    /// [`Error::TooLarge`] at the end of a message that is larger than any that is read. The next one can be read.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
        loop {
            if self.left > 0 {
                if input.is_empty() {
                    return Ok(None);
                }
                let part = input.split_to(self.left.min(input.len()));
                self.left -= part.len();
                if self.message.len() + part.len() > MAX_MESSAGE {
                    self.oversized = true;
                    self.message = BytesMut::new();
                }
                if !self.oversized {
                    self.message.extend_from_slice(&part);
                }
            } else if input.len() < 2 {
                return Ok(None);
            } else {
                self.left = input.get_u16().into();
                if self.left > 0 {
                    continue;
                }
                if std::mem::take(&mut self.oversized) {
                    return Err(Error::TooLarge(format!(
                        "a row has more than {} MB",
                        MAX_MESSAGE / 1024 / 1024
                    )));
                }
                // An empty chunk between messages only keeps the network awake.
                if !self.message.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.message)));
                }
            }
        }
    }

    /// Takes the buffer of a message back, for the next one.
    pub(super) fn recycle(&mut self, buffer: BytesMut) {
        // A large one would be held for as long as the connection lives.
        if self.message.is_empty() && buffer.capacity() <= 2 * CHUNK {
            self.message = buffer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Packed {
        Packed::Bytes(vec![7; length].into())
    }

    fn read(chunks: &mut Chunks, input: &mut BytesMut) -> Option<Packed> {
        let bytes = chunks.next(input).expect("not too large")?;
        Some(packstream::decode(&bytes).expect("a value"))
    }

    #[test]
    fn messages_of_all_sizes_arrive_however_they_are_cut() {
        for length in [0, 1, 65_532, 65_533, 200_000] {
            let mut all = BytesMut::new();
            write(&mut all, &message(length));
            all.extend_from_slice(&[0, 0]);
            write(&mut all, &Packed::Null);
            for step in [1, 7, 65_536, all.len()] {
                let (mut chunks, mut input, mut read_back) = (Chunks::default(), BytesMut::new(), vec![]);
                for part in all.chunks(step) {
                    input.extend_from_slice(part);
                    while let Some(value) = read(&mut chunks, &mut input) {
                        read_back.push(value);
                    }
                }
                assert_eq!(read_back, [message(length), Packed::Null], "{length} by {step}");
            }
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_skipped_and_the_next_is_read() {
        let mut input = BytesMut::new();
        write(&mut input, &message(MAX_MESSAGE + 1));
        write(&mut input, &Packed::Null);
        let mut chunks = Chunks::default();
        assert!(matches!(chunks.next(&mut input), Err(Error::TooLarge(_))));
        assert_eq!(read(&mut chunks, &mut input), Some(Packed::Null));
    }
}
