//! What a client that knows nothing of us finds: reflection in both versions, with exactly the services that are there.

use std::collections::BTreeSet;

use mcp_hub_proto::adapter::v1::Mode;
use tonic_reflection::pb::{v1, v1alpha};

use crate::harness::Adapter;

/// The services by reflection; the two versions differ in nothing but their package.
macro_rules! services {
    ($version:ident, $adapter:expr) => {{
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;

        let mut client = $version::server_reflection_client::ServerReflectionClient::new($adapter.channel());
        let request = $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let answers = client
            .server_reflection_info(tokio_stream::once(request))
            .await
            .expect("answers");
        let answer = answers
            .into_inner()
            .message()
            .await
            .expect("a message")
            .expect("one");
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("no list: {answer:?}");
        };
        list.service
            .into_iter()
            .map(|service| service.name)
            .collect::<BTreeSet<String>>()
    }};
}

#[tokio::test]
async fn both_versions_list_the_services_that_are_registered() {
    let mut expected = BTreeSet::from(
        [
            "grpc.health.v1.Health",
            "mcphub.adapter.v1.AdapterService",
            "mcphub.completion.v1.CompletionService",
            "mcphub.resource.v1.ResourceService",
            "mcphub.sqlite.v1.SqlitePromptService",
            "mcphub.sqlite.v1.SqliteService",
        ]
        .map(str::to_owned),
    );
    let ours = |names: BTreeSet<String>| -> BTreeSet<String> {
        names
            .into_iter()
            .filter(|name| !name.starts_with("grpc.reflection."))
            .collect()
    };
    let adapter = Adapter::on_sample().await;
    assert_eq!(ours(services!(v1, adapter)), expected);
    assert_eq!(ours(services!(v1alpha, adapter)), expected);
    let status = adapter.status().await;
    assert_eq!(
        (status.kind.as_str(), status.product.as_str(), status.mode()),
        ("sqlite", "SQLite", Mode::ReadOnly)
    );

    expected.insert("mcphub.sqlite.v1.SqliteWriteService".to_owned());
    let adapter = Adapter::on_with("", |config| config.allow_writes = true).await;
    assert_eq!(ours(services!(v1, adapter)), expected);
    assert_eq!(ours(services!(v1alpha, adapter)), expected);
    assert_eq!(adapter.status().await.mode(), Mode::ReadWrite);
}
