//! A real database dies under its adapters: callers are told that it can't be reached, and a write whose commit may have been lost says so.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use mcp_hub_e2e::load::{Kind, Load, Plan, Question, Workload};
use mcp_hub_e2e::{Cluster, ClusterOptions, Replica, budget, seed};
use mcp_hub_testing::{Postgres, eventually};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{ECHO, LEAST};
use crate::rollout::go_on;
use crate::shops::{SEES, address, alone, assert_excused, call};

/// Selects and inserts whose outcome is known.
#[derive(Debug)]
struct Orders;

impl Workload for Orders {
    fn next(&self, number: u64) -> Question {
        let tag = format!("order {number}");
        let (tool, arguments, write) = if number.is_multiple_of(3) {
            let statement = json!({"sql": "insert into orders (id) values ($1)", "params": [tag]});
            (
                "orders_execute",
                json!({"statements": [statement]}),
                Some(tag.clone()),
            )
        } else {
            let sql = "select $1::int * 7, $2::text";
            ("orders_query", json!({"sql": sql, "params": [number, tag]}), None)
        };
        let right = if write.is_some() {
            json!({"committed": true, "affected": 1})
        } else {
            json!([[number * 7, tag]])
        };
        Question {
            label: if write.is_some() { "insert" } else { "select" },
            tool: Some(tool.to_owned()),
            arguments,
            write,
            check: Box::new(move |answer| {
                let seen = match answer.get("rows") {
                    Some(rows) => rows.clone(),
                    None => json!({
                        "committed": answer["committed"],
                        "affected": answer["outcomes"][0]["affected_rows"],
                    }),
                };
                if seen == right {
                    Ok(())
                } else {
                    Err(format!("{seen} is not {right}"))
                }
            }),
        }
    }
}

/// How often each order is in the table.
async fn ledger(url: &str) -> anyhow::Result<HashMap<String, u32>> {
    let sql = "select id, count(*)::int from orders where id > $1 group by id order by id limit 1000";
    let (mut times, mut last) = (HashMap::new(), String::new());
    loop {
        let arguments = json!({"sql": sql, "params": [last], "limit": 1000});
        let answer = call(url, "orders_query", arguments).await?;
        let rows = answer["result"]["structuredContent"]["rows"].as_array();
        let rows = rows.with_context(|| answer.to_string())?;
        for row in rows {
            let (id, count) = (row[0].as_str(), row[1].as_u64());
            id.with_context(|| row.to_string())?.clone_into(&mut last);
            times.insert(last.clone(), u32::try_from(count.unwrap_or_default())?);
        }
        if rows.is_empty() {
            return Ok(times);
        }
    }
}

async fn adapter(postgres: &Postgres) -> Replica {
    Replica::adapter(
        "mcp-hub-postgres",
        &["--url", postgres.url(), "--allow-writes=true"],
        &[],
    )
    .await
}

#[tokio::test]
async fn a_database_dies_and_comes_back() {
    let _alone = alone().await;
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let mut random = StdRng::seed_from_u64(seed());
    let adapters = [adapter(&postgres).await, adapter(&postgres).await];
    let options = ClusterOptions {
        replicas: 2,
        upstreams: format!(
            "[upstreams.orders]\naddress = {}\n",
            json!([adapters[0].url(), adapters[1].url()])
        ),
        ..ClusterOptions::default()
    };
    let Some(cluster) = Cluster::start(&options).await else {
        return;
    };
    cluster.lists("orders_execute", &[]).await;
    let url = cluster.url("/mcp");
    let create = json!({"statements": [{"sql": "create table orders (id text not null)"}]});
    eventually(SEES, async || {
        let created = call(&url, "orders_execute", create.clone()).await?;
        anyhow::ensure!(
            created["result"]["structuredContent"]["committed"] == true,
            "{created}"
        );
        Ok(())
    })
    .await;

    let load = Load::start(Plan::at(address(&cluster)), Orders);
    let end = Instant::now() + budget().max(LEAST);
    let mut away = Vec::new();
    while Instant::now() < end {
        // The moments are the point; there is no condition to wait for.
        sleep(Duration::from_millis(random.random_range(500..2_000))).await;
        let from = Instant::now();
        postgres.kill().await;
        sleep(Duration::from_millis(random.random_range(0..2_000))).await;
        postgres.start_again().await;
        let works = || async {
            let answer = call(&url, "orders_query", json!({"sql": "select 1"})).await?;
            anyhow::ensure!(answer["result"]["isError"] != true, "{answer}");
            Ok::<Value, anyhow::Error>(answer)
        };
        eventually(SEES, async || works().await).await;
        away.push((from, Instant::now()));
    }
    go_on(&load).await;
    let report = load.finish().await;
    let writes = report.writes(&ledger(&url).await.expect("a ledger"));
    eprintln!("a database killed {} times:\n{report}{writes}", away.len());
    assert!(writes.are_right(), "{writes}\n{report}");
    assert_excused(&report, |failure| {
        let unavailable = matches!(
            &failure.kind,
            Kind::Tool { reason, unclear } if reason == "DATABASE_UNAVAILABLE" && (failure.label == "insert" || !unclear)
        );
        let during =
            |(from, until): &(Instant, Instant)| failure.until >= *from && failure.from <= *until + ECHO;
        unavailable && away.iter().any(during)
    });
}
