//! The upstreams file while the registry runs: what is in it is put in force when it changes.

use std::sync::PoisonError;

use mcp_hub_chassis::{Lifecycle, fault};

use super::Shared;
use crate::upstream::Upstreams;
use crate::watched::Watched;

impl Shared {
    /// Reads the upstreams file again. What can't be used leaves everything as it was.
    pub(super) async fn reload(&self, upstreams: &mut Upstreams, lifecycle: &Lifecycle) {
        let before = upstreams.clone();
        let read = tokio::task::spawn_blocking(move || before.read_again()).await;
        match read {
            Ok(Ok(None)) => self.notice("upstreams", None),
            Ok(Ok(Some(new))) => {
                tracing::info!("the upstreams file changed");
                self.notice("upstreams", None);
                self.apply(&new, lifecycle);
                *upstreams = new;
            }
            Ok(Err(error)) => {
                let told = self
                    .notices
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .contains_key("upstreams");
                if !told {
                    tracing::error!(
                        error = fault::chain(&error),
                        "the upstreams file can't be used; the older one stays in force"
                    );
                }
                let notice = "the upstreams file was changed and can't be used; the older one stays in force: see the log";
                self.notice("upstreams", Some(notice.to_owned()));
            }
            Err(_) => tracing::error!("reading the upstreams file failed"),
        }
    }
}

/// Returns when the file has been touched; never, when there is none.
pub(super) async fn touched(file: &mut Option<Watched>) {
    match file {
        Some(file) => file.touched().await,
        None => std::future::pending().await,
    }
}
