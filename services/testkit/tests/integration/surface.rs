//! What the suite asks for, word for word.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::completion::v1::CompleteRequest;
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::content::v1::resource_contents;
use mcp_hub_proto::resource::v1::resource_service_client::ResourceServiceClient;
use mcp_hub_proto::resource::v1::{ListResourcesRequest, ReadResourceRequest};
use mcp_hub_proto::testkit::v1::testkit_prompt_service_client::TestkitPromptServiceClient;
use mcp_hub_proto::testkit::v1::testkit_service_client::TestkitServiceClient;
use mcp_hub_proto::testkit::v1::{
    AudioContentRequest, ErrorHandlingRequest, ImageContentRequest, PromptWithArgumentsRequest,
    PromptWithEmbeddedResourceRequest,
};

use crate::support::Testkit;

#[tokio::test]
async fn a_picture_and_a_sound_are_what_they_say() {
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let image = client
        .image_content(ImageContentRequest {})
        .await
        .expect("answers");
    let Some(Kind::Image(image)) = image.into_inner().picture.and_then(|content| content.kind) else {
        panic!("no picture");
    };
    assert!(image.data.starts_with(b"\x89PNG\r\n\x1a\n") && image.mime_type == "image/png");
    let sound = client
        .audio_content(AudioContentRequest {})
        .await
        .expect("answers");
    let Some(Kind::Audio(sound)) = sound.into_inner().sound.and_then(|content| content.kind) else {
        panic!("no sound");
    };
    assert!(sound.data.starts_with(b"RIFF") && sound.mime_type == "audio/wav");
    // The sizes in the headers are those of the bytes.
    let size = |at: usize| u32::from_le_bytes(sound.data[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(size(4) as usize, sound.data.len() - 8);
    assert_eq!(size(40) as usize, sound.data.len() - 44);
}

#[tokio::test]
async fn the_failure_is_one_that_a_model_reads() {
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let status = client
        .error_handling(ErrorHandlingRequest {})
        .await
        .expect_err("fails");
    let fault = Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::ConditionFailed);
    assert_eq!(
        fault.message,
        "This tool intentionally returns an error for testing"
    );
}

#[tokio::test]
async fn prompts_say_their_arguments() {
    let testkit = Testkit::start().await;
    let mut client = TestkitPromptServiceClient::new(testkit.channel.clone());
    let request = PromptWithArgumentsRequest {
        arg1: "hello".to_owned(),
        arg2: "world".to_owned(),
    };
    let answer = client.prompt_with_arguments(request).await.expect("answers");
    let said = answer.into_inner().messages.swap_remove(0).content;
    assert_eq!(
        said.and_then(|content| content.kind),
        Some(Kind::Text(
            "Prompt with arguments: arg1='hello', arg2='world'".to_owned()
        ))
    );
    let request = PromptWithEmbeddedResourceRequest {
        resource_uri: "test://example-resource".to_owned(),
    };
    let answer = client
        .prompt_with_embedded_resource(request)
        .await
        .expect("answers");
    let messages = answer.into_inner().messages;
    assert_eq!(messages.len(), 2);
    let Some(Kind::Resource(document)) = messages[0].content.clone().and_then(|content| content.kind) else {
        panic!("no document: {messages:?}");
    };
    assert_eq!(document.uri, "test://example-resource");
}

#[tokio::test]
async fn resources_are_listed_in_pages_and_read() {
    let testkit = Testkit::start().await;
    let mut client = ResourceServiceClient::new(testkit.channel.clone());
    let mut listed = vec![];
    let mut cursor = None;
    loop {
        let page = client.list_resources(ListResourcesRequest { cursor }).await;
        let page = page.expect("a page").into_inner();
        listed.extend(page.resources.into_iter().map(|resource| resource.uri));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["test://static-text", "test://static-binary"]);
    let mut read = async |uri: &str| {
        let uri = uri.to_owned();
        let read = client.read_resource(ReadResourceRequest { uri }).await;
        let read = read.map_err(|status| Fault::from_status(&status).reason)?;
        Ok(read.into_inner().contents.swap_remove(0))
    };
    let data = read("test://template/123/data").await.expect("data");
    assert_eq!(
        data.kind,
        Some(resource_contents::Kind::Text(
            r#"{"id":"123","templateTest":true,"data":"Data for ID: 123"}"#.to_owned()
        ))
    );
    let blob = read("test://static-binary").await.expect("a picture");
    assert!(matches!(blob.kind, Some(resource_contents::Kind::Blob(_))));
    assert_eq!(read("test://nothing").await, Err(Reason::ObjectNotFound));
}

#[tokio::test]
async fn completions_begin_with_what_was_typed() {
    let testkit = Testkit::start().await;
    let mut client = CompletionServiceClient::new(testkit.channel.clone());
    let mut complete = async |prompt: &str, uri_template: &str, argument: &str, value: &str| {
        let request = CompleteRequest {
            prompt: prompt.to_owned(),
            uri_template: uri_template.to_owned(),
            argument: argument.to_owned(),
            value: value.to_owned(),
            arguments: [("arg1".to_owned(), "park".to_owned())].into(),
        };
        client.complete(request).await.expect("answers").into_inner()
    };
    let places = complete("prompt_with_arguments", "", "arg1", "PAR").await;
    assert_eq!(places.values, ["paris", "park", "party"]);
    let second = complete("prompt_with_arguments", "", "arg2", "").await;
    assert_eq!(second.values, ["park again"]);
    let ids = complete("", "test://template/{id}/data", "id", "").await;
    assert!(ids.has_more && ids.values.len() == 100);
    let unknown = complete("prompt_with_arguments", "", "arg3", "").await;
    assert!(unknown.values.is_empty() && !unknown.has_more);
}
