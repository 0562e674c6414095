//! The list of collections, what one is made of, and what the settings hide.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{
    CollectionInfoRequest, CollectionInfoResponse, CountRequest, GetPointsRequest, ListCollectionsRequest,
    ListCollectionsResponse, ScrollRequest, SearchRequest,
};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use serde_json::json;

use crate::adapter::{Adapter, Server, answer, assert_fault, settings, shown, value};
use crate::support::payload_value;

async fn list(adapter: &Adapter, request: ListCollectionsRequest) -> ListCollectionsResponse {
    answer(adapter.client.clone().list_collections(request).await).expect("a list")
}

async fn info(adapter: &Adapter, collection: &str) -> CollectionInfoResponse {
    let request = CollectionInfoRequest {
        collection: collection.to_owned(),
        sample: None,
    };
    answer(adapter.client.clone().collection_info(request).await).expect("info")
}

fn dense(size: u64, distance: q::Distance) -> q::VectorParams {
    q::VectorParams {
        size,
        distance: distance.into(),
        ..q::VectorParams::default()
    }
}

/// A collection with a vector of each kind.
async fn with_all_vectors(server: &Server, name: &str) {
    server.drop(name).await;
    let multi = q::VectorParams {
        multivector_config: Some(q::MultiVectorConfig {
            comparator: q::MultiVectorComparator::MaxSim.into(),
        }),
        ..dense(2, q::Distance::Cosine)
    };
    let named = [
        ("image", dense(4, q::Distance::Dot)),
        ("text", dense(2, q::Distance::Euclid)),
        ("tokens", multi),
    ];
    let sparse = q::SparseVectorParams {
        modifier: Some(q::Modifier::Idf.into()),
        ..q::SparseVectorParams::default()
    };
    server
        .create(q::CreateCollection {
            collection_name: name.to_owned(),
            vectors_config: Some(q::VectorsConfig {
                config: Some(q::vectors_config::Config::ParamsMap(q::VectorParamsMap {
                    map: named.map(|(name, params)| (name.to_owned(), params)).into(),
                })),
            }),
            sparse_vectors_config: Some(q::SparseVectorConfig {
                map: [("words".to_owned(), sparse)].into(),
            }),
            metadata: [("owner".to_owned(), payload_value(&json!("the shop team")))].into(),
            ..q::CreateCollection::default()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_vectors_and_aliases() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    with_all_vectors(&server, "listed_all").await;
    server.with_payloads("listed_one", &[json!({}), json!({})]).await;
    server.alias("listed_one", "listing_alias").await;
    let request = |pattern: &str| ListCollectionsRequest {
        pattern: Some(pattern.to_owned()),
        ..ListCollectionsRequest::default()
    };
    let response = list(&adapter, request("LISTED_")).await;
    let [all, one] = response.collections.as_slice() else {
        panic!("{response:?}")
    };
    assert_eq!(all.name, "listed_all");
    assert_eq!(
        all.vectors,
        [
            "image: 4 dot",
            "text: 2 euclid",
            "tokens: multi 2 cosine",
            "words: sparse"
        ]
    );
    assert_eq!((one.name.as_str(), one.points), ("listed_one", Some(2)));
    assert_eq!(one.vectors, ["2 dot"]);
    assert_eq!(one.aliases, ["listing_alias"]);
    let by_alias = list(&adapter, request("listing_al")).await;
    assert_eq!(by_alias.collections[0].name, "listed_one");
    assert!(list(&adapter, request("no such")).await.collections.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages() {
    const COUNT: usize = 40;
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    for number in 0..COUNT {
        server.with_vectors_of_two(&format!("paged_{number:02}")).await;
    }
    let mut request = ListCollectionsRequest {
        pattern: Some("paged_".to_owned()),
        limit: Some(15),
        cursor: None,
    };
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        let response = list(&adapter, request.clone()).await;
        names.extend(response.collections.into_iter().map(|one| one.name));
        pages += 1;
        match response.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    let expected: Vec<String> = (0..COUNT).map(|number| format!("paged_{number:02}")).collect();
    assert_eq!((names, pages), (expected, 3));
    request.cursor = Some(request.cursor.expect("a cursor") + "x");
    let wrong = answer(adapter.client.clone().list_collections(request.clone()).await);
    assert_fault(wrong, Reason::ArgumentInvalid, "cursor");
    request.pattern = Some("other".to_owned());
    let wrong = answer(adapter.client.clone().list_collections(request).await);
    assert_fault(wrong, Reason::ArgumentInvalid, "cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_tells_its_vectors_and_its_payload() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "info_one";
    server
        .with_payloads(
            name,
            &[
                json!({"color": "red", "price": 10, "tags": ["a", "b"], "shop": {"city": "Berlin"}, "at": {"lon": 13.4, "lat": 52.5}}),
                json!({"color": "blue", "price": 19.99, "tags": ["b"], "sold": "2024-01-31T12:00:00Z", "parts": [{"name": "pole"}]}),
                json!({"color": "red", "note": "x".repeat(200), "release date": 2024}),
            ],
        )
        .await;
    server.index(name, "color", q::FieldType::Keyword).await;
    server.index(name, "parts[].name", q::FieldType::Keyword).await;
    server.index(name, "absent", q::FieldType::Integer).await;
    server.alias(name, "info_alias").await;
    let response = info(&adapter, "info_alias").await;
    assert_eq!((response.name.as_str(), response.points), (name, Some(3)));
    assert_eq!(response.aliases, ["info_alias"]);
    let payload: Vec<String> = response
        .payload
        .iter()
        .map(|key| {
            let examples: Vec<String> = key.examples.iter().map(shown).collect();
            let indexed = if key.indexed { " indexed" } else { "" };
            let points = key.points.unwrap_or_default();
            format!(
                "{}: {}{indexed}, {points}, {}",
                key.key,
                key.r#type,
                examples.join(" ")
            )
        })
        .collect();
    assert_eq!(
        payload,
        [
            r#""release date": integer, 1, 2024"#.to_owned(),
            "absent: integer indexed, 0, ".to_owned(),
            r#"at: geo, 1, {"lat":52.5,"lon":13.4}"#.to_owned(),
            r#"color: keyword indexed, 3, "red" "blue""#.to_owned(),
            format!(r#"note: text, 1, {{"$cut":"{}","len":200}}"#, "x".repeat(60)),
            r#"parts[].name: keyword indexed, 1, "pole""#.to_owned(),
            "price: float, 2, 10 19.99".to_owned(),
            r#"shop.city: keyword, 1, "Berlin""#.to_owned(),
            r#"sold: datetime, 1, "2024-01-31T12:00:00Z""#.to_owned(),
            r#"tags: keyword[], 2, "a" "b""#.to_owned(),
        ]
    );
    let [vector] = response.vectors.as_slice() else {
        panic!("{response:?}")
    };
    assert_eq!(
        (
            vector.name.as_str(),
            vector.kind.as_str(),
            vector.size,
            vector.distance.as_str()
        ),
        ("", "dense", Some(2), "dot")
    );
    assert!(!response.text_search.is_empty());
    assert!(
        matches!(response.status.as_str(), "green" | "yellow" | "grey"),
        "{}",
        response.status
    );
    let none = CollectionInfoRequest {
        collection: name.to_owned(),
        sample: Some(0),
    };
    let response = answer(adapter.client.clone().collection_info(none).await).expect("info");
    assert_eq!(response.payload.len(), 3, "those with an index");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_tells_each_kind_of_vector_and_its_metadata() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    with_all_vectors(&Server::of(qdrant), "info_all").await;
    let response = info(&adapter, "info_all").await;
    let vectors: Vec<String> = response
        .vectors
        .iter()
        .map(|vector| {
            format!(
                "{} {} {:?} {}",
                vector.name, vector.kind, vector.size, vector.distance
            )
        })
        .collect();
    assert_eq!(
        vectors,
        [
            "image dense Some(4) dot",
            "text dense Some(2) euclid",
            "tokens multi Some(2) cosine",
            "words sparse None "
        ]
    );
    assert_eq!(
        response.metadata.as_ref().map(shown).as_deref(),
        Some(r#"{"owner":"the shop team"}"#)
    );
    assert_eq!((response.points, response.payload.len()), (Some(0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_not_there_has_similar_names() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    Server::of(qdrant).with_vectors_of_two("similar_reviews").await;
    let count = |name: &str| CountRequest {
        collection: name.to_owned(),
        ..CountRequest::default()
    };
    let result = answer(adapter.client.clone().count(count("similar_reveiws")).await);
    let fault = assert_fault(
        result,
        Reason::ObjectNotFound,
        "there is no collection \"similar_reveiws\"; similar names: similar_reviews",
    );
    assert_eq!(fault.metadata["did_you_mean"], "similar_reviews");
    let result = answer(adapter.client.clone().count(count("")).await);
    assert_fault(result, Reason::ArgumentInvalid, "list_collections");
}

/// The reason of each tool's failure on a collection; `None` where it answers.
async fn reasons(adapter: &Adapter, collection: &str) -> Vec<Option<Reason>> {
    let collection = collection.to_owned();
    let client = || adapter.client.clone();
    let search = SearchRequest {
        collection: collection.clone(),
        vector: Some(value(&json!([1, 0]))),
        ..SearchRequest::default()
    };
    let scroll = ScrollRequest {
        collection: collection.clone(),
        ..ScrollRequest::default()
    };
    let get = GetPointsRequest {
        collection: collection.clone(),
        ids: vec![value(&json!(1))],
        ..GetPointsRequest::default()
    };
    let count = CountRequest {
        collection: collection.clone(),
        ..CountRequest::default()
    };
    let info = CollectionInfoRequest {
        collection,
        sample: None,
    };
    vec![
        answer(client().search(search).await)
            .err()
            .map(|fault| fault.reason),
        answer(client().scroll(scroll).await)
            .err()
            .map(|fault| fault.reason),
        answer(client().get_points(get).await)
            .err()
            .map(|fault| fault.reason),
        answer(client().count(count).await)
            .err()
            .map(|fault| fault.reason),
        answer(client().collection_info(info).await)
            .err()
            .map(|fault| fault.reason),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_collection_is_not_there_by_any_name() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let server = Server::of(qdrant);
    for name in ["hide_open", "hide_secret"] {
        server.with_payloads(name, &[json!({})]).await;
        server.alias(name, &format!("{name}_alias")).await;
    }
    let hidden = vec![Some(Reason::ObjectNotFound); 5];
    for lists in [
        "deny_collections = ['hide_secret']",
        "allow_collections = ['hide_open']",
        // An alias of what is denied is denied, and allowing the alias does not help.
        "allow_collections = ['hide_open', 'hide_secret_alias']",
    ] {
        let adapter = Adapter::start(&format!("{}\n{lists}", settings(qdrant))).await;
        for name in ["hide_open", "hide_open_alias"] {
            assert_eq!(reasons(&adapter, name).await, vec![None; 5], "{lists}: {name}");
        }
        for name in ["hide_secret", "hide_secret_alias"] {
            assert_eq!(reasons(&adapter, name).await, hidden, "{lists}: {name}");
        }
        let request = ListCollectionsRequest {
            pattern: Some("hide_".to_owned()),
            ..ListCollectionsRequest::default()
        };
        let names = list(&adapter, request).await.collections;
        let names: Vec<&str> = names.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["hide_open"], "{lists}");
        let count = CountRequest {
            collection: "hide_secre".to_owned(),
            ..CountRequest::default()
        };
        let told = answer(adapter.client.clone().count(count).await).expect_err("not there");
        assert!(!format!("{told:?}").contains("hide_secret"), "{told:?}");
    }
}
