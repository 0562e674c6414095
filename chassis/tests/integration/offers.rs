//! Resources and completions of an adapter, over a real socket.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::completion::{Completions, starting_with};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::resource::{self, Address, Changed, Page, Resources};
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::adapter::v1::GetStatusResponse;
use mcp_hub_proto::completion::v1::CompleteRequest;
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink, resource_contents};
use mcp_hub_proto::resource::v1::resource_service_client::ResourceServiceClient;
use mcp_hub_proto::resource::v1::{
    ListResourcesRequest, ReadResourceRequest, ResourceTemplate, WatchResourcesRequest,
};
use prost::Name as _;
use tokio::net::TcpListener;
use tokio::sync::RwLock;

use crate::{Double, connect};

/// Tables that tests add.
#[derive(Default)]
struct Tables(RwLock<Vec<String>>);

#[tonic::async_trait]
impl Resources for Tables {
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        let tables = self.0.read().await;
        let link = |name: &String| ResourceLink {
            uri: Address::of(&[name]),
            name: name.clone(),
            ..ResourceLink::default()
        };
        Page::of(tables.iter().map(link).collect(), cursor)
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        match Address::parse(uri)?.matches(&[]) {
            Some([name]) if self.0.read().await.iter().any(|known| known == name) => {
                let answer = GetStatusResponse {
                    kind: name.to_owned(),
                    ..GetStatusResponse::default()
                };
                resource::message(uri, &answer)
            }
            _ => Err(resource::not_found(uri)),
        }
    }
}

#[tonic::async_trait]
impl Completions for Tables {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        Ok(starting_with(self.0.read().await.clone(), &request.value))
    }
}

#[tokio::test]
async fn what_an_adapter_has_beside_tools_is_served_until_the_end() {
    let (tables, changed, lifecycle) = (Arc::<Tables>::default(), Changed::default(), Lifecycle::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let channel = connect(&listener);
    let server = AdapterServer::new(Arc::new(Double::default()))
        .resources(tables.clone(), changed.clone())
        .completions(tables.clone());
    let server = lifecycle.spawn(server.serve(listener, lifecycle.clone()));
    let mut resources = ResourceServiceClient::new(channel.clone());

    let watch = resources.watch_resources(WatchResourcesRequest {}).await;
    let mut watch = watch.expect("watches").into_inner();
    let beginning = watch.message().await.expect("open").expect("a digest");
    tables.0.write().await.push("a/b ü".to_owned());
    changed.perhaps();
    let next = tokio::time::timeout(Duration::from_secs(10), watch.message()).await;
    let next = next.expect("in time").expect("open").expect("a digest");
    assert_ne!(next, beginning);

    let listed = resources.list_resources(ListResourcesRequest::default()).await;
    let listed = listed.expect("lists").into_inner();
    let uri = listed.resources[0].uri.clone();
    assert_eq!((uri.as_str(), listed.next_cursor), ("a%2Fb%20%C3%BC", None));
    let cursor = Some("none".to_owned());
    let status = resources.list_resources(ListResourcesRequest { cursor }).await;
    let fault = Fault::from_status(&status.expect_err("no cursor"));
    assert_eq!(fault.reason, Reason::ArgumentInvalid);

    let read = resources.read_resource(ReadResourceRequest { uri }).await;
    let contents = read.expect("reads").into_inner().contents;
    let Some(resource_contents::Kind::Message(message)) = &contents[0].kind else {
        panic!("{contents:?}");
    };
    assert_eq!(message.type_url, GetStatusResponse::type_url());
    let uri = "nowhere".to_owned();
    let status = resources.read_resource(ReadResourceRequest { uri }).await;
    let fault = Fault::from_status(&status.expect_err("nothing"));
    assert_eq!(fault.reason, Reason::ObjectNotFound);

    let asked = CompleteRequest {
        value: "A/B".to_owned(),
        ..CompleteRequest::default()
    };
    let completed = CompletionServiceClient::new(channel).complete(asked).await;
    let completed = completed.expect("completes").into_inner();
    assert_eq!(
        (completed.values, completed.total, completed.has_more),
        (vec!["a/b ü".to_owned()], Some(1), false)
    );

    // Who watches is told, and does not hold the end.
    lifecycle.stop();
    let status = watch.message().await.expect_err("the end");
    assert_eq!(Fault::from_status(&status).reason, Reason::DatabaseUnavailable);
    let ended = tokio::time::timeout(Duration::from_secs(5), server).await;
    ended.expect("in time").expect("ran").expect("an orderly end");
}
