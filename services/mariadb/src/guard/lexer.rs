//! The tokens of a statement, exactly as MariaDB's and MySQL's own scanner (`sql_lex.cc`) sees them.
//!
//! Everything that the guard decides stands on this: where a string ends, what is a comment, whether a word is a keyword. Where the two
//! servers could disagree with each other, with their versions or with us, the text is refused, executable comments first of all.
//! It reads a session in UTF-8 whose `sql_mode` has neither `ANSI_QUOTES` nor `NO_BACKSLASH_ESCAPES`; `database/session.rs` pins both.

use super::Refusal;

/// One token. Comments and space are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// Its first byte.
    pub(super) start: usize,
    /// The byte behind it.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A word without quotes that may be a keyword.
    Word(&'a str),
    /// A name that is no keyword, whatever it says: in backticks, or right behind a dot.
    Name(String),
    /// A string. What it holds never matters but where it stands for a name.
    Text,
    /// A number, or a string of bits.
    Number,
    /// `@name` or `@@`, which a word follows.
    Variable,
    /// `?`
    Parameter,
    /// Any other character, and `:=` as `=` behind a colon can only be that.
    Sign(char),
    /// `:=`
    Assign,
}

impl Token<'_> {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is one of these keywords.
    pub(super) fn is_one_of(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// What it names, if it may be a name.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// Hints of MySQL that reach beyond the plan of their statement.
const HINTS: &[&str] = &["set_var", "max_execution_time", "resource_group"];

/// Reads the tokens of `sql`.
pub(super) fn scan(sql: &str) -> Result<Vec<Token<'_>>, Refusal> {
    if let Some(at) = sql.find('\0') {
        return Err(Refusal::syntax("a NUL character", sql, at));
    }
    let mut lexer = Lexer { sql, at: 0 };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    loop {
        lexer.skip()?;
        let start = lexer.at;
        if start == sql.len() {
            return Ok(tokens);
        }
        let kind = lexer.next(tokens.last())?;
        tokens.push(Token {
            kind,
            start,
            end: lexer.at,
        });
    }
}

struct Lexer<'a> {
    sql: &'a str,
    /// The next byte; always the beginning of a character.
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    /// The byte `ahead` of the next one; 0 behind the end, as the server's own buffer has it.
    fn peek(&self, ahead: usize) -> u8 {
        self.sql.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Skips space and comments.
    fn skip(&mut self) -> Result<(), Refusal> {
        loop {
            match self.peek(0) {
                b' ' | b'\t'..=b'\r' => self.at += 1,
                b'#' => self.skip_line(),
                // Without a space or a control character behind it, `--` is twice a minus.
                b'-' if self.peek(1) == b'-' && (self.peek(2) == b' ' || self.peek(2).is_ascii_control()) => {
                    self.skip_line();
                }
                b'/' if self.peek(1) == b'*' => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// A comment to the end of the line, which only a line feed is.
    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').map_or(self.rest().len(), |end| end + 1);
    }

    fn skip_comment(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        let inner = &self.rest()[2..];
        // Whether the server runs it depends on its version and its make, and where it ends does as well.
        if inner.starts_with('!') || inner.starts_with("M!") {
            return Err(Refusal::executable_comment(self.sql, start));
        }
        // The others do not nest.
        let Some(end) = inner.find("*/") else {
            return Err(Refusal::syntax("a comment without an end", self.sql, start));
        };
        // To MariaDB before 12 a comment, to MySQL orders to the optimizer.
        if let Some(hints) = inner[..end].strip_prefix('+') {
            let hints = hints.to_ascii_lowercase();
            if let Some(hint) = HINTS.iter().find(|hint| hints.contains(**hint)) {
                return Err(Refusal::hint(hint, self.sql, start));
            }
        }
        self.at += 2 + end + 2;
        Ok(())
    }

    fn next(&mut self, previous: Option<&Token<'a>>) -> Result<Kind<'a>, Refusal> {
        let previous = previous.filter(|token| token.end == self.at);
        let behind_dot = previous.is_some_and(|token| token.is_sign('.'));
        let byte = self.peek(0);
        if behind_dot && is_word(byte) {
            return Ok(Kind::Name(self.word().to_owned()));
        }
        match (byte, self.peek(1)) {
            (b'\'' | b'"', _) => self.text(),
            (b'n' | b'N', b'\'') => {
                self.at += 1;
                self.text()
            }
            (b'x' | b'X', b'\'') => self.digits("hexadecimal digits in pairs", |digits| {
                digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            }),
            (b'b' | b'B', b'\'') => self.digits("zeros and ones", |digits| {
                digits.bytes().all(|digit| matches!(digit, b'0' | b'1'))
            }),
            (b'`', _) => self.quoted().map(Kind::Name),
            (b'@', _) => self.variable(),
            (b'?', _) => Ok(self.sign(Kind::Parameter, 1)),
            (b':', b'=') => Ok(self.sign(Kind::Assign, 2)),
            (b'\\', b'N') => Ok(self.sign(Kind::Number, 2)),
            (b'\\', _) => Err(Refusal::syntax(
                "a backslash outside of a string",
                self.sql,
                self.at,
            )),
            // Behind a name that has no quotes the dot goes on with the name, also in front of a digit: `t.5`.
            (b'.', b'0'..=b'9') if !previous.is_some_and(|token| is_unquoted(self.sql, token)) => {
                self.number()
            }
            (b'0'..=b'9', _) => self.number(),
            _ if is_word(byte) => {
                let word = self.word();
                // `update.a`: in front of a dot that a name follows, no word is a keyword.
                let qualifies = self.peek(0) == b'.' && is_word(self.peek(1));
                Ok(if qualifies {
                    Kind::Name(word.to_owned())
                } else {
                    Kind::Word(word)
                })
            }
            _ => Ok(self.sign(Kind::Sign(char::from(byte)), 1)),
        }
    }

    fn sign(&mut self, kind: Kind<'a>, length: usize) -> Kind<'a> {
        self.at += length;
        kind
    }

    /// A run of what words are made of. All that is not ASCII belongs to them, spaces of Unicode included.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A string in either kind of quotes.
    fn text(&mut self) -> Result<Kind<'a>, Refusal> {
        let start = self.at;
        let quote = self.peek(0);
        self.at += 1;
        let bytes = self.sql.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            if *byte == b'\\' {
                // What follows may be the first byte of a longer character; none of its others is a quote or a backslash.
                self.at += 1;
            } else if *byte == quote {
                if self.peek(0) != quote {
                    return Ok(Kind::Text);
                }
                self.at += 1;
            }
        }
        self.at = bytes.len();
        Err(Refusal::syntax("a string without an end", self.sql, start))
    }

    /// `x'..'` and `b'..'`.
    fn digits(&mut self, wanted: &str, are: impl FnOnce(&str) -> bool) -> Result<Kind<'a>, Refusal> {
        let start = self.at;
        let digits = self.rest()[2..].split_once('\'').map(|(digits, _)| digits);
        match digits.filter(|digits| are(digits)) {
            Some(digits) => {
                self.at += digits.len() + 3;
                Ok(Kind::Number)
            }
            None => Err(Refusal::syntax(&format!("it wants {wanted}"), self.sql, start)),
        }
    }

    /// A name in backticks, in which a backslash is a character like any other.
    fn quoted(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        let mut rest = self.rest()[1..].char_indices().peekable();
        let mut name = String::new();
        while let Some((at, character)) = rest.next() {
            if character == '`' && rest.next_if(|(_, next)| *next == '`').is_none() {
                self.at = start + 1 + at + 1;
                return Ok(name);
            }
            name.push(character);
        }
        Err(Refusal::syntax(
            "a name without its second backtick",
            self.sql,
            start,
        ))
    }

    /// `@name`, `` @`name` ``, `@'name'`, or the first half of `@@name`.
    fn variable(&mut self) -> Result<Kind<'a>, Refusal> {
        self.at += 1;
        match self.peek(0) {
            b'\'' | b'"' => {
                self.text()?;
            }
            b'`' => {
                self.quoted()?;
            }
            // What is behind it is a word, and is judged as one.
            b'@' => self.at += 1,
            _ => {
                let rest = self.rest().bytes();
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$');
                self.at += rest.take_while(is_part).count();
            }
        }
        Ok(Kind::Variable)
    }

    /// A number, or a word that begins with a digit.
    fn number(&mut self) -> Result<Kind<'a>, Refusal> {
        let start = self.at;
        let run = |lexer: &mut Self, is: fn(&u8) -> bool| {
            lexer.at += lexer.rest().bytes().take_while(is).count();
        };
        for (prefix, is) in [
            (b'x', u8::is_ascii_hexdigit as fn(&u8) -> bool),
            (b'b', |byte: &u8| matches!(byte, b'0' | b'1')),
        ] {
            if self.peek(0) == b'0' && self.peek(1) == prefix {
                self.at += 2;
                run(self, is);
                let is_number = self.at - start > 2 && !is_word(self.peek(0));
                if is_number {
                    return Ok(Kind::Number);
                }
                self.at = start;
                return Ok(Kind::Word(self.word()));
            }
        }
        run(self, u8::is_ascii_digit);
        let exponent = |lexer: &Self| {
            let sign = usize::from(matches!(lexer.peek(1), b'+' | b'-'));
            let digit = lexer.peek(1 + sign).is_ascii_digit();
            (matches!(lexer.peek(0), b'e' | b'E'), digit, 1 + sign)
        };
        if self.peek(0) == b'.' {
            self.at += 1;
            run(self, u8::is_ascii_digit);
            match exponent(self) {
                (true, true, skipped) => self.at += skipped,
                (true, false, _) => {
                    return Err(Refusal::syntax("an exponent without digits", self.sql, start));
                }
                (false, ..) => return Ok(Kind::Number),
            }
        } else if is_word(self.peek(0)) {
            let (true, true, skipped) = exponent(self) else {
                self.at = start;
                return Ok(Kind::Word(self.word()));
            };
            self.at += skipped;
        } else {
            return Ok(Kind::Number);
        }
        run(self, u8::is_ascii_digit);
        Ok(Kind::Number)
    }
}

/// Whether a byte belongs to a word.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// Whether a token is a word or a name that stands there without quotes.
fn is_unquoted(sql: &str, token: &Token<'_>) -> bool {
    token.name().is_some() && !sql[token.start..].starts_with('`')
}

#[cfg(test)]
mod tests;
