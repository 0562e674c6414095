//! `subscriptions/listen`: the changes that a client of 2026-07-28 asks to be told.

use rmcp::model::{ErrorData, SubscriptionFilter};
use rmcp::service::SubscriptionContext;

use super::{Server, caller};
use crate::registry::List;

impl Server {
    /// Tells changes of the accepted kinds until the client, its rights or the process is gone.
    pub(super) async fn tell_changes(&self, context: &SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller(context.request_context())?;
        tokio::select! {
            () = context.cancelled() => {}
            () = caller.life.stopping() => {}
            () = caller.principal.ended().cancelled() => {}
            () = self.tell_accepted(context) => {}
        }
        Ok(())
    }

    async fn tell_accepted(&self, context: &SubscriptionContext) {
        let mut changes = self.registry().follow();
        let (accepted, sink) = (context.accepted(), context.sink());
        // `None` is the end of the process.
        while let Some(list) = changes.next().await {
            let told = match list {
                _ if !accepts(accepted, list) => continue,
                List::Tools => sink.notify_tool_list_changed().await,
                List::Prompts => sink.notify_prompt_list_changed().await,
                List::Resources => sink.notify_resource_list_changed().await,
            };
            // The end of the client.
            if told.is_err() {
                return;
            }
        }
    }
}

fn accepts(filter: &SubscriptionFilter, list: List) -> bool {
    let asked = match list {
        List::Tools => filter.tools_list_changed,
        List::Prompts => filter.prompts_list_changed,
        List::Resources => filter.resources_list_changed,
    };
    asked == Some(true)
}
