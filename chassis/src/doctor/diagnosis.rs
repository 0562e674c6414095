//! An adapter's findings for others: `AdapterService.Diagnose`.
//!
//! Others learn verdicts and the names of settings, and no address. However many ask, one look at a time is under way, and its outcome is
//! shared for some seconds: nobody makes an adapter knock at its database's door in a row.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_hub_proto::adapter::v1::{self as proto, DiagnoseResponse};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Finding, Hop, Scope, Severity, Surroundings, Verdict};
use crate::Lifecycle;

/// How long a look is as good as a new one.
const SHARED: Duration = Duration::from_secs(5);

/// How long one step of a look for others may take.
const STEP: Duration = Duration::from_secs(3);

/// How long a look for others may take.
const LONGEST: Duration = Duration::from_secs(10);

type Looking = Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>;

/// A look that is under way, or what came of it and when.
type Look = watch::Receiver<Option<(Instant, DiagnoseResponse)>>;

/// How an adapter looks at the way to its database, for whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct Diagnosis(Arc<Shared>);

struct Shared {
    look: Box<dyn Fn(Scope) -> Looking + Send + Sync>,
    last: Mutex<Option<Look>>,
}

impl Diagnosis {
    /// Diagnoses by `examine`, which gets settings, the service's key, and what a look may cost.
    pub fn new<C, F, Fut>(config: C, key: &str, examine: F) -> Self
    where
        C: Clone + Send + Sync + 'static,
        F: Fn(C, String, Scope) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<Finding>> + Send + 'static,
    {
        let key = key.to_owned();
        Self(Arc::new(Shared {
            look: Box::new(move |scope| Box::pin(examine(config.clone(), key.clone(), scope))),
            last: Mutex::default(),
        }))
    }

    /// The findings of a look that is under way or at most some seconds old. Who can't wait until its end, `limit` at most, is told so;
    /// the look goes on for the others, in a task of `lifecycle`.
    pub(crate) async fn tell(&self, limit: Option<Duration>, lifecycle: &Lifecycle) -> DiagnoseResponse {
        let mut look = self.look(lifecycle);
        let ended = timeout(limit.unwrap_or(LONGEST), look.wait_for(Option::is_some)).await;
        let answer = match ended {
            Ok(Ok(ended)) => ended.as_ref().map(|(_, answer)| answer.clone()),
            // It ran out of time, or the process stops.
            Ok(Err(_)) | Err(_) => None,
        };
        answer.unwrap_or_else(|| answer_of(&[unfinished()]))
    }

    /// The look that counts now: the last one, or a new one.
    fn look(&self, lifecycle: &Lifecycle) -> Look {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = last.as_ref().filter(|look| counts(look)) {
            return look.clone();
        }
        let (ended, look) = watch::channel(None);
        let scope = Scope {
            timeout: STEP,
            deadline: LONGEST,
            surroundings: Arc::new(Surroundings::here()),
        };
        let looking = (self.0.look)(scope);
        lifecycle.spawn_until_stopped(async move {
            let findings = timeout(LONGEST, looking).await;
            let findings = findings.unwrap_or_else(|_| vec![unfinished()]);
            // Nobody may be waiting any more.
            let _ = ended.send(Some((Instant::now(), answer_of(&findings))));
        });
        *last = Some(look.clone());
        look
    }
}

/// Whether a look is under way, or as good as a new one.
fn counts(look: &Look) -> bool {
    match &*look.borrow() {
        Some((at, _)) => at.elapsed() < SHARED,
        // Where it ended without a word, it panicked.
        None => look.has_changed().is_ok(),
    }
}

fn unfinished() -> Finding {
    Finding::new(Hop::Host, "", Verdict::Unfinished)
}

fn answer_of(findings: &[Finding]) -> DiagnoseResponse {
    DiagnoseResponse {
        findings: findings.iter().map(told).collect(),
    }
}

impl std::fmt::Debug for Diagnosis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Diagnosis").finish_non_exhaustive()
    }
}

/// A finding without what its subject says, which holds addresses.
fn told(finding: &Finding) -> proto::Finding {
    let severity = match finding.verdict.severity() {
        Severity::Fine => proto::Severity::Fine,
        Severity::Skipped => proto::Severity::Skipped,
        Severity::Warning => proto::Severity::Warning,
        Severity::Failure => proto::Severity::Failure,
    };
    proto::Finding {
        hop: finding.hop.name().to_owned(),
        setting: finding.setting.clone(),
        verdict: finding.verdict.code().to_owned(),
        severity: severity.into(),
        detail: finding.public_detail(),
        took: prost_types::Duration::try_from(finding.took).ok(),
    }
}

/// What an adapter found, as findings of whoever asked it. `key` is the adapter's, for people.
pub fn heard(key: &str, answer: DiagnoseResponse) -> Vec<Finding> {
    answer
        .findings
        .into_iter()
        .map(|finding| heard_one(key, finding))
        .collect()
}

fn heard_one(key: &str, told: proto::Finding) -> Finding {
    let severity = told.severity();
    let subject = match told.setting.as_str() {
        "" => format!("{key}: its database"),
        setting => format!("{key}: {setting}"),
    };
    let known = Verdict::of_code(&told.verdict);
    let (verdict, detail) = match known {
        Some(verdict) => (verdict, told.detail),
        // Newer than this program: what it has no words for it tells by its code.
        None if severity == proto::Severity::Fine => (Verdict::Ok, told.verdict),
        None => (Verdict::Unknown, told.verdict),
    };
    let hop = Hop::named(&told.hop).unwrap_or(Hop::Adapter);
    let took = told.took.and_then(|took| Duration::try_from(took).ok());
    Finding::new(hop, subject, verdict)
        .of_setting(told.setting)
        .with_detail(detail)
        .after(took.unwrap_or_default())
}

#[cfg(test)]
mod tests;
