//! Cypher's tokens, as Neo4j 5 sees them.
//!
//! Each rule was tried on a 5.26 server, since every difference would be a hole: escapes are resolved before anything else, so
//! `CRE\u0041TE` is a keyword and `'\u0027` a whole string; these 28 characters and no others are space; a line comment ends at a
//! carriage return too; comments do not nest.

use super::Refusal;

/// The longest statement. A list of some 30,000 numbers fits.
const MAX_BYTES: usize = 256 * 1024;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in backticks; its text is what stands between them.
    Quoted,
    /// A string; its text is left out.
    String,
    /// A number.
    Number,
    /// Any other character.
    Symbol(char),
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The text of a word, a name or a number, escapes resolved.
    pub(super) text: String,
    /// Where it begins and ends in the statement, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// Whether it is this symbol.
    pub(super) fn is(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// Whether it is this word, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is one of these words, in any case.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_word(word))
    }

    /// Whether it can be a name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

/// Reads the tokens of a statement, comments and space left out.
pub(super) fn tokens(cypher: &str) -> Result<Vec<Token>, Refusal> {
    if cypher.len() > MAX_BYTES {
        return Err(Refusal::too_long(cypher.len(), MAX_BYTES));
    }
    let mut lexer = Lexer {
        cypher,
        characters: resolve(cypher)?,
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

/// A character with its place in the statement, in bytes.
type Character = (char, usize);

/// Resolves `\uXXXX`, which Neo4j 5 does before it looks for tokens, wherever it stands. A doubled backslash begins none.
///
/// Later versions of the language resolve them inside strings only. What reads differently there is refused: an escape that stands
/// for punctuation, space or a control character, which could begin or end something.
fn resolve(cypher: &str) -> Result<Vec<Character>, Refusal> {
    let mut characters = Vec::with_capacity(cypher.len());
    let mut rest = cypher.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if character != '\\' {
            characters.push((character, at));
            continue;
        }
        match rest.peek().copied() {
            Some((next, '\\')) => {
                rest.next();
                characters.extend([('\\', at), ('\\', next)]);
            }
            Some((_, 'u')) => {
                let escape = cypher.get(at + 2..at + 6).unwrap_or_default();
                let digits = escape.bytes().all(|byte| byte.is_ascii_hexdigit());
                let Some(unit) = u16::from_str_radix(escape, 16)
                    .ok()
                    .filter(|_| digits && escape.len() == 4)
                else {
                    return Err(Refusal::syntax("\\u wants four hexadecimal digits", cypher, at));
                };
                // Half of a pair is no character of its own, and never begins or ends anything.
                let resolved = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
                if is_syntax(resolved) {
                    let message = "this escape stands for a character that has a meaning of its own: write the character itself, \
                                   or pass the text as a parameter";
                    return Err(Refusal::syntax(message, cypher, at));
                }
                characters.push((resolved, at));
                rest.nth(4);
            }
            _ => characters.push((character, at)),
        }
    }
    Ok(characters)
}

/// Whether a character may be part of the syntax rather than of a name or a text.
fn is_syntax(character: char) -> bool {
    character.is_ascii() && !character.is_ascii_alphanumeric()
        || is_space(character)
        || character.is_control()
}

/// What Neo4j 5 takes as space, found by trying all characters, and in addition what else Unicode calls so: at worst, a name
/// with such a character in it is read as two words.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}' | '\u{feff}' | '\u{180e}')
}

struct Lexer<'a> {
    cypher: &'a str,
    characters: Vec<Character>,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, Refusal> {
        self.skip()?;
        let Some(first) = self.peek(0) else {
            return Ok(None);
        };
        let start = self.place(self.at);
        let mut text = String::new();
        let kind = match first {
            '\'' | '"' => {
                self.string(first)?;
                Kind::String
            }
            '`' => {
                text = self.quoted()?;
                Kind::Quoted
            }
            '0'..='9' => {
                text = self.number()?;
                Kind::Number
            }
            _ if is_name_part(first) && first != '$' => {
                text = self.take_while(is_name_part);
                Kind::Word
            }
            // Not in any statement, and what one server skips another may not.
            _ if first.is_control() => {
                return Err(Refusal::syntax("a control character", self.cypher, start));
            }
            symbol => {
                self.at += 1;
                Kind::Symbol(symbol)
            }
        };
        Ok(Some(Token {
            kind,
            text,
            start,
            end: self.place(self.at),
        }))
    }

    /// Skips space and comments.
    fn skip(&mut self) -> Result<(), Refusal> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(character), _) if is_space(character) => self.at += 1,
                (Some('/'), Some('/')) => {
                    self.take_while(|character| !matches!(character, '\n' | '\r'));
                }
                (Some('/'), Some('*')) => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 2;
        while let Some(character) = self.peek(0) {
            if character == '*' && self.peek(1) == Some('/') {
                self.at += 2;
                return Ok(());
            }
            self.at += 1;
        }
        Err(self.unterminated("a comment without its */", start))
    }

    fn string(&mut self, quote: char) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 1;
        while let Some(character) = self.peek(0) {
            self.at += 1;
            match character {
                '\\' => self.at += 1,
                _ if character == quote => return Ok(()),
                _ => {}
            }
        }
        self.at = self.characters.len();
        Err(self.unterminated("a string without its closing quote", start))
    }

    /// A name in backticks, in which a backtick is doubled and a backslash is itself.
    fn quoted(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        while let Some(character) = self.peek(0) {
            self.at += 1;
            if character == '`' {
                if self.peek(0) != Some('`') {
                    return Ok(name);
                }
                self.at += 1;
            }
            name.push(character);
        }
        Err(self.unterminated("a name without its closing backtick", start))
    }

    /// A number. Letters right behind it are refused, as the server does: `1CALL` is no number and no keyword.
    fn number(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        let mut text = self.take_while(|character| character.is_ascii_alphanumeric() || character == '_');
        let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        let is_whole = is_decimal(&text);
        if is_whole && self.peek(0) == Some('.') && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
            text.push('.');
            text.push_str(
                &self.take_while(|character| character.is_ascii_alphanumeric() || character == '_'),
            );
        }
        let ends_with_exponent = text.ends_with(['e', 'E']) && !text.starts_with("0x");
        if ends_with_exponent && matches!(self.peek(0), Some('-' | '+')) {
            text.extend(self.peek(0));
            self.at += 1;
            text.push_str(
                &self.take_while(|character| character.is_ascii_alphanumeric() || character == '_'),
            );
        }
        if is_number(&text) && !self.peek(0).is_some_and(is_name_part) {
            return Ok(text);
        }
        Err(Refusal::syntax(
            "an invalid number",
            self.cypher,
            self.place(start),
        ))
    }

    fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> String {
        let rest = self.characters[self.at..].iter().map(|(character, _)| *character);
        let taken: String = rest.take_while(|character| is_wanted(*character)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters
            .get(self.at + ahead)
            .map(|(character, _)| *character)
    }

    fn place(&self, at: usize) -> usize {
        self.characters.get(at).map_or(self.cypher.len(), |(_, at)| *at)
    }

    fn unterminated(&self, what: &str, start: usize) -> Refusal {
        Refusal::syntax(what, self.cypher, self.place(start))
    }
}

/// Whether a character is part of a name without quotes. Those beyond ASCII that are neither letter nor space are left to the server.
fn is_name_part(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '$')
    } else {
        !is_space(character) && !is_dash_or_arrow(character)
    }
}

/// The dashes and arrow heads that Cypher takes in patterns in place of `-`, `<` and `>`.
fn is_dash_or_arrow(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2212}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
                | '\u{27e8}'
                | '\u{3008}'
                | '\u{fe64}'
                | '\u{ff1c}'
                | '\u{27e9}'
                | '\u{3009}'
                | '\u{fe65}'
                | '\u{ff1e}'
    )
}

/// Whether Cypher takes this as a number: `1`, `1_000`, `0x1F`, `0o17`, `1.5e-3`, `2.5d`.
fn is_number(text: &str) -> bool {
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|digits| digits.chars().all(|digit| digit == '_' || digit.is_digit(radix)))
    };
    if radix("0x", 16) || radix("0o", 8) {
        return true;
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole) && digits(fraction) && digits(exponent)
}

#[cfg(test)]
mod tests;
