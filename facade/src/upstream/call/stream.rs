//! The answer that comes as a stream: its parts become one, and the progress between them is told on the way.
//!
//! Protobuf merges messages by reading their bytes one behind the other, so that the parts need not be understood to be put together.
//! All of them are bounded as one answer is, and what else is sent is bounded as well: however much of it there is, and in whatever
//! pieces.

use bytes::{Bytes, BytesMut};
use mcp_hub_proto::progress::v1::Progress as Told;
use prost::Message as _;
use tonic::{Code, Streaming};

use super::attempt::judge;
use super::failure::Failure;
use crate::json::answer::MAX_BYTES;
use crate::json::wire::{Fields, Malformed, Raw};
use crate::progress::{Progress, Reporter};
use crate::tool::offer::stream::Parts;
use crate::words;

/// The most bytes that a stream may have beside its answer, and what each message counts for beyond its bytes: a minute of ten messages a
/// second has a hundredth.
const MAX_BESIDE: usize = 4 * 1024 * 1024;
const MESSAGE: usize = 64;

/// The longest message of a progress, in characters.
const MAX_MESSAGE: usize = 200;

/// What has come so far.
#[derive(Debug, Default)]
struct Collected {
    answer: Answer,
    /// Bytes beside the answer.
    beside: usize,
}

/// The answer so far. Most come in one piece, which is not copied.
#[derive(Debug, Default)]
enum Answer {
    #[default]
    None,
    Whole(Bytes),
    Parts(BytesMut),
}

/// Reads a stream to its end and gives the encoded answer. Progress goes to `reporter`.
///
/// # Errors
/// It failed or broke off, or it is not what the contract says.
pub(super) async fn collect(
    mut messages: Streaming<Bytes>,
    parts: Parts,
    reporter: Option<&Reporter>,
) -> Result<Bytes, Failure> {
    let mut collected = Collected::default();
    let mut begun = false;
    loop {
        match messages.message().await {
            Ok(Some(message)) => collected.take(&message, parts, reporter)?,
            Ok(None) => return collected.finish(),
            Err(status) => {
                return Err(match judge(status) {
                    // Whoever has begun to answer has handled the call, whatever it says later.
                    Failure::Unsent => Failure::Lost { connection: false },
                    Failure::UnknownRpc if begun => Failure::Garbled(Code::Unimplemented),
                    failure => failure,
                });
            }
        }
        begun = true;
    }
}

impl Collected {
    fn take(&mut self, message: &Bytes, parts: Parts, reporter: Option<&Reporter>) -> Result<(), Failure> {
        self.beside += MESSAGE + message.len();
        for field in Fields(message) {
            match field {
                Ok((number, Raw::Bytes(part))) if number == parts.answer => {
                    self.beside -= part.len();
                    self.answer.merge(&message.slice_ref(part))?;
                }
                Ok((number, Raw::Bytes(told))) if number == parts.progress => {
                    if let Some(reporter) = reporter {
                        reporter.report(read(told).map_err(|_| garbled(&Malformed))?);
                    }
                }
                Ok(_) => {}
                Err(error) => return Err(garbled(&error)),
            }
        }
        if self.beside > MAX_BESIDE {
            return Err(garbled(&"it has more beside its answer than anybody needs"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Bytes, Failure> {
        match self.answer {
            Answer::Whole(answer) => Ok(answer),
            Answer::Parts(answer) => Ok(answer.freeze()),
            // An answer of which all is left out is sent as one of no bytes. This is none.
            Answer::None => Err(garbled(&"it ended without an answer")),
        }
    }
}

impl Answer {
    fn merge(&mut self, part: &Bytes) -> Result<(), Failure> {
        let length = match self {
            Self::None => 0,
            Self::Whole(answer) => answer.len(),
            Self::Parts(answer) => answer.len(),
        };
        if length + part.len() > MAX_BYTES {
            return Err(Failure::TooLarge);
        }
        match self {
            Self::None => *self = Self::Whole(part.clone()),
            Self::Whole(first) => {
                let mut answer = BytesMut::from(first.as_ref());
                answer.extend_from_slice(part);
                *self = Self::Parts(answer);
            }
            Self::Parts(answer) => answer.extend_from_slice(part),
        }
        Ok(())
    }
}

/// Progress as the adapter tells it. What is no number is left out by whoever passes it on.
fn read(told: &[u8]) -> Result<Progress, prost::DecodeError> {
    let told = Told::decode(told)?;
    Ok(Progress {
        progress: told.progress,
        total: told.total,
        message: words::line(&told.message, MAX_MESSAGE),
    })
}

fn garbled(why: &dyn std::fmt::Display) -> Failure {
    tracing::error!(%why, "a stream is no answer");
    Failure::Garbled(Code::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts = Parts {
        progress: 1,
        answer: 2,
    };

    fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![];
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        field.extend(bytes);
        field
    }

    fn take(collected: &mut Collected, message: Vec<u8>) -> Result<(), Failure> {
        collected.take(&Bytes::from(message), PARTS, None)
    }

    #[test]
    fn parts_are_one_behind_the_other() {
        let mut collected = Collected::default();
        assert!(matches!(Collected::default().finish(), Err(Failure::Garbled(_))));
        for message in [
            field(1, &[]),
            field(2, b"ab"),
            [field(2, b"c"), field(1, &[]), field(2, b"d")].concat(),
            vec![],
            field(2, b"e"),
        ] {
            take(&mut collected, message).expect("a message");
        }
        assert_eq!(collected.finish().expect("an answer"), "abcde");
        let mut one = Collected::default();
        take(&mut one, field(2, b"")).expect("a message");
        assert_eq!(one.finish().expect("an answer"), "");
    }

    #[test]
    fn an_answer_in_parts_is_bounded_as_one_is() {
        let mut collected = Collected::default();
        let part = vec![b'x'; MAX_BYTES / 4];
        for _ in 0..4 {
            take(&mut collected, field(2, &part)).expect("not too large yet");
        }
        assert!(matches!(
            take(&mut collected, field(2, b"x")),
            Err(Failure::TooLarge)
        ));
    }

    #[test]
    fn what_is_no_answer_comes_to_an_end() {
        for message in [vec![], field(1, &[]), field(3, &[b'x'; 1000])] {
            let mut collected = Collected::default();
            let mut taken = 0;
            while take(&mut collected, message.clone()).is_ok() {
                taken += 1;
                assert!(taken <= MAX_BESIDE / MESSAGE, "{} bytes", message.len());
            }
            assert!(taken > 3_000, "{taken}");
        }
        assert!(matches!(
            take(&mut Collected::default(), vec![0x12, 5]),
            Err(Failure::Garbled(_))
        ));
    }

    #[test]
    fn progress_is_told_as_it_comes() {
        let (reporter, seen) = Reporter::new();
        let mut collected = Collected::default();
        let told = Told {
            progress: 3.0,
            total: Some(9.0),
            message: "12 s:\u{1b} 3\nrows".to_owned(),
        };
        let message = Bytes::from(field(1, &told.encode_to_vec()));
        collected
            .take(&message, PARTS, Some(&reporter))
            .expect("a message");
        let expected = Progress {
            progress: 3.0,
            total: Some(9.0),
            message: "12 s: 3 rows".to_owned(),
        };
        assert_eq!(*seen.borrow(), Some(expected));
        let broken = Bytes::from(field(1, &[0x0a]));
        let refused = collected.take(&broken, PARTS, Some(&reporter));
        assert!(matches!(refused, Err(Failure::Garbled(_))));
    }
}
