//! What a statement of a write destroys, and whether it is bound to a part of the graph.

use std::collections::BTreeSet;

use super::clauses::Statement;
use super::lexer::{Kind, Token};
use super::procedures::{self, Verdict};
use super::{Gist, Refusal};

/// How much of a statement a sentence about it shows.
const SHOWN: usize = 120;

/// Words that begin a clause of a query.
const CLAUSES: [&str; 18] = [
    "MATCH", "WITH", "UNWIND", "RETURN", "CALL", "FINISH", "UNION", "CREATE", "MERGE", "SET", "DELETE",
    "DETACH", "NODETACH", "REMOVE", "INSERT", "FOREACH", "DROP", "LIMIT",
];

/// Objects of a CREATE or DROP that belong to the system database.
const OF_THE_SERVER: [&str; 9] = [
    "ALIAS",
    "AUTH",
    "COMPOSITE",
    "DATABASE",
    "IMMUTABLE",
    "PRIVILEGE",
    "ROLE",
    "SERVER",
    "USER",
];

/// A statement of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// What it destroys, as a sentence, when that is much or can't be seen; such a statement wants a confirmation.
    pub effect: Option<String>,
    /// What the trace shows of it.
    pub gist: Gist,
}

/// Looks at the clauses of a write.
pub(super) fn inspect(statement: &Statement<'_>) -> Result<Write, Refusal> {
    check_objects(statement)?;
    let text = shortened(statement.text().0);
    let mut unseen = false;
    for call in statement.calls() {
        match procedures::procedure(&call.name) {
            Verdict::Refused(does) => return Err(statement.refused(&call, does)),
            // What the server's own procedures write stands in their arguments.
            Verdict::Writes => unseen |= !call.name.to_lowercase().starts_with("db."),
            Verdict::Reads => unseen |= call.name.to_lowercase().starts_with("apoc.nodes."),
        }
    }
    let effect = if unseen {
        Some(format!(
            "`{text}` calls a procedure whose effects can't be seen beforehand."
        ))
    } else {
        destroys(statement).map(|what| format!("`{text}` {what}."))
    };
    let gist = statement.gist();
    Ok(Write { effect, gist })
}

/// Refuses commands on the system database. They act on the whole server, and passwords stand in them.
fn check_objects(statement: &Statement<'_>) -> Result<(), Refusal> {
    let [first, rest @ ..] = statement.tokens() else {
        return Ok(());
    };
    if !first.is_one_of(&["CREATE", "DROP"]) {
        return Ok(());
    }
    let mut words = rest.iter().filter(|token| !token.is_one_of(&["OR", "REPLACE"]));
    match words.next().filter(|word| word.is_one_of(&OF_THE_SERVER)) {
        Some(word) => {
            let command = format!("{} {}", first.text, word.text);
            Err(statement.refused_command(&command, first))
        }
        None => Ok(()),
    }
}

/// What a statement destroys, if it is much.
fn destroys(statement: &Statement<'_>) -> Option<&'static str> {
    let tokens = statement.tokens();
    if tokens.first()?.is_word("DROP") {
        let is_constraint = tokens.get(1).is_some_and(|token| token.is_word("CONSTRAINT"));
        return Some(if is_constraint {
            "removes the constraint, and the index that it owns"
        } else {
            "removes the index"
        });
    }
    let clauses = Clauses::of(statement);
    let has = |words: &[&str]| clauses.0.iter().any(|clause| clause.keyword().is_one_of(words));
    if clauses.are_limited() {
        return None;
    }
    if has(&["DELETE", "DETACH", "NODETACH"]) {
        return Some("deletes everything that its patterns match, without a condition");
    }
    if has(&["SET", "REMOVE"]) {
        return Some("changes everything that its patterns match, without a condition");
    }
    None
}

/// A statement's clauses, in order.
struct Clauses<'a>(Vec<Clause<'a>>);

/// The tokens from one clause's keyword to the next one's.
struct Clause<'a>(&'a [Token]);

impl<'a> Clauses<'a> {
    fn of(statement: &'a Statement<'_>) -> Self {
        let tokens = statement.tokens();
        let mut starts: Vec<usize> = (0..tokens.len())
            .filter(|index| statement.is_clause(*index, &CLAUSES))
            .collect();
        starts.push(tokens.len());
        let pairs = starts.windows(2);
        Self(pairs.map(|pair| Clause(&tokens[pair[0]..pair[1]])).collect())
    }

    /// Whether each pattern that is looked for has a condition, or hangs on what an earlier one found under a condition.
    fn are_limited(&self) -> bool {
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        self.0.iter().all(|clause| {
            let keyword = clause.keyword();
            if keyword.is_word("LIMIT") {
                return true;
            }
            if !keyword.is_one_of(&["MATCH", "MERGE"]) {
                // Whatever CREATE makes, WITH takes over and UNWIND goes through is not found by a pattern.
                bound.extend(clause.variables());
                return true;
            }
            let limited = clause.has_condition() || clause.variables().any(|name| bound.contains(name));
            bound.extend(clause.variables().filter(|_| limited));
            limited
        }) || self.0.iter().any(|clause| clause.keyword().is_word("LIMIT"))
    }
}

impl<'a> Clause<'a> {
    fn keyword(&self) -> &'a Token {
        &self.0[0]
    }

    /// Whether it has properties in a pattern, or a WHERE that looks at something: `WHERE true` and `WHERE 1 = 1` do not.
    fn has_condition(&self) -> bool {
        let condition = self.0.iter().position(|token| token.is_word("WHERE"));
        let looks = condition.is_some_and(|at| self.0[at + 1..].iter().any(is_variable));
        let mut pairs = self.0.windows(2);
        // Not the bounds of a repeated pattern: `{1,3}`.
        looks || pairs.any(|pair| pair[0].is('{') && pair[1].is_name())
    }

    /// Names that may be variables: not labels, types or properties.
    fn variables(&self) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.windows(2);
        pairs
            .filter(|pair| {
                ![':', '.', '$', '|', '&', '!']
                    .iter()
                    .any(|symbol| pair[0].is(*symbol))
            })
            .map(|pair| &pair[1])
            .filter(|token| is_variable(token))
            .map(|token| token.text.as_str())
    }
}

fn is_variable(token: &Token) -> bool {
    let words = [
        "AND", "AS", "DISTINCT", "FALSE", "IN", "INFINITY", "IS", "MATCH", "NAN", "NOT", "NULL", "ON", "OR",
        "TRUE", "WHERE", "WITH", "XOR",
    ];
    match token.kind {
        Kind::Word => !token.is_one_of(&words),
        kind => kind == Kind::Quoted,
    }
}

/// A statement in one line, cut to what a sentence can hold.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}
