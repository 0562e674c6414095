//! What may be shown of a statement: what it does, a summary without any literal, and its text with each literal replaced.
//!
//! SQLite compiles a statement without telling how it read it, so this reads the tokens itself. What it takes for a table decides nothing but what
//! a trace is called.

use crate::tokens::{Kind, Token, tokens};

mod names;

pub(crate) use names::names;

/// The longest text, in bytes: a list of thousands of numbers says no more than its beginning.
const LONGEST: usize = 4 * 1024;

/// The longest summary, in bytes; less of it is shown.
const LONGEST_SUMMARY: usize = 1024;

/// What is not in [`OPERATIONS`], which SQLite refuses.
const OTHER: &str = "OTHER";

/// What statements begin with.
const OPERATIONS: [&str; 22] = [
    "SELECT",
    "VALUES",
    "INSERT",
    "REPLACE",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "PRAGMA",
    "EXPLAIN",
    "ANALYZE",
    "REINDEX",
    "VACUUM",
    "ATTACH",
    "DETACH",
    "BEGIN",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
];

/// What is created, dropped and altered.
const OBJECTS: [[&str; 4]; 4] = [
    ["TABLE", "CREATE TABLE", "DROP TABLE", "ALTER TABLE"],
    ["INDEX", "CREATE INDEX", "DROP INDEX", "ALTER"],
    ["VIEW", "CREATE VIEW", "DROP VIEW", "ALTER"],
    ["TRIGGER", "CREATE TRIGGER", "DROP TRIGGER", "ALTER"],
];

/// What a statement does, in a word or two of a fixed set: `SELECT`, `CREATE TABLE`.
pub(crate) fn operation(sql: &str) -> &'static str {
    let mut words = tokens(sql).filter(|token| !token.is_symbol(";"));
    let Some(first) = words.next() else { return OTHER };
    if first.is("WITH") {
        return behind_with(words);
    }
    let found = OPERATIONS.iter().position(|operation| first.is(operation));
    let Some(operation) = found.map(|found| OPERATIONS[found]) else {
        return OTHER;
    };
    let column = match operation {
        "CREATE" => 1,
        "DROP" => 2,
        "ALTER" => 3,
        operation => return operation,
    };
    // At most `CREATE UNIQUE INDEX`, `CREATE TEMP TABLE`.
    let object = words
        .take(2)
        .find_map(|word| OBJECTS.iter().find(|object| word.is(object[0])));
    object.map_or(operation, |object| object[column])
}

/// What stands behind the queries of a `WITH`.
fn behind_with<'a>(tokens: impl Iterator<Item = Token<'a>>) -> &'static str {
    let mut depth = 0_usize;
    for token in tokens {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 0
            && let Some(operation) = OPERATIONS[..6].iter().find(|operation| token.is(operation))
        {
            return operation;
        }
    }
    OTHER
}

/// A statement in a few words: `SELECT orders customers`.
pub(crate) fn summary(operation: &str, names: &[String]) -> String {
    let mut summary = operation.to_owned();
    for name in names {
        if summary.len() > LONGEST_SUMMARY {
            break;
        }
        summary.push(' ');
        summary.push_str(name);
    }
    summary
}

/// The text of a statement with `?` in the place of each literal, without comments; `None` when it can't be told where its literals end.
///
/// Literals are strings, blobs, numbers, and the words of booleans. Names stay, quoted ones too.
pub(crate) fn sanitised(sql: &str) -> Option<String> {
    let mut shown = String::with_capacity(sql.len().min(LONGEST));
    for token in tokens(sql) {
        if token.apart && !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(match token.kind {
            Kind::Illegal => return None,
            Kind::Literal => "?",
            // In Tcl's form anything may stand in the brackets.
            Kind::Parameter if token.text.contains('(') => "?",
            Kind::Word if token.is("TRUE") || token.is("FALSE") => "?",
            Kind::Word | Kind::Quoted | Kind::Parameter | Kind::Symbol => token.text,
        });
        if shown.len() > LONGEST {
            shown.truncate(shown.floor_char_boundary(LONGEST));
            shown.push_str(" ..");
            break;
        }
    }
    Some(shown)
}

#[cfg(test)]
mod tests;
