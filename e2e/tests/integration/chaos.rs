//! Loops of calls while everything around them dies, hangs and comes back.
//!
//! Trouble comes at random moments (`MCP_HUB_TEST_SEED` repeats a run, `MCP_HUB_TEST_BUDGET` seconds make it longer). A call may fail
//! only in a way that a trouble of that very moment explains; an answer may never be wrong; a write may never be done twice, nor be done
//! although its caller was told that it was not. In the end everything works again, and nothing has leaked.

use std::time::Duration;

use mcp_hub_e2e::load::{Habit, Load, Plan, Shopping};
use mcp_hub_e2e::{budget, seed};

use crate::shops::{address, alone, assert_excused};
use trouble::Class;
use world::World;

mod database;
mod trouble;
mod usage;
mod world;

/// The least time in which enough goes wrong.
const LEAST: Duration = Duration::from_secs(10);

/// What remains of a trouble when it has ended: a caller may just have been told of it.
const ECHO: Duration = Duration::from_secs(1);

/// Lets trouble of these classes come over a world under load, and looks at what became of it.
async fn survives(name: &'static str, classes: &[Class]) {
    let _alone = alone().await;
    let Some(mut world) = World::start(seed()).await else {
        return;
    };
    let before = world.usage();
    let plan = Plan::at(address(&world.cluster));
    let load = Load::start(plan, Shopping::new(name, &[Habit::Order]));
    world.has(classes, budget().max(LEAST)).await;
    // It goes on as if nothing had been; what fails from here on has no excuse.
    crate::rollout::go_on(&load).await;
    let report = load.finish().await;
    let writes = world.shops.writes(&report);
    eprintln!("{name}: {}\n{report}{writes}", world.summary());
    assert_excused(&report, |failure| {
        world.log.iter().any(|disturbance| {
            let during = failure.until >= disturbance.from && failure.from <= disturbance.until + ECHO;
            during && disturbance.trouble.excuses(failure)
        })
    });
    world.has_leaked_nothing(&before).await;
}

/// As long as one shop can be reached, no read fails, whatever happens to the others.
#[tokio::test]
async fn shops_fail_one_at_a_time_and_no_read_notices() {
    survives("shops", &[Class::OneShop]).await;
}

#[tokio::test]
async fn replicas_lose_each_other() {
    survives("relays", &[Class::Relay]).await;
}

#[tokio::test]
async fn everything_fails_at_random() {
    survives(
        "everything",
        &[Class::Facade, Class::OneShop, Class::AllShops, Class::Relay],
    )
    .await;
}
