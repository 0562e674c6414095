//! Rules for the options of fields.

use prost_reflect::Value;

use crate::contract::{Contract, text};

pub(crate) fn mistakes(contract: &Contract) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (field, option) in contract.fields() {
        let mut wrong = |what: String| mistakes.push(format!("{}: {what}", field.full_name()));
        let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        let default = text(&option, "default");
        if !default.is_empty() {
            if !is_json(&default) {
                wrong(format!("the default is no JSON: {default}"));
            }
            if field.containing_oneof().is_none_or(|oneof| !oneof.is_synthetic()) {
                wrong("a field with a default is optional".to_owned());
            }
        }
        let examples = option.get_field_by_name("examples").expect("a field");
        for example in examples.as_list().expect("a list") {
            let example = example.as_str().expect("text");
            if !is_json(example) {
                wrong(format!("an example is no JSON: {example}"));
            }
        }
        let bound = |name: &str| {
            let value = option.get_field_by_name(name).expect("a field").into_owned();
            let Value::F64(bound) = value else {
                panic!("{name} is a double")
            };
            option.has_field_by_name(name).then_some(bound)
        };
        let minimum = bound("minimum").unwrap_or(f64::NEG_INFINITY);
        let maximum = bound("maximum").unwrap_or(f64::INFINITY);
        if minimum > maximum {
            wrong(format!("{minimum} > {maximum}"));
        } else if let Ok(default) = default.parse::<f64>()
            && !(minimum..=maximum).contains(&default)
        {
            wrong("the default is out of bounds".to_owned());
        }
    }
    mistakes
}
