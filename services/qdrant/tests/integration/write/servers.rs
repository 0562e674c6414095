//! Servers that lack something, that refuse, and that are late: what became of a change is told as far as it is known.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{
    CreateCollectionRequest, DeletePointsRequest, NewVector, PayloadIndex, PayloadType, UpdatePayloadRequest,
};
use prost::Message as _;
use qdrant_client::qdrant as q;
use serde_json::json;
use tonic::Code;

use super::Writable;
use crate::adapter::{assert_fault, value};
use crate::embedding_api::EmbeddingApi;
use crate::fake::{Fake, Reply, message};

fn done() -> Reply {
    message(&q::CollectionOperationResponse {
        result: true,
        time: 0.0,
    })
}

fn applied(status: q::UpdateStatus) -> q::UpdateResult {
    q::UpdateResult {
        operation_id: Some(1),
        status: status.into(),
    }
}

fn collection(vectors: Vec<NewVector>, sparse: Option<&str>) -> CreateCollectionRequest {
    CreateCollectionRequest {
        collection: "fresh".to_owned(),
        vectors,
        sparse: sparse.map(str::to_owned),
        payload_indexes: vec![],
    }
}

fn of_size(size: u32) -> NewVector {
    NewVector {
        size: Some(size),
        ..NewVector::default()
    }
}

/// What the server was asked to create.
fn created(fake: &Fake) -> Vec<q::CreateCollection> {
    let seen = fake.seen("Create").into_iter();
    seen.map(|call| q::CreateCollection::decode(call.message).expect("a message"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_noted_where_the_server_can() {
    let api = EmbeddingApi::start().await;
    let other = || {
        let vector = NewVector {
            model: Some("bag-16".to_owned()),
            ..NewVector::default()
        };
        collection(vec![vector], None)
    };
    let fake = Fake::start("1.15.5", &[("Create", done())]).await;
    let hub = Writable::at(&fake.url, &api.settings("bag-8")).await;
    hub.create(collection(vec![], None))
        .await
        .expect("the default model needs no note");
    let result = hub.create(other()).await;
    assert_fault(
        result,
        Reason::NotSupported,
        "noting in the collection that bag-16 makes its vectors needs Qdrant 1.16 or newer, and this server is 1.15.5",
    );
    let [created] = created(&fake).try_into().expect("one was created");
    assert!(created.metadata.is_empty(), "{created:?}");

    let fake = Fake::start("1.16.0", &[("Create", done())]).await;
    let hub = Writable::at(&fake.url, &api.settings("bag-8")).await;
    hub.create(other()).await.expect("noted");
    assert!(self::created(&fake)[0].metadata.contains_key("mcp-hub"));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_need_a_server_that_has_bm25() {
    let fake = Fake::start("1.14.1", &[("Create", done())]).await;
    let hub = Writable::at(&fake.url, "").await;
    let result = hub.create(collection(vec![of_size(2)], None)).await;
    assert_fault(
        result,
        Reason::NotSupported,
        "(sparse \"\" leaves it out) needs Qdrant 1.15",
    );
    assert!(created(&fake).is_empty());
    hub.create(collection(vec![of_size(2)], Some("")))
        .await
        .expect("created");
    assert_eq!(created(&fake).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_fails_leaves_a_collection_and_says_so() {
    let replies = [
        ("Create", done()),
        (
            "CreateFieldIndex",
            Reply::Status(Code::InvalidArgument, "Wrong input: no room"),
        ),
    ];
    let fake = Fake::start("1.18.0", &replies).await;
    let hub = Writable::at(&fake.url, "").await;
    let mut request = collection(vec![], None);
    request.payload_indexes = ["a", "b"]
        .map(|key| PayloadIndex {
            key: key.to_owned(),
            r#type: PayloadType::Keyword.into(),
        })
        .to_vec();
    let fault = hub.create(request).await.expect_err("half done");
    assert_eq!(
        fault.message,
        "the collection was created without an index, but the index on `a` failed: no room"
    );
    assert_eq!(fake.seen("CreateFieldIndex").len(), 1);
}

/// One change of each kind on a server that answers it so; what became of it.
async fn changes(code: Code) -> Vec<(usize, mcp_hub_chassis::Fault)> {
    let refuse = |name| (name, Reply::Status(code, "no"));
    let counted = q::CountResponse {
        result: Some(q::CountResult { count: 1 }),
        ..q::CountResponse::default()
    };
    let replies = [
        ("Count", message(&counted)),
        refuse("Upsert"),
        refuse("UpdateBatch"),
        refuse("Delete"),
        refuse("Create"),
        refuse("CreateFieldIndex"),
    ];
    let fake = Fake::start("1.18.0", &replies).await;
    let hub = Writable::at(&fake.url, "").await;
    let update = UpdatePayloadRequest {
        collection: "any".to_owned(),
        filter: Some(value(&json!({"n": 1}))),
        set: Some(value(&json!({"a": 1}))),
        ..UpdatePayloadRequest::default()
    };
    let mut delete = DeletePointsRequest {
        collection: "any".to_owned(),
        filter: Some(value(&json!({"n": 1}))),
        dry_run: Some(false),
        ..DeletePointsRequest::default()
    };
    let asked = hub.delete(delete.clone()).await.expect_err("asks first");
    delete.confirmation = Some(asked.metadata["digest"].clone());
    let faults = [
        ("Upsert", hub.upsert("any", json!([{"id": 1}])).await.err()),
        ("UpdateBatch", hub.update(update).await.err()),
        ("Delete", hub.delete(delete).await.err()),
        ("Create", hub.create(collection(vec![], None)).await.err()),
        (
            "CreateFieldIndex",
            hub.index("any", "n", PayloadType::Integer).await.err(),
        ),
    ];
    let faults = faults.into_iter();
    faults
        .map(|(name, fault)| (fake.seen(name).len(), fault.expect(name)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_sent_twice() {
    for (code, known) in [
        (Code::Internal, false),
        (Code::Unavailable, false),
        (Code::Aborted, false),
        (Code::InvalidArgument, true),
        (Code::PermissionDenied, true),
        (Code::ResourceExhausted, true),
    ] {
        for (sent, fault) in changes(code).await {
            assert_eq!(sent, 1, "{code:?}: {fault:?}");
            assert_eq!(
                !fault.message.contains("is not known"),
                known,
                "{code:?}: {fault:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_late_is_no_success() {
    let late = q::PointsOperationResponse {
        result: Some(applied(q::UpdateStatus::WaitTimeout)),
        ..q::PointsOperationResponse::default()
    };
    let fake = Fake::start("1.18.0", &[("Upsert", message(&late))]).await;
    let hub = Writable::at(&fake.url, "").await;
    let result = hub.upsert("any", json!([{"id": 1}])).await;
    let fault = assert_fault(
        result,
        Reason::StatementTimedOut,
        "has taken the change, but did not make it within",
    );
    assert!(
        fault.message.contains("the same call may be made again"),
        "{fault}"
    );
    let sent = q::UpsertPoints::decode(fake.seen("Upsert")[0].message.clone()).expect("a message");
    assert_eq!(sent.wait, Some(true));
}
