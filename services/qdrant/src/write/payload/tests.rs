use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Entry, Map, Value as Given};
use qdrant_client::qdrant::{Condition, Filter, PointId};

use super::*;

fn object(keys: &[&str]) -> Given {
    let entries = keys.iter().map(|key| Entry {
        key: (*key).to_owned(),
        value: Some(value::of(Form::Int(1))),
    });
    value::of(Form::Map(Map {
        entries: entries.collect(),
    }))
}

fn request(set: Option<&[&str]>, delete: &[&str]) -> pb::UpdatePayloadRequest {
    pb::UpdatePayloadRequest {
        set: set.map(object),
        delete_keys: delete.iter().map(|key| (*key).to_owned()).collect(),
        ..pb::UpdatePayloadRequest::default()
    }
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let overwrite = |set, delete| pb::UpdatePayloadRequest {
        overwrite: Some(true),
        ..request(set, delete)
    };
    for (request, field, part) in [
        (request(None, &[]), "set", "nothing to change"),
        (request(Some(&[]), &[]), "set", "nothing to change"),
        (request(Some(&["a"]), &["a"]), "delete_keys", "`a` is both"),
        (request(Some(&["a"]), &["b", "a.c"]), "delete_keys", "`a` is both"),
        (
            request(Some(&["a.c"]), &["\"a.c\""]),
            "delete_keys",
            "`a.c` is both",
        ),
        (request(None, &["a..b"]), "delete_keys", "a key is a name"),
        (request(None, &["a"; MOST_KEYS + 1]), "delete_keys", "at most 100"),
        (overwrite(Some(&["a"]), &["b"]), "delete_keys", "whole payload"),
        (overwrite(None, &[]), "set", "overwrite needs set"),
    ] {
        let fault = Change::read(&request).expect_err(part);
        assert_eq!(
            (fault.reason, fault.metadata["field"].as_str()),
            (Reason::ArgumentInvalid, field)
        );
        assert!(fault.message.contains(part), "{fault}");
    }
    let mut text = request(None, &[]);
    text.set = Some(value::of(Form::Text("a".to_owned())));
    assert!(Change::read(&text).is_err(), "no object");
    assert!(
        Change::read(&overwrite(Some(&[]), &[])).is_ok(),
        "an empty payload"
    );
}

/// What is sent: "set", "delete" or "overwrite", in order.
fn sent(set: &[&str], delete: &[&str], selection: &Selection) -> Result<Vec<&'static str>, Fault> {
    let change = Change::read(&request(Some(set), delete)).expect("fine");
    let order = change.order(selection)?;
    let operations = change.operations(order, &selection.selector()).into_iter();
    let names = operations.map(|operation| match operation.operation {
        Some(Operation::SetPayload(set)) => {
            assert_eq!(set.points_selector, Some(selection.selector()));
            "set"
        }
        Some(Operation::DeletePayload(delete)) => {
            assert_eq!(delete.points_selector, Some(selection.selector()));
            "delete"
        }
        other => panic!("{other:?}"),
    });
    Ok(names.collect())
}

#[test]
fn the_first_change_leaves_the_filter_what_it_asks_for() {
    let asks = |key: &str| Selection::Filter(Filter::must([Condition::matches(key, true)]));
    let ids = Selection::Ids(vec![PointId::from(1)]);
    for (set, delete, selection, order) in [
        (&["a"][..], &["b"][..], asks("c"), &["set", "delete"][..]),
        (&["a"], &["b"], asks("b.x"), &["set", "delete"]),
        (&["a"], &["b"], asks("a[].x"), &["delete", "set"]),
        (&["a"], &[], asks("a"), &["set"]),
        (&[], &["a"], asks("a"), &["delete"]),
        (&["a"], &["b"], ids, &["set", "delete"]),
    ] {
        assert_eq!(
            sent(set, delete, &selection).as_deref(),
            Ok(order),
            "{set:?} {delete:?} {selection:?}"
        );
    }
    let both = Selection::Filter(Filter::must([
        Condition::matches("a", true),
        Condition::matches("b", true),
    ]));
    let fault = sent(&["a"], &["b"], &both).expect_err("neither can be first");
    assert_eq!(fault.metadata["field"], "filter");
}

#[test]
fn a_changed_text_is_noticed() {
    let touches = |set: &[&str], delete: &[&str]| {
        Change::read(&request(Some(set), delete))
            .expect("fine")
            .touches_text()
    };
    assert!(touches(&["text"], &[]));
    assert!(touches(&[], &["text"]));
    assert!(!touches(&["texts"], &["a.text"]));
}
