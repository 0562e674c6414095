//! The corpus on a real server, as a user who may do everything: nobody but the guard and READ mode stands between.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_neo4j::Error;
use mcp_hub_neo4j::database::Database;
use mcp_hub_proto::neo4j::v1::StreamQueryRequest;
use mcp_hub_testing::Neo4j;

use crate::adapter::{Adapter, SOON, Server, config, settings};
use crate::corpus::{
    MUST_ALLOW, MUST_ALLOW_ELSEWHERE, MUST_REJECT_ALONE, MUST_REJECT_ANYWHERE, MUST_REJECT_WRITES,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_corpus_passes() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for cypher in [MUST_REJECT_WRITES, MUST_REJECT_ALONE, MUST_REJECT_ANYWHERE].concat() {
        let fault = adapter.query(cypher).await.expect_err(cypher);
        assert!(
            matches!(
                fault.reason,
                Reason::WriteNotAllowed | Reason::StatementInvalid | Reason::ArgumentInvalid
            ),
            "{cypher}: {fault:?}"
        );
        // A caller must be able to act on it.
        assert!(fault.message.len() > 10, "{cypher}: {fault:?}");
    }
    let request = StreamQueryRequest {
        cypher: MUST_REJECT_ALONE[0].to_owned(),
        ..StreamQueryRequest::default()
    };
    let streamed = adapter.client.clone().stream_query(request).await;
    assert!(streamed.is_err(), "a stream has the same guard");
    let left = "MATCH (n:Corpus) RETURN count(n)";
    assert_eq!(Server::of(neo4j).number(left).await, 0);
}

/// What must be allowed is Cypher to the server too: it may miss a parameter, but never finds a syntax error, and never refuses it as
/// a write.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_reaches_the_server() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let mut refused = Vec::new();
    for (cypher, may_be_unknown) in MUST_ALLOW
        .iter()
        .map(|cypher| (cypher, false))
        .chain(MUST_ALLOW_ELSEWHERE.iter().map(|cypher| (cypher, true)))
    {
        if let Err(fault) = adapter.query(cypher).await {
            let code = fault.metadata.get("sqlstate").map_or("", String::as_str);
            let is_unknown = code.ends_with("SyntaxError") || code.is_empty();
            if fault.reason == Reason::WriteNotAllowed || is_unknown && !may_be_unknown {
                refused.push(format!("{cypher}: {fault:?}"));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// What the server says to a statement in READ mode, past the guard.
async fn unguarded(database: &Database, cypher: &str) -> Result<(), String> {
    let mut transaction = database.read(None, SOON).await.expect("a transaction");
    match transaction.rows("RETURN", cypher, vec![]).await {
        Ok(_) => Ok(()),
        Err(Error::Server(error)) => Err(error.code),
        Err(error) => panic!("{cypher}: {error:?}"),
    }
}

/// The rung below: without the guard nothing is written either, by clauses, by schema commands, by commands on the system
/// database, by procedures.
#[tokio::test(flavor = "multi_thread")]
async fn read_mode_refuses_all_writes_by_itself() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let database = Database::new(config(&settings(neo4j)), "unguarded", Lifecycle::new());
    let mut otherwise = Vec::new();
    for cypher in MUST_REJECT_WRITES {
        let said = unguarded(&database, cypher).await;
        if said.as_ref().err().map(String::as_str) != Some("Neo.ClientError.Statement.AccessMode") {
            otherwise.push(format!("{cypher}: {said:?}"));
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    let server = Server::of(neo4j);
    for cypher in [
        "MATCH (n:Corpus) RETURN count(n)",
        "CALL db.labels() YIELD label WHERE label = 'Corpus' RETURN count(*)",
        "SHOW INDEXES YIELD name WHERE name = 'corpus' RETURN count(*)",
        "SHOW USERS YIELD user WHERE user <> 'neo4j' RETURN count(*)",
    ] {
        assert_eq!(server.number(cypher).await, 0, "{cypher}");
    }
}

/// Which statements of the corpus READ mode lets run: the list is the reason why there is a guard.
#[tokio::test(flavor = "multi_thread")]
async fn read_mode_alone_is_not_enough() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let database = Database::new(config(&settings(neo4j)), "unguarded", Lifecycle::new());
    let mut otherwise = Vec::new();
    for cypher in MUST_REJECT_ALONE {
        match unguarded(&database, cypher).await {
            // The file is not there, nobody listens at that address, a parameter is missing: but it would have been run.
            Ok(()) => {}
            Err(code) if code.ends_with("ExternalResourceFailed") || code.ends_with("ParameterMissing") => {}
            // Refused as it stands only: the words behind it are for the system database.
            Err(code) => otherwise.push(format!("{cypher}: {code}")),
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}

/// At the guard's bounds the server still answers, soon; some hundreds of levels deeper it never does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_deep_as_may_be_is_answered() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (open, inner, close, times) in [
        ("(", "1", ")", 50),
        ("[", "1", "]", 50),
        ("abs(", "1", ")", 50),
        ("{a: ", "1", "}", 50),
        ("NOT ", "true", "", 50),
        ("CASE WHEN true THEN ", "1", " END", 50),
        ("[x IN ", "[1]", " | x]", 49),
        ("EXISTS { MATCH (n:CorpusNone) WHERE ", "true", " }", 10),
    ] {
        let cypher = format!("RETURN {}{inner}{} AS x", open.repeat(times), close.repeat(times));
        let begun = std::time::Instant::now();
        adapter
            .query(&cypher)
            .await
            .unwrap_or_else(|fault| panic!("{open}: {fault:?}"));
        assert!(begun.elapsed() < SOON, "{open}: {:?}", begun.elapsed());
        let deeper = format!(
            "RETURN {}{inner}{} AS x",
            open.repeat(times + 1),
            close.repeat(times + 1)
        );
        let fault = adapter.query(&deeper).await.expect_err(open);
        assert_eq!(fault.reason, Reason::ArgumentInvalid, "{open}");
    }
}
