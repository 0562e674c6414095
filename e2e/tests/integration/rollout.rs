//! Roll-outs under load: adapters and facades are replaced by others, and no call fails but those of a tool that is gone.

use std::time::Duration;

use mcp_hub_e2e::load::{Failure, Habit, Kind, Load, Plan, Report, Shopping};
use mcp_hub_e2e::{Cluster, Replica};
use mcp_hub_testing::eventually;
use serde_json::json;
use tokio::time::Instant;

use crate::shops::{SEES, Shops, address, alone, assert_excused, call, is_seen, upstreams};

/// How many calls have to succeed before a roll-out begins, and after it has ended.
const BEFORE_AND_AFTER: u64 = 500;

/// Lets a load go on until so many more calls have succeeded.
pub(crate) async fn go_on(load: &Load) {
    let enough = load.succeeded() + BEFORE_AND_AFTER;
    eventually(SEES, async || load.succeeded() >= enough).await;
}

fn is_listed(list: &[String], tool: &str) -> bool {
    list.iter().any(|name| name == tool)
}

/// A call of a tool that nobody offers any more, or of a field that is not offered here: the caller is told so, clearly.
fn tells_that_it_is_gone(failure: &Failure) -> bool {
    match failure.label {
        "haggle" | "review" => [Kind::Protocol(-32602), Kind::tool("NOT_SUPPORTED")].contains(&failure.kind),
        // Either this facade does not know the field, or it does, and nobody behind it has it any more.
        "foreign" => [Kind::tool("ARGUMENT_INVALID"), Kind::tool("NOT_SUPPORTED")].contains(&failure.kind),
        _ => false,
    }
}

/// What a client of legacy SSE may see of the end of its stream: it comes under a call, or just before the client posts the next message.
/// The hub's own 502 says that it is not known whether the stream's replica took the message; the proxy's would say that a replica broke
/// off, which none does that is told to end.
fn tells_that_the_stream_ends(failure: &Failure) -> bool {
    match failure.kind {
        Kind::StreamLost | Kind::Status(404 | 503) => true,
        Kind::Status(502) => failure
            .detail
            .contains("it is not known whether the message arrived"),
        _ => false,
    }
}

/// Asserts that what is called `label` failed only in its time.
fn assert_only(report: &Report, label: &str, when: impl Fn(&Failure) -> bool) {
    let other = report
        .failures
        .iter()
        .find(|failure| failure.label == label && !when(failure));
    assert!(other.is_none(), "{other:#?}\n{report}");
}

/// No list has a tool that not every serving endpoint has: the tool of one version is never seen with that of the other.
fn assert_lists(report: &Report) {
    for list in report.lists.keys() {
        assert!(
            !(is_listed(list, "shop_haggle") && is_listed(list, "shop_review")),
            "a list of both versions: {list:?}\n{report}"
        );
    }
}

/// Replaces each shop by one of another version on the same port, one by one. Gives when the last of the old ones was told to end, and
/// when the last of the new ones was seen by all.
async fn roll(cluster: &Cluster, shops: &mut [Replica], generation: u32) -> (Instant, Instant) {
    let mut last = Instant::now();
    for shop in shops {
        shop.set("SHOP_GENERATION", &generation.to_string());
        last = Instant::now();
        let exit = shop.terminate().await;
        assert!(exit.status.success(), "{exit:?}");
        shop.restart().await;
        for facade in 0..cluster.replicas().len() {
            is_seen(cluster, facade, shop.address().port(), Some(generation)).await;
        }
    }
    (last, Instant::now())
}

#[tokio::test]
async fn shops_are_rolled_to_another_version_and_back() {
    let _alone = alone().await;
    let mut shops = Shops::start(3, 1).await;
    let Some(cluster) = shops.behind(2).await else {
        return;
    };

    let habits = [Habit::Order, Habit::Haggle, Habit::Foreign];
    let load = Load::start(Plan::at(address(&cluster)), Shopping::new("forward", &habits));
    go_on(&load).await;
    assert!(load.lists().keys().all(|list| is_listed(list, "shop_haggle")));
    let (last_old, all_new) = roll(&cluster, &mut shops.replicas, 2).await;
    cluster.lists("shop_review", &[]).await;
    go_on(&load).await;
    let report = load.finish().await;
    eprintln!(
        "three shops rolled to version 2:\n{report}{}",
        shops.writes(&report)
    );
    assert_excused(&report, tells_that_it_is_gone);
    // As long as one shop has the tool, it is called there.
    assert_only(&report, "haggle", |failure| failure.until > last_old);
    // Once all have the field, it is known.
    assert_only(&report, "foreign", |failure| failure.from < all_new);
    assert_lists(&report);
    assert!(
        report.lists.keys().any(|list| is_listed(list, "shop_review")),
        "{report}"
    );

    for facade in 0..2 {
        let url = cluster.replica_url(facade, "/mcp");
        let gone = call(&url, "shop_haggle", json!({"article": "tea"})).await;
        let gone = gone.expect("an answer");
        assert_eq!(gone["error"]["code"], -32602, "{gone}");
    }

    let habits = [Habit::Order, Habit::Review, Habit::Foreign];
    let load = Load::start(Plan::at(address(&cluster)), Shopping::new("back", &habits));
    go_on(&load).await;
    let (last_old, _) = roll(&cluster, &mut shops.replicas, 1).await;
    cluster.lists("shop_haggle", &[]).await;
    go_on(&load).await;
    let report = load.finish().await;
    eprintln!("and back:\n{report}{}", shops.writes(&report));
    assert_excused(&report, tells_that_it_is_gone);
    assert_only(&report, "review", |failure| failure.until > last_old);
    assert_lists(&report);
}

#[tokio::test]
async fn new_shops_start_before_the_old_ones_stop() {
    let _alone = alone().await;
    let mut shops = Shops::start(3, 1).await;
    let Some(cluster) = shops.behind(2).await else {
        return;
    };
    let habits = [Habit::Order, Habit::Haggle];
    let load = Load::start(Plan::at(address(&cluster)), Shopping::new("surge", &habits));
    go_on(&load).await;
    let mut last_old = Instant::now();
    for _ in 0..3 {
        let urls = |shops: &Shops| shops.replicas.iter().map(Replica::url).collect::<Vec<_>>();
        shops.add(2).await;
        cluster.set_upstreams(&upstreams(&urls(&shops)));
        let new = shops.replicas.last().expect("a shop").address().port();
        for facade in 0..2 {
            is_seen(&cluster, facade, new, Some(2)).await;
        }
        // The address goes at the moment at which its process is told to end, as in Kubernetes: either may be first to be noticed.
        let mut old = shops.replicas.remove(0);
        cluster.set_upstreams(&upstreams(&urls(&shops)));
        last_old = Instant::now();
        let exit = old.terminate().await;
        assert!(exit.status.success(), "{exit:?}");
    }
    cluster.lists("shop_review", &[]).await;
    go_on(&load).await;
    let report = load.finish().await;
    eprintln!("three shops replaced:\n{report}{}", shops.writes(&report));
    assert_excused(&report, tells_that_it_is_gone);
    assert_only(&report, "haggle", |failure| failure.until > last_old);
    assert_lists(&report);
}

#[tokio::test]
async fn facades_are_rolled() {
    let _alone = alone().await;
    let shops = Shops::start(2, 1).await;
    let Some(mut cluster) = shops.behind(2).await else {
        return;
    };
    let load = Load::start(
        Plan::at(address(&cluster)),
        Shopping::new("facades", &[Habit::Order]),
    );
    go_on(&load).await;
    let rolled = Instant::now();
    for facade in 0..2 {
        let exit = cluster.terminate(facade).await;
        assert!(exit.status.success(), "{exit:?}");
        assert!(exit.after < Duration::from_secs(10), "{exit:?}");
        cluster.restart(facade).await;
        for shop in &shops.replicas {
            is_seen(&cluster, facade, shop.address().port(), None).await;
        }
    }
    let again = Instant::now();
    go_on(&load).await;
    assert!(load.reconnects() >= 2, "each stream was lost at least once");
    let report = load.finish().await;
    eprintln!("two facades rolled:\n{report}{}", shops.writes(&report));
    assert_excused(&report, |failure| {
        failure.door == "sse"
            && tells_that_the_stream_ends(failure)
            && failure.until > rolled
            && failure.from < again
    });
    // A few calls for each end of a stream at most: those that are made before the client has heard of it.
    let failed = u64::try_from(report.failures.len()).expect("few");
    assert!(failed <= 3 * report.reconnects, "{report}");
}
