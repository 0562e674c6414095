//! Cursors: where the next page of a statement begins.
//!
//! A cursor holds a version, the number of rows delivered and a digest of statement and parameters. It is unsigned because it grants
//! nothing: the next page runs the statement again, with the caller's rights, and skips.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::fault::Fault;

const VERSION: u8 = 1;
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
        let mut bytes = vec![VERSION];
        bytes.extend(self.0);
        bytes.extend(delivered.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// How many rows earlier pages delivered; 0 without a cursor.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for a cursor that is damaged, or that another statement gave.
    pub fn delivered(&self, cursor: Option<&str>) -> Result<u64, Fault> {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else {
            return Ok(0);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor.trim()).unwrap_or_default();
        match bytes.split_first() {
            Some((&VERSION, rest)) if rest.len() == DIGEST_LENGTH + 8 => {
                let (digest, delivered) = rest.split_at(DIGEST_LENGTH);
                if digest != self.0 {
                    return Err(Fault::argument(
                        "cursor",
                        "this cursor belongs to another call: repeat all other arguments exactly, or leave the cursor out",
                    ));
                }
                Ok(delivered.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
            }
            _ => Err(Fault::argument(
                "cursor",
                "this is not a cursor: pass next_cursor as it was given",
            )),
        }
    }
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
        for damaged in ["x", "!!", &cursor[1..]] {
            assert!(statement.delivered(Some(damaged)).is_err(), "{damaged}");
        }
    }
}
