//! The bounds that Qdrant's server checks before it looks at a collection, with its words.

use std::fmt::Display;

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
    let invalid = |reason| Error::Invalid {
        field: "collection_name",
        reason,
    };
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

/// A number that must not be below `least`, where it is given.
pub(crate) fn at_least<T: PartialOrd + Display>(
    field: &'static str,
    value: Option<T>,
    least: T,
) -> Result<()> {
    match value {
        Some(value) if value < least => Err(Error::Invalid {
            field,
            reason: format!("value {value} invalid, must be {least} or larger"),
        }),
        _ => Ok(()),
    }
}

/// A text that must not be empty.
pub(crate) fn not_empty(field: &'static str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Err(Error::Invalid {
            field,
            reason: "value \"\" invalid, must be at least 1 characters".to_owned(),
        });
    }
    Ok(())
}
