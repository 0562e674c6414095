//! The tokens, against what a 5.26 server showed.

use super::*;

fn lexed(cypher: &str) -> String {
    let tokens = tokens(cypher).expect("is read");
    let shown = tokens.iter().map(|token| match token.kind {
        Kind::Word => token.text.clone(),
        Kind::Quoted => format!("`{}`", token.text),
        Kind::String => "''".to_owned(),
        Kind::Number => format!("#{}", token.text),
        Kind::Symbol(symbol) => symbol.to_string(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn tokens_are_those_of_the_server() {
    for (cypher, expected) in [
        ("MATCH(n:A)RETURN n.x", "MATCH ( n : A ) RETURN n . x"),
        (r"RETURN 'a\'b' AS x", "RETURN '' AS x"),
        (r"RETURN 'a\\' AS x", "RETURN '' AS x"),
        ("RETURN \"a'b\" AS x", "RETURN '' AS x"),
        ("RETURN 'a\nb', ''", "RETURN '' , ''"),
        ("RETURN 1 AS `a``b \\`", "RETURN #1 AS `a`b \\`"),
        ("RETURN 1 AS ``", "RETURN #1 AS ``"),
        ("RETURN 1 // a\rAS x", "RETURN #1 AS x"),
        ("RETURN 1 // a\u{2028}b\u{85}c\nAS x", "RETURN #1 AS x"),
        ("RETURN 1 /* a /* b */ AS x /**/ /***/", "RETURN #1 AS x"),
        ("RETURN\u{a0}1\u{3000}AS\u{1c}x", "RETURN #1 AS x"),
        (
            "RETURN 1 AS a\u{200b}b, é, 名前",
            "RETURN #1 AS a\u{200b}b , é , 名前",
        ),
        (
            "RETURN 1.5e-3, 0x1F, 1_000, 1e10, 2d",
            "RETURN #1.5e-3 , #0x1F , #1_000 , #1e10 , #2d",
        ),
        ("RETURN x[1..2], 1.x", "RETURN x [ #1 . . #2 ] , #1 . x"),
        (
            "RETURN $a, $`b c`, $ /**/ 1, a$b",
            "RETURN $ a , $ `b c` , $ #1 , a$b",
        ),
        (
            "MATCH (a)<-[:R]\u{2014}(b)",
            "MATCH ( a ) < - [ : R ] \u{2014} ( b )",
        ),
    ] {
        assert_eq!(lexed(cypher), expected, "{cypher}");
    }
}

#[test]
fn escapes_are_resolved_before_all_else() {
    for (cypher, expected) in [
        (r"CRE\u0041TE (n)", "CREATE ( n )"),
        (r"\u0043all db.l\u0061bels()", "Call db . labels ( )"),
        (r"CALL `db`.`l\u0061bels`()", "CALL `db` . `labels` ( )"),
        (r"RETURN '\\u0027' AS x", "RETURN '' AS x"),
        (r"RETURN '\\\u0041' AS x", "RETURN '' AS x"),
        (r"RETURN '\ud83d\ude00 \u00e4' AS x", "RETURN '' AS x"),
        (r"RETURN '\U0041 \t \x' AS x", "RETURN '' AS x"),
    ] {
        assert_eq!(lexed(cypher), expected, "{cypher}");
    }
    // What would end a string, a name or a comment in one version of the language and not in the other.
    for cypher in [
        r"RETURN '\u0027 AS x",
        r"RETURN '\u005c' AS x",
        r"RETURN 1 AS `a\u0060",
        r"RETURN 1 // \u000a AS x",
        r"RETURN 1 \u002f* x */ AS y",
        r"RETURN\u00201",
        r"RETURN '\u004' AS x",
        r"RETURN '\uuu0041' AS x",
        r"RETURN '\u+041' AS x",
        r"RETURN '\u",
    ] {
        assert!(tokens(cypher).is_err(), "{cypher}");
    }
}

#[test]
fn what_does_not_end_is_refused_where_it_begins() {
    for (cypher, position) in [
        ("RETURN 'a", 8),
        ("RETURN 'ä\\", 8),
        ("RETURN 'ä', \"b'", 13),
        ("RETURN `a``", 8),
        ("RETURN 1 /* a", 10),
        ("RETURN 1 /*/", 10),
        ("RETURN 1CALL", 8),
        ("RETURN 1e", 8),
        ("RETURN 0x1G", 8),
        ("RETURN 1\0", 9),
    ] {
        let refusal = tokens(cypher).expect_err(cypher);
        assert_eq!(refusal.position, Some(position), "{cypher}");
    }
}
