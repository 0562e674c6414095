//! A line of the log: what happened, and in which trace.
//!
//! For people it is `TIME LEVEL TARGET: MESSAGE NAME=VALUE ..`. For machines it is one JSON object with the keys `timestamp` (RFC 3339, UTC), `level`,
//! `target`, `message`, one for each value that is logged, and `trace_id` and `span_id` where the line belongs to a call. A value whose
//! name is one of these is under `field.NAME`. Where the trace is recorded and `MCP_HUB_TRACE_URL` says where it can be looked at, `trace_url` leads there.
//!
//! Text from outside is in lines too: it can't end one, begin one, or move the cursor of whoever reads it.

use std::fmt::{self, Write};

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use crate::trace;

const KEYS: [&str; 7] = [
    "timestamp",
    "level",
    "target",
    "message",
    "trace_id",
    "span_id",
    "trace_url",
];

/// Writes lines of this form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // While a span of ours is entered, it is there.
        let context = opentelemetry::Context::current();
        let span = context.span();
        let span = span.span_context();
        match self.0 {
            Format::Pretty => pretty(writer, event, span),
            Format::Json => json(writer, event, span),
        }
    }
}

/// What says which trace a line belongs to.
fn ids(span: &SpanContext) -> impl Iterator<Item = (&'static str, String)> {
    let is_in_trace = span.is_valid();
    let trace_id = is_in_trace.then(|| span.trace_id().to_string());
    let url = trace_id
        .as_deref()
        .filter(|_| span.is_sampled())
        .and_then(trace::url);
    let span_id = is_in_trace.then(|| span.span_id().to_string());
    let ids = [("trace_id", trace_id), ("span_id", span_id), ("trace_url", url)];
    ids.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

fn pretty(mut writer: Writer<'_>, event: &Event<'_>, span: &SpanContext) -> fmt::Result {
    let level = *event.metadata().level();
    let (dim, colour, plain) = if writer.has_ansi_escapes() {
        ("\x1b[2m", colour(level), "\x1b[0m")
    } else {
        ("", "", "")
    };
    writer.write_str(dim)?;
    SystemTime.format_time(&mut writer)?;
    write!(writer, "{plain} {colour}{level:>5}{plain} ")?;
    write!(writer, "{dim}{}:{plain}", event.metadata().target())?;
    // The message comes first, wherever it stands among the fields.
    for of_message in [true, false] {
        let mut fields = Pretty {
            writer: &mut writer,
            of_message,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
    }
    for (name, value) in ids(span) {
        write!(writer, " {dim}{name}={value}{plain}")?;
    }
    writer.write_char('\n')
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

struct Pretty<'a, 'b> {
    writer: &'a mut Writer<'b>,
    of_message: bool,
    result: fmt::Result,
}

impl Visit for Pretty<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let is_message = field.name() == "message";
        if self.result.is_err() || is_message != self.of_message {
            return;
        }
        self.result = self.writer.write_char(' ').and_then(|()| {
            if !is_message {
                write!(self.writer, "{}=", field.name())?;
            }
            write!(Escaped(self.writer), "{value:?}")
        });
    }
}

/// Escapes what could end a line or command a terminal.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(index) = rest.find(commands) {
            let (plain, from) = rest.split_at(index);
            let mut characters = from.chars();
            self.0.write_str(plain)?;
            if let Some(command) = characters.next() {
                write!(self.0, "{}", command.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Whether a character does something to a line: control characters, other ends of lines, and those that turn the direction of text.
fn commands(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn json(mut writer: Writer<'_>, event: &Event<'_>, span: &SpanContext) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), time.into());
    line.insert("level".to_owned(), event.metadata().level().as_str().into());
    line.insert("target".to_owned(), event.metadata().target().into());
    line.insert("message".to_owned(), fields.message.into());
    line.extend(fields.others);
    line.extend(ids(span).map(|(name, value)| (name.to_owned(), value.into())));
    let text = Value::Object(line).to_string();
    // JSON escapes less than a terminal obeys. Such characters are in strings only.
    let mut rest = &*text;
    while let Some(index) = rest.find(commands) {
        let (plain, from) = rest.split_at(index);
        let mut characters = from.chars();
        writer.write_str(plain)?;
        for unit in characters
            .next()
            .into_iter()
            .flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
        {
            write!(writer, "\\u{unit:04x}")?;
        }
        rest = characters.as_str();
    }
    writeln!(writer, "{rest}")
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        let name = if KEYS.contains(&name) {
            format!("field.{name}")
        } else {
            name.to_owned()
        };
        self.others.insert(name, value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
