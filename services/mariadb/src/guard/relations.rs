//! The tables that a statement names.
//!
//! Good enough for advice ("did you mean"), not for walls: what a statement may touch is decided by the names in front of dots.

use std::collections::BTreeSet;

use super::lexer::Kind as Lexeme;
use super::lexical::Lexed;
use super::{Kind, Name};

/// Words that end a list of tables, or stand where a table could.
const ENDS: &[&str] = &[
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "union",
    "except",
    "intersect",
    "select",
    "with",
    "values",
    "set",
    "into",
    "on",
    "using",
    "offset",
    "fetch",
    "returning",
];

/// The tables that `lexed` names where tables stand, the names of its own `WITH` left out.
pub(super) fn of(lexed: &Lexed<'_>, kind: Kind) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    if kind == Kind::Describe {
        let table = lexed
            .tokens
            .iter()
            .skip(1)
            .position(|token| token.name().is_some());
        found.extend(table.and_then(|at| name(lexed, at + 1)).map(|(name, _)| name));
        return found;
    }
    // For each open bracket, whether a comma is followed by a table.
    let mut levels = vec![false];
    let mut expected = false;
    let mut at = 0;
    while let Some(token) = lexed.get(at) {
        let opens = token.is_one_of(&["from", "join", "straight_join"]) || table_statement(lexed, at);
        let stands_for_a_table = expected && !token.is_one_of(ENDS) && !token.is_one_of(&["lateral", "oj"]);
        let table = stands_for_a_table.then(|| name(lexed, at)).flatten();
        expected = match token.kind {
            Lexeme::Sign('(' | '{') => {
                levels.push(expected);
                expected
            }
            Lexeme::Sign(')' | '}') => {
                levels.pop();
                false
            }
            Lexeme::Sign(',') => levels.last().is_some_and(|tables| *tables),
            _ if opens => {
                if let Some(level) = levels.last_mut() {
                    *level = true;
                }
                true
            }
            _ if token.is_one_of(ENDS) => {
                // A join's condition has an end of its own: `a join b on .., c`.
                if let Some(level) = levels.last_mut().filter(|_| !token.is_one_of(&["on", "using"])) {
                    *level = false;
                }
                false
            }
            // `{ oj t left outer join u }`
            _ if token.is("oj") => expected,
            _ => false,
        };
        match table {
            Some((name, behind)) if !expected => {
                if !lexed.is_sign(behind, '(') {
                    found.insert(name);
                }
                at = behind;
            }
            _ => at += 1,
        }
    }
    for query in named_queries(lexed) {
        found.remove(&Name {
            database: None,
            name: query,
        });
    }
    found
}

/// The tables whose rows the `INSERT`, `REPLACE`, `UPDATE` or `DELETE` at `main` changes. Those that it only joins with may be among them.
pub(super) fn targets(lexed: &Lexed<'_>, main: usize) -> BTreeSet<Name> {
    const MODIFIERS: &[&str] = &[
        "low_priority",
        "high_priority",
        "delayed",
        "quick",
        "ignore",
        "into",
    ];
    let Some(verb) = lexed.get(main) else {
        return BTreeSet::new();
    };
    let several = verb.is_one_of(&["update", "delete"]);
    if !several && !verb.is_one_of(&["insert", "replace"]) {
        return BTreeSet::new();
    }
    let mut found = BTreeSet::new();
    let mut expected = true;
    let mut depth = 0_usize;
    let mut at = main + 1;
    while let Some(token) = lexed.get(at) {
        let ends = token.is_one_of(&["set", "where", "order", "limit", "returning", "values", "select"]);
        match token.kind {
            Lexeme::Sign('(') => depth += 1,
            Lexeme::Sign(')') => depth = depth.saturating_sub(1),
            Lexeme::Sign(',') => expected = depth == 0,
            _ if ends && depth == 0 => break,
            // USING with a bracket is a condition.
            _ if token.is("using") => expected = !lexed.is_sign(at + 1, '('),
            _ if token.is_one_of(&["from", "join", "straight_join"]) => expected = true,
            _ if expected && !token.is_one_of(MODIFIERS) => {
                let Some((name, behind)) = name(lexed, at) else {
                    break;
                };
                found.insert(name);
                if !several {
                    break;
                }
                expected = false;
                at = behind;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// `TABLE t`, and not `SHOW TABLE STATUS`.
fn table_statement(lexed: &Lexed<'_>, at: usize) -> bool {
    lexed.are(at, &["table"]) && !lexed.are(at + 1, &["status"])
        || lexed.are(at, &["view"]) && at > 0 && lexed.are(at - 1, &["create"])
}

/// The dotted name that begins here, and the place behind it.
fn name(lexed: &Lexed<'_>, at: usize) -> Option<(Name, usize)> {
    let first = lexed.get(at)?.name()?.to_owned();
    let second = lexed.is_sign(at + 1, '.').then(|| lexed.get(at + 2)?.name());
    let found = |database, name| Name { database, name };
    Some(if let Some(second) = second.flatten() {
        (found(Some(first), second.to_owned()), at + 3)
    } else {
        (found(None, first), at + 1)
    })
}

/// The names of the queries of a `WITH`, wherever it stands: `a AS (`, `a (b) AS (`.
fn named_queries<'a>(lexed: &'a Lexed<'_>) -> impl Iterator<Item = String> + 'a {
    let starts = lexed
        .tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.is("as"));
    starts.filter_map(|(at, _)| {
        if !lexed.is_sign(at + 1, '(') {
            return None;
        }
        let before = at.checked_sub(1)?;
        let named = if lexed.is_sign(before, ')') {
            let opened = (0..before)
                .rev()
                .find(|open| lexed.is_sign(*open, '(') && lexed.behind_brackets(*open) == at)?;
            opened.checked_sub(1)?
        } else {
            before
        };
        lexed.get(named)?.name().map(str::to_owned)
    })
}
