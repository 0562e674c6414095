//! Rules for RPCs that stream: tools that do, those that follow a tool, and the streams of all rows.

use std::collections::BTreeSet;

use prost_reflect::{MessageDescriptor, MethodDescriptor};

use crate::contract::{Contract, has_sentence, is_read_only, single, text};

const PROGRESS: &str = "mcphub.progress.v1.Progress";

/// What a stream with progress answers; `None` when its messages are not as `mcphub.progress.v1` has them.
pub(crate) fn answer(method: &MethodDescriptor) -> Option<MessageDescriptor> {
    let fields: Vec<_> = method.output().fields().collect();
    let [one, other] = fields.as_slice() else {
        return None;
    };
    let (one, other) = (single(one)?, single(other)?);
    match (one.full_name() == PROGRESS, other.full_name() == PROGRESS) {
        (true, false) => Some(other),
        (false, true) => Some(one),
        _ => None,
    }
}

pub(crate) fn mistakes(contract: &Contract) -> Vec<String> {
    let mut mistakes = Vec::new();
    let tools: BTreeSet<String> = contract
        .tools()
        .map(|(method, _)| method.full_name().to_owned())
        .collect();
    let mut followers = BTreeSet::new();
    for (tool, option) in contract.tools() {
        let name = tool.full_name();
        if tool.is_server_streaming() && answer(&tool).is_none() {
            mistakes.push(format!("{name}: its messages are not progress and an answer"));
        }
        let follower = text(&option, "progress");
        if follower.is_empty() {
            // It takes as long as a caller's statement does.
            if tool.name() == "Query" {
                mistakes.push(format!("{name}: nobody can follow it"));
            }
            continue;
        }
        if tool.is_server_streaming() {
            mistakes.push(format!("{name}: a stream tells its own progress"));
        }
        let service = tool.parent_service();
        let Some(follower) = service.methods().find(|method| method.name() == follower) else {
            mistakes.push(format!("{name}: there is no {follower} in its service"));
            continue;
        };
        mistakes.extend(wrong_follower(&tool, &follower));
        if tools.contains(follower.full_name()) {
            mistakes.push(format!("{}: what follows a tool is none", follower.full_name()));
        }
        followers.insert(follower.full_name().to_owned());
    }
    for method in contract.methods().filter(MethodDescriptor::is_server_streaming) {
        let name = method.full_name();
        if answer(&method).is_some() && !tools.contains(name) && !followers.contains(name) {
            mistakes.push(format!("{name}: it tells progress to nobody"));
        }
    }
    for method in contract.methods().filter(|method| method.name() == "Query") {
        let service = method.parent_service();
        let streams = service
            .methods()
            .any(|method| method.name() == "StreamQuery" && method.is_server_streaming());
        if !streams {
            mistakes.push(format!("{}: no StreamQuery beside it", method.full_name()));
        }
    }
    mistakes
}

/// What keeps an RPC from being called in a tool's place.
fn wrong_follower(tool: &MethodDescriptor, follower: &MethodDescriptor) -> Vec<String> {
    let fields: Vec<_> = follower.input().fields().collect();
    let takes_its_request =
        matches!(fields.as_slice(), [field] if single(field).is_some_and(|message| message == tool.input()));
    let checks = [
        (
            follower.is_server_streaming() && !follower.is_client_streaming(),
            "it is a stream of answers",
        ),
        (
            takes_its_request,
            "its request has one field, of the tool's request",
        ),
        (
            answer(follower).is_some_and(|message| message == tool.output()),
            "its messages are progress and the tool's response",
        ),
        (
            is_read_only(follower) == is_read_only(tool),
            "it changes as much as the tool does",
        ),
        (has_sentence(follower), "a sentence describes it"),
    ];
    let wrong = checks.iter().filter(|(kept, _)| !kept);
    wrong
        .map(|(_, rule)| format!("{}: not so: {rule}", follower.full_name()))
        .collect()
}
