use mcp_hub_testing::filled;
use proptest::prelude::*;

use super::*;
use crate::guard::{read, write};

/// The summary of any statement that has tokens.
fn summary(cypher: &str) -> Option<String> {
    let statement = Statement::of(cypher).ok()?;
    Some(
        format!("{} {}", statement.operation(), listed(&statement.names()))
            .trim_end()
            .to_owned(),
    )
}

#[test]
fn literals_are_replaced_and_comments_dropped() {
    for (cypher, shown) in [
        (
            r#"RETURN 'a\'b', "c\"d", 'e"' AS `x y`, $p"#,
            "RETURN ?, ?, ? AS `x y`, $p",
        ),
        (
            "MATCH (n:A {name: 'x', old: true, n: [1, 0x1F, -2.5e-3, .5, 1_000]}) RETURN n[1..3]",
            "MATCH (n:A {name: ?, old: ?, n: [?, ?, -?, .?, ?]}) RETURN n[?..?]",
        ),
        (
            "RETURN date('2024-01-01') // 'x'\n, 1 /* y */ + 2",
            "RETURN date(?) , ? + ?",
        ),
        (
            "MATCH (n:true) WHERE n.false = FALSE RETURN $true",
            "MATCH (n:?) WHERE n.false = ? RETURN $true",
        ),
        ("MATCH (n:\\u0041) RETURN `a``b`", "MATCH (n:A) RETURN `a``b`"),
    ] {
        assert_eq!(sanitised(cypher).as_deref(), Some(shown), "{cypher}");
    }
    let long = format!("RETURN [{}]", vec!["1"; 50_000].join(", "));
    let shown = sanitised(&long).expect("is read");
    assert!(
        shown.len() <= LONGEST + 3 && shown.ends_with(" .."),
        "{}",
        shown.len()
    );
}

#[test]
fn nothing_is_shown_of_what_can_t_be_read() {
    for cypher in [
        "RETURN 'x",
        "RETURN `x",
        "RETURN /* x",
        "RETURN 1x",
        "RETURN \\u00",
        "",
        "// x",
    ] {
        assert_eq!(sanitised(cypher), None, "{cypher}");
    }
}

#[test]
fn a_summary_has_what_is_done_and_to_what() {
    for (cypher, expected) in [
        (
            "MATCH (p:Person)-[k:KNOWS|LIKES*1..3]->(:City {a: true}) RETURN p",
            "MATCH Person KNOWS LIKES City",
        ),
        ("match (n) where n:A|(!B&C) return n", "MATCH A B C"),
        (
            "OPTIONAL MATCH (n:`My Label`:Other) RETURN n",
            "MATCH `My Label` Other",
        ),
        ("MATCH (n:A) RETURN {b: n, c: C}", "MATCH A"),
        ("MATCH (n:A) SET n:B, n.x = 'y'", "SET A B"),
        ("MATCH (n:A) DETACH DELETE n", "DELETE A"),
        ("CREATE (:A {x: y})", "CREATE A"),
        ("CREATE INDEX i FOR (n:A) ON (n.x)", "CREATE A"),
        ("CALL db.labels() YIELD label RETURN label", "CALL db.labels"),
        ("UNWIND [1] AS x RETURN x", "UNWIND"),
        ("SHOW INDEXES", "SHOW"),
        ("RETURN CASE WHEN true THEN [x IN [1] | x] END", "RETURN"),
        ("MATCH (n:$(label)) RETURN n", "MATCH"),
    ] {
        assert_eq!(summary(cypher).as_deref(), Some(expected), "{cypher}");
    }
}

/// What stands in each literal and each comment below, so that it can be looked for.
const SECRET: &str = "5eCr3t";

/// The same as digits, where letters may not stand.
const NUMBER: &str = "90817263";

fn literal() -> impl Strategy<Value = String> {
    let texts = [
        "", "\\' ", "\\\" ", "\\\\", "` ", "/* ", "// ", "ä", "\n", "; ", "\\u0041", ":A", "{b: ",
    ];
    let text = (
        prop::sample::select(texts.to_vec()),
        prop::sample::select(texts.to_vec()),
    )
        .prop_map(|(before, behind)| format!("{before}{SECRET}{behind}"));
    prop_oneof![
        3 => text.clone().prop_map(|text| format!("'{text}'")),
        3 => text.clone().prop_map(|text| format!("\"{text}\"")),
        1 => text.prop_map(|text| format!("[1, '{text}', {{a: \"{text}\"}}]")),
        1 => Just(NUMBER.to_owned()),
        1 => Just(format!("-{NUMBER}.{NUMBER}e-{NUMBER}")),
        1 => Just(format!(".{NUMBER}")),
        1 => Just(format!("0x{NUMBER}")),
        1 => Just(format!("date('{SECRET}')")),
        1 => Just(format!("{{x: {NUMBER}, y: '{SECRET}', z: [{NUMBER}]}}")),
    ]
}

fn comment() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        " ".to_owned(),
        "\n".to_owned(),
        format!("/* {SECRET} ' */"),
        format!("/**{SECRET}*/"),
        format!(" // {SECRET} '\n"),
        format!("//{SECRET} \" /*\r"),
        // Without an end.
        format!("/* {SECRET}"),
    ])
}

/// Statements with secrets wherever a literal or a comment may stand.
fn statement() -> impl Strategy<Value = String> {
    const SHAPES: &[&str] = &[
        "MATCH (n:A~{a: LIT,~b: LIT}) RETURN~LIT",
        "MATCH (n:A)-[r:B|C~{x:~LIT}]->(m) WHERE n.a =~LIT~AND m.b IN [LIT,~LIT] RETURN n",
        "MATCH~(n:A) SET n.x =~LIT, n:B",
        "CREATE (:A {x: LIT})-[:B {y:~LIT}]->(:`C D`)",
        "UNWIND~[LIT, LIT] AS x CALL db.labels() YIELD label RETURN label, x,~LIT",
        "RETURN {a: LIT, b: {c:~LIT}}",
        "MATCH (n) WHERE n:LIT RETURN n",
        "CALL LIT",
        "LIT",
    ];
    let parts = (
        prop::collection::vec(literal(), 8),
        prop::collection::vec(comment(), 8),
    );
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::sample::select(SHAPES), parts, cut).prop_map(|(shape, (literals, comments), cut)| {
        let mut cypher = filled(shape, &literals, &comments);
        if let Some(cut) = cut {
            let at = cypher.floor_char_boundary(cut.index(cypher.len().max(1)));
            cypher.truncate(at);
        }
        cypher
    })
}

/// Whether a text shows something of a secret: the whole, or its beginning, as where a statement was cut.
fn tells(text: &str) -> bool {
    [&SECRET[..3], &NUMBER[..3]]
        .iter()
        .any(|part| text.contains(part))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn no_literal_is_ever_shown(cypher in statement()) {
        if let Some(shown) = sanitised(&cypher) {
            prop_assert!(!tells(&shown), "{}\n{}", cypher, shown);
        }
        if let Some(summary) = summary(&cypher) {
            prop_assert!(!tells(&summary), "{}\n{}", cypher, summary);
        }
        for gist in [read(&cypher).map(|read| read.gist), write(&cypher).map(|write| write.gist)].into_iter().flatten() {
            prop_assert!(gist.names.is_empty(), "nothing is recorded here");
        }
    }

    /// What is shown has the tokens of the statement, so that a reader can tell one statement from another.
    #[test]
    fn what_is_shown_has_the_same_summary(cypher in statement()) {
        let shown = sanitised(&cypher).map(|shown| shown.replace('?', "1"));
        let of_shown = shown.as_deref().and_then(summary);
        if let (Some(of_cypher), Some(of_shown)) = (summary(&cypher), of_shown) {
            prop_assert_eq!(of_shown, of_cypher, "{}\n{:?}", cypher, shown);
        }
    }
}
