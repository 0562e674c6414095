use mcp_hub_testing::filled;
use proptest::prelude::*;

use super::*;
use crate::guard::{read, write};

fn names(names: &IndexSet<Name>) -> String {
    listed(names)
}

#[test]
fn literals_are_replaced_and_comments_dropped() {
    for (sql, shown) in [
        (
            r#"select 'a''b\'c', "d""e\"f", N'g', _utf8'h', _utf8mb4 x'69' from t"#,
            "select ?, ?, ?, _utf8?, _utf8mb4 ? from t",
        ),
        (
            "select 1, -2.5e-3, .5, 0x1F, 0b01, b'01', X'ab', \\N, 1.",
            "select ?, -?, ?, ?, ?, ?, ?, ?, ?",
        ),
        ("select 'a' 'b', true, FALSE, null", "select ? ?, ?, ?, null"),
        (
            "select date '2024-01-01', {ts '2024-01-01 00:00:00'}, interval 5 day",
            "select date ?, {ts ?}, interval ? day",
        ),
        (
            "select /* 'x' */ `my ``t`, t.5, t.`5`, 5t # y\nfrom a -- z\n, b limit 1",
            "select `my ``t`, t.?, t.`5`, ? from a , b limit ?",
        ),
        (
            "select @a, @`b`, @'c', @@sql_mode, ? from t",
            "select @a, @`b`, @?, @@sql_mode, ? from t",
        ),
        ("select 1--1", "select ?--?"),
    ] {
        assert_eq!(sanitised(sql).as_deref(), Some(shown), "{sql}");
    }
    let long = format!("select 1 in ({})", vec!["1"; 50_000].join(", "));
    let shown = sanitised(&long).expect("is read");
    assert!(
        shown.len() <= LONGEST + 3 && shown.ends_with(" .."),
        "{}",
        shown.len()
    );
}

#[test]
fn nothing_is_shown_of_what_can_t_be_read() {
    for sql in [
        "select 'x",
        "select `x",
        "select /* x",
        "select 1 /*!50000 + 'x' */",
        "select 1 /*M! + 1 */",
        "select \\x",
        "",
        "-- x",
    ] {
        assert_eq!(sanitised(sql), None, "{sql}");
    }
}

#[test]
fn a_read_names_its_tables_in_order() {
    for (sql, expected) in [
        (
            "select * from orders o join `my orders` m on o.id = m.id, app.c",
            "orders `my orders` app.c",
        ),
        (
            "select trim(leading 'a' from note), extract(year from day) from t",
            "t",
        ),
        ("select substring((select a from b) from 2) from t", "b t"),
        ("with x as (select 1 from a) select * from x, a, b", "a b"),
        ("select 'secret' from t where a in ('x', 'y')", "t"),
        ("select * from t, 'x'", "t"),
        ("describe t 'x%'", "t"),
    ] {
        assert_eq!(names(&read(sql).expect(sql).relations), expected, "{sql}");
    }
}

#[test]
fn a_write_names_what_it_touches() {
    for (sql, expected) in [
        ("insert into a select * from b join c", "INSERT a b c"),
        ("update a join b on a.x = b.x set a.y = 'z'", "UPDATE a b"),
        ("delete from a where x in (select y from b)", "DELETE a b"),
        ("create table if not exists a (b int)", "CREATE TABLE a"),
        ("create or replace view v as select * from t", "CREATE VIEW v t"),
        ("create unique index i on t (x)", "CREATE INDEX t"),
        ("drop index i on t", "DROP INDEX t"),
        ("alter table a.b add c int default 7", "ALTER TABLE a.b"),
        ("drop table if exists a, b", "DROP TABLE a b"),
        ("rename table a to b, c to d", "RENAME TABLE a b c d"),
        ("truncate table t", "TRUNCATE t"),
        ("truncate t", "TRUNCATE t"),
        ("call p('x')", "CALL p"),
        ("optimize table t", "OPTIMIZE t"),
        (
            "create procedure p() begin select 'x' from t; end",
            "CREATE PROCEDURE p",
        ),
        ("with r as (select 1) select * from r, t", "SELECT t"),
    ] {
        let write = write(sql).expect(sql);
        assert_eq!(
            format!("{} {}", write.name, names(&write.names)),
            expected,
            "{sql}"
        );
    }
}

/// What stands in each literal and each comment below, so that it can be looked for.
const SECRET: &str = "5eCr3t";

/// Its bytes.
const HEX: &str = "356543723374";

/// The same as digits, where letters may not stand.
const NUMBER: &str = "90817263";

/// Literals of all forms, with the secret in them.
fn literal() -> impl Strategy<Value = String> {
    let texts = [
        "", "'' ", "\\' ", "\\\\", "\" ", "\"\"", "` ", "/* ", "-- ", "# ", "ä", "\n", "?", "; ",
    ];
    let text = (
        prop::sample::select(texts.to_vec()),
        prop::sample::select(texts.to_vec()),
    )
        .prop_map(|(before, behind)| {
            // A single quote ends a text of single quotes unless it is doubled.
            format!("{before}{SECRET}{behind}")
        });
    let single = text.clone().prop_map(|text| text.replace('"', "x"));
    let double = text.prop_map(|text| {
        text.replace("\\'", "x")
            .replace('\'', "x")
            .replace("\"\"", "\"")
            .replace('"', "\"\"")
    });
    let prefix = prop::sample::select(vec!["", "N", "n", "_utf8", "_utf8mb4 ", "date ", "timestamp "]);
    let bits: String = NUMBER
        .bytes()
        .map(|byte| if byte % 2 == 0 { '0' } else { '1' })
        .collect();
    prop_oneof![
        4 => (prefix, single).prop_map(|(prefix, text)| format!("{prefix}'{text}'")),
        2 => double.prop_map(|text| format!("\"{text}\"")),
        1 => Just(format!("x'{HEX}'")),
        1 => Just(format!("X'{HEX}'")),
        1 => Just(format!("0x{HEX}")),
        1 => Just(format!("b'{bits}'")),
        1 => Just(format!("0b{bits}")),
        1 => Just(NUMBER.to_owned()),
        1 => Just(format!("-{NUMBER}.{NUMBER}e-{NUMBER}")),
        1 => Just(format!(".{NUMBER}")),
        1 => Just(format!("@'{SECRET}'")),
    ]
}

fn comment() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        " ".to_owned(),
        "\n".to_owned(),
        format!("/* {SECRET} ' */"),
        format!("/**{SECRET}*/"),
        format!(" -- {SECRET} '\n"),
        format!(" --\t{SECRET}\n"),
        format!("# {SECRET} \"\n"),
        format!("/*+ {SECRET} */"),
        // Refused, with all that is around it.
        format!("/*! {SECRET} */"),
        format!("/*!50000 '{SECRET}' */"),
        format!("/*M! {SECRET} */"),
        // Without an end.
        format!("/* {SECRET}"),
    ])
}

/// Statements with secrets wherever a literal or a comment may stand.
fn statement() -> impl Strategy<Value = String> {
    const SHAPES: &[&str] = &[
        "select~LIT~from orders",
        "~select a,~LIT,LIT~from orders o where b =~LIT~and c in (LIT,LIT)~",
        "select * from orders join customers on x =~LIT~limit 5",
        "insert into orders (a, b) values (LIT, LIT),~(LIT, LIT)",
        "update orders set a =~LIT~where b like~LIT",
        "delete from orders where a =~LIT",
        "call p(LIT,~LIT)",
        "alter table orders add c text default~LIT",
        "with x as (select~LIT~a) select * from x, orders",
        "select trim(LIT from a), extract(year from~LIT) from orders",
        "explain select~LIT~from orders",
        "show tables like~LIT",
        "select~LIT~from~LIT",
        "LIT",
    ];
    let parts = (
        prop::collection::vec(literal(), 8),
        prop::collection::vec(comment(), 8),
    );
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::sample::select(SHAPES), parts, cut).prop_map(|(shape, (literals, comments), cut)| {
        let mut sql = filled(shape, &literals, &comments);
        if let Some(cut) = cut {
            let at = sql.floor_char_boundary(cut.index(sql.len().max(1)));
            sql.truncate(at);
        }
        sql
    })
}

/// Whether a text shows something of a secret: the whole, or its beginning, as where a statement was cut.
fn tells(text: &str) -> bool {
    [&SECRET[..3], &NUMBER[..3], &HEX[..6]]
        .iter()
        .any(|part| text.contains(part))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn no_literal_is_ever_shown(sql in statement()) {
        if let Some(shown) = sanitised(&sql) {
            prop_assert!(!tells(&shown), "{}\n{}", sql, shown);
        }
        if let Ok(read) = read(&sql) {
            prop_assert!(!tells(&names(&read.relations)), "{}", sql);
        }
        if let Ok(write) = write(&sql) {
            let summary = format!("{} {}", write.name, names(&write.names));
            prop_assert!(!tells(&summary), "{}\n{}", sql, summary);
        }
    }

    /// What is shown has the tokens of the statement, so that a reader can tell one statement from another.
    #[test]
    fn what_is_shown_can_be_read_again(sql in statement()) {
        if let Some(shown) = sanitised(&sql) {
            prop_assert_eq!(sanitised(&shown), Some(shown.clone()), "{}", sql);
        }
    }
}
