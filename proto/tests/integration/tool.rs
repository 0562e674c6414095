//! Rules for tools.

use prost_reflect::{Kind, MessageDescriptor};

use crate::contract::{
    Contract, LONGEST_NAME, comment, has_sentence, is_foreign, is_read_only, package, reachable, snake_case,
    text, twins,
};
use crate::stream;

/// Integers that are strings in JSON.
const WIDE: [Kind; 5] = [
    Kind::Int64,
    Kind::Uint64,
    Kind::Sint64,
    Kind::Fixed64,
    Kind::Sfixed64,
];

pub(crate) fn mistakes(contract: &Contract) -> Vec<String> {
    let mut mistakes = twins(contract.tools().map(|(method, _)| method));
    for (method, option) in contract.tools() {
        let name = method.full_name();
        let mut wrong = |what: &str| mistakes.push(format!("{name}: {what}"));
        if text(&option, "title").is_empty() {
            wrong("no title");
        }
        if snake_case(method.name()).len() > LONGEST_NAME {
            wrong("the name is too long");
        }
        if method.is_client_streaming() {
            wrong("a tool takes one request");
        }
        if !has_sentence(&method) {
            wrong("no sentence describes it");
        }
        let read_only = is_read_only(&method);
        let destructive = option.get_field_by_name("destructive").expect("a field");
        if read_only && destructive.as_bool() == Some(true) {
            wrong("what reads destroys nothing");
        }
        if read_only == method.parent_service().name().ends_with("WriteService") {
            wrong("reads and writes are separate services");
        }
        let (input, output) = (reachable(&method.input()), reachable(&method.output()));
        for message in input.iter().chain(&output) {
            mistakes.extend(undescribed(message));
            if is_recursive(message, &mut Vec::new()) {
                mistakes.push(format!("{}: recursive", message.full_name()));
            }
        }
        for message in &input {
            mistakes.extend(has_choice(message).then(|| choice(message)));
            for field in message.fields().filter(|field| WIDE.contains(&field.kind())) {
                mistakes.push(format!("{}: a string in JSON", field.full_name()));
            }
        }
        for message in output
            .iter()
            .filter(|message| package(message) != "mcphub.content.v1")
        {
            mistakes.extend(has_choice(message).then(|| choice(message)));
        }
        let answer = stream::answer(&method).unwrap_or_else(|| method.output());
        mistakes.extend(misplaced_content(&answer));
    }
    mistakes
}

/// Fields without a comment.
pub(crate) fn undescribed(message: &MessageDescriptor) -> Vec<String> {
    message
        .fields()
        .filter(|field| comment(&message.parent_file(), field.path()).is_none())
        .map(|field| format!("{}: no comment", field.full_name()))
        .collect()
}

fn has_choice(message: &MessageDescriptor) -> bool {
    message.oneofs().any(|oneof| !oneof.is_synthetic())
}

fn choice(message: &MessageDescriptor) -> String {
    format!(
        "{}: a oneof outside mcphub.data.v1 and the content of answers",
        message.full_name()
    )
}

fn is_recursive(message: &MessageDescriptor, above: &mut Vec<String>) -> bool {
    if is_foreign(message) {
        return false;
    }
    if above.iter().any(|name| name == message.full_name()) {
        return true;
    }
    above.push(message.full_name().to_owned());
    let recursive = message.fields().any(|field| match field.kind() {
        Kind::Message(inner) => is_recursive(&inner, above),
        _ => false,
    });
    above.pop();
    recursive
}

/// Content that is not a field of the answer itself, where it becomes a block, or that is only a part of one.
fn misplaced_content(answer: &MessageDescriptor) -> Vec<String> {
    let mut mistakes = Vec::new();
    for message in reachable(answer) {
        if package(&message) == "mcphub.content.v1" {
            continue;
        }
        for field in message.fields() {
            let Kind::Message(inner) = field.kind() else {
                continue;
            };
            let is_block = inner.full_name() == "mcphub.content.v1.Content" && message == *answer;
            if package(&inner) == "mcphub.content.v1" && !is_block {
                mistakes.push(format!("{}: no place for content", field.full_name()));
            }
        }
    }
    mistakes
}
