//! The corpus, and texts that nobody thought of.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use proptest::prelude::*;

use super::*;

#[path = "../../tests/integration/corpus.rs"]
mod corpus;

use corpus::{MUST_ALLOW, MUST_ALLOW_ELSEWHERE, MUST_REJECT_ALONE, MUST_REJECT_ANYWHERE, MUST_REJECT_WRITES};

fn must_reject() -> impl Iterator<Item = &'static str> {
    let lists = [MUST_REJECT_WRITES, MUST_REJECT_ALONE, MUST_REJECT_ANYWHERE];
    lists.into_iter().flatten().copied()
}

#[test]
fn what_must_be_refused_is_refused() {
    let allowed: Vec<_> = must_reject().filter(|cypher| read(cypher).is_ok()).collect();
    assert!(allowed.is_empty(), "let through: {allowed:#?}");
    assert!(must_reject().count() >= 200);
}

#[test]
fn what_must_be_allowed_is_allowed() {
    let refused: Vec<_> = MUST_ALLOW
        .iter()
        .chain(MUST_ALLOW_ELSEWHERE)
        .filter_map(|cypher| Some((cypher, read(cypher).err()?)))
        .collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    assert!(MUST_ALLOW.len() >= 100);
}
