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

#[test]
fn a_refusal_says_what_to_do() {
    let fault = |cypher| Fault::from(read(cypher).expect_err("is refused"));
    let refusals = [
        "",
        "RETURN 1; MATCH (n) DELETE n",
        "SELECT 1",
        "RETURN 'ä' + 'x",
        "CREATE (n)",
        "MATCH (n) DETACH DELETE n",
        "MATCH (ä) SET ä.a = 1",
        "CREATE INDEX i FOR (n:A) ON (n.a)",
        "DROP CONSTRAINT c",
        "ALTER USER neo4j SET PASSWORD 'x'",
        "SHOW SETTINGS",
        "SHOW TRANSACTIONS YIELD transactionId AS t TERMINATE TRANSACTIONS t",
        "TERMINATE TRANSACTION 'x'",
        "LOAD CSV FROM 'x' AS y RETURN y",
        "UNWIND [1] AS x CALL (x) { CREATE (n) } IN TRANSACTIONS",
        "USE other MATCH (n) RETURN n",
        "EXPLAIN RETURN 1",
        "CYPHER debug=ast RETURN 1",
        "CALL db.createLabel('x')",
        "CALL apoc.load.json('x')",
        "CALL apoc.cypher.run('x', {})",
        "CALL dbms.listConfig()",
        "CALL dbms.killConnection('x')",
        "CALL gds.graph.project('g', '*', '*')",
        "CALL company.secret()",
        "RETURN genai.vector.encode('x')",
    ]
    .map(|cypher| {
        let fault = fault(cypher);
        format!(
            "{cypher}\n  {} {fault}\n  {:?}",
            fault.reason_name(),
            fault.metadata
        )
    })
    .join("\n");
    insta::assert_snapshot!(refusals);
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("RETURN {}1{}", open.repeat(times), close.repeat(times))
    };
    let cases = [
        ("(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("abs(", ")"),
        ("[x IN ", " | x]"),
        ("CASE WHEN true THEN ", " END"),
        ("CASE WHEN end THEN ", " END"),
        ("NOT ", ""),
        ("- ", ""),
        ("NOT (", ")"),
        ("(([CASE WHEN true THEN ", " END]))"),
    ];
    for (open, close) in cases {
        let cypher = nested(open, close, 51);
        let refusal = read(&cypher).expect_err(&cypher);
        assert_eq!(refusal.reason, Reason::ArgumentInvalid, "{open}");
        assert!(read(&nested(open, close, 12)).is_ok(), "{open}");
    }
    let exists = |times| nested("EXISTS { MATCH (n) WHERE ", "}", times);
    assert!(read(&exists(11)).is_err() && read(&exists(10)).is_ok());
    assert!(read(&nested("", " + 1", 10_000)).is_err());
    assert!(read(&format!("RETURN '{}'", "x".repeat(300_000))).is_err());
    // Brackets side by side are not nested, and long lists are no steps.
    assert!(read(&format!("RETURN [{}]", vec!["1"; 50_000].join(", "))).is_ok());
    assert!(read(&format!("RETURN {}1", "(1) + [2][0] - ".repeat(300))).is_ok());
    assert!(
        read(&format!(
            "RETURN {}1",
            "CASE WHEN true THEN 1 ELSE 2 END + ".repeat(200)
        ))
        .is_ok()
    );
}

#[test]
fn a_read_has_a_place_in_its_text() {
    let read = read(" /* ä */ CYPHER 5 RETURN 'x' AS a ; // b").expect("is a read");
    assert_eq!(
        (read.text, read.offset, read.shows),
        ("CYPHER 5 RETURN 'x' AS a", 9, false)
    );
    assert!(super::read("show indexes").is_ok_and(|read| read.shows));
}

#[test]
fn a_write_tells_what_it_destroys() {
    let written = |cypher: &str| match write(cypher) {
        Ok(write) => write.effect.unwrap_or_else(|| "-".to_owned()),
        Err(refusal) => format!("refused: {refusal}. {}", refusal.hint),
    };
    let writes = [
        "CREATE (n:A {a: 1})",
        "CREATE (n:A) SET n.a = 1",
        "MERGE (n:A {a: 1}) ON CREATE SET n.b = 2",
        "MERGE (n:A) SET n.b = 2",
        "MATCH (n:A) SET n.b = 2",
        "MATCH (n:A {a: $a}) SET n.b = 2",
        "MATCH (n:A) WHERE n.a = 1 SET n.b = 2",
        "MATCH (n:A) WHERE true SET n.b = 2",
        "MATCH (n:A) WHERE 1 = 1 DELETE n",
        "MATCH (n) DETACH DELETE n",
        "MATCH (n) NODETACH DELETE n",
        "MATCH (n:A) WITH n LIMIT 10 DETACH DELETE n",
        "MATCH (n:A) WHERE elementId(n) IN $ids DELETE n",
        "MATCH (a:A {a: 1})-[r:R]->() DELETE r",
        "MATCH (a:A {a: 1}) MATCH (a)-[r]->(b) DELETE r, b",
        "MATCH (a:A {a: 1}) MATCH (b:B) DETACH DELETE b",
        "MATCH (a:A {a: 1}) OPTIONAL MATCH (b:B) DETACH DELETE b",
        "MATCH (a:A {a: 1}) OPTIONAL MATCH (a)-[r]->() DELETE r",
        "MATCH (a:A)-[:R]->{1,3}(b) DETACH DELETE a",
        "MATCH (n:A) REMOVE n.a",
        "MATCH (n:A {a: 1}) REMOVE n:B",
        "UNWIND $rows AS row MERGE (n:A {id: row.id}) SET n += row",
        "MATCH (n:A) FOREACH (x IN [1] | SET n.a = x)",
        "CALL { MATCH (n) DETACH DELETE n }",
        "MATCH (a:A), (b:B) CREATE (a)-[:R]->(b)",
        "MATCH (a:A) MERGE (a)-[:R]->(b:B)",
        "CREATE INDEX i FOR (n:A) ON (n.a)",
        "CREATE CONSTRAINT c FOR (n:A) REQUIRE n.a IS UNIQUE",
        "DROP INDEX i",
        "DROP CONSTRAINT c IF EXISTS",
        "MATCH (n) RETURN n LIMIT 1",
        "SHOW INDEXES",
        "CALL db.createLabel('A')",
        "MATCH (n:A) CALL apoc.refactor.setType(n, 'x') YIELD output RETURN output",
        "CALL apoc.nodes.delete([1], 1)",
        "CALL apoc.periodic.iterate('a', 'b', {})",
        "LOAD CSV FROM 'x' AS y CREATE (n)",
        "UNWIND [1] AS x CALL (x) { CREATE (n) } IN TRANSACTIONS",
        "CREATE USER u SET PASSWORD 'x'",
        "create or replace user u set password 'x'",
        "DROP USER u",
        "CREATE DATABASE d",
        "CREATE ROLE r",
        "CREATE ALIAS a FOR DATABASE d",
        "GRANT ROLE r TO u",
        "ALTER DATABASE d SET ACCESS READ ONLY",
        "TERMINATE TRANSACTIONS 'x'",
        "SHOW SETTINGS",
        "CALL dbms.killConnection('x')",
        "USE other CREATE (n)",
        "EXPLAIN CREATE (n)",
        "CREATE (n); CREATE (m)",
        "CREATE (n:A {a: genai.vector.encode('x')})",
    ]
    .map(|cypher| format!("{cypher}\n  {}", written(cypher)))
    .join("\n");
    insta::assert_snapshot!(writes);
}

/// The corpus with a piece cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let statements: Vec<&str> = MUST_ALLOW.iter().copied().chain(must_reject()).collect();
    let pieces = [
        "",
        "(",
        ")",
        "[",
        "{",
        "}",
        "'",
        "\"",
        "`",
        ";",
        "//",
        "/*",
        "*/",
        "\\",
        "\\u",
        "\\u0041",
        "\\\\u0041",
        ".",
        "..",
        "$",
        ":",
        "CREATE ",
        "CALL ",
        "USE ",
        "SHOW ",
        "LOAD ",
        "CSV ",
        "IN TRANSACTIONS",
        "END",
        "CASE ",
        "\r",
        "\0",
        "ä",
        "\u{a0}",
        "\u{d7ff}",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    (prop::sample::select(statements), any::<(u16, u16)>(), piece).prop_map(
        |(cypher, (from, length), piece)| {
            let boundaries: Vec<usize> = cypher
                .char_indices()
                .map(|(at, _)| at)
                .chain([cypher.len()])
                .collect();
            let from = usize::from(from) % boundaries.len();
            let to = (from + usize::from(length) % 8).min(boundaries.len() - 1);
            format!(
                "{}{piece}{}",
                &cypher[..boundaries[from]],
                &cypher[boundaries[to]..]
            )
        },
    )
}

/// What may stand between two words without changing what they mean.
fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        " ", "\n", "\t", "/**/", "/* ' */", "// \" \n", "//\r", "\u{a0}", "\u{1c}", "\u{2028}", "\u{3000}",
    ])
}

/// A word in any case, some of its letters escaped.
fn spelled(word: &str, spelling: &[(bool, bool)]) -> String {
    let letters = word.chars().zip(spelling.iter().cycle());
    letters
        .map(|(letter, (upper, escaped))| {
            let letter = if *upper {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            if *escaped {
                format!("\\u{:04x}", u32::from(letter))
            } else {
                letter.to_string()
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(cypher in "\\PC*") {
        let _ = (read(&cypher), write(&cypher));
    }

    #[test]
    fn a_mutated_statement_gets_an_answer(cypher in mutated()) {
        let _ = (read(&cypher), write(&cypher));
    }

    /// However they are written and wherever they stand, words that the server would act on are found.
    #[test]
    fn no_spelling_hides_what_the_guard_alone_stops(
        spelling in prop::collection::vec(any::<(bool, bool)>(), 1..12),
        space in space(),
        front in prop::sample::select(vec![
            "", "UNWIND [1] AS x ", "MATCH (call:LOAD) WITH call AS show ", "WITH 'CSV' AS load ", "RETURN 1 AS x UNION ", "WITH * ",
            "MATCH (n) WHERE n:% ", "MATCH (n) WHERE n:A|B ", "MATCH (n) WHERE n IS :: ANY ", "MATCH ()-[:A*]->() ", "WITH [1] ", "WITH $x ",
            "WITH 1 ", "WITH n.load ", "WITH `x` ", "WITH {a: 1} ", "CALL { ", "CALL (*) { ", "RETURN EXISTS { ", "MATCH (n) WHERE true ",
            "MATCH (n) WHERE n IS NULL ", "WITH CASE WHEN true THEN 1 END ", "WITH n ORDER BY n DESC ", "MATCH (a)-->{1,2}(b) ",
        ]),
        words in prop::sample::select(vec![
            ("LOAD", "CSV FROM 'x' AS y RETURN y"),
            ("SHOW", "SETTINGS"),
            ("TERMINATE", "TRANSACTIONS 'x'"),
            ("CALL", "dbms.listConnections()"),
            ("CALL", "`dbms`.listConnections() YIELD connectionId RETURN *"),
            ("USE", "other RETURN 1"),
            ("USE", "`in` RETURN 1"),
        ]),
    ) {
        let cypher = format!("{front}{}{space}{}", spelled(words.0, &spelling), words.1);
        prop_assert!(read(&cypher).is_err(), "{cypher}");
        prop_assert!(write(&cypher).is_err(), "{cypher}");
    }

    /// Nothing in a string, a quoted name or a comment is a keyword.
    #[test]
    fn quoted_text_is_text(text in "[A-Za-z (){}.,:;/*=\n-]*") {
        let comment = text.replace("*/", "");
        let cypher = format!("MATCH (n:`{text}`) /*{comment}*/ RETURN '{text}', \"{text}\" AS `{text}`");
        // A comment whose text ends in a star would end a character early, which is no difference.
        prop_assert!(read(&cypher).is_ok(), "{cypher}");
    }
}
