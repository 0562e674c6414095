//! Objects by a part of their name or comment.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_all_kinds_best_first() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_search").await;
    let is_mariadb = server.is_mariadb().await;
    if is_mariadb {
        // MySQL takes none of these by this protocol.
        server
            .run(&[
                "create function order_total (a bigint, b varchar(5)) returns decimal(10,2) deterministic return 1",
                "create procedure order_close (in a int, out b int) comment 'Ends an order' set b = a",
                "create trigger order_checks before insert on orders for each row set new.note = 'x'",
                "create event order_sweep on schedule every 1 day disable do delete from orders where id = 0",
            ])
            .await;
    }
    let lines = |response: SearchObjectsResponse| -> Vec<String> {
        let line = |object: &Object| {
            format!(
                "{} {}.{} on {} | {} | {}",
                object.kind().as_str_name().trim_start_matches("OBJECT_KIND_"),
                object.database,
                object.name,
                object.table,
                object.detail,
                object.comment
            )
            .replace("bigint(20)", "bigint")
            .replace("int(11)", "int")
        };
        response.objects.iter().map(line).collect()
    };
    let here = Some("catalogue_search");
    assert_eq!(
        lines(search(&adapter, "Orders", &[], here).await),
        [
            "TABLE catalogue_search.orders on  |  | What they bought",
            "VIEW catalogue_search.open_orders on  |  | ",
        ]
    );
    let found = lines(search(&adapter, "order", &[], here).await);
    let mut expected = vec![
        "TABLE catalogue_search.orders on  |  | What they bought",
        "COLUMN catalogue_search.order_id on parts | bigint unsigned | ",
        "VIEW catalogue_search.open_orders on  |  | ",
    ];
    if is_mariadb {
        expected.splice(
            2..2,
            [
                "ROUTINE catalogue_search.order_close on  | procedure (a int, out b int) | Ends an order",
                "ROUTINE catalogue_search.order_total on  | function (a bigint, b varchar(5)) -> decimal(10,2) | ",
                "TRIGGER catalogue_search.order_checks on orders | before insert | ",
                "EVENT catalogue_search.order_sweep on  | disabled, every 1 day | ",
            ],
        );
    }
    assert_eq!(found, expected);
    assert_eq!(
        lines(search(&adapter, "invoice", &[], here).await),
        ["COLUMN catalogue_search.email on customers | varchar(200) | Where the invoice goes"]
    );
    assert_eq!(
        lines(search(&adapter, "customer_state", &[ObjectKind::Index], here).await),
        ["INDEX catalogue_search.customer_state on orders | customer_id, state | "]
    );
    assert_eq!(
        lines(search(&adapter, "catalogue_search", &[ObjectKind::Database], None).await),
        ["DATABASE .catalogue_search on  |  | "]
    );
    if is_mariadb {
        assert_eq!(
            lines(search(&adapter, "%", &[ObjectKind::Sequence], here).await),
            ["SEQUENCE catalogue_search.numbers on  |  | "]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_limited_and_wants_a_pattern() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _server) = shop(mariadb, "catalogue_limited").await;
    let request = SearchObjectsRequest {
        pattern: "%".to_owned(),
        database: Some("catalogue_limited".to_owned()),
        limit: Some(3),
        ..SearchObjectsRequest::default()
    };
    let some = adapter
        .client
        .clone()
        .search_objects(request)
        .await
        .expect("finds")
        .into_inner();
    assert!(some.more && some.objects.len() == 3);
    assert!(
        search(&adapter, "no such thing", &[], None)
            .await
            .objects
            .is_empty()
    );
    let request = SearchObjectsRequest {
        pattern: " ".to_owned(),
        ..SearchObjectsRequest::default()
    };
    let status = adapter
        .client
        .clone()
        .search_objects(request)
        .await
        .expect_err("no pattern");
    assert_eq!(Fault::from_status(&status).metadata["field"], "pattern");
}
