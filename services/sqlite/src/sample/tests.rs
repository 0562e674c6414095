use super::*;

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens")
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).expect("answers")
}

#[test]
fn it_is_always_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["a.db", "b.db"].map(|name| folder.path().join("deep").join(name));
    for path in &paths {
        create(path).expect("creates");
    }
    assert_eq!(
        std::fs::read(&paths[0]).expect("reads"),
        std::fs::read(&paths[1]).expect("reads")
    );
}

#[test]
fn it_is_a_shop_worth_asking() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    create(&path).expect("creates");
    let shop = open(&path);
    assert_eq!(number(&shop, "select count(*) from pragma_foreign_key_check"), 0);
    let check: String = shop
        .query_row("pragma integrity_check", [], |row| row.get(0))
        .expect("answers");
    assert_eq!(check, "ok");
    let rows = number(
        &shop,
        "select (select count(*) from customers) + (select count(*) from orders) + (select count(*) from order_items)
         + (select count(*) from reviews)",
    );
    assert!((3_000..12_000).contains(&rows), "{rows}");
    // The three questions have answers.
    let worse = number(
        &shop,
        "with year as (
             select product_id, avg(rating) filter (where created_at >= '2026') - avg(rating) filter (where created_at between '2025' and '2026') as change
             from reviews group by 1 having count(*) > 10)
         select count(*) from year where change < -0.9",
    );
    assert!((3..=5).contains(&worse), "{worse}");
    let growing = number(
        &shop,
        "select count(*) from monthly_revenue where country = 'JP' and month < '2025-04'",
    );
    assert_eq!(growing, 0);
    assert!(number(&shop, "select count(*) from monthly_revenue where country = 'JP'") >= 15);
    let idle = number(
        &shop,
        "select count(*) from customers where id not in (select customer_id from orders)",
    );
    assert!((25..80).contains(&idle), "{idle}");
    for null in [
        "customers where email",
        "customers where preferences",
        "orders where discount_percent",
        "reviews where body",
    ] {
        assert!(
            number(&shop, &format!("select count(*) from {null} is null")) > 5,
            "{null}"
        );
    }
    assert_eq!(
        number(
            &shop,
            "select count(*) from products where not json_valid(attributes)"
        ),
        0
    );
    let price: String = shop
        .query_row("select price_eur from products where id = 38", [], |row| {
            row.get(0)
        })
        .expect("answers");
    assert_eq!(price, "5.90");
}

#[test]
fn a_good_one_is_left_alone_an_old_one_is_made_again_and_another_file_is_spared() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.db");
    create(&path).expect("creates");
    let made = std::fs::metadata(&path)
        .expect("is there")
        .modified()
        .expect("has a time");
    create(&path).expect("is content");
    assert_eq!(
        std::fs::metadata(&path)
            .expect("is there")
            .modified()
            .expect("has a time"),
        made
    );

    let older = Connection::open(&path).expect("opens");
    older
        .execute_batch("delete from reviews; pragma user_version = 0")
        .expect("ages");
    drop(older);
    create(&path).expect("creates again");
    assert!(number(&open(&path), "select count(*) from reviews") > 100);

    let foreign = folder.path().join("mine.db");
    std::fs::write(&foreign, "precious").expect("writes");
    assert!(create(&foreign).is_err());
    assert_eq!(std::fs::read(&foreign).expect("reads"), b"precious");
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
