//! Whether a statement is a read, and what it touches.
//!
//! The kind is known by the first words, from a list of those that read. Behind them the grammars of the servers leave few doors, and
//! each has a reserved word of its own or a sign: `INTO`, `UPDATE` (also in `FOR UPDATE`), `LOCK`, `PROCEDURE`, `:=`, and the words of other
//! statements. A reserved word can't be a name without backticks, so wherever one stands as a word it is that door, and the statement is
//! refused; that a list of tokens has no depth is why nothing can be hidden in it.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::lexer::{Kind as Lexeme, Token};
use super::lexical::Lexed;
use super::{Kind, Name, Refusal, relations};

mod words;

pub(super) use words::{FORBIDDEN, STATEMENTS};
use words::{SHOW_MODIFIERS, SHOWN};

const USE_EXECUTE: &str =
    "Changes go through the execute tool, which this server offers only if it allows writes.";
const NO_TRANSACTIONS: &str = "Each call is a transaction of its own; leave it out.";
const NO_SESSION: &str = "Calls share connections, so nothing can be kept between them; leave it out.";
const QUOTE_IT: &str = "If it is a name, put it in backticks.";

/// What a read's tokens tell.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) relations: IndexSet<Name>,
    pub(super) qualifiers: BTreeSet<String>,
}

/// Looks at a statement that must be a read.
pub(super) fn inspect(lexed: &Lexed<'_>) -> Result<Facts, Refusal> {
    let (kind, body) = head(lexed)?;
    lexed.only_statement()?;
    check_words(lexed, body)?;
    lexed.check_calls(false)?;
    let mut qualifiers = lexed.qualifiers();
    if kind == Kind::Show {
        // Here a database stands alone, behind FROM or IN or a kind of object.
        let names = lexed.tokens.iter().filter_map(Token::name);
        qualifiers.extend(names.map(str::to_owned));
    }
    if let Some(database) = explained_schema(lexed) {
        qualifiers.insert(database);
    }
    Ok(Facts {
        kind,
        relations: relations::of(lexed, kind),
        qualifiers,
    })
}

/// What kind of read begins here, and where the words of its kind end.
fn head(lexed: &Lexed<'_>) -> Result<(Kind, usize), Refusal> {
    let Some(first) = lexed.get(0) else {
        return Err(Refusal::empty());
    };
    if first.is("show") {
        return show(lexed).map(|body| (Kind::Show, body));
    }
    if first.is_one_of(&["explain", "describe", "desc"]) {
        return explain(lexed);
    }
    if first.is("analyze") {
        return match query(lexed, options(lexed, 1)) {
            Some(Ok(_)) if !lexed.are(options(lexed, 1), &["table"]) => Ok((Kind::Explain, 1)),
            Some(Err(refusal)) => Err(refusal),
            _ => Err(Refusal::write(
                "ANALYZE of a table",
                "changes its statistics, and this tool only reads",
                USE_EXECUTE,
            )),
        };
    }
    match query(lexed, 0) {
        Some(kind) => kind.map(|kind| (kind, 0)),
        None => Err(not_a_read(lexed, first)),
    }
}

/// The kind of the query that begins at `index`; nothing when none does.
fn query(lexed: &Lexed<'_>, index: usize) -> Option<Result<Kind, Refusal>> {
    let first = (index..lexed.tokens.len()).find(|at| !lexed.is_sign(*at, '('))?;
    let word = lexed.get(first)?;
    if word.is("with") {
        let body = behind_with(lexed, first);
        let main = body.and_then(|body| query(lexed, body));
        return Some(main.unwrap_or_else(|| {
            let verb = body.and_then(|body| lexed.get(body)).unwrap_or(word);
            Err(match verb.name() {
                Some(verb) => changes_data(&format!("WITH .. {}", verb.to_uppercase())),
                None => Refusal::syntax("a WITH without a query behind it", lexed.sql, word.start),
            })
        }));
    }
    let kind = match word {
        word if word.is("select") => Kind::Select,
        word if word.is("values") => Kind::Values,
        word if word.is("table") => Kind::Table,
        _ => return None,
    };
    Some(Ok(kind))
}

/// The place behind `WITH a (b) AS (..), ..`.
pub(super) fn behind_with(lexed: &Lexed<'_>, with: usize) -> Option<usize> {
    let mut at = with + 1;
    if lexed.are(at, &["recursive"]) {
        at += 1;
    }
    loop {
        lexed.get(at)?.name()?;
        at += 1;
        if lexed.is_sign(at, '(') {
            at = lexed.behind_brackets(at);
        }
        if !lexed.are(at, &["as"]) || !lexed.is_sign(at + 1, '(') {
            return None;
        }
        at = lexed.behind_brackets(at + 1);
        // MariaDB: CYCLE a, b RESTRICT.
        if lexed.are(at, &["cycle"]) {
            at += lexed.tokens[at..].iter().position(|token| token.is("restrict"))? + 1;
        }
        if !lexed.is_sign(at, ',') {
            return Some(at);
        }
        at += 1;
    }
}

/// The place behind the options of `EXPLAIN` and `ANALYZE` that begin at `index`.
fn options(lexed: &Lexed<'_>, index: usize) -> usize {
    let mut at = index;
    loop {
        // A table may have such a name.
        let Some(next) = lexed.get(at + 1).filter(|next| !next.is_sign('.')) else {
            return at;
        };
        at += match lexed.get(at) {
            Some(option) if option.is("format") && next.is_sign('=') => 3,
            Some(option) if option.is_one_of(&["extended", "partitions", "analyze"]) => 1,
            Some(option) if option.is("for") && next.is_one_of(&["schema", "database"]) => 3,
            _ => return at,
        };
    }
}

/// The database of MySQL's `EXPLAIN FOR SCHEMA name`.
fn explained_schema(lexed: &Lexed<'_>) -> Option<String> {
    let at = (0..lexed.tokens.len())
        .find(|at| lexed.are(*at, &["for", "schema"]) || lexed.are(*at, &["for", "database"]))?;
    lexed.get(at + 2)?.name().map(str::to_owned)
}

/// `EXPLAIN`, `DESCRIBE` and `DESC`, which mean the same: of a query, a table or a connection.
fn explain(lexed: &Lexed<'_>) -> Result<(Kind, usize), Refusal> {
    let at = options(lexed, 1);
    if let Some(kind) = query(lexed, at) {
        return kind.map(|_| (Kind::Explain, at));
    }
    if lexed.are(at, &["for", "connection"]) {
        return Ok((Kind::Explain, at));
    }
    // A table, and a column or pattern.
    let name = |at: usize| lexed.get(at).is_some_and(|token| token.name().is_some());
    let mut end = at + 1;
    if lexed.is_sign(end, '.') {
        end += 2;
    }
    let is_column = lexed
        .get(end)
        .is_some_and(|token| token.name().is_some() || token.kind == Lexeme::Text);
    let is_table = name(at) && name(end - 1) && lexed.tokens.len() <= end + usize::from(is_column);
    let word = lexed.get(at).unwrap_or(&lexed.tokens[0]);
    if is_table && !word.is_one_of(FORBIDDEN) {
        return Ok((Kind::Describe, at));
    }
    Err(if word.is_one_of(&["insert", "update", "delete", "replace"]) {
        Refusal::write(
            &format!("EXPLAIN of {}", word.name().unwrap_or_default().to_uppercase()),
            "can't be asked for here: some servers would run it",
            "Explain a SELECT with the same conditions.",
        )
        .at(lexed.sql, word.start)
    } else {
        Refusal::syntax("EXPLAIN wants a query or a table", lexed.sql, word.start)
    })
}

/// The place behind the words of a `SHOW` that is allowed.
fn show(lexed: &Lexed<'_>) -> Result<usize, Refusal> {
    let modified = lexed.tokens[1..].iter();
    let at = 1 + modified
        .take_while(|token| token.is_one_of(SHOW_MODIFIERS))
        .count();
    if let Some(words) = SHOWN.iter().find(|words| lexed.are(at, words)) {
        return Ok(at + words.len());
    }
    let what = lexed.tokens[1..]
        .iter()
        .map_while(|token| match token.kind {
            Lexeme::Word(word) => Some(word.to_uppercase()),
            _ => None,
        })
        .take(3);
    let what = std::iter::once("SHOW".to_owned())
        .chain(what)
        .collect::<Vec<_>>()
        .join(" ");
    let accounts = lexed.are(at, &["grants"])
        || lexed.are(at, &["create", "user"])
        || lexed.are(at, &["create", "server"]);
    let logs = lexed.are(at, &["binlog"]) || lexed.are(at, &["relaylog"]);
    Err(if accounts {
        Refusal::write(&what, "may show how accounts log in, so it is not run", "")
    } else if logs {
        Refusal::write(
            &what,
            "shows what others wrote to any table, so it is not run",
            "",
        )
    } else {
        Refusal::write(&what, "is nothing that this tool knows, so it is not run", "")
    })
}

/// Refuses words and signs that no read has, from `body` on.
fn check_words(lexed: &Lexed<'_>, body: usize) -> Result<(), Refusal> {
    for (index, token) in lexed.tokens.iter().enumerate().skip(body) {
        let behind = |word: &str| index > 0 && lexed.are(index - 1, &[word]);
        let refusal = if token.kind == Lexeme::Assign {
            Refusal::write(
                ":=",
                "sets a variable of the session, and this tool only reads",
                NO_SESSION,
            )
        } else if lexed.are(index, &["next", "value", "for"]) {
            Refusal::write(
                "NEXT VALUE FOR",
                "changes a sequence, and this tool only reads",
                USE_EXECUTE,
            )
        } else if behind("for") && token.is_one_of(&["update", "share"]) || token.is("lock") {
            Refusal::write(
                "FOR UPDATE, FOR SHARE or LOCK IN SHARE MODE",
                "locks rows, and this tool only reads",
                "Leave the locking clause out.",
            )
        } else if token.is_one_of(&["insert", "replace"]) && lexed.is_sign(index + 1, '(') {
            // Functions on strings.
            continue;
        } else if token.is_one_of(FORBIDDEN) {
            inside(token)
        } else {
            continue;
        };
        return Err(refusal.at(lexed.sql, token.start));
    }
    Ok(())
}

/// Why this word may not stand in a read.
fn inside(token: &Token<'_>) -> Refusal {
    let word = token.name().unwrap_or_default().to_uppercase();
    match word.as_str() {
        "INTO" | "OUTFILE" => Refusal::write(
            "SELECT .. INTO",
            "writes a file of the server or a variable, and this tool only reads",
            "Leave INTO out.",
        ),
        "PROCEDURE" => Refusal::write(
            "PROCEDURE",
            "runs code on the rows, and this tool only reads",
            "Leave it out.",
        ),
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" => changes_data(&word),
        _ => Refusal::write(
            &word,
            "is nothing that this tool knows in a read, so it is not run",
            QUOTE_IT,
        ),
    }
}

fn changes_data(what: &str) -> Refusal {
    Refusal::write(what, "changes data, and this tool only reads", USE_EXECUTE)
}

/// Why a statement that begins so is not a read.
fn not_a_read(lexed: &Lexed<'_>, first: &Token<'_>) -> Refusal {
    let Lexeme::Word(word) = first.kind else {
        return Refusal::syntax("no statement begins so", lexed.sql, first.start);
    };
    let word = word.to_uppercase();
    let refusal = match word.as_str() {
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => Refusal::write(
            &word,
            "controls transactions, and this tool only reads",
            NO_TRANSACTIONS,
        ),
        "SET" | "USE" | "LOCK" | "UNLOCK" | "PREPARE" | "EXECUTE" | "DEALLOCATE" => {
            Refusal::write(&word, "changes the session, and this tool only reads", NO_SESSION)
        }
        "CALL" | "DO" => Refusal::write(
            &word,
            "runs code that may change data, and this tool only reads",
            USE_EXECUTE,
        ),
        _ if STATEMENTS.contains(&word.as_str()) => {
            Refusal::write(&word, "is not a read, and this tool only reads", USE_EXECUTE)
        }
        _ => Refusal::syntax("no statement begins so", lexed.sql, first.start),
    };
    refusal.at(lexed.sql, first.start)
}
