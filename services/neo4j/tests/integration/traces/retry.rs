//! A statement that is sent twice: on a connection that has died, and on a new one in its place.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::trace::attribute;
use mcp_hub_testing::traces::{self, Caller};
use mcp_hub_testing::{Neo4j, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{QUERY, RELEASE, query};
use crate::adapter::{Adapter, SOON};

/// A way to the server on which connections can die without the adapter's knowledge.
struct Way {
    port: u16,
    died: watch::Sender<()>,
}

impl Way {
    async fn to(port: u16, lifecycle: &Lifecycle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (died, is_dead) = watch::channel(());
        let tasks = lifecycle.clone();
        lifecycle.spawn_until_stopped(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let mut is_dead = is_dead.clone();
                is_dead.mark_unchanged();
                tasks.spawn_until_stopped(async move {
                    let mut outer = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
                    tokio::select! {
                        _ = copy_bidirectional(&mut inner, &mut outer) => {}
                        // Whoever uses it next finds out; who only looks at it does not.
                        _ = is_dead.changed() => drop(inner.peek(&mut [0]).await),
                    }
                });
            }
        });
        Self { port: own, died }
    }

    /// What is connected now is dead.
    fn die(&self) {
        self.died.send_replace(());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_attempts_of_a_statement_are_seen() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    traces::record();
    let lifecycle = Lifecycle::new();
    let way = Way::to(neo4j.port(), &lifecycle).await;
    let login = format!("user = '{}'\npassword = '{}'", neo4j.user(), neo4j.password());
    let uri = format!("bolt://127.0.0.1:{}", way.port);
    let adapter = Adapter::start(&format!("uri = '{uri}'\n{login}\npool_size = 1")).await;
    adapter.serving().await;
    let caller = eventually(SOON, async || {
        adapter.query("return 1").await.expect("works");
        way.die();
        let caller = Caller::new();
        let call = adapter
            .client
            .clone()
            .query(caller.request(query("return 1")))
            .await;
        call.expect("answers");
        let expected = "\
            server mcphub.neo4j.v1.Neo4jService/Query\n  \
              internal guard\n  \
              internal acquire connection\n  \
              client RETURN error=DATABASE_UNAVAILABLE\n  \
              internal acquire connection connected=true\n  \
              client RETURN rows=1 [first row]\n  \
              internal release connection\n";
        let lines = caller.tree_after(&[QUERY, RELEASE]).await;
        // A probe may have found the dead connection before.
        if lines == expected { Ok(caller) } else { Err(lines) }
    })
    .await;
    let mut spans = caller.spans();
    spans.sort_by_key(|span| span.start_time);
    for name in ["acquire connection", "RETURN"] {
        let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        for (span, retry) in named.iter().zip([None, Some("2")]) {
            assert_eq!(traces::told(span, attribute::RETRY).as_deref(), retry, "{name}");
            let reason = traces::told(span, attribute::RETRY_REASON);
            let expected = retry.map(|_| "DATABASE_UNAVAILABLE");
            assert_eq!(reason.as_deref(), expected, "{name}");
        }
    }
    lifecycle.stop();
}
