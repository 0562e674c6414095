//! Confirmations: a destructive write runs only when the caller repeats a digest of exactly what it does.
//!
//! Nothing is stored. The digest is made of the request, so any replica can check it, and it fits no other request.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::fault::{Fault, Reason};

/// Lets a write pass when `given` is the digest of `request`.
///
/// # Errors
/// `CONFIRMATION_REQUIRED` with the digest and the effect, also when another digest was given.
pub fn require(request: &[u8], effect: &str, given: Option<&str>) -> Result<(), Fault> {
    let digest = Sha256::digest(request)[..8]
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing into a `String` can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
    if given.map(str::trim) == Some(digest.as_str()) {
        return Ok(());
    }
    let message = format!(
        "{effect} If that is wanted, call again with the same arguments and confirmation \"{digest}\"."
    );
    Err(Fault::new(Reason::ConfirmationRequired, message)
        .with("digest", digest)
        .with("effect", effect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digest_of_the_same_request_passes() {
        let fault = require(b"drop table a", "This drops a.", None).expect_err("asks");
        let digest = fault.metadata["digest"].clone();
        assert!(require(b"drop table a", "", Some(&digest)).is_ok());
        assert!(require(b"drop table b", "", Some(&digest)).is_err());
    }
}
