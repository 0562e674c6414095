//! Progress of a call, to the client that sent a token for it.

use std::future::Future;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};

use crate::progress::{Progress, Teller};

/// Waits for the answer of a call and tells its progress meanwhile. What is not told by then is not told at all: a client that has its
/// answer knows nothing of the token any more.
pub(super) async fn told<T>(
    call: impl Future<Output = T>,
    mut teller: Teller,
    token: &ProgressToken,
    client: &Peer<RoleServer>,
) -> T {
    let mut call = std::pin::pin!(call);
    loop {
        let progress = tokio::select! {
            // In this order: a call that is never short of work would leave the teller no turn, which itself seldom takes one.
            biased;
            progress = teller.next() => progress,
            answer = &mut call => return answer,
        };
        // A client that does not read holds up no call. One that is gone has cancelled it.
        let mut telling = std::pin::pin!(client.notify_progress(notification(token, progress)));
        tokio::select! {
            biased;
            _ = &mut telling => {}
            answer = &mut call => {
                // It is on its way already, and the answer must not overtake it.
                let _ = telling.await;
                return answer;
            }
        }
    }
}

fn notification(token: &ProgressToken, progress: Progress) -> ProgressNotificationParam {
    let mut notification = ProgressNotificationParam::new(token.clone(), progress.progress);
    notification.total = progress.total;
    notification.message = Some(progress.message).filter(|message| !message.is_empty());
    notification
}
