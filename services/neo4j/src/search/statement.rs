//! The Cypher of a search. Names and words are parameters.

use super::Wanted;
use crate::catalogue::Index;

/// How many neighbours are followed at each step, by the number of steps. A match may have millions: each step takes the first few.
const FOLLOWED: [&[u32]; 4] = [&[], &[10], &[6, 3], &[4, 2, 2]];

/// The statement that asks `indexes`: rows of match, score, index and, with `hops`, neighbourhood.
pub(super) fn of(wanted: &Wanted<'_>, indexes: &[&Index], hops: u32) -> String {
    let groups = [false, true].into_iter().filter_map(|of_relationships| {
        let calls: Vec<String> = indexes
            .iter()
            .enumerate()
            .filter(|(_, index)| index.of_relationships == of_relationships)
            .map(|(at, _)| call(wanted, at, of_relationships))
            .collect();
        (!calls.is_empty()).then(|| group(&calls, of_relationships, hops))
    });
    let groups: Vec<String> = groups.collect();
    let columns = if hops == 0 {
        "match, score, index"
    } else {
        "match, score, index, neighbourhood"
    };
    format!(
        "CALL () {{ {} }} RETURN {columns} ORDER BY score DESC, elementId(match) LIMIT $top_k",
        groups.join(" UNION ALL ")
    )
}

/// The matches in one index.
fn call(wanted: &Wanted<'_>, at: usize, of_relationships: bool) -> String {
    let (procedure, yielded) = if of_relationships {
        ("queryRelationships", "relationship")
    } else {
        ("queryNodes", "node")
    };
    let call = match wanted {
        Wanted::Words(_) => format!("fulltext.{procedure}($indexes[{at}], $wanted, {{limit: $top_k}})"),
        Wanted::Vector(_) => format!("vector.{procedure}($indexes[{at}], $top_k, $wanted)"),
    };
    format!(
        "CALL db.index.{call} YIELD {yielded}, score RETURN {yielded} AS x, score, $indexes[{at}] AS index"
    )
}

/// The best matches in several indexes of nodes or of relationships, each once.
fn group(calls: &[String], of_relationships: bool, hops: u32) -> String {
    let neighbourhood = if hops == 0 {
        String::new()
    } else if of_relationships {
        // Both ends are a step away, and what is around them one more.
        let own = "COLLECT { MATCH p = ()-[x]->() RETURN p }".to_owned();
        let ends = ["startNode(x)", "endNode(x)"].map(|end| around(end, hops - 1));
        let paths: Vec<String> = [Some(own)].into_iter().chain(ends).flatten().collect();
        format!(", {} AS neighbourhood", paths.join(" + "))
    } else {
        format!(", {} AS neighbourhood", around("x", hops).unwrap_or_default())
    };
    format!(
        "CALL () {{ {} }} WITH x, score, index ORDER BY score DESC \
         WITH x, collect(score)[0] AS score, collect(index)[0] AS index ORDER BY score DESC, elementId(x) LIMIT $top_k \
         RETURN x AS match, score, index{neighbourhood}",
        calls.join(" UNION ALL ")
    )
}

/// The paths around a node, each as long as it gets; `None` for no steps.
fn around(node: &str, hops: u32) -> Option<String> {
    let followed = FOLLOWED.get(hops as usize)?;
    let (first, rest) = followed.split_first()?;
    let mut pattern = "(n0)-[r1]-(n1)".to_owned();
    let mut kept = "n0, p1, r1, n1".to_owned();
    let mut text = format!("WITH {node} AS n0 MATCH p1 = {pattern} WITH {kept} LIMIT {first}");
    for (step, most) in (2..).zip(rest) {
        let before = step - 1;
        let longer = format!("{pattern}-[r{step}]-(n{step})");
        text = format!(
            "{text} CALL ({kept}) {{ OPTIONAL MATCH q{step} = {longer} WITH p{before}, q{step}, r{step}, n{step} LIMIT {most} \
             RETURN coalesce(q{step}, p{before}) AS p{step}, r{step}, n{step} }}"
        );
        pattern = longer;
        kept = format!("{kept}, p{step}, r{step}, n{step}");
    }
    Some(format!("COLLECT {{ {text} RETURN p{} }}", followed.len()))
}
