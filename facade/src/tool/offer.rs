//! What an upstream offers: its annotated RPCs as tools that have no key yet.

use std::sync::Arc;

use http::uri::PathAndQuery;
use mcp_hub_proto::tool::v1::Tool as ToolOption;
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use sha2::{Digest as _, Sha256};

use super::Object;
use crate::json::snake_case;
use crate::schema::{Comments, Schemas, Unfit, option};
use crate::words;

/// The number of our extension of methods in `tool.proto`.
const TOOL_OPTION: u32 = 50001;

/// How many RPCs of one upstream may be tools. A model that is shown more can't choose among them, and each takes time to be made one.
const MAX_TOOLS: usize = 100;

/// The longest name of an RPC that is read. The catalogue says which key would have to be shorter.
const MAX_RPC: usize = 128;

/// The longest title, and the longest reason why an RPC is no tool, in characters.
const MAX_TITLE: usize = 100;
const MAX_REASON: usize = 300;

/// The largest entry of one tool in a list, in bytes of JSON. Ours have about 1,500.
const MAX_ENTRY: usize = 32 * 1024;

/// The same of all tools of one upstream. A client keeps the whole list in the model's context.
const MAX_LIST: usize = 256 * 1024;

/// One RPC as a tool.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The RPC in snake case: the tool's name without the key.
    pub(crate) rpc: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) input_schema: Arc<Object>,
    pub(crate) output_schema: Arc<Object>,
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
    /// `/package.Service/Method`.
    pub(crate) path: PathAndQuery,
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    /// Identifies all that a client sees of it.
    pub(crate) digest: [u8; 32],
}

/// Why an annotated RPC is no tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("a streaming RPC can't be a tool")]
    Streaming,
    #[error("it has no comment, so nothing tells a model what it does")]
    Undescribed,
    #[error(
        "its name, or that of its service, is not made of letters, digits and underscores, or is too long"
    )]
    Name,
    #[error("it says both that it has no side effects and that it is destructive")]
    Contradiction,
    #[error("the request can't be a schema: {0}")]
    Request(Unfit),
    #[error("the response can't be a schema: {0}")]
    Response(Unfit),
    #[error("its entry is larger than {MAX_ENTRY} bytes")]
    TooLarge,
    #[error("the entries of all tools together are larger than {MAX_LIST} bytes")]
    ListTooLarge,
    #[error("another RPC has the same name")]
    Taken,
    #[error("the service has more than {MAX_TOOLS} tools")]
    TooMany,
}

/// The tools among the RPCs of `services`, sorted by name, and a sentence for each annotated RPC that is none.
pub(crate) fn offers(pool: &DescriptorPool, services: &[String]) -> (Vec<Arc<Offer>>, Vec<String>) {
    let comments = Comments::of(pool);
    let (mut offers, mut left_out) = (Vec::<Arc<Offer>>::new(), Vec::new());
    let methods = services
        .iter()
        .filter_map(|name| pool.get_service_by_name(name))
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut list = 0;
    for method in methods {
        let Some(tool) = option::<ToolOption>(&method.options(), TOOL_OPTION) else {
            continue;
        };
        if offers.len() + left_out.len() >= MAX_TOOLS {
            left_out.push(reason(&method, &Unusable::TooMany));
            break;
        }
        let offer = Offer::new(&method, &tool, &comments).and_then(|(offer, size)| {
            if offers.iter().any(|other| other.rpc == offer.rpc) {
                Err(Unusable::Taken)
            } else if list + size > MAX_LIST {
                Err(Unusable::ListTooLarge)
            } else {
                list += size;
                Ok(offer)
            }
        });
        match offer {
            Ok(offer) => offers.push(Arc::new(offer)),
            Err(error) => left_out.push(reason(&method, &error)),
        }
    }
    offers.sort_by(|left, right| left.rpc.cmp(&right.rpc));
    (offers, left_out)
}

fn reason(method: &MethodDescriptor, error: &Unusable) -> String {
    let name = words::line(method.full_name(), MAX_REASON / 2);
    words::line(&format!("{name}: {error}"), MAX_REASON)
}

impl Offer {
    /// The offer of a method, and the size of its entry.
    fn new(
        method: &MethodDescriptor,
        tool: &ToolOption,
        comments: &Comments,
    ) -> Result<(Self, usize), Unusable> {
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(Unusable::Streaming);
        }
        let service = method.parent_service();
        let name = method.name();
        // Letters of other alphabets become ASCII in lower case, so that the RPC's own name is what is looked at.
        if name.len() > MAX_RPC
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            || !service.full_name().split('.').all(words::is_name)
        {
            return Err(Unusable::Name);
        }
        let rpc = snake_case(name);
        let path = format!("/{}/{}", service.full_name(), method.name());
        let path = path.parse::<PathAndQuery>().map_err(|_| Unusable::Name)?;
        let description = comments
            .at(service.parent_file().name(), method.path())
            .to_owned();
        if description.is_empty() {
            return Err(Unusable::Undescribed);
        }
        if description.len() > MAX_ENTRY {
            return Err(Unusable::TooLarge);
        }
        let level = method
            .method_descriptor_proto()
            .options
            .as_ref()
            .map_or(IdempotencyLevel::IdempotencyUnknown, |options| {
                options.idempotency_level()
            });
        let read_only = level == IdempotencyLevel::NoSideEffects;
        if read_only && tool.destructive {
            return Err(Unusable::Contradiction);
        }
        let schemas = Schemas::new(comments);
        let (input, output) = (method.input(), method.output());
        let mut offer = Self {
            title: match words::line(&tool.title, MAX_TITLE) {
                none if none.is_empty() => title(&rpc),
                title => title,
            },
            description,
            input_schema: Arc::new(schemas.input(&input).map_err(Unusable::Request)?),
            output_schema: Arc::new(schemas.output(&output).map_err(Unusable::Response)?),
            read_only,
            destructive: tool.destructive,
            idempotent: level != IdempotencyLevel::IdempotencyUnknown,
            rpc,
            path,
            input,
            output,
            digest: [0; 32],
        };
        let entry = offer.entry();
        if entry.len() > MAX_ENTRY {
            return Err(Unusable::TooLarge);
        }
        offer.digest = Sha256::digest(&entry).into();
        Ok((offer, entry.len()))
    }

    /// Whether it is an RPC of `service`.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        self.path
            .path()
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .is_some_and(|(name, _)| name == service)
    }

    /// All that a client sees of it.
    fn entry(&self) -> String {
        serde_json::json!([
            self.rpc,
            self.title,
            self.description,
            *self.input_schema,
            *self.output_schema,
            self.read_only,
            self.destructive,
            self.idempotent,
        ])
        .to_string()
    }
}

/// `list_tables` as `List tables`.
fn title(rpc: &str) -> String {
    let mut title = rpc.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}
