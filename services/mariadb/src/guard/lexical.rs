//! What can be told from the tokens alone, for any statement: size, nesting, where it ends, what it calls and what it names.
//!
//! The deny-list of functions works on this level on purpose. A name followed by `(` is a call wherever it stands, so no clause can
//! hide one.

use std::collections::BTreeSet;

use super::lexer::{self, Kind, Token};
use super::{Refusal, builtins, functions};

/// The longest statement. A list of some 30,000 numbers fits.
const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting of brackets. The server's parser keeps a stack, people need a dozen.
const MAX_BRACKETS: usize = 200;

/// A statement's tokens, looked through.
#[derive(Debug)]
pub(super) struct Lexed<'a> {
    /// The whole that was given.
    pub(super) sql: &'a str,
    /// From the first token to the last, without comments around it and `;` behind it.
    pub(super) text: &'a str,
    /// Where `text` begins in the whole.
    pub(super) start: usize,
    /// At least one, and `;` neither first nor last.
    pub(super) tokens: Vec<Token<'a>>,
    /// How many `?` there are.
    pub(super) parameters: usize,
}

/// Reads the tokens of `sql`.
pub(super) fn scan(sql: &str) -> Result<Lexed<'_>, Refusal> {
    if sql.len() > MAX_BYTES {
        return Err(Refusal::too_long(sql.len(), MAX_BYTES));
    }
    let mut tokens = lexer::scan(sql)?;
    while tokens.pop_if(|token| token.is_sign(';')).is_some() {}
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Err(Refusal::empty());
    };
    let (start, end) = (first.start, last.end);
    check_brackets(sql, &tokens)?;
    let parameters = tokens.iter().filter(|token| token.kind == Kind::Parameter);
    Ok(Lexed {
        sql,
        text: &sql[start..end],
        start,
        parameters: parameters.count(),
        tokens,
    })
}

/// Refuses brackets that do not match, or are too many.
fn check_brackets(sql: &str, tokens: &[Token<'_>]) -> Result<(), Refusal> {
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Sign('(') => open.push(')'),
            Kind::Sign('{') => open.push('}'),
            Kind::Sign(sign @ (')' | '}')) if open.pop() != Some(sign) => {
                return Err(Refusal::syntax("a bracket that none opens", sql, token.start));
            }
            _ => {}
        }
        if open.len() > MAX_BRACKETS {
            return Err(Refusal::too_deep());
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(Refusal::syntax("a bracket that nothing closes", sql, sql.len()))
    }
}

impl<'a> Lexed<'a> {
    /// How many characters stand in front of `text`: positions in errors are to be moved by it.
    pub(super) fn offset(&self) -> usize {
        self.sql[..self.start].chars().count()
    }

    /// The token at a place, if there is one.
    pub(super) fn get(&self, index: usize) -> Option<&Token<'a>> {
        self.tokens.get(index)
    }

    /// Whether these keywords stand at a place.
    pub(super) fn are(&self, index: usize, keywords: &[&str]) -> bool {
        let mut keywords = keywords.iter().enumerate();
        keywords.all(|(more, keyword)| self.get(index + more).is_some_and(|token| token.is(keyword)))
    }

    /// Whether a sign stands at a place.
    pub(super) fn is_sign(&self, index: usize, sign: char) -> bool {
        self.get(index).is_some_and(|token| token.is_sign(sign))
    }

    /// The place behind the bracket that closes the one at `index`.
    pub(super) fn behind_brackets(&self, index: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(index) {
            match token.kind {
                Kind::Sign('(' | '{') => depth += 1,
                Kind::Sign(')' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }

    /// Refuses a second statement behind a `;`.
    pub(super) fn only_statement(&self) -> Result<(), Refusal> {
        let semicolon = self.tokens.iter().position(|token| token.is_sign(';'));
        match semicolon {
            Some(at) => Err(Refusal::several(
                self.sql,
                self.tokens[at..]
                    .iter()
                    .find(|token| !token.is_sign(';'))
                    .map_or(0, |token| token.start),
            )),
            None => Ok(()),
        }
    }

    /// Refuses calls of functions that may not be called.
    pub(super) fn check_calls(&self, is_write: bool) -> Result<(), Refusal> {
        for (index, token) in self.tokens.iter().enumerate() {
            let Some(name) = token.name().filter(|_| self.is_sign(index + 1, '(')) else {
                continue;
            };
            let denied = functions::denied(name).filter(|group| !is_write || !group.in_writes);
            if let Some(group) = denied {
                return Err(Refusal::function(name, group.does, self.sql, token.start));
            }
            let sets = functions::may_be(name, functions::LAST_INSERT_ID) && !self.is_sign(index + 2, ')');
            if sets && !is_write {
                let does = "sets the value that it gives later when it has an argument";
                return Err(Refusal::function(name, does, self.sql, token.start));
            }
        }
        Ok(())
    }

    /// Whether it calls what is no function of the server's own, as far as names tell.
    pub(super) fn calls_foreign_code(&self) -> bool {
        self.tokens.iter().enumerate().any(|(index, token)| {
            let Some(name) = token.name().filter(|_| self.is_sign(index + 1, '(')) else {
                return false;
            };
            let qualified = index
                .checked_sub(1)
                .is_some_and(|before| self.is_sign(before, '.'));
            // The columns of a query of a WITH, `a (b) AS (`, and those behind an alias, `AS a (b)`.
            let behind = self.behind_brackets(index + 1);
            let are_columns = self.are(behind, &["as"]) && self.is_sign(behind + 1, '(')
                || index
                    .checked_sub(1)
                    .is_some_and(|before| self.are(before, &["as"]));
            (qualified || !builtins::is_builtin(name)) && !are_columns
        })
    }

    /// Each name in front of a dot and not behind one: databases, tables and aliases.
    pub(super) fn qualifiers(&self) -> BTreeSet<String> {
        let names = self.tokens.iter().enumerate();
        names
            .filter(|(index, _)| self.is_sign(index + 1, '.'))
            .filter(|(index, _)| {
                index
                    .checked_sub(1)
                    .is_none_or(|before| !self.is_sign(before, '.'))
            })
            .filter_map(|(_, token)| token.name().map(str::to_owned))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_neither_comments_around_it_nor_a_semicolon() {
        let lexed = scan(" -- a\n /* ä */ select /* c */ ?, ? ; -- d\n;").expect("is read");
        assert_eq!(
            (lexed.text, lexed.offset(), lexed.parameters),
            ("select /* c */ ?, ?", 15, 2)
        );
        assert!(lexed.only_statement().is_ok());
        let several = scan("select 1;; select 2").expect("is read").only_statement();
        assert_eq!(several.expect_err("two").position, Some(12));
    }

    #[test]
    fn qualifiers_are_the_first_of_dotted_names() {
        let lexed = scan("select a.b.c, `D` . e, @f.g, f(1), 'h'.i, .j, k.* from l").expect("is read");
        assert_eq!(
            lexed.qualifiers().into_iter().collect::<Vec<_>>(),
            ["D", "a", "k"]
        );
    }

    #[test]
    fn brackets_must_match() {
        for sql in ["(", ")", "(}", "{d '1')", &"(".repeat(300)] {
            assert!(scan(sql).is_err(), "{sql}");
        }
        assert!(scan(&format!("{}1{}", "(".repeat(200), ")".repeat(200))).is_ok());
    }
}
