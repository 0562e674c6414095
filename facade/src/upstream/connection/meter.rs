//! Weighs the frames of a peer that carry no data.
//!
//! HTTP/2 has flow control for data and a bound for the headers of one message, and h2 keeps both. Nothing bounds the rest: a peer may
//! send pings, settings, resets, frames of unknown types and headers as fast as the network carries them, each is work here, and often
//! an answer. So that one adapter can't take the time of all others, its connection is closed.

use std::time::{Duration, Instant};

/// How much a peer may send within a second: ten thousand frames that control, or ten million bytes of headers. The two blocks of
/// headers of a call weigh a few hundred.
const MAX_WEIGHT: usize = 10_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// What a frame that controls weighs, and what one of headers does beyond its bytes.
const CONTROL: usize = 1_000;
const BLOCK: usize = 100;

/// The length of a frame's header, and the types of frames that are not there to control.
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// Where in the stream of frames a connection is, and what it had to carry of late.
#[derive(Debug, Default)]
pub(super) struct Meter {
    header: [u8; HEADER],
    /// How much of the header is there.
    filled: usize,
    /// How much of the payload is still to come.
    left: usize,
    weight: usize,
    since: Option<Instant>,
}

impl Meter {
    /// Reads on; tells whether it was too much.
    pub(super) fn is_flood(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER {
                let [a, b, c, kind, ..] = self.header;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                self.filled = 0;
                self.weight += match kind {
                    DATA if self.left > 0 => 0,
                    HEADERS => BLOCK + self.left,
                    _ => CONTROL,
                };
            }
        }
        // The clock is looked at once a read, not once a frame.
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let is_flood = self.weight > MAX_WEIGHT;
        if now.duration_since(since) >= SECOND {
            self.since = Some(now);
            self.weight = 0;
        }
        is_flood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_wherever_they_are_cut() {
        // A ping, an empty piece of data, a piece of data, headers.
        let frames = [
            &[0, 0, 8, 6, 0, 0, 0, 0, 0][..],
            &[0xff; 8],
            &[0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 2, 0, 0, 0, 0, 0, 1, 6, 6],
            &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88],
        ]
        .concat();
        for size in 1..=frames.len() {
            let mut meter = Meter::default();
            for piece in frames.chunks(size) {
                assert!(!meter.is_flood(piece));
            }
            assert_eq!(meter.weight, 2 * CONTROL + BLOCK + 1, "{size}");
        }
        let mut meter = Meter::default();
        assert!((0..=MAX_WEIGHT / CONTROL / 2).any(|_| meter.is_flood(&frames)));
    }
}
