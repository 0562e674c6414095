//! What a test lets an adapter have beside tools: prompts, resources and completions.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::completion::v1::completion_service_server::CompletionService;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use mcp_hub_proto::content::v1::content::Kind as Block;
use mcp_hub_proto::content::v1::resource_contents::Kind;
use mcp_hub_proto::content::v1::{Content, ResourceContents, ResourceLink};
use mcp_hub_proto::prompt::v1::{PromptMessage, Role};
use mcp_hub_proto::resource::v1::resource_service_server::ResourceService;
use mcp_hub_proto::resource::v1::{
    ListResourceTemplatesRequest, ListResourceTemplatesResponse, ListResourcesRequest, ListResourcesResponse,
    ReadResourceRequest, ReadResourceResponse, ResourceTemplate, WatchResourcesRequest,
    WatchResourcesResponse,
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::adapter::Plan;
use crate::fixture;

type Lists = Arc<dyn Fn(Option<&str>) -> Result<ListResourcesResponse, Fault> + Send + Sync>;

/// The resources of an adapter. Cheap to clone: what a test changes, the adapter has.
#[derive(Clone)]
pub(crate) struct Shelf {
    lists: Lists,
    templates: Arc<[&'static str]>,
    delay: Duration,
    values: usize,
    /// What a watch says.
    pub(crate) digest: watch::Sender<&'static [u8]>,
}

impl Shelf {
    /// One page of resources with these addresses, each of which says its address, and the template `{kind}/{item}`.
    pub(crate) fn of(addresses: &[&str]) -> Self {
        let resources: Vec<_> = addresses.iter().map(|address| link(address)).collect();
        Self::listing(move |_| Ok(page(resources.clone(), None)))
    }

    /// A list that is made when it is asked for.
    pub(crate) fn listing(
        lists: impl Fn(Option<&str>) -> Result<ListResourcesResponse, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            lists: Arc::new(lists),
            templates: ["{kind}/{item}"].into(),
            delay: Duration::ZERO,
            values: 3,
            digest: watch::Sender::new(b"first"),
        }
    }

    /// Other templates.
    pub(crate) fn templates(mut self, templates: &[&'static str]) -> Self {
        self.templates = templates.into();
        self
    }

    /// Lists only after a while.
    pub(crate) fn slow(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Completes with so many values.
    pub(crate) fn values(mut self, values: usize) -> Self {
        self.values = values;
        self
    }

    /// An adapter with this shelf, with a tool `find` and with the prompts of these names: each asks to do something, and has an argument
    /// `topic` and another one, `tone`.
    pub(crate) fn plan(&self, prompts: &[&str]) -> Plan {
        let rpc = |name: &&str| {
            format!(
                "// Begins to {name}.\nrpc {name}(TalkRequest) returns (TalkResponse) {{
                   option idempotency_level = NO_SIDE_EFFECTS;
                   option (mcphub.prompt.v1.prompt) = {{title: \"Let us {name}\"}};
                 }}\n"
            )
        };
        let prompts: String = prompts.iter().map(rpc).collect();
        let source = format!(
            r#"{}
            import "mcphub/prompt/v1/prompt.proto";
            // ShopService sells.
            service ShopService {{
              // Finds goods.
              rpc Find(FindRequest) returns (FindRequest) {{
                option idempotency_level = NO_SIDE_EFFECTS;
                option (mcphub.tool.v1.tool) = {{}};
              }}
              {prompts}
            }}
            message FindRequest {{ optional string what = 1; }}
            message TalkRequest {{
              // Of what.
              string topic = 1;
              optional string tone = 2;
            }}
            message TalkResponse {{ repeated mcphub.prompt.v1.PromptMessage messages = 1; }}
            "#,
            fixture::HEAD
        );
        let files = [
            "mcphub/resource/v1/resource_service.proto",
            "mcphub/completion/v1/completion_service.proto",
        ];
        let services = [
            "shop.v1.ShopService",
            "mcphub.resource.v1.ResourceService",
            "mcphub.completion.v1.CompletionService",
        ];
        Plan::of(&source, &files, &services)
            .with(self)
            .handle(|received| async move {
                let topic = received
                    .message
                    .get_field_by_name("topic")
                    .and_then(|topic| topic.as_str().map(str::to_owned));
                match topic.as_deref() {
                    Some("nothing") => Err(Fault::new(Reason::DatabaseUnavailable, "the database is away")),
                    Some("mistake") => Err(Fault::argument("topic", "topic can't be that")),
                    Some(topic) => Ok(talk(&received.response, &received.method, topic)),
                    None => Ok(received.response),
                }
            })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Talk {
    #[prost(message, repeated, tag = "1")]
    messages: Vec<PromptMessage>,
}

fn talk(response: &DynamicMessage, method: &str, topic: &str) -> DynamicMessage {
    let said = |role: Role, text: String| PromptMessage {
        role: role.into(),
        content: Some(Content {
            kind: Some(Block::Text(text)),
            annotations: None,
        }),
    };
    let messages = vec![
        said(Role::Unspecified, format!("{method} {topic}")),
        said(Role::Assistant, "Certainly.".to_owned()),
    ];
    let encoded = Talk { messages }.encode_to_vec();
    DynamicMessage::decode(response.descriptor(), encoded.as_slice()).expect("the same messages")
}

/// A resource of an address.
pub(crate) fn link(address: &str) -> ResourceLink {
    ResourceLink {
        uri: address.to_owned(),
        name: address.to_owned(),
        ..ResourceLink::default()
    }
}

/// A page of a list.
pub(crate) fn page(resources: Vec<ResourceLink>, next_cursor: Option<&str>) -> ListResourcesResponse {
    ListResourcesResponse {
        resources,
        next_cursor: next_cursor.map(str::to_owned),
    }
}

#[tonic::async_trait]
impl ResourceService for Shelf {
    type WatchResourcesStream = Pin<Box<dyn Stream<Item = Result<WatchResourcesResponse, Status>> + Send>>;

    async fn list_resources(
        &self,
        request: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        tokio::time::sleep(self.delay).await;
        let page = (self.lists)(request.get_ref().cursor.as_deref())?;
        Ok(Response::new(page))
    }

    async fn list_resource_templates(
        &self,
        _: Request<ListResourceTemplatesRequest>,
    ) -> Result<Response<ListResourceTemplatesResponse>, Status> {
        tokio::time::sleep(self.delay).await;
        let template = |template: &&str| ResourceTemplate {
            uri_template: (*template).to_owned(),
            name: "item".to_owned(),
            ..ResourceTemplate::default()
        };
        let templates = self.templates.iter().map(template).collect();
        Ok(Response::new(ListResourceTemplatesResponse { templates }))
    }

    async fn read_resource(
        &self,
        request: Request<ReadResourceRequest>,
    ) -> Result<Response<ReadResourceResponse>, Status> {
        let uri = request.into_inner().uri;
        match uri.as_str() {
            "missing" => Err(Fault::new(Reason::ObjectNotFound, "there is none"))?,
            "broken" => Err(Fault::new(Reason::DatabaseUnavailable, "the database is away"))?,
            _ => {}
        }
        let text = format!("this is {uri}");
        let contents = vec![ResourceContents {
            uri,
            mime_type: String::new(),
            kind: Some(Kind::Text(text)),
        }];
        Ok(Response::new(ReadResourceResponse { contents }))
    }

    async fn watch_resources(
        &self,
        _: Request<WatchResourcesRequest>,
    ) -> Result<Response<Self::WatchResourcesStream>, Status> {
        let mut digest = self.digest.subscribe();
        digest.mark_changed();
        let said = futures_util::stream::unfold(digest, async |mut digest| {
            digest.changed().await.ok()?;
            let said = digest.borrow_and_update().to_vec();
            Some((Ok(WatchResourcesResponse { digest: said }), digest))
        });
        Ok(Response::new(Box::pin(said)))
    }
}

#[tonic::async_trait]
impl CompletionService for Shelf {
    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        let asked = request.into_inner();
        if asked.value == "broken" {
            Err(Fault::new(Reason::DatabaseUnavailable, "the database is away"))?;
        }
        let of = [asked.prompt, asked.uri_template, asked.argument].join("|");
        let other = asked.arguments.get("tone").cloned().unwrap_or_default();
        let mut values: Vec<String> = (1..self.values)
            .map(|index| format!("{}{index}", asked.value))
            .collect();
        values.insert(0, format!("{of}|{other}"));
        Ok(Response::new(CompleteResponse {
            values,
            total: None,
            has_more: false,
        }))
    }
}
