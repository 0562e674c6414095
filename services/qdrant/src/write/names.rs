//! Names that a caller gives to what is created, held to Qdrant's own rules: they become folders of the server.

use mcp_hub_chassis::Fault;

/// The longest name of a collection, in characters.
const LONGEST_COLLECTION: usize = 255;

/// The longest name of a vector, in bytes.
const LONGEST_VECTOR: usize = 200;

/// What no name may have in it.
const FORBIDDEN: [char; 9] = ['<', '>', ':', '"', '/', '\\', '|', '?', '*'];

/// Checks the name of a collection to be.
///
/// # Errors
/// `ARGUMENT_INVALID` with the rule.
pub(super) fn check_collection(name: &str) -> Result<(), Fault> {
    let length = name.chars().count();
    if length == 0 || length > LONGEST_COLLECTION {
        let message = format!("collection must have 1 to {LONGEST_COLLECTION} characters; it has {length}");
        return Err(Fault::argument("collection", message));
    }
    check("collection", name)
}

/// Checks the name of a vector to be; the empty one is the unnamed vector's.
///
/// # Errors
/// `ARGUMENT_INVALID` with the rule.
pub(super) fn check_vector(field: &str, name: &str) -> Result<(), Fault> {
    if name.len() > LONGEST_VECTOR {
        let message = format!(
            "{field} must have at most {LONGEST_VECTOR} bytes; it has {}",
            name.len()
        );
        return Err(Fault::argument(field, message));
    }
    check(field, name)
}

fn check(field: &str, name: &str) -> Result<(), Fault> {
    let forbidden = |c: &char| FORBIDDEN.contains(c) || c.is_control();
    if let Some(found) = name.chars().find(forbidden) {
        let message = format!(
            "{field} can't have {found:?} in it, nor any of {} or a control character",
            FORBIDDEN.map(String::from).join(" ")
        );
        return Err(Fault::argument(field, message));
    }
    if matches!(name, "." | "..") || name.trim() != name {
        let message = format!("{field} can't be {name:?}: not a dot or two, and no space at its ends");
        return Err(Fault::argument(field, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_folder_can_have_are_refused() {
        for name in ["reviews", "web shop", "прайс-лист.v2", "x", &"ä".repeat(255)] {
            assert_eq!(check_collection(name), Ok(()), "{name:?}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a:b",
            "a\0b",
            "a\nb",
            "a\u{1f}",
            "a\"",
            "*",
            "a ",
            "\t",
            &"ä".repeat(256),
        ] {
            let fault = check_collection(name).expect_err(name);
            assert_eq!(fault.metadata["field"], "collection");
        }
    }

    #[test]
    fn a_vector_may_have_no_name() {
        for name in ["", "title", &"x".repeat(200)] {
            assert_eq!(check_vector("vectors[0].name", name), Ok(()), "{name:?}");
        }
        for name in ["a/b", "..", &"ä".repeat(101)] {
            assert!(check_vector("vectors[0].name", name).is_err(), "{name:?}");
        }
    }
}
