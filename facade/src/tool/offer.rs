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

/// The number of our extension of methods in `tool.proto`.
const TOOL_OPTION: u32 = 50001;

/// How many tools one upstream may offer. A model that is shown more can't choose among them.
const MAX_TOOLS: usize = 100;

/// The largest entry of one tool in a list, in bytes of JSON. Ours have about 1,500.
const MAX_ENTRY: usize = 32 * 1024;

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
    #[error("its name is not made of letters, digits and underscores")]
    Name,
    #[error("it says both that it has no side effects and that it is destructive")]
    Contradiction,
    #[error("the request can't be a schema: {0}")]
    Request(Unfit),
    #[error("the response can't be a schema: {0}")]
    Response(Unfit),
    #[error("its entry is larger than {MAX_ENTRY} bytes")]
    TooLarge,
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
    for method in methods {
        let Some(tool) = option::<ToolOption>(&method.options(), TOOL_OPTION) else {
            continue;
        };
        let offer = if offers.len() >= MAX_TOOLS {
            Err(Unusable::TooMany)
        } else {
            Offer::new(&method, tool, &comments)
        };
        match offer {
            Ok(offer) if offers.iter().any(|other| other.rpc == offer.rpc) => {
                left_out.push(reason(&method, &Unusable::Taken));
            }
            Ok(offer) => offers.push(Arc::new(offer)),
            Err(Unusable::TooMany) => {
                left_out.push(reason(&method, &Unusable::TooMany));
                break;
            }
            Err(error) => left_out.push(reason(&method, &error)),
        }
    }
    offers.sort_by(|left, right| left.rpc.cmp(&right.rpc));
    left_out.truncate(MAX_TOOLS);
    (offers, left_out)
}

fn reason(method: &MethodDescriptor, error: &Unusable) -> String {
    let name: String = method.full_name().chars().take(200).collect();
    format!("{name}: {error}")
}

impl Offer {
    fn new(method: &MethodDescriptor, tool: ToolOption, comments: &Comments) -> Result<Self, Unusable> {
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(Unusable::Streaming);
        }
        let rpc = snake_case(method.name());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if rpc.is_empty() || !rpc.bytes().all(plain) {
            return Err(Unusable::Name);
        }
        let service = method.parent_service();
        let path = format!("/{}/{}", service.full_name(), method.name());
        let path = path.parse::<PathAndQuery>().map_err(|_| Unusable::Name)?;
        let description = comments
            .at(service.parent_file().name(), method.path())
            .to_owned();
        if description.is_empty() {
            return Err(Unusable::Undescribed);
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
            title: if tool.title.is_empty() {
                words(&rpc)
            } else {
                tool.title
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
        offer.digest = Sha256::digest(entry).into();
        Ok(offer)
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
fn words(rpc: &str) -> String {
    let mut words = rpc.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
