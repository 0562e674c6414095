//! How many rows an answer of the server has, for traces.

use qdrant_client::qdrant as q;

/// An answer.
pub(crate) trait Rows {
    /// Its points, values or names; `None` when it only says that something was done.
    fn rows(&self) -> Option<usize>;
}

macro_rules! rows {
    ($($answer:ty: |$it:ident| $rows:expr;)*) => {
        $(
            impl Rows for $answer {
                fn rows(&self) -> Option<usize> {
                    let $it = self;
                    $rows.into()
                }
            }
        )*
    };
}

rows! {
    q::QueryResponse: |answer| answer.result.len();
    q::QueryGroupsResponse: |answer| {
        let groups = answer.result.iter().flat_map(|result| &result.groups);
        groups.map(|group| group.hits.len()).sum::<usize>()
    };
    q::ScrollResponse: |answer| answer.result.len();
    q::GetResponse: |answer| answer.result.len();
    q::CountResponse: |answer| answer.result.iter().len();
    q::FacetResponse: |answer| answer.hits.len();
    q::ListCollectionsResponse: |answer| answer.collections.len();
    q::ListAliasesResponse: |answer| answer.aliases.len();
    q::GetCollectionInfoResponse: |answer| answer.result.iter().len();
    q::CollectionExistsResponse: |answer| answer.result.iter().len();
    q::HealthCheckReply: |_answer| 1;
    q::PointsOperationResponse: |_answer| None;
    q::UpdateBatchResponse: |_answer| None;
    q::CollectionOperationResponse: |_answer| None;
}
