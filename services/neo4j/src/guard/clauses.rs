//! A statement's clauses, found without a grammar.
//!
//! Cypher reserves no word: `set`, `call` and `delete` may be variables, labels, properties. What tells a keyword from a name are
//! its neighbours, because two operands never stand side by side: a word in front of a name that is not an operator's is a keyword.

use super::lexer::{Kind, Token, tokens};
use super::procedures::{self, Verdict};
use super::words::{COMMANDS, CONTINUING, OPENING, READING, WRITING};
use super::{Refusal, refusal};

/// One statement's tokens.
pub(super) struct Statement<'a> {
    cypher: &'a str,
    tokens: Vec<Token>,
    /// How many of the tokens are `CYPHER` and its options.
    options: usize,
}

/// A procedure that is called.
pub(super) struct Call {
    /// Its name, the parts joined by dots.
    pub(super) name: String,
    /// Where the name begins, in bytes.
    pub(super) at: usize,
}

impl<'a> Statement<'a> {
    /// Reads the tokens of what must be one statement.
    pub(super) fn of(cypher: &'a str) -> Result<Self, Refusal> {
        let mut tokens = tokens(cypher)?;
        if tokens.last().is_some_and(|token| token.is(';')) {
            tokens.pop();
        }
        if tokens.is_empty() {
            return Err(Refusal::empty());
        }
        if let Some(end) = tokens.iter().position(|token| token.is(';')) {
            let second = tokens.get(end + 1).unwrap_or(&tokens[end]);
            return Err(Refusal::several(cypher, second.start));
        }
        let options = options(&tokens);
        let statement = Self {
            cypher,
            tokens,
            options,
        };
        statement.weigh()?;
        Ok(statement)
    }

    /// The text without what is around it, and how many characters stood in front of it.
    pub(super) fn text(&self) -> (&'a str, usize) {
        let start = self.tokens.first().map_or(0, |token| token.start);
        let end = self.tokens.last().map_or(0, |token| token.end);
        (&self.cypher[start..end], self.cypher[..start].chars().count())
    }

    /// The statement as it was given.
    pub(super) fn cypher(&self) -> &'a str {
        self.cypher
    }

    /// The tokens behind the options.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens[self.options..]
    }

    /// Whether it is a `SHOW` command.
    pub(super) fn shows(&self) -> bool {
        self.tokens().first().is_some_and(|token| token.is_word("SHOW"))
    }

    /// Refuses what neither a read nor a write may do.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let tokens = self.tokens();
        let Some(first) = tokens.first() else {
            return Err(Refusal::empty());
        };
        if first.is_one_of(&["EXPLAIN", "PROFILE"]) {
            return Err(Refusal::explain(&first.text, self.cypher, first.start));
        }
        if self.tokens[..self.options]
            .iter()
            .any(|token| token.is_word("debug"))
        {
            return Err(Refusal::option("debug", self.cypher, first.start));
        }
        if first.is_one_of(&COMMANDS) {
            return Err(Refusal::command(&first.text, self.cypher, first.start));
        }
        for (index, token) in tokens.iter().enumerate() {
            if token.kind == Kind::Word && !self.is_qualified(index) {
                self.check_word(index, token)?;
            }
        }
        self.check_functions()
    }

    /// Refuses what writes, and what no clause that reads begins with.
    pub(super) fn check_reads(&self) -> Result<(), Refusal> {
        let tokens = self.tokens();
        for (index, token) in tokens.iter().enumerate() {
            if self.is_clause(index, &WRITING) {
                return Err(Refusal::write(
                    &self.clause_name(index),
                    index == 0,
                    self.cypher,
                    token.start,
                ));
            }
        }
        for call in self.calls() {
            match procedures::procedure(&call.name) {
                Verdict::Reads => {}
                Verdict::Writes => return Err(Refusal::writing_procedure(&call.name, self.cypher, call.at)),
                Verdict::Refused(does) => return Err(self.refused(&call, does)),
            }
        }
        match tokens.first() {
            Some(first) if first.is_one_of(&READING) || first.is('{') || first.is('(') => Ok(()),
            Some(first) => Err(Refusal::no_clause(&first.text, self.cypher, first.start)),
            None => Err(Refusal::empty()),
        }
    }

    /// The procedures that are called.
    pub(super) fn calls(&self) -> Vec<Call> {
        let tokens = self.tokens();
        let calls = tokens.iter().enumerate().filter_map(|(index, token)| {
            if !token.is_word("CALL") || self.is_qualified(index) {
                return None;
            }
            let mut name = String::new();
            let first = tokens.get(index + 1).filter(|token| token.is_name())?;
            let mut at = index + 1;
            while let Some(part) = tokens.get(at).filter(|token| token.is_name()) {
                name.push_str(&part.text);
                if !tokens.get(at + 1).is_some_and(|token| token.is('.')) {
                    break;
                }
                name.push('.');
                at += 2;
            }
            // A variable that is called `call`, in front of an operator. No procedure lives outside a namespace.
            let is_variable = !name.contains('.') && first.is_one_of(&CONTINUING);
            (!is_variable).then_some(Call {
                name,
                at: first.start,
            })
        });
        calls.collect()
    }

    /// Whether the word at `index` is the keyword of a clause, one of `words`, and no name.
    pub(super) fn is_clause(&self, index: usize, words: &[&str]) -> bool {
        let tokens = self.tokens();
        if !tokens[index].is_one_of(words) || self.is_qualified(index) {
            return false;
        }
        let Some(next) = tokens.get(index + 1) else {
            return index == 0;
        };
        match next.kind {
            // No function of the server is called like a clause, and two names never stand side by side.
            Kind::Symbol('(') | Kind::Quoted => true,
            Kind::Word if !next.is_one_of(&CONTINUING) => true,
            Kind::Word | Kind::String | Kind::Number | Kind::Symbol('[' | '{' | '$' | '-' | '+') => {
                index == 0 || self.ends_operand(index - 1)
            }
            Kind::Symbol(_) => false,
        }
    }

    /// The words of the clause at `index` as a reader knows it: `DETACH DELETE`, `CREATE INDEX`.
    pub(super) fn clause_name(&self, index: usize) -> String {
        let tokens = self.tokens();
        let mut words = vec![tokens[index].text.to_uppercase()];
        let of_schema = [
            "INDEX",
            "CONSTRAINT",
            "DATABASE",
            "USER",
            "ROLE",
            "ALIAS",
            "DELETE",
        ];
        if words[0] != "DELETE" && words[0] != "SET" {
            let second = tokens.get(index + 1).filter(|token| token.is_one_of(&of_schema));
            words.extend(second.map(|token| token.text.to_uppercase()));
        }
        words.join(" ")
    }

    /// Whether the token at `index` is a name for what stands in front of it: a property, a label, a parameter. Not behind `%`, which
    /// stands for any label and ends an expression: a clause may follow.
    pub(super) fn is_qualified(&self, index: usize) -> bool {
        let before = index.checked_sub(1).map(|index| &self.tokens()[index]);
        before.is_some_and(|token| ['.', ':', '$', '&', '!'].iter().any(|symbol| token.is(*symbol)))
    }

    /// Whether the token at `index` ends an operand or a pattern, so that an operator or a clause must follow.
    pub(super) fn ends_operand(&self, index: usize) -> bool {
        let token = &self.tokens()[index];
        match token.kind {
            Kind::Word => self.is_qualified(index) || !token.is_one_of(&OPENING),
            Kind::Quoted | Kind::String | Kind::Number => true,
            Kind::Symbol(symbol) => matches!(symbol, ')' | ']' | '}' | '*'),
        }
    }

    /// The refusal of a procedure.
    pub(super) fn refused(&self, call: &Call, does: &str) -> Refusal {
        Refusal::procedure(&call.name, does, self.cypher, call.at)
    }

    /// The refusal of a command on the whole server.
    pub(super) fn refused_command(&self, command: &str, at: &Token) -> Refusal {
        Refusal::command(command, self.cypher, at.start)
    }

    /// Refuses what a word and the one behind it mean, wherever they stand.
    fn check_word(&self, index: usize, word: &Token) -> Result<(), Refusal> {
        let tokens = self.tokens();
        let next = tokens.get(index + 1);
        let next_is = |words: &[&str]| next.is_some_and(|next| next.is_one_of(words));
        // A variable of this name would have an operator or a clause behind it.
        let is_keyword = next.is_some_and(|next| next.is_name() && !next.is_one_of(&CONTINUING));
        if word.is_word("LOAD") && next_is(&["CSV"]) {
            return Err(Refusal::load_csv(self.cypher, word.start));
        }
        if word.is_word("TERMINATE") && next_is(&["TRANSACTION", "TRANSACTIONS"]) {
            return Err(Refusal::command(
                "TERMINATE TRANSACTIONS",
                self.cypher,
                word.start,
            ));
        }
        if word.is_one_of(&["TRANSACTION", "TRANSACTIONS"]) && self.ends_in_transactions(index) {
            return Err(Refusal::in_transactions(self.cypher, word.start));
        }
        if word.is_word("SHOW") && (index == 0 || is_keyword) {
            self.check_show(index)?;
        }
        let begins_part = index == 0
            || self.ends_operand(index - 1)
            || self.follows_union(index)
            || tokens[index - 1].is('{') && next.is_some_and(Token::is_name);
        if word.is_word("USE") && (is_keyword || begins_part) {
            return Err(Refusal::other_graph(self.cypher, word.start));
        }
        if word.is_one_of(&["EXPLAIN", "PROFILE"]) && is_keyword {
            return Err(Refusal::explain(&word.text, self.cypher, word.start));
        }
        Ok(())
    }

    /// Whether `.. } IN [n] [CONCURRENT] TRANSACTIONS` ends here.
    fn ends_in_transactions(&self, index: usize) -> bool {
        let tokens = &self.tokens()[..index];
        // The number of rows may be an expression, so look for the closing brace of the subquery a few tokens back.
        let is_in = |at: usize| tokens[at].is_word("IN") && at > 0 && tokens[at - 1].is('}');
        (index.saturating_sub(12)..index).any(is_in)
    }

    fn follows_union(&self, index: usize) -> bool {
        let tokens = self.tokens();
        let is_union = |back: usize| {
            index
                .checked_sub(back)
                .is_some_and(|at| tokens[at].is_word("UNION"))
        };
        is_union(1) || is_union(2) && tokens[index - 1].is_one_of(&["ALL", "DISTINCT"])
    }

    /// Lets `SHOW` list what is part of the graph's schema and language, and nothing of the server.
    fn check_show(&self, index: usize) -> Result<(), Refusal> {
        let mut words = self.tokens()[index + 1..].iter();
        let mut shown = words.next();
        while let Some(word) = shown {
            if word.is_one_of(&refusal::SHOWN) {
                return Ok(());
            }
            if word.is_word("USER") {
                shown = words.next().filter(|word| word.is_word("DEFINED"));
            } else if !word.is_one_of(&[
                "ALL",
                "BTREE",
                "BUILT",
                "CONSTRAINT",
                "DEFINED",
                "EXIST",
                "EXISTENCE",
                "FULLTEXT",
                "IN",
                "KEY",
                "LOOKUP",
                "NODE",
                "POINT",
                "PROPERTY",
                "RANGE",
                "REL",
                "RELATIONSHIP",
                "TEXT",
                "TYPE",
                "UNIQUE",
                "UNIQUENESS",
                "VECTOR",
            ]) {
                break;
            } else {
                shown = words.next();
            }
        }
        let what = shown.map_or_else(String::new, |word| word.text.to_uppercase());
        Err(Refusal::show(&what, self.cypher, self.tokens()[index].start))
    }

    /// Refuses functions with a dot in their name that are not known to compute only. Those without are the server's own.
    fn check_functions(&self) -> Result<(), Refusal> {
        let tokens = self.tokens();
        for (index, token) in tokens.iter().enumerate() {
            if !token.is('(') || index == 0 || !tokens[index - 1].is_name() {
                continue;
            }
            let mut first = index - 1;
            while first >= 2 && tokens[first - 1].is('.') && tokens[first - 2].is_name() {
                first -= 2;
            }
            let is_procedure =
                first > 0 && tokens[first - 1].is_word("CALL") && !self.is_qualified(first - 1);
            if first == index - 1 || is_procedure {
                continue;
            }
            let parts: Vec<&str> = tokens[first..index]
                .iter()
                .step_by(2)
                .map(|part| part.text.as_str())
                .collect();
            let name = parts.join(".");
            if let Err(does) = procedures::function(&name) {
                return Err(Refusal::function(&name, does, self.cypher, tokens[first].start));
            }
        }
        Ok(())
    }
}

/// How many tokens `CYPHER 5 runtime=slotted ..` takes at the beginning.
fn options(tokens: &[Token]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| token.is_word("CYPHER")) {
        at += 1;
        if tokens.get(at).is_some_and(|token| token.kind == Kind::Number) {
            at += 1;
        }
        while tokens.get(at).is_some_and(Token::is_name)
            && tokens.get(at + 1).is_some_and(|token| token.is('='))
        {
            at += 3;
        }
    }
    at.min(tokens.len())
}
