//! The health client: whether the process behind a connection lives, and whether its service serves.
//!
//! Each connection is asked again and again whether anybody is there, by `Check`: it is taken out when nothing comes back. HTTP/2 pings
//! would be cheaper, but gRPC servers other than ours close a connection that pings more often than every five minutes
//! (`too_many_pings`). Two watches tell more, sooner: the one of the process, `""`, that it is about to end; the one of the service, whether
//! the database answers. An endpoint that does not serve keeps its connection, because it still answers calls with the reason.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::call::attempt::{Cause, cause};
use super::connection::Connection;

/// The pause between two checks, and how long each may take: a peer that vanished without a word is out within two seconds.
const CHECK_AGAIN: Duration = Duration::from_millis(750);
const CHECK: Duration = Duration::from_secs(1);

/// How much longer is looked at the socket before a peer is called silent: its answer may lie there unread.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// When time passes that much faster than asked for, it is this machine that is held up, and silence says nothing of the peer: it is
/// asked again, so many times.
const HELD_UP: Duration = Duration::from_millis(50);
const MAX_HELD_UP: u32 = 3;

/// When a watch that ended, or that the adapter does not have, is opened again.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

/// Why a connection is used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("the connection was lost")]
    Lost,
    #[error("it takes no more calls on its connection")]
    Draining,
    #[error("it sends frames without end")]
    Flooding,
    #[error("it does not answer")]
    Silent,
    #[error("it is shutting down")]
    Stopping,
}

/// Asks again and again whether the process is there, and tells `on_sign` of each sign of life; returns when it is gone.
pub(crate) async fn check(connection: &Connection, on_sign: impl Fn()) -> Gone {
    let mut client = HealthClient::new(connection.channel.clone()).max_decoding_message_size(4096);
    let mut held_up = 0;
    loop {
        let (before, started) = (connection.seen(), Instant::now());
        match timeout(CHECK, client.check(HealthCheckRequest::default())).await {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::NotServing => {
                return Gone::Stopping;
            }
            Ok(Ok(_)) => on_sign(),
            Ok(Err(status)) => match cause(&status) {
                // No health service, or nothing known of "", or too busy: what answers is alive.
                Cause::Answered | Cause::TimedOut => on_sign(),
                Cause::Unsent => return Gone::Draining,
                // Where the socket is gone, that is seen there; a peer that resets a stream is no sign, this way or that.
                Cause::Lost { .. } => {}
            },
            Err(_) => {
                sleep(SECOND_LOOK).await;
                if connection.silent_since(before) {
                    let late = started.elapsed() > CHECK + SECOND_LOOK + HELD_UP;
                    if !late || held_up >= MAX_HELD_UP {
                        return Gone::Silent;
                    }
                    held_up += 1;
                    continue;
                }
            }
        }
        held_up = 0;
        sleep(CHECK_AGAIN).await;
    }
}

/// Watches the process; returns when it says that it is about to end.
pub(crate) async fn process(connection: &Connection) -> Gone {
    let mut stopping = false;
    loop {
        watch(connection, "", |status| {
            stopping = status == ServingStatus::NotServing;
            !stopping
        })
        .await;
        if stopping {
            return Gone::Stopping;
        }
        sleep(WATCH_AGAIN).await;
    }
}

/// Watches a service and tells `on_change` whether it serves, as long as it is polled.
pub(crate) async fn service(connection: &Connection, name: &str, on_change: impl Fn(bool)) -> Gone {
    loop {
        let ended = watch(connection, name, |status| {
            on_change(status != ServingStatus::NotServing);
            true
        })
        .await;
        // A service of which the adapter's health knows nothing serves as long as the process does.
        if ended.is_some_and(|status| matches!(status.code(), Code::Unimplemented | Code::NotFound)) {
            on_change(true);
        }
        sleep(WATCH_AGAIN).await;
    }
}

/// One watch, until it ends or `on_status` has heard enough.
async fn watch(
    connection: &Connection,
    service: &str,
    mut on_status: impl FnMut(ServingStatus) -> bool,
) -> Option<Status> {
    let mut client = HealthClient::new(connection.channel.clone()).max_decoding_message_size(4096);
    let service = service.to_owned();
    let mut stream = match client.watch(HealthCheckRequest { service }).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Some(status),
    };
    loop {
        match stream.message().await {
            Ok(Some(answer)) if on_status(answer.status()) => {}
            Ok(_) => return None,
            Err(status) => return Some(status),
        }
    }
}
