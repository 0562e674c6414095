//! What is shown never holds a literal, however it is written and whatever it stands in.

use proptest::prelude::*;

use super::*;

const SECRET: &str = "5eCr3t";

fn shown(sql: &str) -> String {
    summary(operation(sql), &names(sql))
}

#[test]
fn a_statement_is_summarised_in_the_order_of_its_text() {
    for (sql, expected) in [
        ("select 1", "SELECT"),
        (
            " ; select * from Orders o, customers, orders",
            "SELECT Orders customers",
        ),
        (
            "select (select 1 from b) from a join main.c using (x), d",
            "SELECT b a main.c d",
        ),
        (
            "select * from (a join b on a.x = b.x), (select * from c, d), e",
            "SELECT a b c d e",
        ),
        (
            "select a, b from t where a in (1, 2) and b not in u order by a, b",
            "SELECT t",
        ),
        (
            "select * from t left join json_each(t.x), pragma_table_info('t')",
            "SELECT t",
        ),
        ("select a is distinct from b, c from t", "SELECT t"),
        (
            "with x as (select * from t), y (a, b) as not materialized (select 1, 2) select * from X, y, u",
            "SELECT t u",
        ),
        (
            "with recursive n(i) as (select 1 union select i + 1 from n) insert into t select i from n",
            "INSERT t",
        ),
        (
            "select * from \"Old orders\", [a b], `c`, \"select\", \"x\"\"y\"",
            "SELECT \"Old orders\" \"a b\" c select \"x\"\"y\"",
        ),
        ("select * from 'orders'", "SELECT"),
        (
            "insert into t(a, b) values (1, 2) on conflict do update set a = 1 returning x",
            "INSERT t",
        ),
        ("insert or replace into t select * from u", "INSERT t u"),
        ("replace into t values (1)", "REPLACE t"),
        (
            "update or ignore t set a = (select 1 from u) from v, w where true",
            "UPDATE t u v w",
        ),
        ("delete from t where a = 1", "DELETE t"),
        (
            "create temp table if not exists t (a int references u(b) on delete cascade on update set null)",
            "CREATE TABLE t u",
        ),
        ("create table t as select * from u", "CREATE TABLE t u"),
        ("create unique index i on t (a, b)", "CREATE INDEX i t"),
        ("create view v as select * from t", "CREATE VIEW v t"),
        (
            "create trigger g after update of a on t begin delete from u; update v set a = 1; end",
            "CREATE TRIGGER g t u v",
        ),
        ("drop table if exists t", "DROP TABLE t"),
        ("alter table t add b", "ALTER TABLE t"),
        ("create virtual table t using fts5(a)", "CREATE TABLE t"),
        ("pragma table_info(t)", "PRAGMA table_info"),
        ("explain query plan select * from t", "EXPLAIN t"),
        ("values (1), (2)", "VALUES"),
        ("nonsense", "OTHER"),
        ("", "OTHER"),
        ("select 'it", "SELECT"),
        ("select * from a, 'b, c", "SELECT a"),
    ] {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

#[test]
fn a_summary_has_an_end() {
    let names = (0..5_000).map(|number| format!("t{number}")).collect::<Vec<_>>();
    let shown = shown(&format!("select 1 from {}", names.join(", ")));
    assert!(
        shown.len() < 1100 && shown.starts_with("SELECT t0 t1 t2 "),
        "{shown}"
    );
}

#[test]
fn literals_are_replaced_and_names_stay() {
    for (sql, expected) in [
        (
            "select 'it''s', x'1f', 1, 1.5e-3, 0x1F, 1_000, .5",
            "select ?, ?, ?, ?, ?, ?, ?",
        ),
        (
            "select \"it's\", [it's], `it's` -- 'a'\n from t /* 'b' */ where a=?1 and b = :c ;",
            "select \"it's\", [it's], `it's` from t where a=?1 and b = :c ;",
        ),
        (
            "select true, False, null, $a, $a(5eCr3t)",
            "select ?, ?, null, $a, ?",
        ),
        ("select a->>'b', -5", "select a->>?, -?"),
    ] {
        assert_eq!(sanitised(sql).as_deref(), Some(expected), "{sql}");
    }
    for sql in [
        "select 'a",
        "select \"a",
        "select [a",
        "select x'1",
        "select \\ 'a'",
        "select $a(b",
    ] {
        assert_eq!(sanitised(sql), None, "{sql}");
    }
    let long = sanitised(&format!("select {}", vec!["'ä'"; 10_000].join(", "))).expect("shown");
    assert!(long.len() <= LONGEST + 3 && long.ends_with(" .."));
}

/// A literal with the secret in it, in any of the ways that there are.
fn literal() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        format!("'{SECRET}'"),
        format!("'it''s {SECRET}'"),
        format!("'\\'||'{SECRET}'"),
        format!("'--{SECRET}'"),
        format!("'/*{SECRET}'"),
        "x'4711'".to_owned(),
        "4711".to_owned(),
        "4_711".to_owned(),
        "0x4711".to_owned(),
        "4711.5".to_owned(),
        ".4711".to_owned(),
        "4711e4711".to_owned(),
        "4711.e+4711".to_owned(),
        format!("null /* {SECRET} ' \" */"),
        format!("null -- {SECRET} ' \r still\n"),
        format!("'{SECRET}' like '%{SECRET}%' escape '!'"),
    ])
}

fn statement() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec![
        ", ",
        " || ",
        " + a$b + ",
        " = ?1 and ",
        ", \"it's\", ",
        ", [it's], ",
        ", `it's`, ",
        ",\n",
        " - ",
        "/**/,",
        ";",
        " from ",
        " join ",
        " into ",
    ]);
    let parts = prop::collection::vec((literal(), between), 1..6);
    let frame = prop::sample::select(vec![
        ("select ", " from orders"),
        ("insert into orders values (", ")"),
        ("update orders set a = ", " where b = 'x'"),
        ("with x as (select ", ") select * from x"),
        ("select * from ", ""),
        ("selekt ", " frm"),
        ("select ", " 'unfinished"),
        ("select ", " [unfinished"),
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
        "", "'", "\"", "`", "[", "]", "/*", "*/", "--", "\\", "x'", "$a(", "\r", "\u{feff}",
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
        let text = sanitised(&sql).unwrap_or_default();
        prop_assert!(!shows_a_secret(&text), "{sql}\n{text}");
        let summary = shown(&sql);
        prop_assert!(!shows_a_secret(&summary), "{sql}\n{summary}");
    }

    /// Read again, what is shown has no literals at all: nothing of one was left over.
    #[test]
    fn nothing_is_left_of_literals(sql in damaged()) {
        if let Some(text) = sanitised(&sql) {
            prop_assert!(tokens(&text).all(|token| token.kind != Kind::Literal), "{sql}\n{text}");
        }
        let _ = shown(&sql);
    }
}
