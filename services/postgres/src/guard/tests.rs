//! The corpus, and texts that nobody thought of.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use proptest::prelude::*;

use super::*;

#[path = "../../tests/integration/corpus.rs"]
mod corpus;

use corpus::{MUST_ALLOW, MUST_ALLOW_NEWER, MUST_REJECT};

#[test]
fn what_must_be_refused_is_refused() {
    let allowed: Vec<_> = MUST_REJECT.iter().filter(|sql| read(sql).is_ok()).collect();
    assert!(allowed.is_empty(), "let through: {allowed:#?}");
    assert!(MUST_REJECT.len() >= 120);
}

#[test]
fn what_must_be_allowed_is_allowed() {
    let refused: Vec<_> = MUST_ALLOW
        .iter()
        .chain(MUST_ALLOW_NEWER)
        .filter_map(|sql| Some((sql, read(sql).err()?)))
        .collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    assert!(MUST_ALLOW.len() >= 100);
}

#[test]
fn a_refusal_says_what_to_do() {
    let fault = |sql| Fault::from(read(sql).expect_err("is refused"));
    let refusals = [
        "",
        "select 1; drop table t",
        "select * frm t",
        "delete from t",
        "with x as (delete from t returning *) table x",
        "select * into u from t",
        "select * from t for update",
        "commit",
        "set work_mem = '1GB'",
        "do 'x'",
        "copy t to stdout",
        "explain analyze create table u as select 1",
        "select 'ä', pg_read_file('x')",
        "select query_to_xml('', true, true, '')",
        "table pg_file_settings",
        "select * from graph_table (g match (a) columns (a.x))",
    ]
    .map(|sql| {
        let fault = fault(sql);
        format!("{sql}\n  {} {fault}\n  {:?}", fault.reason_name(), fault.metadata)
    })
    .join("\n");
    insta::assert_snapshot!(refusals);
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("select {}1{}", open.repeat(times), close.repeat(times))
    };
    for sql in [
        nested("(", ")", 10_000),
        nested("((select ", "))", 5_000),
        nested("array[", "]", 10_000),
        nested("f(", ")", 10_000),
        nested("case when true then ", " end", 10_000),
        nested("not ", "", 20_000),
        nested("- ", "", 20_000),
        nested("1 + ", "", 20_000),
        nested("", " union select 1", 10_000),
        nested("", "::int", 10_000),
        "(".repeat(10_000),
        "explain ".repeat(10_000),
        "select ".repeat(10_000),
        format!("select '{}'", "x".repeat(300_000)),
    ] {
        let refusal = read(&sql).expect_err("is refused");
        assert_eq!(refusal.reason, Reason::ArgumentInvalid, "{}", &sql[..40]);
    }
    // Just below the bounds, each on the stack that it was promised.
    for sql in [
        nested("(", ")", 199),
        nested("(select ", ")", 199),
        nested("coalesce(", ", 1)", 199),
        nested("case when true then ", " end", 1_500),
        nested("not ", "", 7_000),
        nested("- ", "", 7_000),
        nested("1 + ", "", 7_000),
        nested("", "::int", 2_000),
        nested("", " union select 1", 1_500),
        format!("select 1 where 1 in ({})", vec!["1"; 50_000].join(", ")),
    ] {
        assert_eq!(
            read(&sql).map(|read| read.kind),
            Ok(Kind::Select),
            "{}",
            &sql[..40]
        );
    }
}

#[test]
fn a_read_tells_what_it_touches() {
    let sql = "/* ä */ with a as (select * from a), b as (select f(1) from a) \
               select s.g(b.x), 1::s.d, (b).y from b, s.b, lateral \"H\"(2) as h (i int) where b.x = $3 and u.k(1) ;";
    let read = read(sql).expect("is a read");
    let names = |names: Vec<&Name>| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!((read.kind, read.offset, read.parameters), (Kind::Select, 8, 3));
    assert!(read.text.starts_with("with") && read.text.ends_with("k(1)"));
    assert_eq!(names(read.functions.iter().collect()), "H f s.g u.k");
    // The `a` inside of `a` is the database's, since the WITH is not recursive; the later ones are the query.
    assert_eq!(names(read.relations.iter().collect()), "a s.b");
}

#[test]
fn a_write_tells_what_it_destroys() {
    let written = |sql: &str| match write(sql) {
        Ok(write) => format!(
            "{}: {}",
            write.name,
            write.effect.unwrap_or_else(|| "-".to_owned())
        ),
        Err(refusal) => format!("refused: {refusal}. {}", refusal.hint),
    };
    let writes = [
        "insert into t values (1);",
        "insert into t select nextval('s')",
        "update t set a = 1 where id = $1",
        "update t set a = 1",
        "update t set a = 1 where true",
        "delete from t where id = 1",
        "delete from t where 1 = 1",
        "delete from t",
        "with x as (delete from t) select 1",
        "merge into t using u on t.id = u.id when matched then delete",
        "truncate t, u cascade",
        "drop table t",
        "drop function if exists f(int)",
        "drop owned by joe",
        "reassign owned by joe to jim",
        "alter table t drop column a",
        "alter table t alter a drop default",
        "alter table t add b int",
        "create table u (a int)",
        "create index concurrently i on t (a)",
        "drop index concurrently i",
        "create index i on t (a)",
        "refresh materialized view concurrently m",
        "reindex table t",
        "reindex database d",
        "create temp table u (a int)",
        "create temp table u (a int) on commit drop",
        "create temp table u (a int) on commit delete rows",
        "do 'begin end'",
        "call p()",
        "select * from t for update",
        "begin",
        "commit",
        "savepoint s",
        "set local search_path = x",
        "set search_path = x",
        "set time zone local",
        "set session characteristics as transaction read write",
        "set role x",
        "copy t from program 'id'",
        "vacuum t",
        "create database d",
        "drop database d",
        "alter system set work_mem = '1GB'",
        "listen x",
        "notify x",
        "select pg_read_file('x')",
        "select set_config('a.b', 'c', false)",
        "grant select on t to joe",
        "insert into t values (1); delete from t",
    ]
    .map(|sql| format!("{sql}\n  {}", written(sql)))
    .join("\n");
    insta::assert_snapshot!(writes);
}

/// The corpus with a piece cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let statements: Vec<&str> = MUST_ALLOW.iter().chain(MUST_REJECT).copied().collect();
    let piece = prop::sample::select(vec![
        "",
        "(",
        ")",
        "'",
        "\"",
        "$$",
        ";",
        "--",
        "/*",
        "*/",
        "\\",
        "U&\"",
        " uescape '!'",
        "E'",
        ".",
        "select ",
        "with x as (",
        "$1",
        "\r",
        "\0",
        "ä",
        "::",
        "operator(",
        "case ",
        "explain ",
    ]);
    (prop::sample::select(statements), any::<(u16, u16)>(), piece).prop_map(|(sql, (from, length), piece)| {
        let boundaries: Vec<usize> = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).collect();
        let from = usize::from(from) % boundaries.len();
        let to = (from + usize::from(length) % 8).min(boundaries.len() - 1);
        format!("{}{piece}{}", &sql[..boundaries[from]], &sql[boundaries[to]..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(sql in "\\PC*") {
        let _ = (read(&sql), write(&sql));
    }

    #[test]
    fn a_mutated_statement_gets_an_answer(sql in mutated()) {
        let _ = (read(&sql), write(&sql));
    }

    /// However the name of a denied function is written, it is found.
    #[test]
    fn no_spelling_hides_a_function(
        spelling in prop::collection::vec((any::<bool>(), 0..3_u8), 12),
        space in prop::sample::select(vec!["", " ", "\n", "/**/", "/* /* */ */", "--x\n", "--x\r"]),
        quoted in 0..3_u8,
    ) {
        let spelled: String = "pg_read_file"
            .chars()
            .zip(spelling)
            .map(|(character, (upper, escape))| match (quoted, escape) {
                (2, 0) => format!("\\{:04x}", u32::from(character)),
                (2, 1) => format!("\\+{:06X}", u32::from(character)),
                (0, _) if upper => character.to_uppercase().to_string(),
                _ => character.to_string(),
            })
            .collect();
        let name = match quoted {
            0 => spelled,
            1 => format!("\"{spelled}\""),
            _ => format!("U&\"{spelled}\""),
        };
        let sql = format!("select {name}{space}('x')");
        prop_assert!(read(&sql).is_err(), "{sql}");
    }
}
