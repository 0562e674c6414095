//! Words in full-text indexes, neighbours of vectors, and what is around the matches.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::Neo4j;

use crate::adapter::{Adapter, Server, assert_fault, rows};

async fn search(adapter: &Adapter, request: SearchRequest) -> Result<ResultSet, Fault> {
    let response = adapter.client.clone().search(request).await;
    let response = response.map_err(|status| Fault::from_status(&status))?;
    Ok(response.into_inner().result.expect("a result"))
}

fn words(text: &str) -> SearchRequest {
    SearchRequest {
        query_text: Some(text.to_owned()),
        ..SearchRequest::default()
    }
}

fn vector(vector: &[f32]) -> SearchRequest {
    SearchRequest {
        vector: vector.to_vec(),
        ..SearchRequest::default()
    }
}

/// The matches by name, with score and index.
fn matches(result: &ResultSet) -> Vec<String> {
    let rows = rows(result).into_iter().map(|row| {
        let row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
        format!(
            "{} {} {}",
            row[0]["props"]["name"].as_str().unwrap_or_default(),
            row[1],
            row[2].as_str().unwrap_or_default()
        )
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_index_it_is_said_what_to_create() {
    // A server of its own, without indexes.
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let adapter = Adapter::of(&neo4j).await;
    let fault = assert_fault(
        search(&adapter, words("x")).await,
        Reason::ObjectNotFound,
        "no full-text index",
    );
    assert!(
        fault.metadata["hint"].contains("CREATE FULLTEXT INDEX"),
        "{fault:?}"
    );
    let fault = assert_fault(
        search(&adapter, vector(&[1.0])).await,
        Reason::ObjectNotFound,
        "no vector index",
    );
    assert!(
        fault.metadata["hint"].contains("CREATE VECTOR INDEX"),
        "{fault:?}"
    );
    // What the hints say works.
    Server::of(&neo4j)
        .run(&[
            "CREATE FULLTEXT INDEX name FOR (n:Label) ON EACH [n.property]",
            "CREATE VECTOR INDEX other FOR (n:Label) ON n.property OPTIONS {indexConfig: \
             {`vector.dimensions`: 1536, `vector.similarity_function`: 'cosine'}}",
            "CALL db.awaitIndexes(60)",
        ])
        .await;
    assert!(search(&adapter, words("x")).await.expect("works").rows.is_empty());
    let fault = assert_fault(
        search(&adapter, vector(&[1.0])).await,
        Reason::ArgumentInvalid,
        "no vector index has 1 dimensions",
    );
    assert!(fault.message.ends_with("there are: other (1536)"), "{fault}");
}

const GRAPH: &[&str] = &[
    "CREATE FULLTEXT INDEX search_names FOR (n:SearchPlace|SearchHub) ON EACH [n.name]",
    "CREATE FULLTEXT INDEX search_stories FOR (n:SearchPlace) ON EACH [n.name, n.story]",
    "CREATE FULLTEXT INDEX search_roads FOR ()-[r:SEARCH_ROAD]-() ON EACH [r.name]",
    "CREATE VECTOR INDEX search_places FOR (n:SearchPlace) ON n.at OPTIONS {indexConfig: \
     {`vector.dimensions`: 5, `vector.similarity_function`: 'cosine'}}",
    "CREATE VECTOR INDEX search_roads_at FOR ()-[r:SEARCH_ROAD]-() ON r.at OPTIONS {indexConfig: \
     {`vector.dimensions`: 7, `vector.similarity_function`: 'euclidean'}}",
    "CREATE VECTOR INDEX search_twice FOR (n:SearchHub) ON n.at OPTIONS {indexConfig: \
     {`vector.dimensions`: 6, `vector.similarity_function`: 'cosine'}}",
    "CREATE VECTOR INDEX search_again FOR (n:SearchHub) ON n.too OPTIONS {indexConfig: \
     {`vector.dimensions`: 6, `vector.similarity_function`: 'cosine'}}",
    "CREATE RANGE INDEX search_range FOR (n:SearchPlace) ON (n.name)",
    "CALL db.awaitIndexes(60)",
    "CREATE (a:SearchPlace {name: 'quiet harbour', story: 'boats', at: [1.0, 0.0, 0.0, 0.0, 0.0]}), \
            (b:SearchPlace {name: 'old harbour harbour', at: [0.9, 0.1, 0.0, 0.0, 0.0]}), \
            (c:SearchPlace {name: 'mill', story: 'flour', at: [0.0, 1.0, 0.0, 0.0, 0.0]}), \
            (a)-[:SEARCH_ROAD {name: 'zigzag road', at: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}]->(b), \
            (b)-[:SEARCH_ROAD {name: 'straight'}]->(c)",
    "CREATE (h:SearchHub {name: 'crossing'}) WITH h UNWIND range(1, 20000) AS n CREATE (h)-[:SEARCH_SPOKE]->(:SearchRim {n: n})-[:SEARCH_TYRE]->(:SearchRim)",
];

async fn with_graph(neo4j: &Neo4j) -> Adapter {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(async || Server::of(neo4j).run(GRAPH).await)
        .await;
    Adapter::of(neo4j).await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_searched_in_all_indexes() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    let found = search(&adapter, words("harbour")).await.expect("works");
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["match", "score", "index"]);
    // Each once, though two indexes know it; the best first; scores are short.
    let places = matches(&found);
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places[0].starts_with("old harbour harbour "), "{places:?}");
    let scores: Vec<f64> = places
        .iter()
        .map(|place| {
            place
                .rsplit(' ')
                .nth(1)
                .and_then(|score| score.parse().ok())
                .expect("a score")
        })
        .collect();
    assert!(
        scores[0] > scores[1]
            && places
                .iter()
                .all(|place| place.rsplit(' ').nth(1).expect("a score").len() <= 8),
        "{places:?}"
    );

    let one = SearchRequest {
        index: Some("search_stories".to_owned()),
        top_k: Some(1),
        ..words("story:boats OR name:mill")
    };
    let found = search(&adapter, one).await.expect("works");
    assert_eq!(found.rows.len(), 1);
    assert!(matches(&found)[0].ends_with("search_stories"));
    // A relationship is a match as well.
    let road = search(&adapter, words("zigzag")).await.expect("works");
    assert!(
        rows(&road)[0].contains(r#""type":"SEARCH_ROAD""#),
        "{:?}",
        rows(&road)
    );
    assert!(
        search(&adapter, words("nowhere-to-be-found"))
            .await
            .expect("works")
            .rows
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vector_finds_its_neighbours() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    let two = SearchRequest {
        top_k: Some(2),
        ..vector(&[1.0, 0.0, 0.0, 0.0, 0.0])
    };
    let found = matches(&search(&adapter, two).await.expect("works"));
    assert!(
        found[0].starts_with("quiet harbour 1") && found[1].starts_with("old harbour harbour 0.9"),
        "{found:?}"
    );
    let road = search(&adapter, vector(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
        .await
        .expect("works");
    assert!(rows(&road)[0].contains("zigzag road"), "{:?}", rows(&road));

    let fault = assert_fault(
        search(&adapter, vector(&[1.0; 6])).await,
        Reason::ArgumentInvalid,
        "several vector indexes have 6 dimensions",
    );
    assert_eq!(fault.metadata["did_you_mean"], "search_again,search_twice");
    let named = |index: &str, numbers: &[f32]| SearchRequest {
        index: Some(index.to_owned()),
        ..vector(numbers)
    };
    assert_fault(
        search(&adapter, named("search_places", &[1.0; 3])).await,
        Reason::ArgumentInvalid,
        "has 5 dimensions, and vector has 3",
    );
    assert_fault(
        search(&adapter, named("search_places", &[0.0; 5])).await,
        Reason::ArgumentInvalid,
        "all zeros",
    );
    assert_fault(
        search(&adapter, named("search_names", &[1.0; 5])).await,
        Reason::ArgumentInvalid,
        "is a fulltext index",
    );
    let fault = assert_fault(
        search(&adapter, named("search_place", &[1.0; 5])).await,
        Reason::ObjectNotFound,
        "no vector index",
    );
    assert!(
        fault.metadata["did_you_mean"].starts_with("search_places"),
        "{fault:?}"
    );
    assert_fault(
        search(&adapter, vector(&[f32::NAN; 5])).await,
        Reason::ArgumentInvalid,
        "not finite",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_told() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    for text in [
        "harbour AND (",
        "\"harbour",
        "name:",
        "[a TO",
        "harbour~~",
        "/(",
        "\\",
    ] {
        let request = SearchRequest {
            index: Some("search_names".to_owned()),
            ..words(text)
        };
        let fault = assert_fault(
            search(&adapter, request).await,
            Reason::ArgumentInvalid,
            "not in Lucene's query syntax",
        );
        assert_eq!(fault.metadata["field"], "query_text");
        assert!(
            fault.metadata["hint"].contains("double quotes") && !fault.message.contains("org.apache"),
            "{fault:?}"
        );
    }
    let both = SearchRequest {
        query_text: Some("harbour".to_owned()),
        ..vector(&[1.0; 5])
    };
    assert_fault(
        search(&adapter, both).await,
        Reason::ArgumentInvalid,
        "either query_text or vector",
    );
    assert_fault(
        search(&adapter, words(" ")).await,
        Reason::ArgumentInvalid,
        "give query_text",
    );
    // An injection is an index that is not there.
    let odd = SearchRequest {
        index: Some("x', 'y') YIELD node MATCH (n) DETACH DELETE n //".to_owned()),
        ..words("x")
    };
    assert_fault(
        search(&adapter, odd).await,
        Reason::ObjectNotFound,
        "no fulltext index",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbourhoods_are_paths_and_stay_small() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = with_graph(neo4j).await;
    let around = |text: &str, hops: u32| SearchRequest {
        expand_hops: Some(hops),
        top_k: Some(1),
        ..words(text)
    };
    let paths = |result: &ResultSet| {
        let row: serde_json::Value = serde_json::from_str(&rows(result)[0]).expect("JSON");
        let paths = row[3]
            .as_array()
            .unwrap_or_else(|| panic!("a list: {row}"))
            .clone();
        let lengths: Vec<usize> = paths
            .iter()
            .map(|path| {
                path["rels"]
                    .as_array()
                    .unwrap_or_else(|| panic!("a path: {path}"))
                    .len()
            })
            .collect();
        lengths
    };
    let one = search(&adapter, around("mill", 1)).await.expect("works");
    assert_eq!(one.columns[3].name, "neighbourhood");
    assert_eq!(paths(&one), [1]);
    assert_eq!(
        paths(&search(&adapter, around("mill", 2)).await.expect("works")),
        [2]
    );
    assert_eq!(
        paths(&search(&adapter, around("mill", 3)).await.expect("works")),
        [2],
        "it goes no further"
    );
    // A node with 20,000 neighbours shows the first few, at once.
    for (hops, many, length) in [(1, 10, 1), (2, 6, 2), (3, 4, 2)] {
        let hub = search(&adapter, around("crossing", hops)).await.expect("works");
        assert_eq!(paths(&hub), vec![length; many], "{hops}");
        assert!(hub.elapsed_ms < 5_000, "{} ms", hub.elapsed_ms);
    }
    let road = search(&adapter, around("zigzag", 2)).await.expect("works");
    assert_eq!(paths(&road), [1, 1, 1, 1], "its ends, and what is around them");
    let far = search(&adapter, around("mill", 9)).await.expect("clamped");
    assert_eq!(far.notices, ["expand_hops was lowered from 9 to 3"]);
}
