//! The files of secrets that a facade waits for: which are not there yet, and what the log says until they are.
//!
//! In a cluster a file may come after the process: a Secret that is made later, or put right later. A facade that waits lives, lets
//! nobody in and is not ready. Who reads the files is [`crate::auth`] and the session keys' ring; they follow them by
//! [`crate::watched`], which tells here when one came.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::{Lifecycle, fault};
use tokio::sync::watch;
use tokio::time::timeout;

/// How often the log says what is missing.
const REMIND: Duration = Duration::from_mins(1);

/// What makes the files, as people paste it: nothing in it has to be escaped in JSON. The last command works for a Secret that is there
/// already, too.
const MEND: &str = "waiting for secrets: nobody is let in until they are there. A token is made by `mcp-hub token new NAME --tokens-file \
    tokens.toml`, with Docker Compose by `docker compose run --rm mcp-hub token new NAME`; session keys by `echo k1:$(openssl rand \
    -base64 32) > session-keys`, and in Kubernetes the Secret of both by `kubectl create secret \
    generic mcp-hub-tokens --from-file=tokens.toml --from-literal=session-keys=k1:$(openssl rand -base64 32) \
    --dry-run=client -o yaml | kubectl apply -f -`";

/// The files that nothing could be read from yet. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    /// Whether a file may come later.
    patient: bool,
    /// What is wrong with each, by its name in notices.
    missing: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
}

impl Awaited {
    /// None yet. Unless `patient`, none will be: a file that can't be used is an error.
    pub(crate) fn new(patient: bool) -> Self {
        Self {
            patient,
            missing: Arc::default(),
        }
    }

    /// What was read at the start from the file `name`; `None` when that may come later.
    ///
    /// # Errors
    /// It can't be used, and nobody waits for it.
    pub(crate) fn first<T, E: Error + 'static>(
        &self,
        name: &'static str,
        read: Result<T, E>,
    ) -> Result<Option<T>, E> {
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if self.patient => {
                self.missing.send_modify(|missing| {
                    missing.insert(name, fault::chain(&error));
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a file is still missing: then nobody is let in.
    pub(crate) fn lacks_some(&self) -> bool {
        !self.missing.borrow().is_empty()
    }

    /// Whether nothing could be read from the file `name` yet.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.missing.borrow().contains_key(name)
    }

    /// The file `name` still can't be used.
    pub(crate) fn still_lacks(&self, name: &'static str, error: &(dyn Error + 'static)) {
        let problem = fault::chain(error);
        self.missing.send_if_modified(|missing| {
            let same = missing.get(name) == Some(&problem);
            missing.insert(name, problem);
            !same
        });
    }

    /// What the file `name` has is in force.
    pub(crate) fn came(&self, name: &str) {
        self.missing
            .send_if_modified(|missing| missing.remove(name).is_some());
    }

    /// Says in the log what is missing, at once, when it is something else, and now and then, in a task of `lifecycle`.
    pub(crate) fn tell(&self, lifecycle: &Lifecycle) {
        if !self.lacks_some() {
            return;
        }
        let mut missing = self.missing.subscribe();
        lifecycle.spawn_until_stopped(async move {
            loop {
                let problems: Vec<String> = missing.borrow_and_update().values().cloned().collect();
                if problems.is_empty() {
                    tracing::info!("the secrets are there: callers are let in");
                    return;
                }
                tracing::warn!(missing = problems.join("; "), "{MEND}");
                // The sender lives as long as the doors; and a reminder is due in either case.
                let _ = timeout(REMIND, missing.changed()).await;
            }
        });
    }
}
