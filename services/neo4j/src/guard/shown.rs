//! What may be shown of a statement: what it does and the names in it, and its text with each literal replaced.

use indexmap::IndexSet;
use mcp_hub_chassis::trace;

use super::clauses::Statement;
use super::lexer::{self, Kind, Token};
use super::words::{READING, WRITING};

/// The longest text, in bytes: a list of thousands of numbers says no more than its beginning.
const LONGEST: usize = 4 * 1024;

/// The most names of a summary.
const MOST_NAMES: usize = 100;

/// What a statement does, and to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gist {
    /// The keyword of its first clause, or of the first that writes.
    pub(crate) operation: &'static str,
    /// Labels, relationship types and procedures, in the order of its text, as Cypher writes them. Empty when no trace is recorded.
    pub(crate) names: IndexSet<String>,
}

/// Names as a summary has them: `Person KNOWS`.
pub(crate) fn listed(names: &IndexSet<String>) -> String {
    let mut listed = String::new();
    for name in names {
        if listed.len() > LONGEST {
            break;
        }
        if !listed.is_empty() {
            listed.push(' ');
        }
        listed.push_str(name);
    }
    listed
}

impl Statement<'_> {
    /// What it does, and to what.
    pub(super) fn gist(&self) -> Gist {
        Gist {
            operation: self.operation(),
            names: if trace::is_recorded() {
                self.names()
            } else {
                IndexSet::new()
            },
        }
    }

    fn operation(&self) -> &'static str {
        let tokens = self.tokens();
        let writes = (0..tokens.len()).find(|index| self.is_clause(*index, &WRITING));
        let Some(first) = tokens.get(writes.unwrap_or_default()) else {
            return "";
        };
        let word = WRITING.iter().chain(&READING).find(|word| first.is_word(word));
        match word.copied() {
            Some("OPTIONAL") => "MATCH",
            Some("DETACH" | "NODETACH") => "DELETE",
            Some(word) => word,
            None => "",
        }
    }

    /// Labels and relationship types wherever a pattern or an expression asks for them, and procedures.
    fn names(&self) -> IndexSet<String> {
        let tokens = self.tokens();
        let calls = self.calls();
        let mut names = IndexSet::new();
        let mut open = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            if names.len() >= MOST_NAMES {
                break;
            }
            match token.kind {
                Kind::Symbol(bracket @ ('(' | '[' | '{')) => open.push(bracket),
                Kind::Symbol(')' | ']' | '}') => drop(open.pop()),
                // In braces a colon stands in front of a value, or of a subquery's label that is let go for it.
                Kind::Symbol(':') if open.last() != Some(&'{') => names.extend(labels(&tokens[index + 1..])),
                _ => {}
            }
            names.extend(
                calls
                    .iter()
                    .filter(|call| call.at == token.start)
                    .map(|call| call.name.clone()),
            );
        }
        names
    }
}

/// The names of a label expression that begins here: `A|B`, `!A&(B|C)`.
fn labels(tokens: &[Token]) -> impl Iterator<Item = String> {
    let mut behind_name = false;
    let expression = tokens.iter().take_while(move |token| {
        let joins = ['|', '&', ':', '!', '(', '%']
            .iter()
            .any(|symbol| token.is(*symbol));
        if token.is_name() {
            !std::mem::replace(&mut behind_name, true)
        } else {
            behind_name = behind_name && !joins;
            joins
        }
    });
    expression.filter(|token| token.is_name()).map(written)
}

/// A name as Cypher writes it.
fn written(token: &Token) -> String {
    match token.kind {
        Kind::Quoted => format!("`{}`", token.text.replace('`', "``")),
        _ => token.text.clone(),
    }
}

/// The text of a statement with `?` in the place of each literal, without comments; `None` when it can't be told where its literals end.
///
/// Literals are strings, numbers, and the words of booleans. Identifiers stay, quoted ones too.
pub(crate) fn sanitised(cypher: &str) -> Option<String> {
    let tokens = lexer::tokens(cypher).ok().filter(|tokens| !tokens.is_empty())?;
    let mut shown = String::with_capacity(cypher.len().min(LONGEST));
    let mut before: Option<&Token> = None;
    for token in &tokens {
        // What is not part of a token is space or a comment.
        if before.is_some_and(|before| token.start > before.end) {
            shown.push(' ');
        }
        let is_name = before.is_some_and(|before| ['.', '$'].iter().any(|symbol| before.is(*symbol)));
        match token.kind {
            Kind::String | Kind::Number => shown.push('?'),
            Kind::Word if !is_name && token.is_one_of(&["true", "false"]) => shown.push('?'),
            Kind::Word | Kind::Quoted => shown.push_str(&written(token)),
            Kind::Symbol(symbol) => shown.push(symbol),
        }
        if shown.len() > LONGEST {
            shown.truncate(shown.floor_char_boundary(LONGEST));
            shown.push_str(" ..");
            break;
        }
        before = Some(token);
    }
    Some(shown)
}

#[cfg(test)]
mod tests;
