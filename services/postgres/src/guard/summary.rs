//! What may be shown of a statement: a summary without any literal, and its text with each literal replaced.

use indexmap::IndexSet;
use squawk_lexer::{LiteralKind, TokenKind};

use super::{Name, lexical};

/// The longest text, in bytes: a list of thousands of numbers says no more than its beginning.
const LONGEST: usize = 4 * 1024;

/// A statement in a few words: `SELECT orders customers`. What it is, then what it names, in the order of its text.
pub(crate) fn summary(operation: &str, names: &IndexSet<Name>) -> String {
    let mut summary = operation.to_owned();
    for name in names {
        // More is never shown, and a statement may have thousands.
        if summary.len() > 1024 {
            break;
        }
        summary.push(' ');
        summary.push_str(&written(name));
    }
    summary
}

/// A name as SQL writes it: quoted where it has to be, so that a name with a space in it is no two names.
pub(crate) fn written(name: &Name) -> String {
    let part = |part: &str| {
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$') || !c.is_ascii();
        let begins = |c: char| plain(c) && !c.is_ascii_digit() && c != '$';
        if part.starts_with(begins) && part.chars().all(plain) {
            part.to_owned()
        } else {
            format!("\"{}\"", part.replace('"', "\"\""))
        }
    };
    match &name.schema {
        Some(schema) => format!("{}.{}", part(schema), part(&name.name)),
        None => part(&name.name),
    }
}

/// The text of a statement with `?` in the place of each literal, without comments; `None` when it can't be told where its literals end.
///
/// Literals are strings and bit strings of all kinds, numbers, and the words of booleans. Identifiers stay, quoted ones too.
pub(crate) fn sanitised(sql: &str) -> Option<String> {
    let tokens = lexical::tokens(sql);
    lexical::check_continued_strings(sql, &tokens).ok()?;
    let mut shown = String::with_capacity(sql.len().min(LONGEST));
    let mut end = 0;
    for (kind, range) in tokens {
        // What is not part of a token is space or a comment.
        if range.start > end && !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(token(kind, &sql[range.clone()])?);
        if shown.len() > LONGEST {
            shown.truncate(shown.floor_char_boundary(LONGEST));
            shown.push_str(" ..");
            return Some(shown);
        }
        end = range.end;
    }
    Some(shown)
}

/// What is shown of a token; `None` for one that has no end.
fn token(kind: TokenKind, text: &str) -> Option<&str> {
    match kind {
        TokenKind::Literal { kind } => is_whole(kind).then_some("?"),
        TokenKind::QuotedIdent {
            terminated: false, ..
        }
        | TokenKind::Unknown => None,
        TokenKind::Ident
            if ["true", "false"]
                .iter()
                .any(|word| text.eq_ignore_ascii_case(word)) =>
        {
            Some("?")
        }
        _ => Some(text),
    }
}

fn is_whole(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => true,
        LiteralKind::Str { terminated }
        | LiteralKind::NationalStr { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::BitStr { terminated }
        | LiteralKind::DollarQuotedString { terminated }
        | LiteralKind::UnicodeEscStr { terminated }
        | LiteralKind::EscStr { terminated } => terminated,
    }
}

#[cfg(test)]
mod tests;
