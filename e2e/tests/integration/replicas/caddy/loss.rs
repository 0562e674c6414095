//! Replicas that go and come while clients call.
//!
//! Caddy sends a GET that found nobody to another replica, and a POST only since 2.11.2: before, the message is gone with the refused
//! connection. So calls can fail until Caddy has asked the replica and taken it out; never later, and none is sent twice.

use std::time::Duration;

use mcp_hub_e2e::Caddy;
use tokio::time::{Instant, timeout};

use super::super::stage::{Stage, is_right};
use super::hostile::call;
use super::stage;
use super::upstream::{Then, Upstream};

/// The interval of the health checks, 500 ms, on a machine that does other things as well.
const NOTICED: Duration = Duration::from_millis(2500);

/// How long a replica is away.
const AWAY: Duration = Duration::from_secs(4);

/// How a replica goes.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Killed,
    Terminated,
}

/// Calls, and opens streams, while a replica is lost and comes back; returns how many calls there were, and how many failed in time.
async fn calls_while_lost(stage: &mut Stage, caddy: &Caddy, loss: Loss) -> (usize, usize) {
    let since = Instant::now();
    // Nothing that a client shares with others: its connection to Caddy is its own.
    let [calling, streaming] = [(); 2].map(|()| caddy.client().build().expect("a client"));
    let ended = tokio_util::sync::CancellationToken::new();
    let calls = async {
        let (mut number, mut failed) = (0, Vec::new());
        while !ended.is_cancelled() {
            number += 1;
            let (status, answer) = call(&calling, caddy, number).await;
            if !is_right(number, &answer) {
                failed.push((since.elapsed(), status));
            }
        }
        (number, failed)
    };
    let streams = async {
        let (mut count, mut failed) = (0, Vec::new());
        while !ended.is_cancelled() {
            let opened = streaming
                .get(caddy.url("/sse"))
                .header("Accept", "text/event-stream")
                .send();
            let stream = timeout(AWAY, opened).await.expect("in time").expect("an answer");
            count += 1;
            if stream.status() != 200 {
                failed.push((since.elapsed(), stream.status().as_u16()));
            }
        }
        (count, failed)
    };
    let outage = async {
        let exit = match loss {
            Loss::Killed => stage.cluster.kill(0).await,
            Loss::Terminated => stage.cluster.terminate(0).await,
        };
        let gone = since.elapsed();
        assert!(exit.after < AWAY, "{exit:?}");
        tokio::time::sleep(AWAY).await;
        stage.cluster.restart(0).await;
        // It takes part again before this ends.
        let before = stage.cluster.metric(0, OPERATIONS, "tools/call").await;
        mcp_hub_testing::eventually(AWAY, async || {
            let now = stage.cluster.metric(0, OPERATIONS, "tools/call").await;
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
        ended.cancel();
        gone
    };
    let ((calls, failed), (streams, refused), gone) = tokio::join!(calls, streams, outage);
    eprintln!(
        "{loss:?} at {gone:?}: {calls} calls, failed {failed:?}; {streams} streams, refused {refused:?}"
    );
    for (when, status) in failed.iter().chain(&refused) {
        assert!([502, 503].contains(status), "{failed:?} {refused:?}");
        assert!(
            *when < gone + NOTICED,
            "gone at {gone:?}, failed {failed:?} {refused:?}"
        );
    }
    // One that is ending says so to whom it still hears.
    let said = |(_, status): &(_, u16)| matches!(loss, Loss::Terminated) && *status == 503;
    assert!(refused.iter().all(said), "{refused:?}");
    (calls, failed.len())
}

const OPERATIONS: &str = "mcp_server_operation_duration_seconds_count";

#[tokio::test]
async fn a_replica_that_is_lost_is_left_out_in_time() {
    let Some((mut stage, caddy)) = stage().await else {
        return;
    };
    for loss in [Loss::Killed, Loss::Terminated] {
        let (calls, failed) = calls_while_lost(&mut stage, &caddy, loss).await;
        assert!(failed < calls / 10, "{loss:?}: {failed} of {calls}");
    }
}

/// Nobody knows what became of a message that was sent and not answered, so nobody else gets it.
#[tokio::test]
async fn what_was_sent_is_not_sent_again_unless_it_only_asks() {
    let upstreams = [
        Upstream::start(Then::HangsUp).await,
        Upstream::start(Then::HangsUp).await,
    ];
    let addresses = upstreams.each_ref().map(Upstream::address);
    let Some(caddy) = Caddy::start(&addresses, &[]).await else {
        return;
    };
    let count = |start: &str| -> usize {
        upstreams
            .iter()
            .map(|upstream| upstream.requests(start).len())
            .sum()
    };
    let client = caddy.client().build().expect("a client");
    for body in ["{}".to_owned(), "x".repeat(100_000)] {
        let before = count("POST ");
        let answer = client.post(caddy.url("/mcp")).body(body).send().await;
        assert_eq!(answer.expect("an answer").status(), 502);
        assert_eq!(count("POST ") - before, 1);
    }
    let answer = client.get(caddy.url("/sse")).send().await;
    assert_eq!(answer.expect("an answer").status(), 502);
    assert!(count("GET /sse ") > 1, "a stream may be asked for again");
}
