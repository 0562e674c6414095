//! Content that is not JSON, from `mcphub.content.v1` into MCP's form: the blocks of a tool's answer, the messages of a prompt, the parts
//! of a resource.
//!
//! It is read by the contract's own messages, whatever an adapter reflects of them, and bounded together with the JSON beside it: in
//! number before anything is decoded, in bytes as a client gets them, base64 and escapes included. A block that breaks the contract is
//! replaced by a sentence that says why; where blocks have no place, it is left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_hub_proto::content::v1 as proto;
use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::content::v1::resource_contents::Kind as Part;
use mcp_hub_proto::prompt::v1 as prompts;
use prost::Message;
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};
use rmcp::model::{
    Annotations, AudioContent, ContentBlock, EmbeddedResource, ImageContent, PromptMessage, Resource,
    ResourceContents, Role, TextContent,
};

use super::answer::{self, MAX_TEXT, Unreadable};
use super::wire::{Fields, Malformed};
use crate::tool::offer::{Offer, prompt};
use crate::words;

pub(crate) mod address;

/// The most blocks of one answer, messages of one prompt, parts of one resource. What needs more is a list, and those are JSON.
const MAX_BLOCKS: usize = 256;

/// The longest name or title, and the longest description, in characters.
const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 1_000;

/// The answer of a tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// The text of its JSON object; none when all of it is content.
    pub(crate) json: Option<String>,
    /// The blocks behind it.
    pub(crate) content: Vec<ContentBlock>,
}

impl Answer {
    /// One without content.
    pub(crate) fn of_json(json: String) -> Self {
        Self {
            json: Some(json),
            content: vec![],
        }
    }
}

/// Reads the answer of a tool: see [`Asked`](crate::tool::version::Asked).
///
/// # Errors
/// The bytes are no such message, or more than anybody reads.
pub(crate) fn answer(key: &str, offer: &Offer, bytes: &[u8]) -> Result<Answer, Unreadable> {
    let json = match offer.output_schema {
        Some(_) => Some(answer::write(&offer.output, bytes)?),
        None => None,
    };
    let mut content = Vec::new();
    if !offer.content.is_empty() {
        let mut reader = Reader::new(key, offer);
        reader.spend(json.as_ref().map_or(0, String::len))?;
        for field in &offer.content {
            let blocks = if field.is_list() {
                repeated::<proto::Content>(bytes, field.number(), MAX_BLOCKS)?
            } else {
                singular(bytes, field.number())?.into_iter().collect()
            };
            if content.len() + blocks.len() > MAX_BLOCKS {
                return Err(Unreadable::TooLarge);
            }
            for block in blocks {
                content.extend(reader.block(block)?);
            }
        }
    }
    Ok(Answer { json, content })
}

/// Reads the messages of a prompt: see [`Asked`](crate::tool::version::Asked). One without content is left out.
///
/// # Errors
/// The bytes are no such message, or more than anybody reads.
pub(crate) fn messages(key: &str, offer: &Offer, bytes: &[u8]) -> Result<Vec<PromptMessage>, Unreadable> {
    let number = prompt::messages(&offer.output).ok_or(Malformed)?;
    let mut reader = Reader::new(key, offer);
    let mut messages = Vec::new();
    for message in repeated::<prompts::PromptMessage>(bytes, number, MAX_BLOCKS)? {
        let role = match message.role() {
            prompts::Role::Assistant => Role::Assistant,
            prompts::Role::User | prompts::Role::Unspecified => Role::User,
        };
        if let Some(content) = reader.block(message.content.unwrap_or_default())? {
            messages.push(PromptMessage::new(role, content));
        }
    }
    Ok(messages)
}

/// Reads the parts of a resource, from a `ReadResourceResponse`: see [`Asked`](crate::tool::version::Asked). One without a usable
/// address, or with nothing in it, is left out.
///
/// # Errors
/// The bytes are no such message, or more than anybody reads.
pub(crate) fn contents(key: &str, offer: &Offer, bytes: &[u8]) -> Result<Vec<ResourceContents>, Unreadable> {
    let mut reader = Reader::new(key, offer);
    let mut contents = Vec::new();
    for part in repeated::<proto::ResourceContents>(bytes, 1, MAX_BLOCKS)? {
        contents.extend(reader.contents(part)?.ok());
    }
    Ok(contents)
}

/// The messages that a repeated field has, counted before any is decoded: an empty one is two bytes on the wire.
///
/// # Errors
/// There are more than `most`, or the bytes are no such message.
pub(crate) fn repeated<M: Message + Default>(
    bytes: &[u8],
    number: u32,
    most: usize,
) -> Result<Vec<M>, Unreadable> {
    let mut found = Vec::new();
    for field in Fields(bytes) {
        let (other, raw) = field?;
        if other == number {
            found.push(raw.bytes()?);
            if found.len() > most {
                return Err(Unreadable::TooLarge);
            }
        }
    }
    let messages = found
        .into_iter()
        .map(|bytes| M::decode(bytes).map_err(|_| Malformed));
    Ok(messages.collect::<Result<_, _>>()?)
}

/// The message that a singular field has, its pieces merged.
fn singular(bytes: &[u8], number: u32) -> Result<Option<proto::Content>, Unreadable> {
    let mut found = None::<proto::Content>;
    for field in Fields(bytes) {
        let (other, raw) = field?;
        if other == number {
            let merged = found.get_or_insert_default().merge(raw.bytes()?);
            merged.map_err(|_| Malformed)?;
        }
    }
    Ok(found)
}

/// The fields of a response that are content, in the order of their numbers.
pub(crate) fn fields(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let mut fields: Vec<_> = message.fields().filter(is_content).collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields
}

/// Whether a field of a response is content, and no part of its JSON.
pub(crate) fn is_content(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), prost_reflect::Kind::Message(message) if message.full_name() == "mcphub.content.v1.Content")
}

/// A link as MCP has it. None when its address is not one of the upstream's own.
pub(crate) fn link(key: &str, link: &proto::ResourceLink) -> Option<Resource> {
    let uri = address::outside(key, &link.uri)?;
    let said = |text: &str, max| Some(words::line(text, max)).filter(|text| !text.is_empty());
    let name = said(&link.name, MAX_NAME).unwrap_or_else(|| uri.clone());
    let mut resource = Resource::new(uri, name);
    resource.title = said(&link.title, MAX_NAME);
    resource.description = said(&link.description, MAX_DESCRIPTION);
    resource.mime_type = is_media_type(&link.mime_type).then(|| link.mime_type.clone());
    resource.size = link.size.map(u64::from);
    Some(resource)
}

/// Why something is not shown.
type LeftOut = &'static str;

const FOREIGN: LeftOut = "its address is not one of this service";
const EMPTY: LeftOut = "there is nothing in it";
const UNKNOWN: LeftOut = "its type is not declared by the service";

/// What reads the blocks of one answer.
struct Reader<'a> {
    key: &'a str,
    /// The types of the endpoint that answered.
    pool: &'a DescriptorPool,
    /// The bytes that may still be written.
    left: usize,
}

impl<'a> Reader<'a> {
    fn new(key: &'a str, offer: &'a Offer) -> Self {
        Self {
            key,
            pool: offer.output.parent_pool(),
            left: MAX_TEXT,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.left = self.left.checked_sub(bytes).ok_or(Unreadable::TooLarge)?;
        Ok(())
    }

    /// Counts a text as it stands in a message to a client.
    fn spend_text(&mut self, text: &str) -> Result<(), Unreadable> {
        self.spend(text.bytes().map(escaped).sum())
    }

    fn base64(&mut self, data: &[u8]) -> Result<String, Unreadable> {
        self.spend(data.len().div_ceil(3) * 4)?;
        Ok(STANDARD.encode(data))
    }

    /// A block as MCP has it. None for one of which nothing is said.
    fn block(&mut self, content: proto::Content) -> Result<Option<ContentBlock>, Unreadable> {
        let annotations = content.annotations.as_ref().and_then(annotations);
        let Some(kind) = content.kind else { return Ok(None) };
        let block = match kind {
            Kind::Text(text) => {
                self.spend_text(&text)?;
                let mut block = TextContent::new(text);
                block.annotations = annotations;
                ContentBlock::Text(block)
            }
            Kind::Image(media) => {
                if !is_media_of("image", &media) {
                    return self.left_out("an image", "its media type is not that of an image");
                }
                let mut block = ImageContent::new(self.base64(&media.data)?, media.mime_type);
                block.annotations = annotations;
                ContentBlock::Image(block)
            }
            Kind::Audio(media) => {
                if !is_media_of("audio", &media) {
                    return self.left_out("a sound", "its media type is not that of a sound");
                }
                let mut block = AudioContent::new(self.base64(&media.data)?, media.mime_type);
                block.annotations = annotations;
                ContentBlock::Audio(block)
            }
            Kind::Resource(part) => match self.contents(part)? {
                Ok(contents) => {
                    let mut block = EmbeddedResource::new(contents);
                    block.annotations = annotations;
                    ContentBlock::Resource(block)
                }
                Err(why) => return self.left_out("a document", why),
            },
            Kind::ResourceLink(given) => match link(self.key, &given) {
                Some(mut link) => {
                    let texts =
                        [&link.title, &link.description].map(|text| text.as_ref().map_or(0, String::len));
                    self.spend(link.uri.len() + link.name.len() + texts.iter().sum::<usize>())?;
                    link.annotations = annotations;
                    ContentBlock::ResourceLink(link)
                }
                None => return self.left_out("a link to a document", FOREIGN),
            },
        };
        Ok(Some(block))
    }

    /// The sentence in the place of a block.
    fn left_out(&mut self, what: &str, why: LeftOut) -> Result<Option<ContentBlock>, Unreadable> {
        let sentence = format!("({what} is left out: {why})");
        self.spend(sentence.len())?;
        Ok(Some(ContentBlock::text(sentence)))
    }

    /// A part of a resource as MCP has it, or why it is none.
    fn contents(
        &mut self,
        part: proto::ResourceContents,
    ) -> Result<Result<ResourceContents, LeftOut>, Unreadable> {
        let Some(uri) = address::outside(self.key, &part.uri) else {
            return Ok(Err(FOREIGN));
        };
        let Some(kind) = part.kind else {
            return Ok(Err(EMPTY));
        };
        self.spend(uri.len())?;
        let mime_type = |usual: &str| {
            Some(match part.mime_type {
                given if is_media_type(&given) => given,
                _ => usual.to_owned(),
            })
        };
        Ok(Ok(match kind {
            Part::Text(text) => {
                self.spend_text(&text)?;
                ResourceContents::TextResourceContents {
                    uri,
                    mime_type: mime_type("text/plain"),
                    text,
                    meta: None,
                }
            }
            Part::Blob(data) => ResourceContents::BlobResourceContents {
                uri,
                mime_type: mime_type("application/octet-stream"),
                blob: self.base64(&data)?,
                meta: None,
            },
            Part::Message(message) => {
                let name = message.type_url.rsplit('/').next().unwrap_or_default();
                let Some(descriptor) = self.pool.get_message_by_name(name) else {
                    return Ok(Err(UNKNOWN));
                };
                let text = answer::write(&descriptor, &message.value)?;
                self.spend_text(&text)?;
                ResourceContents::TextResourceContents {
                    uri,
                    mime_type: mime_type("application/json"),
                    text,
                    meta: None,
                }
            }
        }))
    }
}

/// How many bytes a byte of a text has in JSON.
fn escaped(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}

/// What of annotations can be taken for such. None when nothing can.
fn annotations(said: &proto::Annotations) -> Option<Annotations> {
    let has = |audience: proto::Audience| said.audience().any(|said| said == audience);
    let audience: Vec<Role> = [
        (proto::Audience::User, Role::User),
        (proto::Audience::Assistant, Role::Assistant),
    ]
    .into_iter()
    .filter_map(|(audience, role)| has(audience).then_some(role))
    .collect();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "MCP's implementation keeps single precision"
    )]
    let priority = said
        .priority
        .filter(|priority| (0.0..=1.0).contains(priority))
        .map(|priority| priority as f32);
    let mut annotations = Annotations::default();
    annotations.audience = Some(audience).filter(|audience| !audience.is_empty());
    annotations.priority = priority;
    annotations.last_modified = said
        .last_modified
        .parse::<jiff::Timestamp>()
        .is_ok()
        .then(|| said.last_modified.clone());
    (annotations != Annotations::default()).then_some(annotations)
}

fn is_media_of(family: &str, media: &proto::Media) -> bool {
    let of_family = media
        .mime_type
        .split_once('/')
        .is_some_and(|(found, _)| found == family);
    of_family && is_media_type(&media.mime_type)
}

/// Whether a text is a media type: RFC 6838, section 4.2, and parameters that are not looked into.
fn is_media_type(text: &str) -> bool {
    let name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let named = essence
        .trim_end()
        .split_once('/')
        .is_some_and(|(family, sub)| name(family) && name(sub));
    named && text.len() <= 127 && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
