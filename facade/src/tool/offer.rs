//! What an upstream offers: its annotated RPCs as tools and prompts that have no key yet, and the RPCs of the services that any adapter
//! may register. What is special of each kind is in [`prompt`], [`shared`] and [`stream`].

use std::sync::Arc;

use http::uri::PathAndQuery;
use mcp_hub_proto::prompt::v1::Prompt as PromptOption;
use mcp_hub_proto::tool::v1::Tool as ToolOption;
use prost_reflect::prost_types::method_options::IdempotencyLevel;
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor};
use sha2::{Digest as _, Sha256};

use super::Object;
use crate::json::{content, snake_case};
use crate::schema::{Comments, Schemas, Unfit, option};
use crate::words;
use prompt::Argument;
use stream::{Follower, Parts, Unfollowed};

pub(crate) mod prompt;
pub(crate) mod shared;
pub(crate) mod stream;

/// The numbers of our extensions of methods in `tool.proto` and `prompt.proto`.
const TOOL_OPTION: u32 = 50001;
const PROMPT_OPTION: u32 = 50003;

/// How many RPCs of one upstream may be tools or prompts. A model that is shown more can't choose among them, and each takes time to be
/// made one.
const MAX_OFFERS: usize = 100;

/// The longest name of an RPC that is read. The catalogue says which key would have to be shorter.
const MAX_RPC: usize = 128;

/// The longest title, and the longest reason why an RPC is not offered, in characters.
const MAX_TITLE: usize = 100;
const MAX_REASON: usize = 300;

/// The largest entry of one tool or prompt in a list, in bytes of JSON. Ours have about 1,500.
const MAX_ENTRY: usize = 32 * 1024;

/// The same of all of one upstream. A client keeps the whole list in the model's context.
const MAX_LIST: usize = 256 * 1024;

/// What an RPC is to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Prompt,
    /// An RPC of a service that any adapter may register. No client sees it as such; the facade calls it.
    Shared,
}

/// One RPC as a tool, as a prompt, or as a part of a service that adapters share.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) kind: Kind,
    /// The RPC in snake case: the name of the tool or prompt without the key. `Service/Method` of one that adapters share.
    pub(crate) rpc: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) input_schema: Arc<Object>,
    /// None where the answer is no JSON object.
    pub(crate) output_schema: Option<Arc<Object>>,
    /// The fields of the response that are content.
    pub(crate) content: Vec<FieldDescriptor>,
    /// The arguments of a prompt, in the order of their numbers.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
    /// `/package.Service/Method`.
    pub(crate) path: PathAndQuery,
    /// How its messages are read, where the answer comes as a stream.
    pub(crate) parts: Option<Parts>,
    /// What tells the progress of a call.
    pub(crate) follower: Option<Follower>,
    pub(crate) input: MessageDescriptor,
    /// The answer; of a stream, what its messages are parts of.
    pub(crate) output: MessageDescriptor,
    /// Identifies all that a client sees of it.
    pub(crate) digest: [u8; 32],
}

/// Why an annotated RPC is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("an RPC with a stream of requests can't be offered")]
    Streaming,
    #[error("a prompt has no side effects, and has to say so: NO_SIDE_EFFECTS")]
    SideEffects,
    #[error("a prompt is not a stream")]
    StreamingPrompt,
    #[error("its messages are not of two fields, a mcphub.progress.v1.Progress and the answer")]
    Parts,
    #[error("its progress can't be told by {0}: {1}")]
    Unfollowed(String, Unfollowed),
    #[error("it says both that it is a tool and that it is a prompt")]
    Both,
    #[error("the argument {0} of a prompt is not a string")]
    Argument(String),
    #[error(
        "the response of a prompt has one field of type repeated mcphub.prompt.v1.PromptMessage, and this has not"
    )]
    Messages,
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
    #[error("the entries of all tools and prompts together are larger than {MAX_LIST} bytes")]
    ListTooLarge,
    #[error("another RPC has the same name")]
    Taken,
    #[error("the service has more than {MAX_OFFERS} tools and prompts")]
    TooMany,
}

/// What an RPC says that it is.
enum Declared {
    Tool(ToolOption),
    Prompt(PromptOption),
}

impl Declared {
    /// None when it says nothing: it is not offered.
    fn of(method: &MethodDescriptor) -> Option<Result<Self, Unusable>> {
        let options = method.options();
        let tool = option::<ToolOption>(&options, TOOL_OPTION);
        let prompt = option::<PromptOption>(&options, PROMPT_OPTION);
        match (tool, prompt) {
            (Some(tool), None) => Some(Ok(Self::Tool(tool))),
            (None, Some(prompt)) => Some(Ok(Self::Prompt(prompt))),
            (Some(_), Some(_)) => Some(Err(Unusable::Both)),
            (None, None) => None,
        }
    }
}

/// What is offered among the RPCs of `services`, sorted by name, and a sentence for each annotated RPC that is not.
pub(crate) fn offers(pool: &DescriptorPool, services: &[String]) -> (Vec<Arc<Offer>>, Vec<String>) {
    let comments = Comments::of(pool);
    let (mut offers, mut left_out) = (Vec::<Arc<Offer>>::new(), Vec::new());
    let methods = services
        .iter()
        .filter_map(|name| pool.get_service_by_name(name))
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    let (mut declared, mut list) = (0, 0);
    for method in methods {
        if let Some(offer) = shared::offer(&method) {
            offers.push(Arc::new(offer));
            continue;
        }
        let Some(says) = Declared::of(&method) else {
            continue;
        };
        declared += 1;
        if declared > MAX_OFFERS {
            left_out.push(reason(&method, &Unusable::TooMany));
            break;
        }
        let offer = says.and_then(|says| Offer::new(&method, &says, &comments));
        let offer = offer.and_then(|(offer, size, without)| {
            if offers.iter().any(|other| other.rpc == offer.rpc) {
                Err(Unusable::Taken)
            } else if list + size > MAX_LIST {
                Err(Unusable::ListTooLarge)
            } else {
                list += size;
                Ok((offer, without))
            }
        });
        match offer {
            Ok((offer, without)) => {
                left_out.extend(without.map(|error| reason(&method, &error)));
                offers.push(Arc::new(offer));
            }
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
    /// The offer of a method, the size of its entry, and what it is left without.
    fn new(
        method: &MethodDescriptor,
        declared: &Declared,
        comments: &Comments,
    ) -> Result<(Self, usize, Option<Unusable>), Unusable> {
        if method.is_client_streaming() {
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
        let (kind, option_title, destructive) = match declared {
            Declared::Tool(tool) => (Kind::Tool, &tool.title, tool.destructive),
            Declared::Prompt(prompt) => (Kind::Prompt, &prompt.title, false),
        };
        let read_only = level == IdempotencyLevel::NoSideEffects;
        // Clients get a prompt without asking anybody, and db:read is enough for it.
        if kind == Kind::Prompt && !read_only {
            return Err(Unusable::SideEffects);
        }
        if read_only && destructive {
            return Err(Unusable::Contradiction);
        }
        let schemas = Schemas::new(comments);
        let input = method.input();
        let (parts, output) = match declared {
            _ if !method.is_server_streaming() => (None, method.output()),
            Declared::Tool(_) => {
                let (parts, answer) = stream::parts(&method.output()).ok_or(Unusable::Parts)?;
                (Some(parts), answer)
            }
            Declared::Prompt(_) => return Err(Unusable::StreamingPrompt),
        };
        let (follower, without) = match declared {
            Declared::Tool(tool) if !tool.progress.is_empty() => {
                match stream::follower(method, &tool.progress) {
                    Ok(follower) => (Some(follower), None),
                    Err(error) => (None, Some(Unusable::Unfollowed(tool.progress.clone(), error))),
                }
            }
            _ => (None, None),
        };
        let input_schema = schemas.input(&input).map_err(Unusable::Request)?;
        let (output_schema, arguments) = match declared {
            Declared::Tool(_) => {
                let schema = schemas.output(&output).map_err(Unusable::Response)?;
                (schema.map(Arc::new), vec![])
            }
            Declared::Prompt(_) => {
                prompt::messages(&output).ok_or(Unusable::Messages)?;
                (None, prompt::arguments(&input, &input_schema)?)
            }
        };
        let mut offer = Self {
            kind,
            title: match words::line(option_title, MAX_TITLE) {
                none if none.is_empty() => title(&rpc),
                title => title,
            },
            description,
            input_schema: Arc::new(input_schema),
            output_schema,
            content: content::fields(&output),
            arguments,
            read_only,
            destructive,
            idempotent: read_only || level != IdempotencyLevel::IdempotencyUnknown,
            rpc,
            path: path(method)?,
            parts,
            follower,
            input,
            output,
            digest: [0; 32],
        };
        let entry = offer.entry();
        if entry.len() > MAX_ENTRY {
            return Err(Unusable::TooLarge);
        }
        offer.digest = Sha256::digest(&entry).into();
        Ok((offer, entry.len(), without))
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
            self.kind == Kind::Prompt,
            self.rpc,
            self.title,
            self.description,
            *self.input_schema,
            self.output_schema.as_deref(),
            self.read_only,
            self.destructive,
            self.idempotent,
        ])
        .to_string()
    }
}

/// `/package.Service/Method`.
fn path(method: &MethodDescriptor) -> Result<PathAndQuery, Unusable> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    path.parse().map_err(|_| Unusable::Name)
}

/// `list_tables` as `List tables`.
fn title(rpc: &str) -> String {
    let mut title = rpc.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}
