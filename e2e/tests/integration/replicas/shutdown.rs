//! A replica that is asked to end, as in every roll-out.

use std::time::Duration;

use mcp_hub_e2e::{ClusterOptions, Door, Replica, Session, ask, budget};
use mcp_hub_testing::{Postgres, eventually};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::stage::{Stage, all_are_answered, answered_again};
use crate::hub::rows;

/// How long the calls take that are under way while a replica ends.
const SECONDS: f64 = 1.5;

/// How long a replica may take to end when all that is under way has come to its end.
const END: Duration = Duration::from_secs(5);

/// The stage with a PostgreSQL, whose statements can be waited for.
struct Slow {
    stage: Stage,
    _adapter: Replica,
}

impl Slow {
    async fn new() -> Option<Self> {
        let postgres = Postgres::shared().await?;
        let adapter = Replica::adapter(
            "mcp-hub-postgres",
            &["--url", postgres.url(), "--pool-size", "16"],
            &[],
        )
        .await;
        let options = ClusterOptions {
            upstreams: format!("slow = \"{}\"", adapter.url()),
            ..Default::default()
        };
        let stage = Stage::with(options, &[]).await?;
        stage.cluster.lists("slow_query", &[]).await;
        Some(Self {
            stage,
            _adapter: adapter,
        })
    }

    /// A call that takes its time. The mark is a comment in its statement.
    fn call(mark: &str) -> Value {
        json!({"sql": format!("select 6 * 7 from pg_sleep({SECONDS}) /* {mark} */")})
    }

    /// Waits until so many calls with this mark are under way, asked through another replica than `except`.
    async fn under_way(&self, mark: &str, count: usize, except: usize) {
        let other = self
            .stage
            .running()
            .find(|index| *index != except)
            .expect("another replica");
        let url = self.stage.cluster.replica_url(other, "/mcp");
        let arguments = json!({
            "sql": "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1",
            "params": [format!("%/* {mark} */%")],
        });
        eventually(Duration::from_secs(10), async || {
            let params = json!({"name": "slow_query", "arguments": arguments});
            let result = ask(&url, &[], "tools/call", params)
                .await
                .map_err(|error| format!("{error:#}"))?;
            let running = rows(&result);
            if running == [json!([count])] {
                Ok(())
            } else {
                Err(format!("{running:?} are under way"))
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_call_on_its_stream_is_answered_and_the_client_goes_elsewhere() {
    let Some(mut slow) = Slow::new().await else { return };
    let Some(mut session) = Session::typescript(&Door::Sse(slow.stage.cluster.url("/sse"))).await else {
        return;
    };
    let ending = slow.stage.owner().await;
    let end = async {
        slow.under_way("on a stream", 1, ending).await;
        slow.stage.cluster.terminate(ending).await
    };
    let (answer, exit) = tokio::join!(session.call("slow_query", Slow::call("on a stream")), end);
    assert_eq!(rows(&answer), [json!([42])]);
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.after < END + Duration::from_secs_f64(SECONDS), "{exit:?}");

    answered_again(&mut session).await;
    assert_ne!(slow.stage.owner().await, ending);
    all_are_answered(&mut session, 20).await;
    assert_eq!(session.sent("initialize").await, 1);
    session.close().await;
}

#[tokio::test]
async fn calls_over_http_are_answered() {
    let Some(mut slow) = Slow::new().await else { return };
    let Some(mut session) = Session::python(&Door::Http(slow.stage.cluster.url("/mcp"))).await else {
        return;
    };
    // As many for each replica.
    let calls = vec![Slow::call("over HTTP"); 6];
    let end = async {
        slow.under_way("over HTTP", calls.len(), 0).await;
        slow.stage.cluster.terminate(0).await
    };
    let (answers, exit) = tokio::join!(session.calls("slow_query", &calls, calls.len()), end);
    for answer in &answers.answers {
        assert_eq!(rows(answer), [json!([42])]);
    }
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.after < END + Duration::from_secs_f64(SECONDS), "{exit:?}");
    assert!(slow.stage.share("/mcp").iter().all(|count| *count > 0));
    all_are_answered(&mut session, 20).await;
    session.close().await;
}

/// Each replica in turn ends and starts, again and again, while clients call: no call fails.
#[tokio::test]
async fn a_roll_out_costs_no_call_over_http() {
    let Some(mut stage) = Stage::new().await else {
        return;
    };
    let url = stage.cluster.url("/mcp");
    let Some(mut python) = Session::python(&Door::Http(url.clone())).await else {
        return;
    };
    let Some(mut typescript) = Session::typescript(&Door::HttpLegacy(url)).await else {
        return;
    };
    let rolled = tokio_util::sync::CancellationToken::new();
    let calls = async |session: &mut Session| {
        let mut count = 0;
        while !rolled.is_cancelled() {
            all_are_answered(session, 20).await;
            count += 20;
        }
        count
    };
    let roll = async {
        let since = Instant::now();
        let mut rounds = 0;
        while rounds == 0 || since.elapsed() < budget() {
            for index in 0..3 {
                let exit = stage.cluster.terminate(index).await;
                assert!(exit.status.success() && exit.after < END, "{exit:?}");
                stage.cluster.restart(index).await;
            }
            rounds += 1;
        }
        rolled.cancel();
        rounds
    };
    let (python_calls, typescript_calls, rounds) =
        tokio::join!(calls(&mut python), calls(&mut typescript), roll);
    eprintln!(
        "{rounds} rounds, {} calls, none failed",
        python_calls + typescript_calls
    );
    python.close().await;
    typescript.close().await;
}
