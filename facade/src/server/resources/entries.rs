//! What adapters say of their resources and templates. Nothing of it is trusted: what is in one answer is bounded, and an entry that can't
//! be shown is left out alone.

use bytes::Bytes;
use mcp_hub_proto::content::v1::ResourceLink;
use mcp_hub_proto::resource::v1 as proto;
use prost::Message as _;
use rmcp::model::{Resource, ResourceTemplate};

use crate::json::answer::Unreadable;
use crate::json::content::{self, address};
use crate::json::wire::{Fields, Raw};
use crate::registry::Reader;
use crate::tool::offer::shared::{LIST_RESOURCE_TEMPLATES, LIST_RESOURCES};

/// The most entries of one answer. Pages of ours have 100.
const MAX_ENTRIES: usize = 1_000;

/// The longest cursor that is carried on, in bytes.
const MAX_CURSOR: usize = 4 * 1024;

/// What lists are made of.
pub(in crate::server) trait Entry: Send + Sized + 'static {
    /// The RPC that lists them.
    const RPC: &'static str;

    /// What a cursor says that it is of.
    const LIST: &'static str;

    /// Reads what that answers.
    const READ: Reader<Entries<Self>>;

    /// What it is asked.
    fn question(cursor: Option<String>) -> Bytes;
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) struct Entries<T> {
    pub(in crate::server) shown: Vec<T>,
    /// How many are not among them.
    pub(super) left_out: usize,
    /// Continues the list; `None` at its end.
    pub(super) next: Option<String>,
}

impl Entry for Resource {
    const RPC: &'static str = LIST_RESOURCES;
    const LIST: &'static str = "resources";
    const READ: Reader<Entries<Self>> = |key, _, bytes| {
        let shown = |bytes: &[u8]| content::link(key, &ResourceLink::decode(bytes).ok()?);
        read(bytes, shown)
    };

    fn question(cursor: Option<String>) -> Bytes {
        proto::ListResourcesRequest { cursor }.encode_to_vec().into()
    }
}

impl Entry for ResourceTemplate {
    const RPC: &'static str = LIST_RESOURCE_TEMPLATES;
    const LIST: &'static str = "templates";
    const READ: Reader<Entries<Self>> = |key, _, bytes| {
        let shown = |bytes: &[u8]| template(key, proto::ResourceTemplate::decode(bytes).ok()?);
        // All templates are one answer, which has no cursor.
        let mut read = read(bytes, shown)?;
        read.next = None;
        Ok(read)
    };

    fn question(_: Option<String>) -> Bytes {
        proto::ListResourceTemplatesRequest {}.encode_to_vec().into()
    }
}

/// Reads a message whose first field is the entries and whose second is the cursor.
fn read<T>(bytes: &[u8], shown: impl Fn(&[u8]) -> Option<T>) -> Result<Entries<T>, Unreadable> {
    let mut read = Entries {
        shown: Vec::new(),
        left_out: 0,
        next: None,
    };
    for field in Fields(bytes) {
        match field? {
            (1, Raw::Bytes(entry)) => {
                // Counted before it is decoded.
                let room = read.shown.len() < MAX_ENTRIES;
                match Some(entry).filter(|_| room).and_then(&shown) {
                    Some(entry) => read.shown.push(entry),
                    None => read.left_out += 1,
                }
            }
            (2, Raw::Bytes(cursor)) => {
                let cursor = std::str::from_utf8(cursor).ok();
                let usable = cursor.filter(|cursor| !cursor.is_empty() && cursor.len() <= MAX_CURSOR);
                read.next = usable.map(str::to_owned);
            }
            _ => {}
        }
    }
    Ok(read)
}

/// A template as MCP has it. `None` when it can't be shown.
fn template(key: &str, given: proto::ResourceTemplate) -> Option<ResourceTemplate> {
    let uri_template = address::template_outside(key, &given.uri_template)?;
    // What is said of it is what is said of a resource.
    let link = ResourceLink {
        uri: "x".to_owned(),
        name: if given.name.is_empty() {
            given.uri_template
        } else {
            given.name
        },
        title: given.title,
        description: given.description,
        mime_type: given.mime_type,
        size: None,
    };
    let said = content::link(key, &link)?;
    let mut template = ResourceTemplate::new(uri_template, said.name);
    template.title = said.title;
    template.description = said.description;
    template.mime_type = said.mime_type;
    Some(template)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn link(uri: &str) -> ResourceLink {
        ResourceLink {
            uri: uri.to_owned(),
            name: "n".to_owned(),
            ..ResourceLink::default()
        }
    }

    fn list(links: &[ResourceLink], cursor: Option<&str>) -> Vec<u8> {
        let list = proto::ListResourcesResponse {
            resources: links.to_vec(),
            next_cursor: cursor.map(str::to_owned),
        };
        list.encode_to_vec()
    }

    fn read_list(bytes: &[u8]) -> (Vec<String>, usize, Option<String>) {
        let read = read(bytes, |bytes| {
            content::link("shop", &ResourceLink::decode(bytes).ok()?)
        });
        let read = read.expect("a list");
        let uris = read.shown.into_iter().map(|resource| resource.uri).collect();
        (uris, read.left_out, read.next)
    }

    #[test]
    fn one_bad_entry_is_left_out_alone() {
        let mut bytes = list(
            &[link("a"), link("other://a"), link("b c"), link("b")],
            Some("next"),
        );
        // No UTF-8 in the name, and no message at all.
        for bad in [&b"\x12\x01\xff"[..], b"\xff"] {
            bytes.extend([0x0a, u8::try_from(bad.len()).expect("short")]);
            bytes.extend(bad);
        }
        let shown = ["mcphub://shop/a", "mcphub://shop/b"].map(str::to_owned).to_vec();
        assert_eq!(read_list(&bytes), (shown, 4, Some("next".to_owned())));
        assert!(read::<Resource>(b"\x0a\x7f", |_| None).is_err(), "cut off");
    }

    #[test]
    fn an_answer_without_end_has_one() {
        let links: Vec<_> = (0..MAX_ENTRIES + 5)
            .map(|index| link(&format!("t{index}")))
            .collect();
        let (shown, left_out, next) = read_list(&list(&links, Some(&"c".repeat(MAX_CURSOR + 1))));
        assert_eq!((shown.len(), left_out, next), (MAX_ENTRIES, 5, None));
        assert_eq!(read_list(&list(&[], Some(""))).2, None);
        let empty = [0x0a, 0x00].repeat(100_000);
        assert_eq!(read_list(&empty), (vec![], 100_000, None));
    }

    #[test]
    fn what_is_said_of_a_template_is_bounded() {
        let given = proto::ResourceTemplate {
            uri_template: "{schema}/{table}".to_owned(),
            name: String::new(),
            title: "A\u{202e}\ntable".to_owned(),
            description: "d".repeat(5_000),
            mime_type: "not one".to_owned(),
        };
        let shown = template("shop", given.clone()).expect("a template");
        assert_eq!(shown.uri_template, "mcphub://shop/{schema}/{table}");
        assert_eq!(
            (shown.name.as_str(), shown.title.as_deref()),
            ("{schema}/{table}", Some("A table"))
        );
        assert!(
            shown
                .description
                .is_some_and(|description| description.len() < 2_000)
        );
        assert_eq!(shown.mime_type, None);
        let foreign = proto::ResourceTemplate {
            uri_template: "other://{table}".to_owned(),
            ..given
        };
        assert_eq!(template("shop", foreign), None);
    }
}
