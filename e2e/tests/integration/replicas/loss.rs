//! A replica that is lost without a word.

use std::time::Duration;

use mcp_hub_e2e::{Door, Session};
use serde_json::json;
use tokio::time::Instant;

use super::stage::{Stage, TOOL, all_are_answered, answered_again, arguments, is_right};

/// Nobody waits longer than this to be told. The clients' own patience is minutes.
const AT_ONCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_typescript_sdk_opens_its_stream_again_and_does_not_initialize_again() {
    let Some(mut stage) = Stage::new().await else {
        return;
    };
    let Some(mut session) = Session::typescript(&Door::Sse(stage.cluster.url("/sse"))).await else {
        return;
    };
    all_are_answered(&mut session, 6).await;
    let lost = stage.owner().await;
    stage.cluster.kill(lost).await;

    let failures = answered_again(&mut session).await;
    // Nobody is left in doubt whether a message arrived.
    assert!(
        failures.iter().all(|failure| failure.contains("HTTP 404")),
        "{failures:#?}"
    );
    assert_ne!(stage.owner().await, lost);
    all_are_answered(&mut session, 20).await;
    assert_eq!(session.sent("initialize").await, 1);

    // The one that comes back takes part again.
    stage.cluster.restart(lost).await;
    let before = stage.share("/messages");
    all_are_answered(&mut session, 12).await;
    assert!(stage.share("/messages")[lost] > before[lost]);
    session.close().await;
}

#[tokio::test]
async fn mcp_remote_initializes_again_and_works() {
    let Some(mut stage) = Stage::new().await else {
        return;
    };
    let arguments = [&*stage.cluster.url("/sse"), "--transport", "sse-only"].map(str::to_owned);
    let Some(mut session) = Session::typescript(&Door::McpRemote(arguments.to_vec())).await else {
        return;
    };
    all_are_answered(&mut session, 6).await;
    let lost = stage.owner().await;
    stage.cluster.kill(lost).await;

    answered_again(&mut session).await;
    assert_ne!(stage.owner().await, lost);
    all_are_answered(&mut session, 20).await;
    session.close().await;
}

#[tokio::test]
async fn the_python_sdk_fails_at_once_and_a_new_session_works() {
    let Some(mut stage) = Stage::new().await else {
        return;
    };
    let door = Door::Sse(stage.cluster.url("/sse"));
    let Some(mut session) = Session::python(&door).await else {
        return;
    };
    all_are_answered(&mut session, 6).await;
    let lost = stage.owner().await;
    stage.cluster.kill(lost).await;

    let since = Instant::now();
    let answer = session.call(TOOL, arguments(1)).await;
    assert!(since.elapsed() < AT_ONCE, "{:?}: {answer}", since.elapsed());
    assert!(!is_right(1, &answer), "{answer}");
    eprintln!("a call on a lost stream: {answer} after {:?}", since.elapsed());

    let Some(mut session) = Session::python(&door).await else {
        return;
    };
    all_are_answered(&mut session, 20).await;
    session.close().await;
}

/// A call that was under way when its stream was lost is nobody's any more: the client has to be told.
#[tokio::test]
async fn a_call_under_way_on_a_lost_stream_fails_at_once_with_the_python_sdk() {
    let Some(mut stage) = Stage::new().await else {
        return;
    };
    let Some(mut session) = Session::python(&Door::Sse(stage.cluster.url("/sse"))).await else {
        return;
    };
    let endless = json!({"sql": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"});
    let lost = stage.owner().await;
    let posted = stage.share("/messages").iter().sum::<usize>();
    let kill = async {
        stage.posted(posted + 1).await;
        stage.cluster.kill(lost).await;
        Instant::now()
    };
    let (answer, lost) = tokio::join!(session.call(TOOL, endless), kill);
    assert!(lost.elapsed() < AT_ONCE, "{:?}: {answer}", lost.elapsed());
    assert!(answer.get("content").is_none(), "{answer}");
    eprintln!("a call under way: {answer} after {:?}", lost.elapsed());
}
