//! Rules for comments: whoever writes an adapter, or a client of one, reads the contract alone.

use prost_reflect::{EnumDescriptor, MessageDescriptor};

use crate::contract::{Contract, comment};

/// The packages whose services every adapter may have.
const SHARED: [&str; 3] = ["mcphub.adapter.v1", "mcphub.completion.v1", "mcphub.resource.v1"];

/// The status codes by the names that comments use.
const CODES: [&str; 11] = [
    "_ARGUMENT",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "internal error",
];

pub(crate) fn mistakes(contract: &Contract) -> Vec<String> {
    let mut mistakes = Vec::new();
    for file in contract.files() {
        let mut check = |name: &str, path: &[i32]| {
            if comment(&file, path).is_none() {
                mistakes.push(format!("{name}: no comment"));
            }
        };
        for service in file.services() {
            check(service.full_name(), service.path());
            for method in service.methods() {
                check(method.full_name(), method.path());
            }
        }
        for message in file.messages() {
            of_message(&message, &mut check);
        }
        for values in file.enums() {
            of_enum(&values, &mut check);
        }
        for values in file.enums().filter(|values| values.name() == "ErrorReason") {
            for reason in values.values() {
                let text = comment(&file, reason.path()).unwrap_or_default();
                if !CODES.iter().any(|code| text.contains(code)) {
                    mistakes.push(format!("{}: its status code is not named", reason.name()));
                }
            }
        }
    }
    let offered = contract
        .tools()
        .chain(contract.prompts())
        .map(|(method, _)| method);
    for method in offered {
        if SHARED.contains(&method.parent_service().parent_file().package_name()) {
            mistakes.push(format!("{}: every adapter would have it", method.full_name()));
        }
    }
    mistakes
}

fn of_message(message: &MessageDescriptor, check: &mut impl FnMut(&str, &[i32])) {
    // The entries of a map stand nowhere in the text.
    if message.is_map_entry() {
        return;
    }
    check(message.full_name(), message.path());
    for field in message.fields() {
        check(field.full_name(), field.path());
    }
    for inner in message.child_messages() {
        of_message(&inner, check);
    }
    for inner in message.child_enums() {
        of_enum(&inner, check);
    }
}

fn of_enum(values: &EnumDescriptor, check: &mut impl FnMut(&str, &[i32])) {
    check(values.full_name(), values.path());
    for value in values.values() {
        check(value.full_name(), value.path());
    }
}
