//! What can be told from the tokens alone, before anything is parsed: size, nesting, names that are called.
//!
//! The deny-list works on this level on purpose. A name followed by `(` is a call wherever it stands, so no node kind of the
//! grammar can hide one. The tokens are those that the parser sees; where PostgreSQL would see others, the text is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind};
use squawk_syntax::unescape::{escape_unicode_esc_str, uescape_char};

use super::{Name, Refusal};

/// The longest statement. A list of some 30,000 numbers fits; parsing it takes below 0.1 s.
const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting of brackets. PostgreSQL itself gives up at some thousands, people at a dozen.
const MAX_BRACKETS: usize = 200;

/// The most words and operator characters. Each may deepen the tree by one level (`NOT NOT NOT ..`, `1 + 1 + 1 ..`), so this bounds
/// the stack that parsing needs, and the time of the parser's steps that are quadratic in depth. Literals do not count.
const MAX_WEIGHT: usize = 8_000;

/// A statement's tokens, looked through.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lexed<'a> {
    /// From the first token to the last, without comments around it and `;` behind it.
    pub(super) text: &'a str,
    /// Where `text` begins in the whole.
    pub(super) start: usize,
    /// Each name that may be a call's, with its place in bytes: it stands in front of `(`, or behind a dot, since `(x).f` calls `f(x)`
    /// when `x` has no such column. Keywords, columns and column lists are among them.
    pub(super) calls: Vec<(Name, usize)>,
    /// Each name in front of a dot and not behind one: schemas, tables and aliases.
    pub(super) qualifiers: BTreeSet<String>,
    /// The highest `$n`.
    pub(super) parameters: u32,
    /// A bound of the depth of the tree.
    pub(super) weight: usize,
}

/// A token, with names read.
enum Item {
    Name(String),
    Other(TokenKind),
}

/// Reads the tokens of `sql`.
pub(super) fn scan(sql: &str) -> Result<Lexed<'_>, Refusal> {
    if sql.len() > MAX_BYTES {
        return Err(Refusal::too_long(sql.len(), MAX_BYTES));
    }
    if let Some(at) = sql.find('\0') {
        return Err(Refusal::syntax("a NUL character", sql, at));
    }
    let tokens = tokens(sql);
    let weight = weigh(sql, &tokens)?;
    check_continued_strings(sql, &tokens)?;
    let items = items(sql, &tokens)?;
    let ends_with_semicolon =
        |(item, _): &&(Item, Range<usize>)| matches!(item, Item::Other(TokenKind::Semi));
    let last = items.iter().rev().find(|item| !ends_with_semicolon(item));
    let (Some((_, first)), Some((_, last))) = (items.first(), last) else {
        return Err(Refusal::empty());
    };
    Ok(Lexed {
        text: &sql[first.start..last.end],
        start: first.start,
        calls: calls(&items),
        qualifiers: qualifiers(&items),
        parameters: parameters(sql, &tokens),
        weight,
    })
}

/// The tokens that are neither space nor comment.
pub(super) fn tokens(sql: &str) -> Vec<(TokenKind, Range<usize>)> {
    let mut start = 0;
    squawk_lexer::tokenize(sql)
        .map(|token| {
            let range = start..start + token.len as usize;
            start = range.end;
            (token.kind, range)
        })
        .filter(|(kind, _)| {
            !matches!(
                kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. }
            )
        })
        .collect()
}

fn weigh(sql: &str, tokens: &[(TokenKind, Range<usize>)]) -> Result<usize, Refusal> {
    let (mut brackets, mut deepest, mut weight) = (0_usize, 0, 0);
    for (kind, range) in tokens {
        match kind {
            TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenCurly => {
                brackets += 1;
                deepest = deepest.max(brackets);
            }
            TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseCurly => {
                brackets = brackets.saturating_sub(1);
            }
            TokenKind::Literal { .. }
            | TokenKind::Comma
            | TokenKind::Semi
            | TokenKind::PositionalParam { .. }
            | TokenKind::QuotedIdent { .. } => {}
            TokenKind::Ident if is_literal_word(&sql[range.clone()]) => {}
            _ => weight += 1,
        }
    }
    if deepest > MAX_BRACKETS || weight > MAX_WEIGHT {
        return Err(Refusal::too_complex());
    }
    Ok(deepest + weight)
}

/// Words that stand where a literal stands, of which a long list of values is full.
fn is_literal_word(word: &str) -> bool {
    ["null", "true", "false", "default"]
        .iter()
        .any(|literal| word.eq_ignore_ascii_case(literal))
}

/// Refuses `E'..' '\..'`: PostgreSQL reads the second part with escapes because the first has them, the parser does not, so the two
/// would disagree about where the string ends.
pub(super) fn check_continued_strings(
    sql: &str,
    tokens: &[(TokenKind, Range<usize>)],
) -> Result<(), Refusal> {
    let mut escaped = false;
    for (kind, range) in tokens {
        match kind {
            TokenKind::Literal {
                kind: LiteralKind::EscStr { .. },
            } => escaped = true,
            TokenKind::Literal {
                kind: LiteralKind::Str { .. },
            } if escaped => {
                if sql[range.clone()].contains('\\') {
                    let message = "an E'..' string that goes on in a second part with backslashes; write it as one string";
                    return Err(Refusal::syntax(message, sql, range.start));
                }
            }
            _ => escaped = false,
        }
    }
    Ok(())
}

/// The tokens with each name, quoted or escaped in whatever way, in its canonical form.
fn items(sql: &str, tokens: &[(TokenKind, Range<usize>)]) -> Result<Vec<(Item, Range<usize>)>, Refusal> {
    let mut items = Vec::with_capacity(tokens.len());
    let mut rest = tokens.iter().peekable();
    while let Some((kind, range)) = rest.next() {
        let text = &sql[range.clone()];
        let item = match kind {
            TokenKind::Ident => Item::Name(text.to_ascii_lowercase()),
            TokenKind::QuotedIdent {
                terminated: true,
                uescape: false,
            } => Item::Name(text[1..text.len() - 1].replace("\"\"", "\"")),
            TokenKind::QuotedIdent {
                terminated: true,
                uescape: true,
            } => {
                let is_uescape = |(kind, range): &&(TokenKind, Range<usize>)| {
                    *kind == TokenKind::Ident && sql[range.clone()].eq_ignore_ascii_case("uescape")
                };
                let mut escape = '\\';
                if rest.next_if(|token| is_uescape(token)).is_some() {
                    // Anything but '!' in plain quotes: PostgreSQL may know what it means, nobody needs it.
                    escape = rest
                        .next()
                        .and_then(|(_, range)| uescape_char(&sql[range.clone()]))
                        .ok_or_else(|| Refusal::syntax("an invalid UESCAPE", sql, range.start))?;
                }
                let name = unescape(&text[3..text.len() - 1], escape)
                    .ok_or_else(|| Refusal::syntax("an invalid Unicode escape", sql, range.start))?;
                Item::Name(name)
            }
            kind => Item::Other(*kind),
        };
        items.push((item, range.clone()));
    }
    Ok(items)
}

/// The name that `U&"inner"` stands for.
pub(super) fn unescape(inner: &str, escape: char) -> Option<String> {
    let mut name = Some(String::with_capacity(inner.len()));
    escape_unicode_esc_str(&inner.replace("\"\"", "\""), escape, |_, character| {
        match (character, name.as_mut()) {
            (Ok(character), Some(name)) => name.push(character),
            _ => name = None,
        }
    });
    name
}

fn calls(items: &[(Item, Range<usize>)]) -> Vec<(Name, usize)> {
    let mut calls = Vec::new();
    for (index, (item, range)) in items.iter().enumerate() {
        let Item::Name(name) = item else { continue };
        let qualified = is(items, index.checked_sub(1), TokenKind::Dot);
        let schema = if is(items, Some(index + 1), TokenKind::OpenParen) {
            match index.checked_sub(2).map(|schema| &items[schema]) {
                Some((Item::Name(schema), _)) if qualified => Some(schema.clone()),
                _ => None,
            }
        } else if qualified {
            // In attribute notation what stands in front of the dot is the argument.
            None
        } else {
            continue;
        };
        let name = name.clone();
        calls.push((Name { schema, name }, range.start));
    }
    calls
}

fn qualifiers(items: &[(Item, Range<usize>)]) -> BTreeSet<String> {
    let names = items
        .iter()
        .enumerate()
        .filter_map(|(index, (item, _))| match item {
            Item::Name(name) => Some((index, name)),
            Item::Other(_) => None,
        });
    names
        .filter(|(index, _)| is(items, Some(index + 1), TokenKind::Dot))
        .filter(|(index, _)| !is(items, index.checked_sub(1), TokenKind::Dot))
        .map(|(_, name)| name.clone())
        .collect()
}

fn is(items: &[(Item, Range<usize>)], index: Option<usize>, wanted: TokenKind) -> bool {
    let item = index.and_then(|index| items.get(index));
    matches!(item, Some((Item::Other(kind), _)) if *kind == wanted)
}

fn parameters(sql: &str, tokens: &[(TokenKind, Range<usize>)]) -> u32 {
    tokens
        .iter()
        .filter(|(kind, _)| matches!(kind, TokenKind::PositionalParam { .. }))
        .filter_map(|(_, range)| sql[range.start + 1..range.end].parse().ok())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(sql: &str) -> Vec<String> {
        let lexed = scan(sql).expect("is read");
        lexed
            .calls
            .into_iter()
            .map(|(name, _)| name.to_string())
            .collect()
    }

    #[test]
    fn names_are_canonical_however_they_are_written() {
        for sql in [
            "select pg_read_file('x')",
            "select PG_Read_File ('x')",
            "select \"pg_read_file\"('x')",
            "select pg_read_file/**/\n--\r('x')",
            "select U&\"pg_re\\0061d_file\"('x')",
            "select u&\"pg_re\\+000061d_file\" ('x')",
            "select U&\"pg_re!0061d_file\" UESCAPE '!' ('x')",
            "select U&\"pg_re!0061d_file\" /* */ uescape -- \n '!' ('x')",
        ] {
            assert_eq!(called(sql), ["pg_read_file"], "{sql}");
        }
        assert_eq!(
            called("select U&\"pg!005fcatalog\" uescape '!' . \"F\"\"\"(1)"),
            ["pg_catalog.F\""]
        );
    }

    #[test]
    fn attribute_notation_is_a_call() {
        assert_eq!(
            called("select a, ('x').pg_read_file, a.b.c, d"),
            ["pg_read_file", "b", "c"]
        );
        let lexed = scan("select a.b.c, \"D\".e, (f).g, h(1).i").expect("is read");
        assert_eq!(lexed.qualifiers.into_iter().collect::<Vec<_>>(), ["D", "a"]);
    }

    #[test]
    fn the_text_has_neither_comments_around_it_nor_a_semicolon() {
        let lexed = scan(" -- a\n /* b */ select /* c */ $2, $1 ; -- d").expect("is read");
        assert_eq!(
            (lexed.text, lexed.start, lexed.parameters),
            ("select /* c */ $2, $1", 15, 2)
        );
    }
}
