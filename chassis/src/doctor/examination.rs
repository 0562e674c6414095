//! Checks side by side, each with a time limit and one for all.

use std::pin::Pin;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::{Finding, Hop, Scope, Verdict};

type Check<'a> = Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 'a>>;

/// Checks that have not begun.
#[derive(Default)]
pub struct Examination<'a> {
    checks: Vec<(Finding, Check<'a>)>,
}

impl<'a> Examination<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check of a hop. `subject` is what the table says when it does not end in time.
    pub fn add(
        &mut self,
        hop: Hop,
        subject: impl Into<String>,
        check: impl Future<Output = Vec<Finding>> + Send + 'a,
    ) {
        let unfinished = Finding::new(hop, subject, Verdict::Unfinished);
        self.checks.push((unfinished, Box::pin(check)));
    }

    /// Runs them side by side. The findings are in the order of the way, those of one hop in the order of the checks.
    pub async fn run(self, scope: &Scope) -> Vec<Finding> {
        let started = Instant::now();
        let deadline = started + scope.deadline;
        let checks = self.checks.into_iter().map(async |(unfinished, check)| {
            match timeout_at(deadline, check).await {
                Ok(findings) => findings,
                Err(_) => vec![unfinished.after(started.elapsed())],
            }
        });
        let mut findings: Vec<Finding> = join_all(checks).await.into_iter().flatten().collect();
        findings.sort_by_key(|finding| finding.hop);
        findings
    }
}

impl std::fmt::Debug for Examination<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let subjects = self.checks.iter().map(|(finding, _)| &finding.subject);
        formatter.debug_list().entries(subjects).finish()
    }
}
