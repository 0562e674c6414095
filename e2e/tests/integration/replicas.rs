//! Three replicas behind a proxy without affinity: no client notices.

use mcp_hub_e2e::{Door, Replica, Session, program};

mod caddy;
mod keys;
mod loss;
mod shutdown;
mod stage;
mod tokens;

use stage::{Stage, all_are_answered};

/// How many calls each client makes.
const CALLS: usize = 60;

/// A session of legacy SSE: its stream is one replica's, its messages come to all of them.
async fn over_sse(stage: &Stage, session: Option<Session>) {
    let Some(mut session) = session else { return };
    // The Python SDK asks for the tools before it calls one for the first time.
    all_are_answered(&mut session, 1).await;
    let owner = stage.owner().await;
    let (posted, handed_over) = (stage.share("/messages"), stage.handed_over().await);
    all_are_answered(&mut session, CALLS).await;
    let share = stage.share_since("/messages", &posted);
    assert_eq!(stage.owner().await, owner, "it is the same stream");
    assert_eq!(share.iter().sum::<usize>(), CALLS);
    let elsewhere = u32::try_from(CALLS - share[owner]).expect("few");
    let handed_over = stage.handed_over().await - handed_over;
    assert!(
        (handed_over - f64::from(elsewhere)).abs() < 0.5,
        "{handed_over} of {share:?}, of which {owner} has the stream"
    );
    session.close().await;
}

/// A session without a stream: each of its calls is answered by the replica that gets it.
async fn over_http(stage: &Stage, path: &str, session: Option<Session>) {
    let Some(mut session) = session else { return };
    let posted = stage.share(path);
    all_are_answered(&mut session, CALLS).await;
    stage.share_since(path, &posted);
    session.close().await;
}

#[tokio::test]
async fn python_sdk() {
    let Some(stage) = Stage::new().await else { return };
    let url = |path| stage.cluster.url(path);
    over_sse(&stage, Session::python(&Door::Sse(url("/sse"))).await).await;
    over_http(&stage, "/mcp", Session::python(&Door::Http(url("/mcp"))).await).await;
    over_http(
        &stage,
        "/sse",
        Session::python(&Door::HttpLegacy(url("/sse"))).await,
    )
    .await;
}

#[tokio::test]
async fn typescript_sdk() {
    let Some(stage) = Stage::new().await else { return };
    let url = |path| stage.cluster.url(path);
    over_sse(&stage, Session::typescript(&Door::Sse(url("/sse"))).await).await;
    over_http(
        &stage,
        "/mcp",
        Session::typescript(&Door::HttpLegacy(url("/mcp"))).await,
    )
    .await;
}

#[tokio::test]
async fn mcp_remote() {
    let Some(stage) = Stage::new().await else { return };
    let bridge = |transport: &str| {
        let arguments = [&*stage.cluster.url("/sse"), "--transport", transport];
        Door::McpRemote(arguments.map(str::to_owned).to_vec())
    };
    over_sse(&stage, Session::typescript(&bridge("sse-only")).await).await;
    over_http(&stage, "/sse", Session::typescript(&bridge("http-first")).await).await;
}

#[tokio::test]
async fn the_bridge_of_the_hub() {
    let Some(stage) = Stage::new().await else { return };
    let arguments = ["stdio", "--url", &stage.cluster.url("/mcp")];
    let door = Door::Stdio(program("mcp-hub"), arguments.map(str::to_owned).to_vec());
    over_http(&stage, "/mcp", Session::python(&door).await).await;
}

#[tokio::test]
async fn the_inspector() {
    let Some(stage) = Stage::new().await else { return };
    let calls = CALLS.to_string();
    for (transport, path) in [("sse", "/messages"), ("http", "/sse")] {
        let Some(output) = stage.inspect(transport, &[]).await else {
            return;
        };
        assert!(output.to_string().contains(r#"[[42,"oolong"]]"#), "{output}");

        let posted = stage.share(path);
        let load = ["--load", "--load-concurrency", "4", "--load-requests", &*calls];
        let Some(output) = stage.inspect(transport, &load).await else {
            return;
        };
        let (ok, failed) = (&output["result"]["ok"], &output["result"]["errorRate"]);
        assert_eq!((ok, failed), (&CALLS.into(), &0.into()), "{output}");
        stage.share_since(path, &posted);
    }
}

/// A replica is taken out of the proxy and another comes in: sessions of legacy SSE go on, their streams are where they were.
#[tokio::test]
async fn replicas_come_and_go_in_the_proxy() {
    let Some(stage) = Stage::new().await else { return };
    let addresses: Vec<_> = stage.cluster.replicas().iter().map(Replica::address).collect();
    stage.cluster.proxy().replace(&addresses[..2]).await;
    let Some(mut session) = Session::typescript(&Door::Sse(stage.cluster.url("/sse"))).await else {
        return;
    };
    all_are_answered(&mut session, 12).await;
    assert_eq!(stage.share("/messages")[2], 0);

    let owner = stage.owner().await;
    stage
        .cluster
        .proxy()
        .replace(&[addresses[1 - owner], addresses[2]])
        .await;
    let posted = stage.share("/messages");
    all_are_answered(&mut session, 12).await;
    let share = stage.share("/messages");
    assert_eq!(share[owner], posted[owner], "only the stream is still there");
    assert!(share[2] > 0, "{share:?}");
    assert_eq!(stage.owner().await, owner);
    session.close().await;
}
