//! What a statement of a write is, what it destroys, and whether it commits by itself.
//!
//! The kinds are those of a list, as for reads: what is not in it is for an administrator at a console.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::lexer::{Kind as Lexeme, Token};
use super::lexical::Lexed;
use super::read::{STATEMENTS, behind_with};
use super::{Kind, Name, Refusal, relations};

/// How much of a statement a sentence about it shows.
const SHOWN: usize = 120;

const ONE_TRANSACTION: &str =
    "The statements of a call are one transaction: all of them or none. Use dry_run to roll back.";
const NO_SESSION: &str =
    "Calls share connections, so nothing can be kept between them. Pass values as params.";
const CONSOLE: &str = "It is for an administrator at a console.";

/// One statement of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write<'a> {
    /// What it is, as SQL names it: `DELETE`, `CREATE TABLE`.
    pub name: String,
    /// Its text without comments around it and without `;`: what is sent.
    pub text: &'a str,
    /// Names in front of dots, and behind `DATABASE`: databases, but tables and aliases too.
    pub qualifiers: BTreeSet<String>,
    /// How many `?` there are.
    pub parameters: usize,
    /// The tables whose rows it changes.
    pub targets: IndexSet<Name>,
    /// These, what else it reads, and what it defines, in the order of its text.
    pub names: IndexSet<Name>,
    /// Whether it ends the transaction that it stands in, so that it must stand alone and can't be undone.
    pub commits: bool,
    /// What it destroys, as a sentence, when that is much or can't be seen; such a statement wants a confirmation.
    pub effect: Option<String>,
}

impl Write<'_> {
    /// Whether the rows that it reports are rows that it changed.
    pub(crate) fn counts(&self) -> bool {
        ["INSERT", "REPLACE", "UPDATE", "DELETE"].contains(&self.name.as_str())
    }
}

/// Kinds of objects whose definitions are kept in the schema, and may be made, changed and dropped.
const OBJECTS: &[&str] = &[
    "TABLE",
    "INDEX",
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "SEQUENCE",
    "PACKAGE",
];

/// Others, which may not.
const OTHER_OBJECTS: &[&str] = &[
    "DATABASE",
    "SCHEMA",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "INSTANCE",
    "TABLES",
    "RESOURCE",
    "PREPARE",
    "LIBRARY",
];

/// Kinds of objects with a body of statements.
const ROUTINES: &[&str] = &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"];

/// Looks at a statement of a write.
pub(super) fn inspect<'a>(lexed: &Lexed<'a>) -> Result<Write<'a>, Refusal> {
    let main = main_verb(lexed);
    let name = name(lexed, main);
    let has_body = name
        .strip_prefix("CREATE ")
        .is_some_and(|object| ROUTINES.contains(&object));
    check(lexed, main, &name)?;
    // The statements of a body are one with it; the protocol takes no other behind them.
    if !(has_body && lexed.tokens.iter().any(|token| token.is("begin"))) {
        lexed.only_statement()?;
    }
    lexed.check_calls(true)?;
    check_words(lexed, has_body)?;
    let commits = !STAY_INSIDE.contains(&name.as_str());
    Ok(Write {
        text: lexed.text,
        qualifiers: lexed.qualifiers(),
        parameters: lexed.parameters,
        targets: relations::targets(lexed, main),
        names: names(lexed, main, has_body),
        commits,
        effect: effect(lexed, main, &name),
        name,
    })
}

/// What a statement names. What stands in a body is left out: it is not run now.
fn names(lexed: &Lexed<'_>, main: usize, has_body: bool) -> IndexSet<Name> {
    let mut names = relations::defined(lexed, main);
    names.extend(relations::targets(lexed, main));
    if !has_body {
        names.extend(relations::of(lexed, Kind::Select));
    }
    names
}

/// Statements that leave the transaction open. `CALL` is not among them: what a procedure does can't be seen, and it may commit.
const STAY_INSIDE: &[&str] = &[
    "INSERT", "REPLACE", "UPDATE", "DELETE", "SELECT", "VALUES", "TABLE",
];

/// The place of the word that says what the statement does.
fn main_verb(lexed: &Lexed<'_>) -> usize {
    let first = (0..lexed.tokens.len())
        .find(|at| !lexed.is_sign(*at, '('))
        .unwrap_or_default();
    let is_with = lexed.get(first).is_some_and(|token| token.is("with"));
    let behind = is_with.then(|| behind_with(lexed, first)).flatten();
    behind.map_or(first, |behind| {
        (behind..lexed.tokens.len())
            .find(|at| !lexed.is_sign(*at, '('))
            .unwrap_or(behind)
    })
}

/// What a statement is: its first word, and for definitions the kind of object.
fn name(lexed: &Lexed<'_>, main: usize) -> String {
    let word = |token: &Token<'_>| match token.kind {
        Lexeme::Word(word) => word.to_uppercase(),
        _ => String::new(),
    };
    let first = lexed.get(main).map(word).unwrap_or_default();
    if !["CREATE", "ALTER", "DROP", "RENAME"].contains(&first.as_str()) {
        return first;
    }
    // Between them stand OR REPLACE, TEMPORARY, UNIQUE, ALGORITHM = .., DEFINER = .. and the like.
    let object = lexed.tokens[main + 1..]
        .iter()
        .take_while(|token| !token.is_sign('('))
        .map(word)
        .find(|word| OBJECTS.contains(&word.as_str()) || OTHER_OBJECTS.contains(&word.as_str()));
    match object {
        Some(object) => format!("{first} {object}"),
        None => first,
    }
}

/// Refuses what must not run in a call of ours.
fn check(lexed: &Lexed<'_>, main: usize, name: &str) -> Result<(), Refusal> {
    let refusal = match name {
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "SELECT" | "VALUES" | "TABLE" | "CALL" | "TRUNCATE"
        | "RENAME TABLE" | "RENAME TABLES" => return Ok(()),
        "ANALYZE" | "OPTIMIZE" | "CHECK" | "CHECKSUM" | "REPAIR"
            if (main + 1..main + 3).any(|at| lexed.are(at, &["table"]) || lexed.are(at, &["tables"])) =>
        {
            return Ok(());
        }
        "CREATE TABLE" | "DROP TABLE" | "CREATE SEQUENCE" | "DROP SEQUENCE"
            if lexed.tokens[main..]
                .iter()
                .take(4)
                .any(|token| token.is("temporary")) =>
        {
            Refusal::write(
                &format!("a temporary table in {name}"),
                "would stay on a connection that calls share",
                "Use a WITH or a subquery.",
            )
        }
        "CREATE FUNCTION" if lexed.tokens.iter().any(|token| token.is("soname")) => Refusal::write(
            "CREATE FUNCTION .. SONAME",
            "loads a library into the server",
            CONSOLE,
        ),
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => {
            Refusal::write(name, "controls transactions", ONE_TRANSACTION)
        }
        "SET" | "USE" | "LOCK" | "UNLOCK" | "PREPARE" | "EXECUTE" | "DEALLOCATE" | "HANDLER"
        | "DROP PREPARE" => Refusal::write(name, "changes the session", NO_SESSION),
        "DO" => Refusal::write(name, "throws away what it calculates", "Use SELECT."),
        "LOAD" | "IMPORT" => Refusal::write(
            name,
            "reads files, which this tool can't",
            "Insert rows with INSERT, read them with SELECT.",
        ),
        "CREATE DATABASE" | "CREATE SCHEMA" => Refusal::write(
            name,
            "is no statement for this tool",
            "Use the create_database tool.",
        ),
        "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "ANALYZE" => {
            Refusal::write(name, "changes nothing", "Use the query or explain_query tool.")
        }
        _ if definition(name) => return Ok(()),
        _ if name
            .split(' ')
            .next()
            .is_some_and(|verb| STATEMENTS.contains(&verb)) =>
        {
            Refusal::write(name, "is nothing that this tool runs", CONSOLE)
        }
        _ => Refusal::syntax("no statement begins so", lexed.sql, lexed.start),
    };
    Err(refusal)
}

/// Whether it makes, changes or drops an object of a schema.
fn definition(name: &str) -> bool {
    ["CREATE ", "ALTER ", "DROP "].iter().any(|verb| {
        name.strip_prefix(verb)
            .is_some_and(|object| OBJECTS.contains(&object))
    })
}

/// Refuses clauses that write files or variables of the session.
fn check_words(lexed: &Lexed<'_>, has_body: bool) -> Result<(), Refusal> {
    for (index, token) in lexed.tokens.iter().enumerate() {
        let next = lexed.get(index + 1);
        let is_variable = |token: &Token<'_>| token.kind == Lexeme::Variable;
        let refusal = if token.is("into") && next.is_some_and(|next| next.is_one_of(&["outfile", "dumpfile"]))
        {
            Refusal::write(
                "SELECT .. INTO OUTFILE",
                "writes a file of the server",
                "Read rows with SELECT.",
            )
        } else if token.is("into") && next.is_some_and(is_variable)
            || token.kind == Lexeme::Assign
                && index
                    .checked_sub(1)
                    .is_some_and(|at| is_variable(&lexed.tokens[at]))
        {
            Refusal::write(
                "a variable that is set",
                "would stay in a session that calls share",
                NO_SESSION,
            )
        } else if has_body && token.is("set") && next.is_some_and(is_variable)
            || token.is("set") && next.is_some_and(|next| next.is("global"))
        {
            Refusal::write("SET in a body", "changes the session or the server", NO_SESSION)
        } else {
            continue;
        };
        return Err(refusal.at(lexed.sql, token.start));
    }
    Ok(())
}

/// What a statement destroys, if it is much or can't be seen.
fn effect(lexed: &Lexed<'_>, main: usize, name: &str) -> Option<String> {
    let text = shortened(lexed.text);
    let replaces = lexed.are(main + 1, &["or", "replace"]);
    match name {
        "TRUNCATE" => Some(format!("`{text}` removes all rows.")),
        "CALL" => Some(format!(
            "`{text}` runs code whose effects can't be seen beforehand."
        )),
        "DELETE" if !is_limited(lexed, main) => Some(format!("`{text}` removes all rows of the table.")),
        "UPDATE" if !is_limited(lexed, main) => Some(format!("`{text}` changes all rows of the table.")),
        "CREATE TABLE" | "CREATE SEQUENCE" if replaces => Some(format!(
            "`{text}` removes what had that name before, with all that is in it."
        )),
        "ALTER TABLE" if removes_a_part(lexed, main) => Some(format!(
            "`{text}` removes a part of an object, with what is in it."
        )),
        _ if name.starts_with("DROP ") => {
            Some(format!("`{text}` removes what it names, with all that is in it."))
        }
        _ => None,
    }
}

/// Whether an `ALTER TABLE` loses data. `DROP DEFAULT` does not.
fn removes_a_part(lexed: &Lexed<'_>, main: usize) -> bool {
    let tokens = lexed.tokens.iter().enumerate().skip(main);
    let mut depth = 0_usize;
    tokens.fold(false, |removes, (at, token)| {
        match token.kind {
            Lexeme::Sign('(') => depth += 1,
            Lexeme::Sign(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let drops = token.is("drop") && !lexed.are(at + 1, &["default"]);
        let loses = drops || token.is_one_of(&["truncate", "discard", "exchange"]);
        removes || depth == 0 && loses
    })
}

/// Whether a statement has a condition that looks at a row, or a limit: `WHERE true` and `WHERE 1 = 1` are none.
fn is_limited(lexed: &Lexed<'_>, main: usize) -> bool {
    let mut depth = 0_usize;
    let mut in_condition = false;
    for token in &lexed.tokens[main..] {
        match token.kind {
            Lexeme::Sign('(') => depth += 1,
            Lexeme::Sign(')') => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("limit") => return true,
            _ if depth == 0 && token.is("where") => in_condition = true,
            _ if depth == 0 && token.is_one_of(&["order", "returning"]) => in_condition = false,
            Lexeme::Name(_) if in_condition => return true,
            Lexeme::Word(_) if in_condition && !token.is_one_of(CONSTANTS) => return true,
            _ => {}
        }
    }
    false
}

/// Words of a condition that look at no row.
const CONSTANTS: &[&str] = &[
    "true", "false", "null", "not", "and", "or", "xor", "is", "in", "between", "like", "div", "mod",
    "select", "from", "dual",
];

/// A statement in one line, cut to what a sentence can hold.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}
