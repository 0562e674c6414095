//! One statement of a caller's: compiled, checked to be one, its parameters bound, and SQLite's complaints made useful.

use mcp_hub_chassis::arguments::similar;
use mcp_hub_chassis::{Fault, fault, trace};
use mcp_hub_proto::data::v1::Value;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, Statement};

use crate::database::Session;
use crate::error::{Error, Refusal, extended_code};
use crate::guard::{Denial, Effect, Mode};
use crate::value;

/// Compiles `sql` as one read-only statement and binds `params`; without, its parameters are NULL.
pub(crate) fn read<'s>(
    session: &Session<'s>,
    sql: &str,
    params: Option<&[Value]>,
) -> Result<Statement<'s>, Error> {
    let (mut statement, _) = guarded(session, Mode::Read, sql)?;
    if let Some(params) = params {
        bind(&mut statement, params)?;
    }
    Ok(statement)
}

/// Compiles `sql` as one statement of the tool that changes data and binds `params`. Also says what it does.
pub(crate) fn write<'s>(
    session: &Session<'s>,
    sql: &str,
    params: &[Value],
) -> Result<(Statement<'s>, Vec<Effect>), Error> {
    let (mut statement, effects) = guarded(session, Mode::Write, sql)?;
    bind(&mut statement, params)?;
    Ok((statement, effects))
}

/// Compiles `EXPLAIN QUERY PLAN` of a statement that [`read`] has let pass.
pub(crate) fn plan<'s>(
    session: &Session<'s>,
    sql: &str,
    params: Option<&[Value]>,
) -> Result<Statement<'s>, Error> {
    let (mut statement, _) = prepare(session, Mode::Read, sql)?;
    if let Some(params) = params {
        bind(&mut statement, params)?;
    }
    Ok(statement)
}

/// Compiles a statement in the guard's span. What SQLite finds wrong by itself is a failed statement in the trace.
fn guarded<'s>(session: &Session<'s>, mode: Mode, sql: &str) -> Result<(Statement<'s>, Vec<Effect>), Error> {
    let span = trace::internal("guard");
    span.in_scope(|| prepare(session, mode, sql))
        .map_err(|trouble| match trouble {
            Trouble::Refused(error) => {
                trace::fail(&span, fault::name(error.reason()));
                error
            }
            Trouble::NotCompiled(error, code) => {
                drop(span);
                session.not_compiled(sql, &error, code);
                error
            }
        })
}

/// Why there is no statement.
enum Trouble {
    /// It is refused here.
    Refused(Error),
    /// SQLite does not take it, and says its extended code.
    NotCompiled(Error, Option<i32>),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(error) | Trouble::NotCompiled(error, _) => error,
        }
    }
}

fn prepare<'s>(
    session: &Session<'s>,
    mode: Mode,
    sql: &str,
) -> Result<(Statement<'s>, Vec<Effect>), Trouble> {
    if let Some(byte) = sql.find('\0') {
        // SQLite would take it for the end, and what follows would be unseen.
        return Err(Trouble::Refused(Error::Statement(Box::new(Refusal {
            message: "the statement contains a NUL character".to_owned(),
            position: Some(position(sql, byte)),
            ..Refusal::default()
        }))));
    }
    let mut code = None;
    let compiled = session.within(mode, |raw| {
        let mut batch = Batch::new(raw, sql);
        let statement = batch.next().map_err(|error| {
            code = extended_code(&error);
            complaint(error, sql)
        })?;
        let statement = statement.ok_or_else(|| Error::statement("there is no statement in this text"))?;
        Ok((statement, batch))
    });
    let ((statement, mut batch), effects) = match compiled {
        Ok(compiled) => compiled,
        Err(error @ Error::Denied { .. }) => return Err(Trouble::Refused(error)),
        Err(error) => return Err(Trouble::NotCompiled(with_names(session, sql, error), code)),
    };
    if mode == Mode::Read && !statement.readonly() {
        return Err(Trouble::Refused(session.denied(Denial {
            what: "a statement that changes the database".to_owned(),
            is_write: true,
        })));
    }
    // Whatever follows, also what SQLite would refuse, is a second statement.
    match session.within(mode, |_| Ok(batch.next()?)) {
        Ok((None, _)) => Ok((statement, effects)),
        Ok((Some(_), _)) | Err(_) => Err(Trouble::Refused(Error::Statement(Box::new(Refusal {
            message: "one statement at a time: there is more text after the first one".to_owned(),
            hint: "make one call for each statement".to_owned(),
            ..Refusal::default()
        })))),
    }
}

/// Binds by position. SQLite numbers named parameters (`:name`) in the order of their first appearance.
fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), Error> {
    let wanted = statement.parameter_count();
    if wanted != params.len() {
        let message = format!(
            "the statement has {wanted} parameter{}, and params has {} value{}",
            plural(wanted),
            params.len(),
            plural(params.len())
        );
        return Err(Fault::argument("params", message).into());
    }
    for (index, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value::to_sqlite(param, index + 1)?)?;
    }
    Ok(())
}

/// "" or "s".
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// An error of compiling, with its position in the whole text.
fn complaint(error: rusqlite::Error, sql: &str) -> Error {
    match error {
        rusqlite::Error::SqlInputError {
            msg,
            sql: part,
            offset,
            ..
        } => {
            // What SQLite saw is the end of the text: empty statements in front were passed over.
            let passed = sql.len().saturating_sub(part.len());
            let byte = passed + usize::try_from(offset).unwrap_or(0);
            Error::Statement(Box::new(Refusal {
                message: msg,
                position: Some(position(sql, byte)),
                ..Refusal::default()
            }))
        }
        error => error.into(),
    }
}

/// The 1-based character at a byte.
fn position(sql: &str, byte: usize) -> usize {
    sql.char_indices().take_while(|(at, _)| *at < byte).count() + 1
}

/// Adds names that exist to an error about one that does not, and where that one is if SQLite did not say.
fn with_names(session: &Session<'_>, sql: &str, error: Error) -> Error {
    let Error::Statement(mut refusal) = error else {
        return error;
    };
    let Some((missing, candidates)) = missing(&refusal.message) else {
        return Error::Statement(refusal);
    };
    refusal.position = refusal.position.or_else(|| only_place(sql, &missing));
    // A failure to help is no second error.
    let names = session.internal(|raw| names(raw, candidates)).unwrap_or_default();
    refusal.did_you_mean = similar(&missing, names.iter().map(String::as_str))
        .into_iter()
        .map(str::to_owned)
        .collect();
    Error::Statement(refusal)
}

/// The 1-based character of the only place in the text where a name stands; several would be a guess.
fn only_place(sql: &str, name: &str) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut places = sql.match_indices(name).filter(|(at, _)| {
        !is_word(sql[..*at].chars().next_back()) && !is_word(sql[at + name.len()..].chars().next())
    });
    let (byte, _) = places.next()?;
    places.next().is_none().then(|| position(sql, byte))
}

/// The name that SQLite did not find, and where such names are.
fn missing(message: &str) -> Option<(String, &'static str)> {
    const TABLES: &str =
        "select name from pragma_table_list where type <> 'shadow' and name not like 'sqlite~_%' escape '~'";
    const COLUMNS: &str = "select distinct c.name from pragma_table_list t join pragma_table_xinfo(t.name) c
        where t.type <> 'shadow' and t.name not like 'sqlite~_%' escape '~'";
    const FUNCTIONS: &str = "select distinct name from pragma_function_list";
    let (rest, sql) = if let Some(rest) = message.strip_prefix("no such table: ") {
        (rest, TABLES)
    } else if let Some(rest) = message.strip_prefix("no such column: ") {
        (rest, COLUMNS)
    } else if let Some((_, rest)) = message.split_once(" has no column named ") {
        (rest, COLUMNS)
    } else if let Some(rest) = message.strip_prefix("no such function: ") {
        (rest, FUNCTIONS)
    } else {
        return None;
    };
    // "main.orders" and "o.total" name the last part; a hint of SQLite's may follow.
    let name = rest.split(" - ").next().unwrap_or(rest);
    let name = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    Some((name.to_owned(), sql))
}

fn names(raw: &Connection, sql: &str) -> Result<Vec<String>, Error> {
    let mut statement = raw.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("select x", 7), 8);
        assert_eq!(position("select 'ä', x", 13), 13);
        assert_eq!(position("", 0), 1);
    }

    #[test]
    fn a_name_has_a_place_if_it_stands_there_once() {
        assert_eq!(only_place("select ä from ordres_x, ordres", "ordres"), Some(25));
        assert_eq!(only_place("select ordres.a from ordres", "ordres"), None);
        assert_eq!(only_place("select 1", ""), None);
    }

    #[test]
    fn missing_names_are_read_from_the_message() {
        let name = |message| missing(message).map(|(name, _)| name);
        assert_eq!(name("no such table: main.ordrs").as_deref(), Some("ordrs"));
        assert_eq!(name("no such column: o.totl").as_deref(), Some("totl"));
        let quoted = "no such column: \"naem\" - should this be a string literal in single-quotes?";
        assert_eq!(name(quoted).as_deref(), Some("naem"));
        assert_eq!(
            name("table orders has no column named totl").as_deref(),
            Some("totl")
        );
        assert_eq!(name("near \"selec\": syntax error"), None);
    }
}
