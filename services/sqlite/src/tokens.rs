//! The tokens of SQL as SQLite's own tokenizer (`tokenize.c`) cuts them, as far as it matters what is a literal and what is a name.
//!
//! Nothing is admitted or refused by it: SQLite compiles the statement itself. It serves what traces show ([`summary`](crate::summary)).

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word: a keyword or a name.
    Word,
    /// A name in `".."`, `[..]` or backticks.
    Quoted,
    /// A string, a blob or a number.
    Literal,
    /// `?`, `?1`, `:name`, `@name`, `$name`.
    Parameter,
    /// An operator or a bracket.
    Symbol,
    /// What SQLite takes for no token: something without an end, or a character that it does not know.
    Illegal,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// As it is written.
    pub(crate) text: &'a str,
    /// Whether space or a comment stands in front of it.
    pub(crate) apart: bool,
}

impl Token<'_> {
    /// Whether it is this keyword.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this symbol.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// The tokens of a text, without space and comments.
pub(crate) fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let mut apart = false;
        loop {
            let (kind, length) = first(rest.as_bytes())?;
            // Each token ends where a character does: all that ends one is ASCII, or the end.
            let (text, behind) = rest.split_at(rest.ceil_char_boundary(length));
            rest = behind;
            match kind {
                None => apart = true,
                Some(kind) => return Some(Token { kind, text, apart }),
            }
        }
    })
}

/// The first token of a text, and its length in bytes; its kind is none for space and comments.
fn first(text: &[u8]) -> Option<(Option<Kind>, usize)> {
    let at = |index: usize| text.get(index).copied().unwrap_or_default();
    let begin = *text.first()?;
    let (kind, length) = match begin {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0c => (None, run(text, 1, is_space)),
        0xef if at(1) == 0xbb && at(2) == 0xbf => (None, 3),
        b'-' if at(1) == b'-' => (None, run(text, 2, |byte| byte != b'\n')),
        b'/' if at(1) == b'*' && text.len() > 2 => (None, comment(text)),
        b'\'' => ended(text, quoted(text, b'\''), Kind::Literal),
        b'"' | b'`' => ended(text, quoted(text, begin), Kind::Quoted),
        b'[' => {
            let end = text.iter().position(|byte| *byte == b']').map(|end| end + 1);
            ended(text, end, Kind::Quoted)
        }
        b'x' | b'X' if at(1) == b'\'' => blob(text),
        b'0'..=b'9' => number(text),
        b'.' if at(1).is_ascii_digit() => number(text),
        b'?' => (Some(Kind::Parameter), run(text, 1, |byte| byte.is_ascii_digit())),
        b'$' | b'@' | b':' | b'#' => parameter(text),
        _ if is_name(begin) => (Some(Kind::Word), run(text, 1, is_name)),
        b'-' if at(1) == b'>' => (Some(Kind::Symbol), if at(2) == b'>' { 3 } else { 2 }),
        b'=' | b'!' | b'<' | b'>' if at(1) == b'=' => (Some(Kind::Symbol), 2),
        b'<' if at(1) == b'>' => (Some(Kind::Symbol), 2),
        b'<' | b'>' | b'|' if at(1) == begin => (Some(Kind::Symbol), 2),
        b'(' | b')' | b',' | b';' | b'.' | b'*' | b'/' | b'%' | b'+' | b'-' | b'=' | b'<' | b'>' | b'&'
        | b'|' | b'~' => (Some(Kind::Symbol), 1),
        _ => (Some(Kind::Illegal), 1),
    };
    Some((kind, length))
}

/// Where the bytes end that `is_part` holds for, from `start`.
fn run(text: &[u8], start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let more = text[start..].iter().position(|byte| !is_part(*byte));
    more.map_or(text.len(), |more| start + more)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// The end of a comment. One that does not end goes to the end of the text; comments do not nest.
fn comment(text: &[u8]) -> usize {
    let end = text[2..].windows(2).position(|pair| pair == b"*/");
    end.map_or(text.len(), |end| end + 4)
}

/// The end of what the first byte opens and the same byte closes, where two of them stand for one.
fn quoted(text: &[u8], quote: u8) -> Option<usize> {
    let mut index = 1;
    loop {
        index = run(text, index, |byte| byte != quote);
        match text.get(index..) {
            None | Some([]) => return None,
            Some([_, next, ..]) if *next == quote => index += 2,
            Some(_) => return Some(index + 1),
        }
    }
}

/// A token that must have an end; without, it is the rest of the text.
fn ended(text: &[u8], end: Option<usize>, kind: Kind) -> (Option<Kind>, usize) {
    match end {
        Some(end) => (Some(kind), end),
        None => (Some(Kind::Illegal), text.len()),
    }
}

fn blob(text: &[u8]) -> (Option<Kind>, usize) {
    let digits = run(text, 2, |byte| byte.is_ascii_hexdigit());
    let end = run(text, digits, |byte| byte != b'\'');
    let is_whole = digits == end && end < text.len() && end.is_multiple_of(2);
    let kind = if is_whole { Kind::Literal } else { Kind::Illegal };
    (Some(kind), (end + 1).min(text.len()))
}

fn number(text: &[u8]) -> (Option<Kind>, usize) {
    let at = |index: usize| text.get(index).copied().unwrap_or_default();
    // What may stand in a number is taken for a part of it: where it can't, SQLite takes the whole for no token.
    let is_part = |byte: u8| is_name(byte);
    let is_hexadecimal = at(0) == b'0' && matches!(at(1), b'x' | b'X');
    let mut end = run(text, 0, is_part);
    if !is_hexadecimal {
        if at(end) == b'.' {
            end = run(text, end + 1, is_part);
        }
        let has_exponent = matches!(at(end - 1), b'e' | b'E')
            && matches!(at(end), b'+' | b'-')
            && at(end + 1).is_ascii_digit();
        if has_exponent {
            end = run(text, end + 1, is_part);
        }
    }
    (Some(Kind::Literal), end)
}

fn parameter(text: &[u8]) -> (Option<Kind>, usize) {
    let mut index = 1;
    let mut is_named = false;
    loop {
        let end = run(text, index, is_name);
        is_named |= end > index;
        index = end;
        match text.get(index..) {
            // As Tcl names them.
            Some([b':', b':', ..]) => index += 2,
            Some([b'(', ..]) if is_named => {
                let end = run(text, index, |byte| byte != b')' && !is_space(byte));
                return if text.get(end) == Some(&b')') {
                    (Some(Kind::Parameter), end + 1)
                } else {
                    (Some(Kind::Illegal), end)
                };
            }
            _ if is_named => return (Some(Kind::Parameter), index),
            _ => return (Some(Kind::Illegal), index),
        }
    }
}

#[cfg(test)]
mod tests;
