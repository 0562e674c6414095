//! The tables that a statement names.
//!
//! Good enough for advice ("did you mean"), not for walls: what a statement may touch is decided by the names in front of dots.

use indexmap::IndexSet;

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

/// Functions in whose brackets `FROM` stands in front of no table.
const WITH_FROM: &[&str] = &["extract", "mid", "substr", "substring", "trim"];

/// The tables that `lexed` names where tables stand, the names of its own `WITH` left out.
pub(super) fn of(lexed: &Lexed<'_>, kind: Kind) -> IndexSet<Name> {
    let mut found = IndexSet::new();
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
    // The brackets of such functions that are open.
    let mut calls = Vec::new();
    let mut expected = false;
    let mut at = 0;
    while let Some(token) = lexed.get(at) {
        let is_argument = calls.last() == Some(&levels.len());
        let opens = token.is_one_of(&["from", "join", "straight_join"]) && !is_argument
            || table_statement(lexed, at) && (kind == Kind::Show || !is_defined(lexed, at));
        let stands_for_a_table = expected && !token.is_one_of(ENDS) && !token.is_one_of(&["lateral", "oj"]);
        let table = stands_for_a_table.then(|| name(lexed, at)).flatten();
        expected = match token.kind {
            Lexeme::Sign('(' | '{') => {
                levels.push(expected);
                let before = at.checked_sub(1).and_then(|before| lexed.get(before));
                if before.is_some_and(|before| before.is_one_of(WITH_FROM)) {
                    calls.push(levels.len());
                }
                expected
            }
            Lexeme::Sign(')' | '}') => {
                calls.pop_if(|call| *call == levels.len());
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
        found.shift_remove(&Name {
            database: None,
            name: query,
        });
    }
    found
}

/// The tables whose rows the `INSERT`, `REPLACE`, `UPDATE` or `DELETE` at `main` changes. Those that it only joins with may be among them.
pub(super) fn targets(lexed: &Lexed<'_>, main: usize) -> IndexSet<Name> {
    const MODIFIERS: &[&str] = &[
        "low_priority",
        "high_priority",
        "delayed",
        "quick",
        "ignore",
        "into",
    ];
    let Some(verb) = lexed.get(main) else {
        return IndexSet::new();
    };
    let several = verb.is_one_of(&["update", "delete"]);
    if !several && !verb.is_one_of(&["insert", "replace"]) {
        return IndexSet::new();
    }
    let mut found = IndexSet::new();
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

/// What a definition makes, changes or drops, or what is emptied or called: the names behind the kind of object, of an index its table.
pub(super) fn defined(lexed: &Lexed<'_>, main: usize) -> IndexSet<Name> {
    const OBJECTS: &[&str] = &[
        "table",
        "tables",
        "view",
        "procedure",
        "function",
        "trigger",
        "event",
        "sequence",
        "package",
        "index",
    ];
    let mut found = IndexSet::new();
    let Some(verb) = lexed.get(main) else {
        return found;
    };
    let object = (main + 1..lexed.tokens.len())
        .take_while(|at| !lexed.is_sign(*at, '('))
        .find(|at| lexed.get(*at).is_some_and(|token| token.is_one_of(OBJECTS)));
    let mut at = match object {
        Some(at) if lexed.are(at, &["index"]) => {
            let on = (at..lexed.tokens.len()).find(|at| lexed.are(*at, &["on"]));
            on.unwrap_or(lexed.tokens.len())
        }
        Some(at) if !verb.is("call") => at,
        _ if verb.is_one_of(&["call", "truncate"]) => main,
        _ => return found,
    } + 1;
    let is_definition = verb.is_one_of(&[
        "create", "alter", "drop", "rename", "truncate", "call", "analyze", "optimize", "check", "checksum",
        "repair",
    ]);
    if !is_definition {
        return found;
    }
    while lexed
        .get(at)
        .is_some_and(|token| token.is_one_of(&["if", "not", "exists", "body"]))
    {
        at += 1;
    }
    while let Some((name, behind)) = name(lexed, at) {
        found.insert(name);
        // Of those that take several: `DROP TABLE a, b`, `RENAME TABLE a TO b`.
        let goes_on = lexed.is_sign(behind, ',') || verb.is("rename") && lexed.are(behind, &["to"]);
        if !goes_on {
            break;
        }
        at = behind + 1;
    }
    found
}

/// `TABLE t`, and not `SHOW TABLE STATUS`.
fn table_statement(lexed: &Lexed<'_>, at: usize) -> bool {
    lexed.are(at, &["table"]) && !lexed.are(at + 1, &["status"])
        || lexed.are(at, &["view"]) && at > 0 && lexed.are(at - 1, &["create"])
}

/// Whether the kind of object at `at` belongs to a statement that makes, changes or drops one.
fn is_defined(lexed: &Lexed<'_>, at: usize) -> bool {
    const BEFORE: &[&str] = &[
        "alter",
        "analyze",
        "check",
        "checksum",
        "create",
        "drop",
        "ignore",
        "local",
        "online",
        "optimize",
        "rename",
        "repair",
        "replace",
        "temporary",
        "truncate",
    ];
    let before = at.checked_sub(1).and_then(|before| lexed.get(before));
    before.is_some_and(|before| before.is_one_of(BEFORE))
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
