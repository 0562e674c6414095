//! What is shown never holds a literal, however it is written and whatever it stands in.

use proptest::prelude::*;

use super::super::{read, write};
use super::*;

/// What stands in each literal, and nowhere else.
const SECRET: &str = "5eCr3t";

fn read_summary(sql: &str) -> String {
    let read = read(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    summary(read.kind.operation(), &read.relations)
}

fn write_summary(sql: &str) -> String {
    let write = write(sql).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    summary(&write.name, &write.names)
}

#[test]
fn a_read_is_summarised_in_the_order_of_its_text() {
    for (sql, shown) in [
        ("select 1", "SELECT"),
        (
            "select * from Orders o, customers, orders",
            "SELECT orders customers",
        ),
        (
            "select (select 1 from b) from a join shop.c using (x)",
            "SELECT b a shop.c",
        ),
        (
            "with x as (select * from t) select * from x join u on true",
            "SELECT t u",
        ),
        ("(select 1 from a) union select 2 from b", "SELECT a b"),
        (
            "select * from \"Old orders\", \"select\", \"a\"\"b\", \"ä\".\"1\"",
            "SELECT \"Old orders\" select \"a\"\"b\" ä.\"1\"",
        ),
        ("select f(1) from generate_series(1, 3)", "SELECT"),
        ("table t", "TABLE t"),
        ("values (1)", "VALUES"),
        ("show work_mem", "SHOW"),
        ("explain select * from t", "EXPLAIN t"),
    ] {
        assert_eq!(read_summary(sql), shown, "{sql}");
    }
}

#[test]
fn a_write_is_summarised_in_the_order_of_its_text() {
    for (sql, shown) in [
        ("insert into t select * from u", "INSERT t u"),
        (
            "with x as (select * from t) insert into u select * from x",
            "INSERT t u",
        ),
        (
            "insert into u with x as (select * from t) select * from x",
            "INSERT u t",
        ),
        ("update only t set a = (select 1 from u)", "UPDATE t u"),
        ("delete from t using u where true", "DELETE t u"),
        (
            "merge into t using u on t.id = u.id when matched then delete",
            "MERGE t u",
        ),
        ("truncate t, shop.u", "TRUNCATE t shop.u"),
        ("create table t (a int references u)", "CREATE TABLE t u"),
        ("create view v as select * from t", "CREATE VIEW v t"),
        ("create index i on t (a)", "CREATE INDEX i t"),
        ("drop table if exists t, u", "DROP TABLE t u"),
        ("alter table t add b int", "ALTER TABLE t"),
        ("call p(1)", "CALL p"),
        ("(select 1 from t)", "SELECT t"),
        ("do 'x'", "DO"),
    ] {
        assert_eq!(write_summary(sql), shown, "{sql}");
    }
}

#[test]
fn a_summary_has_an_end() {
    let names = (0..5_000).map(|number| format!("t{number}")).collect::<Vec<_>>();
    let shown = read_summary(&format!("select 1 from {}", names.join(", ")));
    assert!(
        shown.len() < 1100 && shown.starts_with("SELECT t0 t1 t2 "),
        "{shown}"
    );
}

#[test]
fn literals_are_replaced_and_names_stay() {
    for (sql, shown) in [
        (
            "select 'a''b', E'\\'', B'01', X'1F', N'x', U&'d\\0061'",
            "select ?, ?, ?, ?, ?, ?",
        ),
        (
            "select $$a$$, $t$ $$ $t$, 1, 1_000, 0x1F, 0b1, 1e10, .5, 1.",
            "select ?, ?, ?, ?, ?, ?, ?, ?, ?",
        ),
        (
            "select U&'a!0061' uescape '!', true, FALSE, null",
            "select ? uescape ?, ?, ?, null",
        ),
        ("select -- a 'b'\n 1 /* c /* d */ 'e' */ + 2 ; ", "select ? + ? ;"),
        (
            "select \"it's\", U&\"d\\0061\" from a$b$ where c = $1",
            "select \"it's\", U&\"d\\0061\" from a$b$ where c = $1",
        ),
        ("select a$$b$$c", "select a$$b$$c"),
        (
            "select date '2026-01-01', interval'1 day', x[1:2], -5",
            "select date ?, interval?, x[?:?], -?",
        ),
        ("select 'a'\n'b'", "select ? ?"),
        ("select 1a, 0xfg, 1_a", "select ?, ?, ?"),
    ] {
        assert_eq!(sanitised(sql).as_deref(), Some(shown), "{sql}");
    }
}

#[test]
fn a_text_whose_literals_do_not_end_is_not_shown() {
    for sql in [
        "select 'a",
        "select E'a\\'",
        "select $$a",
        "select $t$ a $$",
        "select U&'a",
        "select B'a",
        "select \"a",
        "select \\ 'a'",
        "select E'a' '\\'b'",
        "select E'a'\n'\\' b ' || '",
    ] {
        assert_eq!(sanitised(sql), None, "{sql}");
    }
    // A comment that does not end hides what is in it.
    assert_eq!(sanitised("select /* 'a").as_deref(), Some("select"));
}

#[test]
fn a_long_text_is_cut() {
    let shown = sanitised(&format!("select {}", vec!["'ä'"; 10_000].join(", "))).expect("shown");
    assert!(shown.len() <= LONGEST + 3 && shown.ends_with(" .."));
}

/// A literal with the secret in it, in any of the ways that there are.
fn literal() -> impl Strategy<Value = String> {
    // Numbers have no letters, so theirs is another secret.
    prop::sample::select(vec![
        format!("'{SECRET}'"),
        format!("'it''s {SECRET}'"),
        format!("'{SECRET}\\'"),
        format!("E'\\'{SECRET}\\\\'"),
        format!("e'it''s\\'{SECRET}'"),
        format!("$${SECRET}$$"),
        format!("$t$ $$ {SECRET} $u$ $t$"),
        format!("$ä_1$'{SECRET}$ä_1$"),
        format!("U&'{SECRET}\\0061'"),
        format!("u&'{SECRET}!0061' uescape '!'"),
        format!("N'{SECRET}'"),
        format!("B'{SECRET}'"),
        format!("X'{SECRET}'"),
        "4711".to_owned(),
        "4_711".to_owned(),
        "0x4711".to_owned(),
        "4711.5".to_owned(),
        ".4711".to_owned(),
        "4711e4711".to_owned(),
        "-4711".to_owned(),
        format!("/* {SECRET} /* ' */ \" */ null"),
        format!("null -- {SECRET} '\n"),
        format!("null -- {SECRET} $$\r"),
        format!("'a'\n'{SECRET}'"),
        format!("date '{SECRET}'"),
        format!("array['{SECRET}', 4711]"),
    ])
}

/// What stands between two of them.
fn between() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        ", ",
        " || ",
        " + a$b + ",
        " = $1 and ",
        ", \"it's\", ",
        ",\n",
        "::text, ",
        " in (1), ",
        ", x$$, ",
        " - ",
        "/**/,",
        ";",
    ])
}

fn statement() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec((literal(), between()), 1..6);
    let frame = prop::sample::select(vec![
        ("select ", " from orders"),
        ("insert into orders values (", ")"),
        ("update orders set a = ", " where b = 'x'"),
        ("with x as (select ", ") select * from x"),
        ("explain select ", ""),
        ("selekt ", " frm"),
        ("select ", " 'unfinished"),
        ("select ", " $$unfinished"),
        ("select ", " /* unfinished"),
    ]);
    (frame, parts).prop_map(|((before, after), parts)| {
        let middle: String = parts
            .into_iter()
            .flat_map(|(literal, between)| [literal, between.to_owned()])
            .collect();
        format!("{before}{middle}null {after}")
    })
}

/// The statement with a piece cut out or put in, so that what was inside of a literal may be outside of it, and the other way round.
fn damaged() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "", "'", "\"", "$$", "$t$", "/*", "*/", "--", "\\", "E'", "U&'", "\r", "\u{feff}",
    ]);
    (statement(), any::<(u16, u16)>(), piece).prop_map(|(sql, (from, length), piece)| {
        let boundaries: Vec<usize> = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).collect();
        let from = usize::from(from) % boundaries.len();
        let to = (from + usize::from(length) % 3).min(boundaries.len() - 1);
        format!("{}{piece}{}", &sql[..boundaries[from]], &sql[boundaries[to]..])
    })
}

fn shows_a_secret(text: &str) -> bool {
    text.contains(SECRET) || text.contains("4711") || text.contains("4_711")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_literal_is_ever_shown(sql in statement()) {
        let shown = sanitised(&sql).unwrap_or_default();
        prop_assert!(!shows_a_secret(&shown), "{sql}\n{shown}");
        if let Ok(read) = read(&sql) {
            prop_assert!(!shows_a_secret(&summary(read.kind.operation(), &read.relations)), "{sql}");
        }
        if let Ok(write) = write(&sql) {
            prop_assert!(!shows_a_secret(&summary(&write.name, &write.names)), "{sql}");
        }
    }

    /// A statement that the guard lets through is shown without what PostgreSQL reads as a literal, and an independent reader agrees.
    #[test]
    fn what_is_shown_has_no_digits_and_quotes_of_literals(sql in damaged()) {
        if let Some(shown) = sanitised(&sql) {
            // Read again, what is shown has no literals at all: nothing of one was left over.
            let tokens = lexical::tokens(&shown);
            let left = tokens.iter().any(|(kind, _)| matches!(kind, TokenKind::Literal { .. }));
            prop_assert!(!left, "{sql}\n{shown}");
        }
    }
}
