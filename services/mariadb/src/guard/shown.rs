//! What may be shown of a statement: the names in it, and its text with each literal replaced.

use indexmap::IndexSet;

use super::Name;
use super::lexer::{self, Kind, Token};

/// The longest text, in bytes: a list of thousands of numbers says no more than its beginning.
const LONGEST: usize = 4 * 1024;

/// Names as a summary has them: `orders shop.customers`.
pub(crate) fn listed(names: &IndexSet<Name>) -> String {
    let mut listed = String::new();
    for name in names {
        // More is never shown, and a statement may name thousands.
        if listed.len() > LONGEST {
            break;
        }
        if !listed.is_empty() {
            listed.push(' ');
        }
        listed.push_str(&written(name));
    }
    listed
}

/// A name as SQL writes it: in backticks where it has to be, so that one with a space in it is no two names.
pub(crate) fn written(name: &Name) -> String {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
        if part.chars().all(plain) {
            part.to_owned()
        } else {
            format!("`{}`", part.replace('`', "``"))
        }
    };
    match &name.database {
        Some(database) => format!("{}.{}", part(database), part(&name.name)),
        None => part(&name.name),
    }
}

/// The text of a statement with `?` in the place of each literal, without comments; `None` when it can't be told where its literals end.
///
/// Literals are strings, numbers, bits, and the words of booleans. Identifiers stay, quoted ones too, but for those that look like
/// a number.
pub(crate) fn sanitised(sql: &str) -> Option<String> {
    let tokens = lexer::scan(sql).ok().filter(|tokens| !tokens.is_empty())?;
    let mut shown = String::with_capacity(sql.len().min(LONGEST));
    let mut end = None;
    for token in tokens {
        // What is not part of a token is space or a comment.
        if end.is_some_and(|end| token.start > end) {
            shown.push(' ');
        }
        end = Some(token.end);
        shown.push_str(visible(&token, &sql[token.start..token.end]));
        if shown.len() > LONGEST {
            shown.truncate(shown.floor_char_boundary(LONGEST));
            shown.push_str(" ..");
            break;
        }
    }
    Some(shown)
}

fn visible<'a>(token: &Token<'_>, text: &'a str) -> &'a str {
    match &token.kind {
        Kind::Text | Kind::Number => "?",
        // `@'name'`
        Kind::Variable if text.contains(['\'', '"']) => "@?",
        Kind::Word(_) | Kind::Name(_) if text.starts_with(|first: char| first.is_ascii_digit()) => "?",
        Kind::Word(_) if token.is_one_of(&["true", "false"]) => "?",
        _ => text,
    }
}

#[cfg(test)]
mod tests;
