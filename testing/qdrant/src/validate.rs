//! The bounds that Qdrant's server checks before it looks at a collection, with its words.

use crate::error::{Error, Result};

/// A collection's name in any request but one that creates it.
pub(crate) fn name(name: &str) -> Result<()> {
    check_name(name, &['/', '\0'])
}

/// The name of a collection that shall be created: what no file system of old could have is refused as well.
pub(crate) fn new_name(name: &str) -> Result<()> {
    check_name(
        name,
        &['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u{1F}'],
    )
}

fn check_name(name: &str, forbidden: &[char]) -> Result<()> {
    let invalid = |reason: String| Error::invalid("collection_name", reason);
    if !(1..=255).contains(&name.chars().count()) {
        return Err(invalid(format!(
            "value {name:?} invalid, must be from 1 to 255 characters"
        )));
    }
    match forbidden.iter().find(|character| name.contains(**character)) {
        Some(character) => Err(invalid(format!(
            "collection name cannot contain \"{character}\" char"
        ))),
        None => Ok(()),
    }
}

/// A number that must not be 0, where it is given.
pub(crate) fn not_zero(field: &str, value: Option<impl Into<u64>>) -> Result<()> {
    match value.map(Into::into) {
        Some(0) => Err(Error::invalid(field, "value 0 invalid, must be 1 or larger")),
        _ => Ok(()),
    }
}

/// A text that must not be empty.
pub(crate) fn not_empty(field: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::invalid(
            field,
            "value \"\" invalid, must be at least 1 characters",
        ));
    }
    Ok(())
}
