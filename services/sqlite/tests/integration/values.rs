//! The golden table: what SQLite stores is what a caller reads.

use mcp_hub_proto::data::v1::value::Kind;

use crate::harness::{Adapter, shown};

#[tokio::test]
async fn every_kind_of_value_arrives_exactly() {
    let adapter = Adapter::on(
        r#"create table everything (label text, i integer, r real, t text, b blob, n numeric, any_type);
        insert into everything values
            ('small', 1, 1.5, 'a', x'00ff', 1, null),
            ('largest safe', 9007199254740991, 1e308, 'ä€😀', x'', 1.25, 'x'),
            ('one more', 9007199254740992, 5e-324, '', x'01', '1.50', 2),
            ('largest', 9223372036854775807, 9e999, 'line
break', zeroblob(300), 'not a number', 3.5),
            ('smallest', -9223372036854775808, -9e999, 'quote " \ ', x'80', 9223372036854775808, x'aa'),
            ('zero', 0, 0.0, char(0) || 'x', x'00', 0, 0),
            ('third', 3, 0.1 + 0.2, 'x', x'00', 1e3, 1e21),
            ('broken text', 7, -0.0, cast(x'61ff62' as text), null, null, null);"#,
    )
    .await;
    insta::assert_snapshot!(shown(
        adapter.query("select * from everything").await.expect("answers")
    ));
}

#[tokio::test]
async fn declared_types_are_told_and_add_what_storage_can_not_say() {
    let adapter = Adapter::on(
        r#"create table declared (
            j json, yes boolean, d date, ts datetime, price decimal(10,2), exact decimal_text, v varchar(20), untyped,
            "two words" double precision, i int generated always as (1) virtual);
        insert into declared values
            ('{"a":[1,2.50,null],"b":{}}', 1, '2026-02-28', '2026-02-28T23:59:60Z', '12.50', '12.50', 'x', 1, 1),
            ('{"id":9007199254740993}', 0, '2026-02-30', '', 12.5, '0.10', '', 'x', 2.5),
            ('{"a":1,"a":2}', 2, null, null, null, null, null, null, null),
            ('not json', 'true', 20260228, 1772323199, 12, '1e3', 5, x'00', 'text'),
            ('"text"', null, null, null, null, null, null, null, null),
            (7, null, null, null, null, null, null, null, null);"#,
    )
    .await;
    insta::assert_snapshot!(shown(
        adapter.query("select * from declared").await.expect("answers")
    ));
}

#[tokio::test]
async fn columns_keep_their_names_twice_and_expressions_get_a_type() {
    let adapter = Adapter::on(
        "create table t (a int, \"select\" text, \"ä b\" text); insert into t values (1, 'x', 'y')",
    )
    .await;
    insta::assert_snapshot!(shown(
        adapter
            .query("select a, a, a + 1 as a, \"select\", \"ä b\", 1.5, 'x' as \"\", x'00' as b, null as n, count(*) from t")
            .await
            .expect("answers")
    ));
    // The first value that is not NULL decides; without rows nobody knows.
    insta::assert_snapshot!(shown(
        adapter
            .query("select a + 1 as x from t where a > 5")
            .await
            .expect("answers")
    ));
    insta::assert_snapshot!(shown(
        adapter
            .query("select null as x union all select 1.5 union all select 'late'")
            .await
            .expect("answers")
    ));
}

#[tokio::test]
async fn bytes_are_shown_by_their_beginning_and_length() {
    let adapter = Adapter::on("").await;
    let Kind::Bytes(bytes) = adapter.value("select zeroblob(1000000)").await else {
        panic!("no bytes");
    };
    assert_eq!((bytes.data.len(), bytes.length), (256, 1_000_000));
}

#[tokio::test]
async fn a_database_in_utf_16_is_read_as_text() {
    let adapter =
        Adapter::on("pragma encoding = 'UTF-16'; create table t (a); insert into t values ('ä😀')").await;
    assert_eq!(
        adapter.value("select a from t").await,
        Kind::Text("ä😀".to_owned())
    );
}
