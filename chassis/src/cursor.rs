//! Cursors: where the next page of a statement begins.
//!
//! A cursor holds a version, a digest of statement and parameters, and the number of rows delivered, or the position behind the last
//! one where the database can begin there. It is unsigned because it grants nothing: the next page runs the statement again, with the
//! caller's rights, and skips.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::fault::Fault;

/// The version of a cursor with a number of rows.
const ROWS: u8 = 1;
/// The version of a cursor with a position.
const POSITION: u8 = 2;
const DIGEST_LENGTH: usize = 12;

/// The identity of a statement with its parameters: the beginning of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement([u8; DIGEST_LENGTH]);

impl Statement {
    /// The identity of `parts`: the SQL, the encoded parameters, the database. Where one part ends matters.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut digest = [0; DIGEST_LENGTH];
        digest.copy_from_slice(&hash.finalize()[..DIGEST_LENGTH]);
        Self(digest)
    }

    /// The cursor that continues after `delivered` rows.
    pub fn cursor(&self, delivered: u64) -> String {
        self.encode(ROWS, &delivered.to_be_bytes())
    }

    /// The cursor that continues at a position, which the adapter writes and reads as it likes.
    pub fn cursor_at(&self, position: &[u8]) -> String {
        self.encode(POSITION, position)
    }

    /// How many rows earlier pages delivered; 0 without a cursor.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for a cursor that is damaged, or that another statement gave.
    pub fn delivered(&self, cursor: Option<&str>) -> Result<u64, Fault> {
        let Some(delivered) = self.decode(ROWS, cursor)? else {
            return Ok(0);
        };
        let delivered = delivered.try_into().map_err(|_| damaged())?;
        Ok(u64::from_be_bytes(delivered))
    }

    /// Where the page begins; `None` without a cursor.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for a cursor that is damaged, or that another statement gave.
    pub fn position(&self, cursor: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
        self.decode(POSITION, cursor)
    }

    fn encode(&self, version: u8, content: &[u8]) -> String {
        let mut bytes = vec![version];
        bytes.extend(self.0);
        bytes.extend(content);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(&self, version: u8, cursor: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor.trim()).unwrap_or_default();
        let Some((digest, content)) = bytes
            .strip_prefix(&[version])
            .and_then(|rest| rest.split_at_checked(DIGEST_LENGTH))
        else {
            return Err(damaged());
        };
        if digest != self.0 {
            return Err(Fault::argument(
                "cursor",
                "this cursor belongs to another call: repeat all other arguments exactly, or leave the cursor out",
            ));
        }
        Ok(Some(content.to_vec()))
    }
}

/// What is said of a cursor that is none, also by an adapter of a position that is none.
pub fn damaged() -> Fault {
    Fault::argument("cursor", "this is not a cursor: pass next_cursor as it was given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_its_own_statement_only() {
        let statement = Statement::of([b"select 1".as_slice(), b"x"]);
        let cursor = statement.cursor(300);
        assert_eq!(statement.delivered(Some(&cursor)), Ok(300));
        assert_eq!(statement.delivered(None), Ok(0));
        let other = Statement::of([b"select 1x".as_slice(), b""]);
        assert_eq!(
            other.delivered(Some(&cursor)).expect_err("foreign").metadata["field"],
            "cursor"
        );
        for damaged in ["x", "!!", &cursor[1..], &cursor[..cursor.len() - 2]] {
            assert!(statement.delivered(Some(damaged)).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_cursor_may_hold_a_position() {
        let statement = Statement::of([b"scroll".as_slice()]);
        let cursor = statement.cursor_at(b"here");
        assert_eq!(statement.position(Some(&cursor)), Ok(Some(b"here".to_vec())));
        assert_eq!(statement.position(None), Ok(None));
        let other = Statement::of([b"count".as_slice()]);
        assert!(other.position(Some(&cursor)).is_err());
        assert!(
            statement.delivered(Some(&cursor)).is_err(),
            "it is of the other kind"
        );
        assert!(statement.position(Some(&statement.cursor(7))).is_err());
    }
}
