//! The tokenizer against SQLite itself.

use proptest::prelude::*;

use super::*;

fn cut(sql: &str) -> Vec<(Kind, &str)> {
    tokens(sql).map(|token| (token.kind, token.text)).collect()
}

#[test]
fn tokens_are_cut_as_sqlite_cuts_them() {
    use Kind::{Illegal, Literal, Parameter, Quoted, Symbol, Word};
    for (sql, expected) in [
        ("select 'it''s'", &[(Word, "select"), (Literal, "'it''s'")][..]),
        (
            "\"a\"\"b\"[c\"]`d``e`",
            &[(Quoted, "\"a\"\"b\""), (Quoted, "[c\"]"), (Quoted, "`d``e`")],
        ),
        (
            "x'1f'X''x'1'x'g'",
            &[
                (Literal, "x'1f'"),
                (Literal, "X''"),
                (Illegal, "x'1'"),
                (Illegal, "x'g'"),
            ],
        ),
        (
            "1 1.5 .5 1. 1e5 1.e-5 0x1F 1_000",
            &[
                (Literal, "1"),
                (Literal, "1.5"),
                (Literal, ".5"),
                (Literal, "1."),
                (Literal, "1e5"),
                (Literal, "1.e-5"),
                (Literal, "0x1F"),
                (Literal, "1_000"),
            ],
        ),
        (
            "1-2 0x1e+1 1abc",
            &[
                (Literal, "1"),
                (Symbol, "-"),
                (Literal, "2"),
                (Literal, "0x1e"),
                (Symbol, "+"),
                (Literal, "1"),
                (Literal, "1abc"),
            ],
        ),
        (
            "?1 ? :a @b $c #d $e::f(g) :",
            &[
                (Parameter, "?1"),
                (Parameter, "?"),
                (Parameter, ":a"),
                (Parameter, "@b"),
                (Parameter, "$c"),
                (Parameter, "#d"),
                (Parameter, "$e::f(g)"),
                (Illegal, ":"),
            ],
        ),
        (
            "a$b äö _1 a.b",
            &[
                (Word, "a$b"),
                (Word, "äö"),
                (Word, "_1"),
                (Word, "a"),
                (Symbol, "."),
                (Word, "b"),
            ],
        ),
        (
            "a->>'b' || c<=d<>e==f>>g",
            &[
                (Word, "a"),
                (Symbol, "->>"),
                (Literal, "'b'"),
                (Symbol, "||"),
                (Word, "c"),
                (Symbol, "<="),
                (Word, "d"),
                (Symbol, "<>"),
                (Word, "e"),
                (Symbol, "=="),
                (Word, "f"),
                (Symbol, ">>"),
                (Word, "g"),
            ],
        ),
        // Comments do not nest, and a carriage return does not end a line.
        (
            "a--b\rc\nd/* /* */e*/f",
            &[
                (Word, "a"),
                (Word, "d"),
                (Word, "e"),
                (Symbol, "*"),
                (Symbol, "/"),
                (Word, "f"),
            ],
        ),
        ("a /* b", &[(Word, "a")]),
        ("/*", &[(Symbol, "/"), (Symbol, "*")]),
        ("'a", &[(Illegal, "'a")]),
        ("[a", &[(Illegal, "[a")]),
        ("\u{feff}a", &[(Word, "a")]),
        ("\\", &[(Illegal, "\\")]),
    ] {
        assert_eq!(cut(sql), expected, "{sql}");
    }
}

#[test]
fn space_in_front_is_known() {
    let apart: Vec<bool> = tokens(" a b/**/c(d").map(|token| token.apart).collect();
    assert_eq!(apart, [true, true, true, false, false]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// Whatever the text: all of it is tokens, space and comments, in order, and nothing panics.
    #[test]
    fn any_text_is_cut(sql in "\\PC*") {
        let mut rest = sql.as_str();
        for token in tokens(&sql) {
            let at = rest.find(token.text).expect("in order");
            rest = &rest[at + token.text.len()..];
        }
    }

    /// What SQLite takes for one expression has the literals that we find: a SELECT of them all gives their values.
    #[test]
    fn sqlite_agrees_where_literals_end(
        literals in prop::collection::vec(prop::sample::select(vec![
            "'a'", "'it''s'", "'--'", "'/*'", "''", "x'00'", "1", "1.5", ".5", "1e3", "0x10", "1_0", "'\"'", "'['", "'`'", "'\\'",
        ]), 1..8),
        between in prop::collection::vec(prop::sample::select(vec![
            ", ", ",--x'\n", ",/*'*/", " as \"'\", ", " as [a'b], ", " as `'`, ", "||",
        ]), 8),
    ) {
        let mut sql = "select ".to_owned();
        for (literal, between) in literals.iter().zip(&between) {
            sql.push_str(literal);
            sql.push_str(between);
        }
        sql.push_str("null");
        let raw = rusqlite::Connection::open_in_memory().expect("opens");
        prop_assert!(raw.prepare(&sql).is_ok(), "{}", sql);
        let found: Vec<&str> = tokens(&sql)
            .filter(|token| token.kind == Kind::Literal)
            .map(|token| token.text)
            .collect();
        prop_assert_eq!(found, literals, "{}", sql);
    }
}
