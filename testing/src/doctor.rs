//! How a test asks a doctor, and what it looks at in the answer.

use std::process::Command;
use std::time::Duration;

use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Surroundings, Verdict};

/// A look that has little time, from a machine without networks of containers.
pub fn scope() -> Scope {
    Scope {
        timeout: Duration::from_secs(5),
        deadline: Duration::from_secs(30),
        surroundings: std::sync::Arc::new(Surroundings::of([], false)),
    }
}

/// As [`scope`], for what is known not to answer.
pub fn impatient() -> Scope {
    Scope {
        timeout: Duration::from_millis(700),
        ..scope()
    }
}

/// The last finding, which is no success, with host and port before it as they should be.
///
/// # Panics
///
/// When it is otherwise.
pub fn failure(mut findings: Vec<Finding>) -> Finding {
    assert_eq!(told(&findings[..2]), ["host ok", "port ok"], "{findings:?}");
    assert!(findings.last().is_some_and(Finding::failed), "{findings:?}");
    findings.pop().expect("the last one")
}

/// The last finding is that the server's clock is behind.
///
/// # Panics
///
/// When it is not.
pub fn finds_a_clock_behind(findings: &[Finding]) {
    let last = findings.last().expect("findings");
    assert_eq!(
        (last.hop, last.verdict),
        (Hop::Clock, Verdict::ClockSkew),
        "{findings:?}"
    );
    assert!(last.detail.ends_with("behind"), "{last:?}");
}

/// What is found when nothing is wrong before the login, of which this is the verdict.
pub fn at_login(verdict: &str) -> [String; 3] {
    [
        "host ok".to_owned(),
        "port ok".to_owned(),
        format!("login {verdict}"),
    ]
}

/// What was found, hop by hop: `host ok`, `port refused`.
pub fn told(findings: &[Finding]) -> Vec<String> {
    let told = findings
        .iter()
        .map(|finding| format!("{} {}", finding.hop.name(), finding.verdict.code()));
    told.collect()
}

/// What the `doctor` of a program says, hop by hop, as [`told`] has it, and whether it ends well.
///
/// # Panics
///
/// When it does not run, or says something else than findings.
pub fn ask(doctor: &mut Command) -> (Vec<String>, bool) {
    let output = doctor.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("no findings ({error}): {text} {stderr}")
    });
    let findings = answer["findings"].as_array().expect("findings");
    let word = |finding: &serde_json::Value, name: &str| finding[name].as_str().expect("a word").to_owned();
    let told = findings
        .iter()
        .map(|finding| format!("{} {}", word(finding, "hop"), word(finding, "verdict")));
    (told.collect(), output.status.success())
}
