//! The way through the lists of all upstreams, page by page.
//!
//! What a page holds nobody keeps: its cursor says where the next one begins, so that any replica can go on. It is not sealed, because it
//! grants nothing: whoever makes one up sees what it would see anyway.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use futures_util::stream;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use rmcp::model::ErrorData;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::entries::{Entries, Entry};
use crate::registry::Source;
use crate::server::refusal;
use crate::tool::Call;

/// How long one upstream may take for its part of a list.
const TIME: Duration = Duration::from_secs(2);

/// How many upstreams are asked at the same time. Those that do not answer hold up a page together, not one after another.
const AT_ONCE: usize = 8;

/// From how many entries on a page asks no further upstream.
const FULL: usize = 100;

/// The most pages of one upstream: one whose cursors never end would keep a client busy for good.
const MAX_PAGES: u32 = 100;

/// The longest cursor that is looked at, in bytes.
const MAX_CURSOR: usize = 8 * 1024;

/// The form of cursors.
const VERSION: u8 = 1;

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    /// The cursor of the next one.
    pub(super) next: Option<String>,
    /// Whether nobody was left out.
    pub(super) complete: bool,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    version: u8,
    list: String,
    /// The first upstream to ask; the one behind it, when there is none of this key any more.
    key: String,
    /// Where its own list goes on; absent for the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// How many pages it has given.
    pages: u32,
}

impl Position {
    fn new<T: Entry>(key: &str, cursor: Option<String>, pages: u32) -> Self {
        Self {
            version: VERSION,
            list: T::LIST.to_owned(),
            key: key.to_owned(),
            cursor,
            pages,
        }
    }

    /// Reads a cursor of the list of `T`; `None` when it is none.
    pub(super) fn read<T: Entry>(cursor: &str) -> Option<Self> {
        if cursor.len() > MAX_CURSOR {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let read: Self = serde_json::from_slice(&json).ok()?;
        (read.version == VERSION && read.list == T::LIST).then_some(read)
    }

    fn write(&self) -> Option<String> {
        let json = serde_json::to_vec(self).ok()?;
        Some(URL_SAFE_NO_PAD.encode(json)).filter(|cursor| cursor.len() <= MAX_CURSOR)
    }
}

/// Asks `sources`, which are sorted by key, from a position on, until the page is full or one has another page.
///
/// # Errors
/// The position is one that the adapter does not know, or knows no more.
pub(super) async fn walk<T: Entry>(
    sources: &[&Source],
    from: Position,
    call: &Call,
) -> Result<Page<T>, ErrorData> {
    let mut page = Page {
        entries: Vec::new(),
        next: None,
        complete: true,
    };
    let begin = sources.partition_point(|source| source.key() < from.key.as_str());
    let sources = &sources[begin..];
    let place = |source: &Source| {
        if source.key() == from.key {
            (from.cursor.clone(), from.pages)
        } else {
            (None, 0)
        }
    };
    let questions = sources.iter().map(|source| ask(source, place(source).0, call));
    let answers: Vec<_> = questions.collect();
    let mut answers = stream::iter(answers).buffered(AT_ONCE);
    let mut asked = sources.iter().copied();
    while let (Some(source), Some(answer)) = (asked.next(), answers.next().await) {
        let (cursor, pages) = place(source);
        // A client may have written whatever number it likes.
        let pages = pages.saturating_add(1);
        match answer {
            Ok(answer) => {
                let next = following(source, &answer, cursor.as_deref(), pages);
                page.entries.extend(answer.shown);
                page.next = next.and_then(|next| Position::new::<T>(source.key(), Some(next), pages).write());
            }
            // It says nothing of the upstream, and nobody reads the page.
            Err(fault) if call.cancelled.is_cancelled() => return Err(refusal::of_fault(&fault)),
            Err(fault) if cursor.is_some() && fault.reason == Reason::ArgumentInvalid => {
                return Err(refusal::unknown_cursor());
            }
            Err(fault) => {
                page.complete = false;
                leave_out(source, &fault);
            }
        }
        if page.next.is_some() {
            break;
        }
        if page.entries.len() >= FULL
            && let Some(further) = asked.next()
        {
            page.next = Position::new::<T>(further.key(), None, 0).write();
            break;
        }
    }
    Ok(page)
}

async fn ask<T: Entry>(source: &Source, cursor: Option<String>, call: &Call) -> Result<Entries<T>, Fault> {
    let call = Call {
        deadline: call.deadline.min(Instant::now() + TIME),
        ..call.clone()
    };
    source.ask(T::RPC, T::question(cursor), T::READ, &call).await
}

/// The cursor of an upstream's next page, as long as it gets on.
fn following<T>(source: &Source, answer: &Entries<T>, asked: Option<&str>, pages: u32) -> Option<String> {
    let endless = pages >= MAX_PAGES || answer.next.is_some() && answer.next.as_deref() == asked;
    let cut = answer.next.is_some() && endless;
    if (cut || answer.left_out > 0)
        && let Some(line) = source.backend().quiet().line()
    {
        let (upstream, left_out, unwritten) = (source.key(), answer.left_out, line.unwritten);
        tracing::warn!(
            upstream,
            left_out,
            cut,
            unwritten,
            "entries of a list of resources can't be shown"
        );
    }
    answer.next.clone().filter(|_| !endless)
}

fn leave_out(source: &Source, fault: &Fault) {
    source.backend().resources().missed();
    if let Some(line) = source.backend().quiet().line() {
        let (upstream, reason, unwritten) = (source.key(), fault.reason_name(), line.unwritten);
        tracing::warn!(
            upstream,
            reason,
            unwritten,
            "an upstream is left out of a list of resources"
        );
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{Resource, ResourceTemplate};

    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        for cursor in [None, Some("their own\u{0} \"words\" ä".to_owned())] {
            let position = Position::new::<Resource>("shop", cursor, 7);
            let written = position.write().expect("a cursor");
            assert_eq!(Position::read::<Resource>(&written), Some(position));
            assert_eq!(
                Position::read::<ResourceTemplate>(&written),
                None,
                "of another list"
            );
        }
        let encoded = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for wrong in [
            "",
            "x",
            "ä",
            &encoded("{}"),
            &encoded(r#"{"version":2,"list":"resources","key":"shop","pages":0}"#),
            &encoded(r#"{"version":1,"list":"resources","key":"shop","pages":-1}"#),
            &encoded(r#"{"version":1,"list":"resources","key":"shop","pages":0,"more":1}"#),
            &"A".repeat(MAX_CURSOR + 1),
        ] {
            assert_eq!(Position::read::<Resource>(wrong), None, "{wrong}");
        }
        assert_eq!(
            Position::new::<Resource>("shop", Some("c".repeat(MAX_CURSOR)), 1).write(),
            None
        );
    }
}
