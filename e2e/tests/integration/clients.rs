//! Everything that a hub offers, by clients that nobody here wrote, through two replicas: tools, prompts, resources, completions,
//! progress, and the news that a list is another.

use mcp_hub_e2e::{Door, Session, program};

mod inspector;
mod news;
mod offers;
mod stage;

use news::{Listener, all_hear};
use offers::works;
use stage::Stage;

/// What each of these sessions is like: whether it hears that a list changed.
type Way = (Door, bool);

/// Tries everything by every way of a client, and then changes what is offered while all of them are connected.
async fn by_all(mut stage: Stage, ways: &[Way], connect: impl AsyncFn(&Door) -> Option<Session>) {
    let mut listeners = Vec::new();
    for (door, hears) in ways {
        let Some(mut session) = connect(door).await else {
            return;
        };
        works(&mut session).await;
        listeners.push(Listener::new(door, session, *hears));
    }
    all_hear(&mut stage, &mut listeners).await;
    for listener in listeners {
        listener.session.close().await;
    }
}

#[tokio::test]
async fn the_python_sdk() {
    let Some(stage) = Stage::new().await else { return };
    let url = |path| stage.cluster.url(path);
    let ways = [
        (Door::Http(url("/mcp")), true),
        (Door::HttpLegacy(url("/mcp")), false),
        (Door::Sse(url("/sse")), true),
    ];
    by_all(stage, &ways, async |door| Session::python(door).await).await;
}

#[tokio::test]
async fn the_typescript_sdk_of_the_v1_line() {
    let Some(stage) = Stage::new().await else { return };
    let url = |path| stage.cluster.url(path);
    let ways = [
        (Door::HttpLegacy(url("/mcp")), false),
        (Door::Sse(url("/sse")), true),
    ];
    by_all(stage, &ways, async |door| Session::typescript(door).await).await;
}

#[tokio::test]
async fn the_typescript_sdk_of_the_v2_line() {
    let Some(stage) = Stage::new().await else { return };
    let url = |path| stage.cluster.url(path);
    let ways = [
        (Door::Http(url("/mcp")), true),
        (Door::HttpLegacy(url("/mcp")), false),
        (Door::Sse(url("/sse")), true),
    ];
    by_all(stage, &ways, async |door| Session::typescript_v2(door).await).await;
}

#[tokio::test]
async fn mcp_remote() {
    let Some(stage) = Stage::new().await else { return };
    let bridge = |path, options: &[&str]| {
        let url = stage.cluster.url(path);
        let arguments = [&[&*url], options].concat();
        Door::McpRemote(arguments.into_iter().map(str::to_owned).collect())
    };
    let ways = [
        // It asks for news in place of its client, which is of the older era.
        (
            bridge("/mcp", &["--transport", "http-only", "--protocol", "auto"]),
            true,
        ),
        (bridge("/mcp", &["--transport", "http-only"]), false),
        (bridge("/sse", &["--transport", "sse-only"]), true),
    ];
    by_all(stage, &ways, async |door| Session::typescript(door).await).await;
}

#[tokio::test]
async fn the_bridge_of_the_hub() {
    let Some(stage) = Stage::new().await else { return };
    let arguments = ["stdio", "--url", &stage.cluster.url("/mcp")].map(str::to_owned);
    let ways = [(Door::Stdio(program("mcp-hub"), arguments.to_vec()), true)];
    by_all(stage, &ways, async |door| Session::python(door).await).await;
}
