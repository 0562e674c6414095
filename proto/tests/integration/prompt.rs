//! Rules for prompts.

use std::collections::BTreeSet;

use prost_reflect::{Cardinality, Kind};

use crate::contract::{Contract, LONGEST_NAME, has_sentence, is_read_only, snake_case, text, twins};
use crate::tool::undescribed;

/// The most arguments that a person fills in, and characters of the name of one.
const MOST_ARGUMENTS: usize = 8;
const LONGEST_ARGUMENT: usize = 32;

pub(crate) fn mistakes(contract: &Contract) -> Vec<String> {
    let tools: BTreeSet<String> = contract
        .tools()
        .map(|(method, _)| method.full_name().to_owned())
        .collect();
    let prompts: BTreeSet<String> = contract
        .prompts()
        .map(|(method, _)| method.full_name().to_owned())
        .collect();
    let mut mistakes = twins(contract.prompts().map(|(method, _)| method));
    for (method, option) in contract.prompts() {
        let name = method.full_name();
        let mut wrong = |what: &str| mistakes.push(format!("{name}: {what}"));
        if text(&option, "title").is_empty() {
            wrong("no title");
        }
        if snake_case(method.name()).len() > LONGEST_NAME {
            wrong("the name is too long");
        }
        if !has_sentence(&method) {
            wrong("no sentence describes it");
        }
        if !is_read_only(&method) {
            wrong("a prompt has no side effects");
        }
        if method.is_client_streaming() || method.is_server_streaming() {
            wrong("a prompt is unary");
        }
        if tools.contains(name) {
            wrong("a prompt is no tool");
        }
        if method.input().fields().len() > MOST_ARGUMENTS {
            wrong("too many arguments");
        }
        for field in method.input().fields() {
            let chosen = field
                .containing_oneof()
                .is_some_and(|oneof| !oneof.is_synthetic());
            let is_text = field.kind() == Kind::String && field.cardinality() != Cardinality::Repeated;
            if !is_text || chosen {
                wrong("an argument is a string");
            }
            if field.name().len() > LONGEST_ARGUMENT {
                wrong("the name of an argument is too long");
            }
        }
        let messages: Vec<_> = method.output().fields().collect();
        let is_conversation = matches!(messages.as_slice(), [field]
            if field.is_list()
                && field.kind().as_message().is_some_and(|kind| kind.full_name() == "mcphub.prompt.v1.PromptMessage"));
        if !is_conversation {
            wrong("its response is its messages");
        }
        mistakes.extend(undescribed(&method.input()));
        mistakes.extend(undescribed(&method.output()));
    }
    // An adapter has them in a service of their own, and one that has none need not be told of it.
    for method in contract.methods() {
        let of_prompts = method.parent_service().name().ends_with("PromptService");
        if of_prompts != prompts.contains(method.full_name()) {
            mistakes.push(format!(
                "{}: prompts, and they alone, are in a PromptService",
                method.full_name()
            ));
        }
    }
    mistakes
}
