//! What a session is going to send: messages of the extended protocol, queued until [`Connection::flush`].

use std::borrow::Cow;
use std::io;

use mcp_hub_chassis::trace::statement;
use postgres_protocol::message::frontend;

use super::Connection;
use crate::error::Error;

/// A parameter's value in text; `None` is NULL.
pub(crate) type Parameter<'a> = Option<&'a str>;

impl Connection {
    /// Queues a statement in front of the next one; its answer is skipped, an error of it is the next one's.
    pub(crate) fn queue_preamble(&mut self, sql: &str) -> Result<(), Error> {
        self.parse(sql)?;
        self.queue_bind(&[])?;
        self.queue_execute(0)?;
        self.preamble += 1;
        Ok(())
    }

    /// Queues the preparation of a statement as the unnamed one, and the question for its parameters and columns.
    pub(crate) fn queue_prepare(&mut self, sql: &str) -> Result<(), Error> {
        self.queue_parse(sql)?;
        frontend::describe(b'S', "", &mut self.output).map_err(Error::Lost)
    }

    /// Queues the preparation of a statement as the unnamed one. The server is told the current trace with it.
    pub(crate) fn queue_parse(&mut self, sql: &str) -> Result<(), Error> {
        self.parse(&told(sql))
    }

    fn parse(&mut self, sql: &str) -> Result<(), Error> {
        if sql.contains('\0') {
            return Err(
                mcp_hub_chassis::Fault::argument("sql", "a statement can't contain a NUL character").into(),
            );
        }
        frontend::parse("", sql, std::iter::empty(), &mut self.output).map_err(Error::Lost)
    }

    /// Queues the binding of the unnamed statement's parameters, for results in text.
    pub(crate) fn queue_bind(&mut self, parameters: &[Parameter<'_>]) -> Result<(), Error> {
        use postgres_protocol::IsNull;
        use postgres_protocol::message::frontend::BindError;
        let bound = frontend::bind(
            "",
            "",
            std::iter::empty(),
            parameters,
            |parameter, buffer| match parameter {
                Some(text) => {
                    buffer.extend_from_slice(text.as_bytes());
                    Ok(IsNull::No)
                }
                None => Ok(IsNull::Yes),
            },
            std::iter::empty(),
            &mut self.output,
        );
        bound.map_err(|error| match error {
            BindError::Serialization(error) => Error::Lost(error),
            BindError::Conversion(error) => Error::Lost(io::Error::other(error)),
        })
    }

    /// Queues the execution of what is bound; 0 is all rows.
    pub(crate) fn queue_execute(&mut self, rows: i32) -> Result<(), Error> {
        frontend::execute("", rows, &mut self.output).map_err(Error::Lost)
    }

    /// Ends a group: the server answers with `ReadyForQuery`, and after an error it goes on here.
    pub(crate) fn queue_sync(&mut self) {
        frontend::sync(&mut self.output);
        self.pending += 1;
    }

    /// Queues a whole statement of ours as a group.
    pub(super) fn queue_statement(&mut self, sql: &str, parameters: &[Parameter<'_>]) -> Result<(), Error> {
        self.queue_parse(sql)?;
        self.queue_bind(parameters)?;
        self.queue_execute(0)?;
        self.queue_sync();
        Ok(())
    }

    /// Queues statements of ours as one group; nothing for none.
    pub(crate) fn queue_group(&mut self, statements: &[&str]) -> Result<(), Error> {
        for sql in statements {
            self.parse(sql)?;
            self.queue_bind(&[])?;
            self.queue_execute(0)?;
        }
        if !statements.is_empty() {
            self.queue_sync();
        }
        Ok(())
    }
}

/// A statement with the current trace behind it, where the server's log and `pg_stat_activity` show it, and where it moves no place in the
/// statement.
///
/// The semicolon ends the statement: `pg_stat_statements` takes what follows for no part of it. Without, up to PostgreSQL 15 each `EXPLAIN`,
/// `SHOW` and `CREATE` would have an entry of its own there.
fn told(sql: &str) -> Cow<'_, str> {
    match statement::told() {
        None => Cow::Borrowed(sql),
        // On a line of its own, which no comment of the statement's reaches.
        Some(traceparent) => Cow::Owned(format!("{sql}\n;/*traceparent='{traceparent}'*/")),
    }
}
