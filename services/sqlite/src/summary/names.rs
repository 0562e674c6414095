//! The tables that a statement names.

use crate::tokens::{Kind, Token, tokens};

/// The most names that are looked for: a summary has no room for more.
const MOST: usize = 64;

/// Words that end the list of tables behind FROM.
const BEHIND_FROM: [&str; 13] = [
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "RETURNING",
    "SET",
    "SELECT",
    "VALUES",
];

/// Words that may stand between what announces a table and its name.
const IN_BETWEEN: [&str; 9] = [
    "IF", "NOT", "EXISTS", "OR", "ROLLBACK", "ABORT", "REPLACE", "FAIL", "IGNORE",
];

/// The tables that a statement names, in the order of its text, each once; the queries of a `WITH` and functions are left out. Other
/// things that it creates or drops are among them: an index, a view.
pub(crate) fn names(sql: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = tokens(sql)
        .take_while(|token| token.kind != Kind::Illegal)
        .collect();
    let mut names: Vec<String> = vec![];
    let mut reader = Reader {
        queries: queries(&tokens),
        tokens: &tokens,
        changes_schema: tokens
            .first()
            .is_some_and(|first| ["CREATE", "DROP", "ALTER"].iter().any(|word| first.is(word))),
        depth: 0,
        froms: vec![],
    };
    let mut index = 0;
    while index < tokens.len() && names.len() < MOST {
        let (name, next) = reader.read(index);
        if let Some(name) = name
            && !names.iter().any(|known| known.eq_ignore_ascii_case(&name))
        {
            names.push(name);
        }
        index = next;
    }
    names
}

/// What announces a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A table, or a function that makes rows.
    Source,
    /// A name, behind which a bracket has columns.
    Target,
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    /// The names that a `WITH` gives.
    queries: Vec<String>,
    changes_schema: bool,
    depth: usize,
    /// The depths of the lists behind FROM that have not ended.
    froms: Vec<usize>,
}

impl Reader<'_> {
    /// Reads a token and what belongs to it: the name, if there is one, and where to go on.
    fn read(&mut self, index: usize) -> (Option<String>, usize) {
        let token = &self.tokens[index];
        let expected = match token.kind {
            Kind::Symbol => self.symbol(index),
            Kind::Word => self.word(index),
            _ => None,
        };
        let Some(expected) = expected else {
            return (None, index + 1);
        };
        let mut at = index + 1;
        while self
            .tokens
            .get(at)
            .is_some_and(|token| IN_BETWEEN.iter().any(|word| token.is(word)))
        {
            at += 1;
        }
        let Some((name, end)) = self.name(at) else {
            return (None, index + 1);
        };
        let is_function =
            expected == Expected::Source && self.tokens.get(end).is_some_and(|token| token.is_symbol("("));
        let is_query = self.queries.contains(&name.to_ascii_lowercase());
        (Some(name).filter(|_| !is_function && !is_query), end)
    }

    fn symbol(&mut self, index: usize) -> Option<Expected> {
        let lists = self.froms.last() == Some(&self.depth);
        match self.tokens[index].text {
            "(" => {
                self.depth += 1;
                // In the place of a table: either a query, which has a FROM of its own, or tables in brackets.
                let before = index.checked_sub(1).map(|before| &self.tokens[before]);
                let instead = lists
                    && before.is_some_and(|before| {
                        before.is("FROM")
                            || before.is("JOIN")
                            || before.is_symbol(",")
                            || before.is_symbol("(")
                    });
                if instead {
                    self.froms.push(self.depth);
                }
                instead.then_some(Expected::Source)
            }
            ")" => {
                self.depth = self.depth.saturating_sub(1);
                self.froms.retain(|from| *from <= self.depth);
                None
            }
            "," => lists.then_some(Expected::Source),
            ";" => {
                // A trigger has several statements.
                self.froms.clear();
                None
            }
            _ => None,
        }
    }

    fn word(&mut self, index: usize) -> Option<Expected> {
        let token = &self.tokens[index];
        let before = |word: &str| {
            index
                .checked_sub(1)
                .is_some_and(|before| self.tokens[before].is(word))
        };
        let is = |words: &[&str]| words.iter().any(|word| token.is(word));
        // `a IS DISTINCT FROM b`.
        if token.is("FROM") && !before("DISTINCT") {
            self.froms.push(self.depth);
            return Some(Expected::Source);
        }
        if is(&BEHIND_FROM) {
            let depth = self.depth;
            self.froms.retain(|from| *from < depth);
            return None;
        }
        if token.is("JOIN") {
            return Some(Expected::Source);
        }
        let announces = is(&["INTO", "REFERENCES"])
            || token.is("UPDATE")
                && !["ON", "DO", "AFTER", "BEFORE", "OF"]
                    .iter()
                    .any(|word| before(word))
            || index == 0 && is(&["PRAGMA", "ANALYZE", "REINDEX"])
            || self.changes_schema && self.depth == 0 && is(&["TABLE", "INDEX", "VIEW", "TRIGGER", "ON"]);
        announces.then_some(Expected::Target)
    }

    /// The name that begins at a token, with its schema, and where it ends.
    fn name(&self, index: usize) -> Option<(String, usize)> {
        let first = written(self.tokens.get(index)?)?;
        let second = self.tokens.get(index + 1).filter(|token| token.is_symbol("."));
        match second.and_then(|_| written(self.tokens.get(index + 2)?)) {
            Some(second) => Some((format!("{first}.{second}"), index + 3)),
            None => Some((first, index + 1)),
        }
    }
}

/// The names that the text gives to queries: `WITH a AS (..), b (x) AS MATERIALIZED (..)`.
fn queries(tokens: &[Token<'_>]) -> Vec<String> {
    let announced = |index: usize| {
        let before = &tokens[index - 1];
        before.is("WITH") || before.is("RECURSIVE") || before.is_symbol(",")
    };
    let is_symbol =
        |index: usize, symbol: &str| tokens.get(index).is_some_and(|token| token.is_symbol(symbol));
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is(word));
    let mut queries = vec![];
    for index in (1..tokens.len()).filter(|index| announced(*index)) {
        let mut at = index + 1;
        if is_symbol(at, "(") {
            // Its columns: no brackets in between.
            at += tokens[at..]
                .iter()
                .position(|token| token.is_symbol(")"))
                .map_or(0, |end| end + 1);
        }
        if !is(at, "AS") {
            continue;
        }
        at += 1;
        while is(at, "NOT") || is(at, "MATERIALIZED") {
            at += 1;
        }
        if is_symbol(at, "(") {
            queries.extend(written(&tokens[index]).map(|name| name.to_ascii_lowercase()));
        }
    }
    queries
}

/// A name as it is shown: quoted where it has to be. `None` for what is no name: a query, a string.
fn written(token: &Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Word
            if ["SELECT", "VALUES", "WITH", "SET"]
                .iter()
                .any(|word| token.is(word)) =>
        {
            None
        }
        Kind::Word => Some(token.text.to_owned()),
        Kind::Quoted => {
            let inner = &token.text[1..token.text.len() - 1];
            let name = match token.text.as_bytes()[0] {
                b'"' => inner.replace("\"\"", "\""),
                b'`' => inner.replace("``", "`"),
                _ => inner.to_owned(),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
            let is_plain = name.chars().all(plain)
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty();
            Some(if is_plain {
                name
            } else {
                format!("\"{}\"", name.replace('"', "\"\""))
            })
        }
        _ => None,
    }
}
