//! The official conformance suite in both eras, through facade, gRPC and an adapter whose RPCs are its fixtures.

use std::path::Path;

use mcp_hub_e2e::{Cluster, ClusterOptions, Conformance, Expected, Replica};

use crate::shops::alone;

/// What the hub does not offer: the only reasons for which a check may fail. docs/adr/0010 says why.
const NOT_OFFERED: [&str; 7] = [
    "elicitation",
    "logging",
    "resource subscriptions",
    "roots",
    "sampling",
    "sessions",
    "tasks",
];

/// The adapter of the fixtures, and two facades behind a proxy. Its key has to be `test`, for the suite's tools are `test_simple_text` and so
/// on.
struct Stage {
    cluster: Cluster,
    _fixtures: Replica,
}

impl Stage {
    async fn new() -> Option<Self> {
        let fixtures = Replica::adapter("mcp-hub-testkit", &[], &[]).await;
        let options = ClusterOptions {
            replicas: 2,
            upstreams: format!("test = \"{}\"", fixtures.url()),
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).await?;
        cluster.lists("test_simple_text", &[]).await;
        Some(Self {
            cluster,
            _fixtures: fixtures,
        })
    }
}

/// The suite asks one facade, and then two in turn, by a name: a look at DNS rebinding takes one. The answers of both are the same.
async fn conforms(revision: &str) {
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("conformance/{revision}.yaml"));
    let expected = Expected::read(&baseline).expect("a baseline");
    for Expected { check, reason } in &expected {
        let feature = reason.split(':').next().unwrap_or_default();
        assert!(
            NOT_OFFERED.contains(&feature),
            "{check} may not fail for {reason:?}"
        );
    }
    // The suite gives a change of a list 1.5 s to be told.
    let _alone = alone().await;
    let Some(stage) = Stage::new().await else { return };
    for url in [stage.cluster.replica_url(0, "/mcp"), stage.cluster.url("/mcp")] {
        let url = url.replace("127.0.0.1", "localhost");
        let Some(run) = Conformance::run(&url, revision, &baseline).await else {
            return;
        };
        eprintln!("{revision} at {url}:\n{run}");
        assert_eq!(run.unexpected(&expected), [""; 0], "these fail");
        assert_eq!(run.unmet(&expected), [], "these do not fail any more");
        assert_eq!(run.code, 0, "{}", run.output);
        insta::assert_snapshot!(format!("the_suite_of_{revision}"), run);
    }
}

#[tokio::test]
async fn the_suite_of_2025_11_25() {
    conforms("2025-11-25").await;
}

#[tokio::test]
async fn the_suite_of_2026_07_28() {
    conforms("2026-07-28").await;
}
