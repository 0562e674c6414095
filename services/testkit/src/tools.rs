//! The tools: one for each thing that the suite looks at, and some for what it leaves out.

use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::arguments::Bounds;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::grpc::answer;
use mcp_hub_chassis::stream::{self, Stream};
use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::content::v1::{Annotations, Audience, Content, ResourceLink};
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_proto::testkit::v1::testkit_service_server::TestkitService;
use mcp_hub_proto::testkit::v1::{
    AudioContentRequest, AudioContentResponse, EmbeddedResourceRequest, EmbeddedResourceResponse,
    ErrorHandlingRequest, ErrorHandlingResponse, FollowSlowCountRequest, FollowSlowCountResponse,
    ImageContentRequest, ImageContentResponse, LoggingToolRequest, LoggingToolResponse, LoggingToolResult,
    MultipleContentTypesRequest, MultipleContentTypesResponse, ObjectWithContentRequest,
    ObjectWithContentResponse, PartialResultsFacts, PartialResultsRequest, PartialResultsResponse,
    PartialResultsResult, SimpleTextRequest, SimpleTextResponse, SlowCountRequest, SlowCountResponse,
    StreamingElicitationRequest, StreamingElicitationResponse, StreamingElicitationResult,
    ToolWithProgressRequest, ToolWithProgressResponse, ToolWithProgressResult,
};
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::content::{block, document, picture, sound, text};

/// In front of each message of a stream: long enough that a facade that holds progress back to ten a second shows each.
const STEP: Duration = Duration::from_millis(150);

const TO: Bounds = Bounds {
    field: "to",
    default: 5,
    maximum: 1_000,
};
const STEP_MS: Bounds = Bounds {
    field: "step_ms",
    default: 100,
    maximum: 10_000,
};

/// The tools. Streams live as long as `process`.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    process: Lifecycle,
}

impl Tools {
    pub(crate) fn new(process: Lifecycle) -> Self {
        Self { process }
    }

    /// A stream of these messages, `step` in front of each.
    fn stream<M: Send + 'static>(&self, step: Duration, messages: Vec<M>) -> Stream<M> {
        stream::start(&self.process, async move |sender| {
            for message in messages {
                sleep(step).await;
                if sender.send(Ok(message)).await.is_err() {
                    // The caller has gone.
                    break;
                }
            }
            Ok(())
        })
    }
}

fn progress(progress: f64, total: f64) -> Progress {
    Progress {
        progress,
        total: Some(total),
        message: String::new(),
    }
}

#[tonic::async_trait]
impl TestkitService for Tools {
    type ToolWithProgressStream = Stream<ToolWithProgressResponse>;
    type FollowSlowCountStream = Stream<FollowSlowCountResponse>;
    type PartialResultsStream = Stream<PartialResultsResponse>;
    type StreamingElicitationStream = Stream<StreamingElicitationResponse>;
    type LoggingToolStream = Stream<LoggingToolResponse>;

    async fn simple_text(
        &self,
        _: Request<SimpleTextRequest>,
    ) -> Result<Response<SimpleTextResponse>, Status> {
        let content = vec![text("This is a simple text response for testing.")];
        answer(Ok(SimpleTextResponse { content }))
    }

    async fn image_content(
        &self,
        _: Request<ImageContentRequest>,
    ) -> Result<Response<ImageContentResponse>, Status> {
        let picture = Some(picture());
        answer(Ok(ImageContentResponse { picture }))
    }

    async fn audio_content(
        &self,
        _: Request<AudioContentRequest>,
    ) -> Result<Response<AudioContentResponse>, Status> {
        let sound = Some(sound());
        answer(Ok(AudioContentResponse { sound }))
    }

    async fn embedded_resource(
        &self,
        _: Request<EmbeddedResourceRequest>,
    ) -> Result<Response<EmbeddedResourceResponse>, Status> {
        let document = document(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        );
        answer(Ok(EmbeddedResourceResponse {
            document: Some(document),
        }))
    }

    async fn multiple_content_types(
        &self,
        _: Request<MultipleContentTypesRequest>,
    ) -> Result<Response<MultipleContentTypesResponse>, Status> {
        let uri = "test://mixed-content-resource";
        let content = vec![
            text("Multiple content types test:"),
            picture(),
            document(uri, "application/json", r#"{"test":"data","value":123}"#),
        ];
        answer(Ok(MultipleContentTypesResponse { content }))
    }

    async fn object_with_content(
        &self,
        _: Request<ObjectWithContentRequest>,
    ) -> Result<Response<ObjectWithContentResponse>, Status> {
        let for_people = Annotations {
            audience: vec![Audience::User.into()],
            priority: Some(0.5),
            last_modified: "2026-07-28T00:00:00Z".to_owned(),
        };
        let link = ResourceLink {
            // Relative, as databases' adapters have them.
            uri: "colours/red".to_owned(),
            name: "red".to_owned(),
            ..ResourceLink::default()
        };
        answer(Ok(ObjectWithContentResponse {
            colour: "red".to_owned(),
            content: vec![
                Content {
                    annotations: Some(for_people),
                    ..picture()
                },
                block(Kind::ResourceLink(link)),
            ],
            width: 1,
        }))
    }

    async fn error_handling(
        &self,
        _: Request<ErrorHandlingRequest>,
    ) -> Result<Response<ErrorHandlingResponse>, Status> {
        let message = "This tool intentionally returns an error for testing";
        answer(Err(Fault::new(Reason::ConditionFailed, message)))
    }

    async fn tool_with_progress(
        &self,
        _: Request<ToolWithProgressRequest>,
    ) -> Result<Response<Self::ToolWithProgressStream>, Status> {
        let mut messages: Vec<_> = [0.0, 50.0, 100.0]
            .map(|done| ToolWithProgressResponse {
                progress: Some(progress(done, 100.0)),
                result: None,
            })
            .into();
        messages.push(ToolWithProgressResponse {
            progress: None,
            result: Some(ToolWithProgressResult {
                content: vec![text("Progress was told three times.")],
            }),
        });
        answer(Ok(self.stream(STEP, messages)))
    }

    async fn slow_count(
        &self,
        request: Request<SlowCountRequest>,
    ) -> Result<Response<SlowCountResponse>, Status> {
        let counting = async {
            let count = Count::read(request.get_ref())?;
            sleep(count.step * count.to).await;
            Ok(count.response())
        };
        answer(counting.await)
    }

    async fn follow_slow_count(
        &self,
        request: Request<FollowSlowCountRequest>,
    ) -> Result<Response<Self::FollowSlowCountStream>, Status> {
        let request = request.into_inner().slow_count.unwrap_or_default();
        answer(Count::read(&request).map(|count| {
            let messages = (1..=count.to).map(|counted| FollowSlowCountResponse {
                progress: Some(Progress {
                    message: format!("counted to {counted}"),
                    ..progress(counted.into(), count.to.into())
                }),
                // With the last progress, so that one message has both.
                response: (counted == count.to).then(|| count.response()),
            });
            self.stream(count.step, messages.collect())
        }))
    }

    async fn partial_results(
        &self,
        _: Request<PartialResultsRequest>,
    ) -> Result<Response<Self::PartialResultsStream>, Status> {
        answer(Ok(self.stream(STEP, parts().into())))
    }

    async fn streaming_elicitation(
        &self,
        _: Request<StreamingElicitationRequest>,
    ) -> Result<Response<Self::StreamingElicitationStream>, Status> {
        let content = vec![text("Nothing was asked: this server does not offer elicitation.")];
        let messages = vec![
            StreamingElicitationResponse {
                progress: Some(progress(1.0, 1.0)),
                result: None,
            },
            StreamingElicitationResponse {
                progress: None,
                result: Some(StreamingElicitationResult { content }),
            },
        ];
        answer(Ok(self.stream(STEP, messages)))
    }

    async fn logging_tool(
        &self,
        _: Request<LoggingToolRequest>,
    ) -> Result<Response<Self::LoggingToolStream>, Status> {
        let content = vec![text(
            "No log message was sent: this server does not offer logging.",
        )];
        let messages = vec![
            LoggingToolResponse {
                progress: Some(progress(1.0, 1.0)),
                result: None,
            },
            LoggingToolResponse {
                progress: None,
                result: Some(LoggingToolResult { content }),
            },
        ];
        answer(Ok(self.stream(STEP, messages)))
    }
}

/// How far to count, and how fast.
#[derive(Clone, Debug)]
struct Count {
    to: u32,
    step: Duration,
    notices: Vec<String>,
}

impl Count {
    fn read(request: &SlowCountRequest) -> Result<Self, Fault> {
        let mut notices = vec![];
        Ok(Self {
            to: TO.apply(request.to, &mut notices)?,
            step: STEP_MS.apply_ms(request.step_ms, &mut notices)?,
            notices,
        })
    }

    fn response(&self) -> SlowCountResponse {
        SlowCountResponse {
            counted: self.to,
            notices: self.notices.clone(),
        }
    }
}

/// The answer in parts: a list that grows, a number of which the last counts, and a message whose fields come one by one.
fn parts() -> [PartialResultsResponse; 3] {
    let part = |words: [&str; 2], count: u32, shortest: &str, longest: &str| PartialResultsResponse {
        progress: Some(progress(count.into(), 6.0)),
        result: Some(PartialResultsResult {
            words: words.map(str::to_owned).into(),
            count,
            facts: Some(PartialResultsFacts {
                shortest: shortest.to_owned(),
                longest: longest.to_owned(),
            }),
            content: vec![text(words.join(" "))],
        }),
    };
    [
        part(["an", "answer"], 2, "an", ""),
        part(["that", "comes"], 4, "", ""),
        part(["in", "instalments"], 6, "", "instalments"),
    ]
}
