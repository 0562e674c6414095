use mcp_hub_proto::data::v1::{Bytes, Entry, List};
use proptest::prelude::*;

use super::*;

fn value(form: Form) -> Value {
    Value { kind: Some(form) }
}

fn one(form: Form) -> Result<Packed, String> {
    let params = HashMap::from([("p".to_owned(), value(form))]);
    let encoded = encode(&params).map_err(|fault| fault.message)?;
    Ok(encoded.into_iter().next().expect("a parameter").1)
}

fn map(entries: &[(&str, Form)]) -> Form {
    let entries = entries.iter().map(|(key, form)| Entry {
        key: (*key).to_owned(),
        value: Some(value(form.clone())),
    });
    Form::Map(Map {
        entries: entries.collect(),
    })
}

#[test]
fn parameters_have_an_order_and_no_dollar() {
    let params = ["b", "$a", "c"].map(|name| (name.to_owned(), value(Form::Bool(true))));
    let encoded = encode(&HashMap::from(params)).expect("encodes");
    let names: Vec<&str> = encoded.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_number_is_kept_or_refused() {
    assert_eq!(one(Form::Uint(5)), Ok(Packed::Int(5)));
    assert_eq!(one(Form::Number("-7".to_owned())), Ok(Packed::Int(-7)));
    assert_eq!(one(Form::Number("0.50".to_owned())), Ok(Packed::Float(0.5)));
    for (form, part) in [
        (Form::Uint(u64::MAX), "64 bits"),
        (Form::Number("9223372036854775808".to_owned()), "64 bits"),
        (Form::Number("0.12345678901234567890".to_owned()), "no decimals"),
        (Form::Json("[18446744073709551615]".to_owned()), "64 bits"),
        (Form::Json("{".to_owned()), "not valid JSON"),
    ] {
        let mistake = one(form.clone()).expect_err("refused");
        assert!(
            mistake.starts_with("params.p: ") && mistake.contains(part),
            "{form:?}: {mistake}"
        );
    }
}

#[test]
fn a_key_twice_is_refused() {
    let twice = map(&[("a", Form::Bool(true)), ("a", Form::Bool(false))]);
    assert!(one(twice).expect_err("refused").contains("\"a\" twice"));
}

#[test]
fn what_was_cut_is_refused() {
    let bytes = Form::Bytes(Bytes {
        data: vec![1],
        length: 300,
    });
    assert!(one(bytes).expect_err("refused").contains("was cut"));
}

#[test]
fn a_map_that_only_looks_marked_is_a_map() {
    for entries in [
        &[
            ("$date", Form::Text("2024-01-01".to_owned())),
            ("b", Form::Bool(true)),
        ][..],
        &[("$what", Form::Bool(true))],
        &[],
    ] {
        assert!(matches!(one(map(entries)), Ok(Packed::Map(all)) if all.len() == entries.len()));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        (1..depth).fold(Form::List(List::default()), |form, _| {
            Form::List(List {
                values: vec![value(form)],
                lower_bounds: vec![],
            })
        })
    };
    assert!(one(nested(DEPTH)).is_ok());
    assert!(one(nested(DEPTH + 1)).expect_err("refused").contains("nested"));
}

proptest! {
    #[test]
    fn any_marked_text_is_a_value_or_a_mistake(key in "\\$(date|time|localtime|datetime|localdatetime|duration|bytes|point)", text in ".{0,30}") {
        let result = one(map(&[(&key, Form::Text(text))]));
        prop_assert!(matches!(&result, Ok(Packed::Struct(..) | Packed::Bytes(_)) | Err(_)), "{:?}", result);
    }
}
