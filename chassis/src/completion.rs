//! Completions: what an argument of a prompt, or a variable of a resource template, may be.

use std::sync::Arc;

use mcp_hub_proto::completion::v1::completion_service_server::CompletionService;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use tonic::{Request, Response, Status};

use crate::fault::Fault;
use crate::grpc::answer;

/// What an adapter knows of the values of arguments.
#[tonic::async_trait]
pub trait Completions: Send + Sync + 'static {
    /// Values of an argument that begin with `request.value`, any case, in the order to show: all of them, or [`MOST`]` + 1`, so that it
    /// is known whether there are more. None for an argument that it does not know. See [`starting_with`].
    ///
    /// # Errors
    /// When the database can't be asked.
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault>;
}

/// How many values an answer has at most.
pub const MOST: usize = 100;

/// Those of `candidates` that begin with what was typed, any case, each once and in their order: [`MOST`]` + 1` at most, which is what
/// [`Completions::complete`] gives. An empty candidate is no choice.
pub fn starting_with<T: Into<String>>(candidates: impl IntoIterator<Item = T>, typed: &str) -> Vec<String> {
    let typed: Vec<char> = folded(typed).collect();
    let mut values: Vec<String> = Vec::new();
    for candidate in candidates {
        if values.len() > MOST {
            break;
        }
        let candidate = candidate.into();
        let mut letters = folded(&candidate);
        let begins = typed.iter().all(|letter| letters.next() == Some(*letter));
        drop(letters);
        if begins && !candidate.is_empty() && !values.contains(&candidate) {
            values.push(candidate);
        }
    }
    values
}

/// A text without its case. By way of upper case, where `ß` is `SS` and both small sigmas are one.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

/// The service of an adapter's completions.
pub(crate) struct Service(Arc<dyn Completions>);

impl Service {
    pub(crate) fn new(completions: Arc<dyn Completions>) -> Self {
        Self(completions)
    }
}

#[tonic::async_trait]
impl CompletionService for Service {
    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        answer(self.0.complete(request.get_ref()).await.map(capped))
    }
}

fn capped(mut values: Vec<String>) -> CompleteResponse {
    let all = values.len();
    let has_more = all > MOST;
    values.truncate(MOST);
    CompleteResponse {
        values,
        // With one more than is shown, the adapter may have stopped counting.
        total: u32::try_from(all).ok().filter(|_| !has_more),
        has_more,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_does_not_matter_in_any_language() {
        let all = [
            "Orders",
            "ORDER_items",
            "customers",
            "Straße",
            "ΟΔΟΣ",
            "İstanbul",
            "",
        ];
        assert_eq!(starting_with(all, "order"), ["Orders", "ORDER_items"]);
        assert_eq!(starting_with(all, "STRASS"), ["Straße"]);
        assert_eq!(starting_with(all, "οδοσ"), ["ΟΔΟΣ"]);
        assert_eq!(starting_with(all, "οδος"), ["ΟΔΟΣ"]);
        assert_eq!(starting_with(all, "x"), Vec::<String>::new());
        assert_eq!(starting_with(all, "").len(), 6, "all but the empty one");
        assert_eq!(starting_with(["a", "b", "a"], ""), ["a", "b"]);
    }

    #[test]
    fn an_answer_says_whether_there_are_more() {
        let many = |count: usize| capped(starting_with((0..count).map(|number| number.to_string()), ""));
        let told = |count| {
            let response = many(count);
            (response.values.len(), response.total, response.has_more)
        };
        assert_eq!(told(0), (0, Some(0), false));
        assert_eq!(told(MOST), (MOST, Some(100), false));
        assert_eq!(told(MOST + 1), (MOST, None, true));
        assert_eq!(told(10 * MOST), (MOST, None, true));
        assert_eq!(
            starting_with((0..1_000).map(|number| number.to_string()), "").len(),
            MOST + 1
        );
    }

    proptest! {
        #[test]
        fn what_was_typed_in_any_case_finds_its_value(value in "\\PC{1,20}", length in 0_usize..20) {
            let typed: String = value.chars().take(length).collect();
            for typed in [typed.to_uppercase(), typed.to_lowercase(), typed] {
                prop_assert_eq!(starting_with([value.as_str()], &typed), [value.as_str()]);
            }
        }
    }
}
