//! The corpus, and texts that nobody thought of.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use proptest::prelude::*;
use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;

use super::*;

#[path = "../../tests/integration/corpus.rs"]
#[expect(dead_code, reason = "the fixtures are for servers")]
mod corpus;

use corpus::{MUST_ALLOW, MUST_ALLOW_MARIADB, MUST_ALLOW_MYSQL, MUST_PASS, MUST_REJECT};

fn must_reject() -> impl Iterator<Item = &'static str> {
    MUST_REJECT
        .iter()
        .flat_map(|(_, statements)| statements.iter().copied())
}

fn must_allow() -> impl Iterator<Item = &'static str> {
    [MUST_ALLOW, MUST_ALLOW_MARIADB, MUST_ALLOW_MYSQL, MUST_PASS]
        .into_iter()
        .flatten()
        .copied()
}

#[test]
fn what_must_be_refused_is_refused() {
    let allowed: Vec<_> = must_reject().filter(|sql| read(sql).is_ok()).collect();
    assert!(allowed.is_empty(), "let through: {allowed:#?}");
    assert!(must_reject().count() >= 300);
}

#[test]
fn what_must_be_allowed_is_allowed() {
    let refused: Vec<_> = must_allow()
        .filter_map(|sql| Some((sql, read(sql).err()?)))
        .collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    assert!(must_allow().count() >= 200);
}

#[test]
fn a_refusal_says_what_to_do() {
    let fault = |sql| Fault::from(read(sql).expect_err("is refused"));
    let refusals = [
        "",
        "select 1; drop table t",
        "hello",
        "'x'",
        "select 'x",
        "select (1",
        "delete from t",
        "with x as (select 1) delete from t",
        "explain delete from t",
        "analyze table t",
        "select 1 into outfile '/tmp/x'",
        "select * from t for update",
        "select * from t procedure analyse()",
        "select @a := 1",
        "commit",
        "set max_statement_time = 0",
        "call p()",
        "select 1 /*!50000 union select 2 */",
        "select /*+ set_var(sort_buffer_size = 1) */ 1",
        "select 'ä', load_file('x')",
        "select next value for s",
        "select last_insert_id(5)",
        "select grant from t",
        "show grants",
        "show binlog events",
        "show create user root",
        "show the tables",
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
    for sql in [
        format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("select '{}'", "x".repeat(300_000)),
        "(".repeat(10_000),
    ] {
        let refusal = read(&sql).expect_err("is refused");
        assert_eq!(refusal.reason, Reason::ArgumentInvalid, "{}", &sql[..40]);
    }
    // Nothing here recurses, and nothing is quadratic: these take a blink.
    for sql in [
        format!("select 1 where 1 in ({})", vec!["1"; 50_000].join(", ")),
        format!("select {}1", "not ".repeat(50_000)),
        format!("select 1{}", " union select 1".repeat(15_000)),
        format!("select 1{}", "/**/".repeat(50_000)),
        format!("with {}", vec!["a as (select 1)"; 10_000].join(",") + " select 1"),
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
    let names = |names: &IndexSet<Name>| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let sql = "/* ä */ with a as (select * from `B` b2), c (x) as (select 1) select a.x, s.f(1), (select max(y) from d) \
               from a, shop.`my-orders` o use index (i), c left join (e, f) on e.x = f.x, json_table('[]', '$' columns (z int path '$')) j \
               where exists (select 1 from g for system_time all, h) and o.y = ? and k.l.m = ? ;";
    let found = read(sql).expect("is a read");
    assert_eq!((found.kind, found.offset, found.parameters), (Kind::Select, 8, 2));
    assert!(found.text.starts_with("with") && found.text.ends_with("= ?"));
    assert_eq!(names(&found.relations), "B d shop.my-orders e f g h");
    let qualifiers: Vec<_> = found.qualifiers.into_iter().collect();
    assert_eq!(qualifiers, ["a", "e", "f", "k", "o", "s", "shop"]);
    for (sql, expected) in [
        ("describe shop.orders", "shop.orders"),
        ("table orders", "orders"),
        ("show create table `a b`", "a b"),
        ("show columns from t", "t"),
        ("explain format=json select 1 from t", "t"),
    ] {
        assert_eq!(names(&read(sql).expect("is a read").relations), expected, "{sql}");
    }
    for (sql, expected) in [
        ("show tables from `vault`", "vault"),
        ("show create database vault", "vault"),
        ("show columns from t in vault", "vault"),
        ("explain for schema vault select 1", "vault"),
    ] {
        assert!(
            read(sql).expect("is a read").qualifiers.contains(expected),
            "{sql}"
        );
    }
}

#[test]
fn a_write_tells_which_tables_it_changes() {
    for (sql, expected) in [
        ("insert into t (a) select a from u", "t"),
        ("insert ignore shop.t values (1)", "shop.t"),
        ("replace low_priority t set a = 1", "t"),
        ("update ignore t, `u x` as x set t.a = 1", "t u x"),
        (
            "update t join u on t.id = u.id set t.a = (select max(a) from v)",
            "t u",
        ),
        ("delete from t where id in (select id from u)", "t"),
        ("delete t, u from t join u using (id) where t.a = 1", "t u"),
        ("with x as (select 1 from v) delete from t", "t"),
        ("select * from t for update", ""),
        ("drop table t", ""),
    ] {
        let targets = write(sql).expect("is a write").targets;
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(targets.join(" "), expected, "{sql}");
    }
}

#[test]
fn foreign_code_is_noticed() {
    for sql in [
        "select f(1)",
        "select shop.f(1)",
        "select `abs`.abs(1)",
        "select 1 where a.b (c)",
        "values (F (1))",
        "select f(1) as x",
    ] {
        assert!(read(sql).expect("is a read").changes_session, "{sql}");
    }
    let noticed: Vec<_> = must_allow()
        .filter(|sql| !sql.contains("f(1)"))
        .filter(|sql| read(sql).is_ok_and(|read| read.changes_session))
        .collect();
    assert!(noticed.is_empty(), "{noticed:#?}");
}

#[test]
fn a_write_tells_what_it_destroys() {
    let written = |sql: &str| match write(sql) {
        Ok(write) => format!(
            "{}{}: {}",
            write.name,
            if write.commits { " (commits)" } else { "" },
            write.effect.unwrap_or_else(|| "-".to_owned())
        ),
        Err(refusal) => format!("refused: {refusal}. {}", refusal.hint),
    };
    let writes = [
        "insert into t values (1);",
        "insert into t select nextval(s)",
        "insert into t (a) values (1) on duplicate key update a = 1",
        "replace into t values (1)",
        "update t set a = 1 where id = ?",
        "update t set a = 1 limit 1",
        "update t set a = 1",
        "update t set a = 1 where true",
        "update t set a = (select max(b) from u where u.id = 1)",
        "update s set id = last_insert_id(id + 1) where name = 'x'",
        "update t join u on t.id = u.id set t.a = 1 where u.b = 1",
        "delete from t where id = 1 returning id",
        "delete from t where 1 = 1",
        "delete from t where (1) = (1) or 'a' = 'a'",
        "delete from t",
        "delete t from t join u on t.id = u.id",
        "with x as (select 1) delete from t",
        "with x as (select 1) update t set a = 1 where id = 1",
        "truncate table t",
        "drop table t",
        "drop procedure if exists p",
        "alter table t drop column a",
        "alter table t drop partition p0",
        "alter table t truncate partition p0",
        "alter table t alter a drop default",
        "alter table t add b int",
        "create table u (a int)",
        "create or replace table u (a int)",
        "create or replace view v as select 1",
        "create definer=`a`@`%` procedure p() begin delete from t; delete from u; end",
        "create procedure p() select load_file('x')",
        "create procedure p() begin set @a = 1; end",
        "create trigger x before insert on t for each row set new.a = 1",
        "create index i on t (a)",
        "create unique index i on t (a)",
        "drop index i on t",
        "create sequence s",
        "create event e on schedule every 1 day do delete from t where a = 1",
        "create temporary table u (a int)",
        "create database d",
        "drop database d",
        "alter database d character set latin1",
        "create user u",
        "create role r",
        "grant select on t to joe",
        "set password = 'x'",
        "create function f returns string soname 'x.so'",
        "create server s foreign data wrapper mysql options (host 'x')",
        "rename table t to u",
        "rename user a to b",
        "analyze table t",
        "optimize local table t",
        "analyze select 1",
        "call p()",
        "do f()",
        "select * from t for update",
        "select 1 into outfile '/tmp/x'",
        "insert into t select * from u into outfile '/tmp/x'",
        "select a into @a from t",
        "select @a := 1",
        "update t set a := 1 where id = 1",
        "begin",
        "begin not atomic delete from t; end",
        "commit",
        "savepoint s",
        "set @a = 1",
        "set global read_only = 0",
        "lock tables t write",
        "load data local infile 'x' into table t",
        "handler t open",
        "flush tables",
        "kill 1",
        "shutdown",
        "install soname 'x'",
        "show tables",
        "prepare p from 'select 1'",
        "select get_lock('a', 1)",
        "select nextval(s)",
        "insert into t values (1) /*! , (2) */",
        "insert into t values (1); delete from t",
        "hello",
        "'x'",
    ]
    .map(|sql| format!("{sql}\n  {}", written(sql)))
    .join("\n");
    insta::assert_snapshot!(writes);
}

/// Another reader of SQL, with a grammar: whatever it knows to be no query, the guard refuses.
fn is_query_to_a_grammar(sql: &str) -> Option<bool> {
    fn reads(body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => select.into.is_none(),
            SetExpr::Values(_) | SetExpr::Table(_) => true,
            SetExpr::Query(query) => reads(&query.body) && query.locks.is_empty(),
            SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
            _ => false,
        }
    }
    /// Whatever is explained is not run, but a SHOW in it changes nothing either; MariaDB refuses that one itself.
    fn is_read(statement: &Statement) -> bool {
        match statement {
            Statement::Query(query) => reads(&query.body) && query.locks.is_empty(),
            Statement::Explain { statement, .. } => is_read(statement),
            statement => {
                let text = statement.to_string();
                text.starts_with("SHOW") || matches!(statement, Statement::ExplainTable { .. })
            }
        }
    }
    let statements = Parser::parse_sql(&MySqlDialect {}, sql).ok()?;
    match statements.as_slice() {
        // MariaDB's ANALYZE of a query is unknown to it.
        [Statement::Analyze { .. }] => None,
        // `EXPLAIN table column`, of a table whose name it takes for a statement's first word.
        [statement @ Statement::Explain { .. }]
            if !is_read(statement) && sql.split_whitespace().count() <= 3 =>
        {
            None
        }
        [statement] => Some(is_read(statement)),
        _ => Some(false),
    }
}

#[test]
fn a_grammar_takes_an_explained_show_for_a_read() {
    assert_eq!(is_query_to_a_grammar("explain show grants"), Some(true));
    assert_eq!(is_query_to_a_grammar("explain delete from t"), Some(false));
    assert_eq!(is_query_to_a_grammar("explain start transaction"), None);
}

/// The corpus with a piece cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let statements: Vec<&str> = must_allow().chain(must_reject()).collect();
    let piece = prop::sample::select(vec![
        "",
        "(",
        ")",
        "'",
        "\"",
        "`",
        ";",
        "--",
        "-- ",
        "#",
        "/*",
        "*/",
        "/*!",
        "\\",
        ".",
        "@",
        "@@",
        ":=",
        "select ",
        "into ",
        "with x as (",
        "?",
        "\r",
        "\n",
        "\0",
        "ä",
        "\u{a0}",
        "N'",
        "x'",
        "{d ",
        "1e",
        "0x",
        " for update",
        "explain ",
        "delete from t ",
    ]);
    (prop::sample::select(statements), any::<(u16, u16)>(), piece).prop_map(|(sql, (from, length), piece)| {
        let boundaries: Vec<usize> = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).collect();
        let from = usize::from(from) % boundaries.len();
        let to = (from + usize::from(length) % 8).min(boundaries.len() - 1);
        format!("{}{piece}{}", &sql[..boundaries[from]], &sql[boundaries[to]..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(sql in "\\PC*") {
        let _ = (read(&sql), write(&sql));
    }

    #[test]
    fn a_mutated_statement_is_no_read_if_a_grammar_knows_better(sql in mutated()) {
        let read = read(&sql);
        let _ = write(&sql);
        if is_query_to_a_grammar(&sql) == Some(false) {
            prop_assert!(read.is_err(), "{sql}");
        }
    }

    /// However the name of a denied function is written, it is found.
    #[test]
    fn no_spelling_hides_a_function(
        upper in prop::collection::vec(any::<bool>(), 9),
        space in prop::sample::select(vec!["", " ", "\n", "\u{b}", "/**/", "/*/*/", "--\n", "-- x\n", "#\n"]),
        before in prop::sample::select(vec!["", "mariadb_schema.", "`x` . ", "(", "1, ", "-", "'a' 'b', ", "1.", "@a,"]),
        (quoted, dotless) in any::<(bool, bool)>(),
    ) {
        let spelled: String = "load_file"
            .chars()
            .zip(upper)
            .map(|(character, upper)| match character {
                'i' if dotless => '\u{131}',
                character if upper => character.to_ascii_uppercase(),
                character => character,
            })
            .collect();
        let name = if quoted { format!("`{spelled}`") } else { spelled };
        let close = if before == "(" { ")" } else { "" };
        let sql = format!("select {before}{name}{space}('x'){close}");
        let refusal = read(&sql).expect_err(&sql);
        prop_assert!(refusal.message.contains("may not be called"), "{}: {}", sql, refusal);
    }
}
