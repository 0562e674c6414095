//! Objects by a part of their name or comment.

use std::fmt::Write as _;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_all_kinds_best_first() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _server) = shop(postgres, "catalogue_search").await;
    let lines = |response: SearchObjectsResponse| -> Vec<String> {
        let line = |object: &Object| {
            format!(
                "{} {}.{} on {} | {} | {}",
                object.kind().as_str_name().trim_start_matches("OBJECT_KIND_"),
                object.schema,
                object.name,
                object.table,
                object.detail,
                object.comment
            )
        };
        response.objects.iter().map(line).collect()
    };
    let types = [ObjectKind::Type, ObjectKind::Sequence, ObjectKind::Trigger];
    let mut found = String::new();
    for (pattern, kinds) in [
        ("Orders", [].as_slice()),
        ("shop", &[]),
        ("customer", &[ObjectKind::Function, ObjectKind::Table]),
        ("%", &types),
    ] {
        let objects = lines(search(&adapter, pattern, kinds).await).join("\n  ");
        writeln!(found, "{pattern} {kinds:?}\n  {objects}").expect("writes");
    }
    insta::assert_snapshot!(found);
    let extensions = search(&adapter, "%", &[ObjectKind::Extension]).await.objects;
    let names: Vec<&str> = extensions
        .iter()
        .map(|extension| extension.name.as_str())
        .collect();
    assert_eq!(names, ["citext", "pg_buffercache", "plpgsql"]);
    assert!(
        extensions
            .iter()
            .all(|extension| !extension.detail.is_empty() && extension.schema.is_empty())
    );
    let request = SearchObjectsRequest {
        pattern: "%".to_owned(),
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
    assert!(search(&adapter, "no such thing", &[]).await.objects.is_empty());
    let request = SearchObjectsRequest {
        pattern: " ".to_owned(),
        ..SearchObjectsRequest::default()
    };
    let fault = Fault::from_status(
        &adapter
            .client
            .clone()
            .search_objects(request)
            .await
            .expect_err("no pattern"),
    );
    assert_eq!(fault.metadata["field"], "pattern");
}
