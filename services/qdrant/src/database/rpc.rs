//! The RPCs that the adapter calls, each by the message that asks for it. What is not here is never called.

use std::fmt;
use std::future::Future;

use prost::Message;
use qdrant_client::qdrant as q;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use tonic::{Request, Response, Status};

use super::rows::Rows;
use super::transport::Transport;

/// The largest answer that is read. A batch of points is far smaller unless they are huge.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The version of a server, without its patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Reads "1.18.2" or "1.18.2-dev".
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_start_matches('v').split(['.', '-']);
        let mut next = || parts.next()?.parse().ok();
        Some(Self(next()?, next()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

/// What is known of an RPC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    /// `/qdrant.Points/Query`
    pub(crate) path: &'static str,
    /// `query_points`: what traces and metrics call it.
    pub(crate) operation: &'static str,
    /// Whether it changes nothing.
    pub(crate) reads: bool,
    /// The version that it came with.
    pub(crate) since: Version,
    /// What it is for, as the beginning of a sentence.
    pub(crate) what: &'static str,
}

/// A message that asks for an RPC.
pub(crate) trait Rpc: Clone + Send + Sync + 'static {
    /// The answer.
    type Response: Rows + Message;
    /// The RPC.
    const METHOD: Method;
    /// Sets the time after which the server itself gives up, where the message has one.
    fn limit(&mut self, seconds: u64);
    /// The collection that it is about.
    fn collection(&self) -> Option<&str>;
    /// Sends it.
    fn send(
        request: Request<Self>,
        transport: Transport,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;
}

/// A message that is about a collection.
pub(crate) trait CollectionRpc: Rpc {
    /// Sets the collection.
    fn aim(&mut self, collection: String);
}

/// A change of aliases that changes none: whoever may not make it may not write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nothing;

macro_rules! limit {
    ($self:ident, $seconds:ident, timed) => {
        $self.timeout = Some($seconds)
    };
    ($self:ident, $seconds:ident, untimed) => {
        let _ = $seconds;
    };
}

macro_rules! collection {
    ($self:ident, of_collection) => {
        Some(&$self.collection_name)
    };
    ($self:ident, of_server) => {
        None
    };
}

macro_rules! aim {
    (of_collection, $message:ty) => {
        impl CollectionRpc for $message {
            fn aim(&mut self, collection: String) {
                self.collection_name = collection;
            }
        }
    };
    (of_server, $message:ty) => {};
}

macro_rules! rpcs {
    ($($message:ty => $response:ty: $client:ident.$call:ident, $path:literal $operation:literal, $kind:ident $scope:ident $timed:ident
        since $major:literal . $minor:literal $what:literal;)*) => {
        $(
            impl Rpc for $message {
                type Response = $response;
                const METHOD: Method = Method {
                    path: $path,
                    operation: $operation,
                    reads: rpcs!(@ $kind),
                    since: Version($major, $minor),
                    what: $what,
                };

                fn limit(&mut self, seconds: u64) {
                    limit!(self, seconds, $timed);
                }

                fn collection(&self) -> Option<&str> {
                    collection!(self, $scope)
                }

                async fn send(request: Request<Self>, transport: Transport) -> Result<Response<$response>, Status> {
                    $client::new(transport).max_decoding_message_size(MAX_ANSWER_BYTES).$call(request).await
                }
            }
            aim!($scope, $message);
        )*

        /// All of them but [`Nothing`].
        const METHODS: &[Method] = &[$(<$message as Rpc>::METHOD),*];
    };
    (@ reads) => { true };
    (@ writes) => { false };
}

rpcs! {
    q::HealthCheckRequest => q::HealthCheckReply: QdrantClient.health_check, "/qdrant.Qdrant/HealthCheck" "health_check",
        reads of_server untimed since 1 . 0 "asking for the version";
    q::ListCollectionsRequest => q::ListCollectionsResponse: CollectionsClient.list, "/qdrant.Collections/List" "list_collections",
        reads of_server untimed since 1 . 0 "listing collections";
    q::ListAliasesRequest => q::ListAliasesResponse: CollectionsClient.list_aliases, "/qdrant.Collections/ListAliases" "list_aliases",
        reads of_server untimed since 1 . 0 "listing aliases";
    q::GetCollectionInfoRequest => q::GetCollectionInfoResponse: CollectionsClient.get, "/qdrant.Collections/Get" "get_collection_info",
        reads of_collection untimed since 1 . 0 "describing a collection";
    q::CollectionExistsRequest => q::CollectionExistsResponse: CollectionsClient.collection_exists, "/qdrant.Collections/CollectionExists" "collection_exists",
        reads of_collection untimed since 1 . 8 "asking for a collection";
    q::QueryPoints => q::QueryResponse: PointsClient.query, "/qdrant.Points/Query" "query_points",
        reads of_collection timed since 1 . 10 "searching";
    q::QueryPointGroups => q::QueryGroupsResponse: PointsClient.query_groups, "/qdrant.Points/QueryGroups" "query_point_groups",
        reads of_collection timed since 1 . 11 "searching in groups";
    q::ScrollPoints => q::ScrollResponse: PointsClient.scroll, "/qdrant.Points/Scroll" "scroll_points",
        reads of_collection timed since 1 . 0 "reading points";
    q::GetPoints => q::GetResponse: PointsClient.get, "/qdrant.Points/Get" "get_points",
        reads of_collection timed since 1 . 0 "reading points";
    q::CountPoints => q::CountResponse: PointsClient.count, "/qdrant.Points/Count" "count_points",
        reads of_collection timed since 1 . 0 "counting points";
    q::FacetCounts => q::FacetResponse: PointsClient.facet, "/qdrant.Points/Facet" "facet_counts",
        reads of_collection timed since 1 . 12 "counting per value of a payload key";
    q::UpsertPoints => q::PointsOperationResponse: PointsClient.upsert, "/qdrant.Points/Upsert" "upsert_points",
        writes of_collection timed since 1 . 0 "writing points";
    q::UpdateBatchPoints => q::UpdateBatchResponse: PointsClient.update_batch, "/qdrant.Points/UpdateBatch" "update_batch_points",
        writes of_collection timed since 1 . 3 "changing payloads";
    q::DeletePoints => q::PointsOperationResponse: PointsClient.delete, "/qdrant.Points/Delete" "delete_points",
        writes of_collection timed since 1 . 0 "deleting points";
    q::CreateFieldIndexCollection => q::PointsOperationResponse: PointsClient.create_field_index, "/qdrant.Points/CreateFieldIndex" "create_field_index",
        writes of_collection timed since 1 . 0 "indexing a payload key";
    q::CreateCollection => q::CollectionOperationResponse: CollectionsClient.create, "/qdrant.Collections/Create" "create_collection",
        writes of_collection timed since 1 . 0 "creating a collection";
}

impl Rpc for Nothing {
    type Response = q::CollectionOperationResponse;
    const METHOD: Method = Method {
        path: "/qdrant.Collections/UpdateAliases",
        operation: "update_aliases",
        reads: false,
        since: Version(1, 0),
        what: "asking what the API key may do",
    };

    fn limit(&mut self, _: u64) {}

    fn collection(&self) -> Option<&str> {
        None
    }

    async fn send(request: Request<Self>, transport: Transport) -> Result<Response<Self::Response>, Status> {
        let nothing = request.map(|Self| q::ChangeAliases::default());
        CollectionsClient::new(transport).update_aliases(nothing).await
    }
}

/// Whether the path is that of an RPC that changes nothing.
pub(super) fn reads(path: &str) -> bool {
    METHODS.iter().any(|method| method.path == path && method.reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_paths_read() {
        let reads: Vec<&str> = METHODS
            .iter()
            .filter(|method| method.reads)
            .map(|method| method.path)
            .collect();
        assert_eq!(
            reads,
            [
                "/qdrant.Qdrant/HealthCheck",
                "/qdrant.Collections/List",
                "/qdrant.Collections/ListAliases",
                "/qdrant.Collections/Get",
                "/qdrant.Collections/CollectionExists",
                "/qdrant.Points/Query",
                "/qdrant.Points/QueryGroups",
                "/qdrant.Points/Scroll",
                "/qdrant.Points/Get",
                "/qdrant.Points/Count",
                "/qdrant.Points/Facet",
            ]
        );
    }

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text| Version::parse(text).expect(text);
        assert!(version("1.9.7") < version("1.10.0"));
        assert_eq!(version("1.18.2-dev"), Version(1, 18));
        assert_eq!(Version::parse("dev"), None);
    }
}
