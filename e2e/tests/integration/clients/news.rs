//! The lists change while clients are connected.

use std::time::Duration;

use anyhow::ensure;
use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::eventually;
use serde_json::json;

use super::offers::everything;
use super::stage::Stage;

/// How long news may take. Other tests run at the same time on the same cores.
const NEWS: u8 = 30;

/// A client that goes on while the lists change.
pub(super) struct Listener {
    door: String,
    pub(super) session: Session,
    /// Whether it hears of it. Who does not, asks again: a POST of the older era is over when it is answered.
    hears: bool,
}

impl Listener {
    pub(super) fn new(door: &Door, session: Session, hears: bool) -> Self {
        Self {
            door: format!("{door:?}"),
            session,
            hears,
        }
    }

    /// What it heard so far is not what comes next.
    async fn forgets(&mut self, kind: &str) {
        self.session.list_changed(kind, 0).await;
    }

    /// Waits until a list has this item. Who hears of changes must have heard of this one.
    async fn finds(&mut self, kind: &str, field: &str, item: &str) {
        if self.hears {
            let heard = self.session.list_changed(kind, NEWS).await;
            assert!(heard, "{} does not hear of {item} among the {kind}", self.door);
        }
        // The other replica may be behind the one that told.
        eventually(Duration::from_secs(NEWS.into()), async || {
            let items = everything(&mut self.session, &format!("{kind}/list"), kind).await;
            ensure!(
                items.iter().any(|listed| listed[field] == item),
                "{}: no {item} in {items:?}",
                self.door
            );
            Ok(())
        })
        .await;
    }
}

/// Changes each list, and waits until all have it. What nobody can hear of is not promised.
pub(super) async fn all_hear(stage: &mut Stage, listeners: &mut [Listener]) {
    for Listener { door, session, hears } in &mut *listeners {
        for kind in ["tools", "prompts", "resources"] {
            let promised = session.connection["capabilities"][kind]["listChanged"] == true;
            assert_eq!(promised, *hears, "{door}: {kind}");
        }
    }

    // An adapter of the next version takes the place of one.
    all_forget(listeners, "tools").await;
    stage.roll_shop().await;
    all_find(listeners, "tools", "name", "shop_review").await;

    all_forget(listeners, "prompts").await;
    let caller = &mut listeners[0].session;
    let triggered = caller.call("test_trigger_prompt_change", json!({})).await;
    assert_ne!(triggered["isError"], true, "{triggered}");
    all_find(listeners, "prompts", "name", "test_extra_prompt").await;

    all_forget(listeners, "resources").await;
    let coffee = json!({"statements": [{"sql": "create table coffee (name text)"}]});
    let created = listeners[0].session.call("sqlite_execute", coffee).await;
    assert_ne!(created["isError"], true, "{created}");
    all_find(listeners, "resources", "uri", "mcphub://sqlite/coffee").await;
}

async fn all_forget(listeners: &mut [Listener], kind: &str) {
    for listener in listeners {
        listener.forgets(kind).await;
    }
}

async fn all_find(listeners: &mut [Listener], kind: &str, field: &str, item: &str) {
    for listener in listeners {
        listener.finds(kind, field, item).await;
    }
}
