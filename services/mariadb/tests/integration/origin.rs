//! Columns whose type only their table tells, however they are reached.

use mcp_hub_testing::MariaDb;

use crate::adapter::{Adapter, Server, column_types, rows};

#[tokio::test(flavor = "multi_thread")]
async fn json_is_known_whatever_it_is_called() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("or.igin s").await;
    let url = mariadb.url_of("or.igin s");
    let server = Server::of(&url);
    server
        .run(&[
            "create table `t.a``b` (id int, `j.``1` json, k longtext)",
            "insert into `t.a``b` values (1, '[1, 2]', '[1, 2]')",
            "create view v as select id, `j.``1` as renamed, k from `t.a``b`",
        ])
        .await;
    let adapter = Adapter::of(&url).await;
    for sql in [
        "select `j.``1` as x, k from `t.a``b`",
        "select a.`j.``1` x, a.k from `or.igin s`.`t.a``b` a join `t.a``b` b on a.id = b.id",
        "select `j.``1` as x, k from (select 1) one, `t.a``b` order by id limit 1",
    ] {
        let result = adapter
            .query(sql)
            .await
            .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"));
        assert_eq!(rows(&result), [r#"[[1, 2],"[1, 2]"]"#], "{sql}");
        assert_eq!(column_types(&result), ["json", "longtext"], "{sql}");
    }
    // MariaDB names the view or the inner SELECT as the origin, which have no checks: only MySQL knows that this is JSON.
    let expected = if server.is_mariadb().await {
        r#"["[1, 2]"]"#
    } else {
        "[[1, 2]]"
    };
    for sql in [
        "select renamed from v",
        "select x from (select `j.``1` as x from `t.a``b`) d",
        "with c as (select * from `t.a``b`) select `j.``1` from c where id = 1",
    ] {
        let result = adapter.query(sql).await.expect("works");
        assert_eq!(rows(&result), [expected], "{sql}");
    }
    let result = adapter
        .query("select concat(`j.``1`, '') from `t.a``b`")
        .await
        .expect("works");
    assert_eq!(rows(&result), [r#"["[1, 2]"]"#]);
}
