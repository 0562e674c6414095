//! The question who calls, in front of every door: no door is reached without a [`Principal`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::client::Client;
use super::message::Refusal;
use crate::auth::{Auth, Denied, Principal, X_API_KEY};
use crate::metrics;
use crate::secrets::Awaited;

/// What is asked in front of every door. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// Who calls.
    pub(crate) auth: Auth,
    /// What has to be there before anybody is let in.
    pub(crate) awaited: Awaited,
}

/// Lets a request in, with its [`Principal`] in the extensions, or says why not.
pub(super) async fn check(State(lock): State<Lock>, mut request: Request, next: Next) -> Response {
    if lock.awaited.lacks_some() {
        metrics::rejected("waiting");
        return waiting().into_response();
    }
    let address = Client::of(&request).address;
    match lock.auth.admit(request.headers(), address) {
        Ok(principal) => {
            // Nobody behind needs them, so nobody can log them or pass them on.
            request.headers_mut().remove(AUTHORIZATION);
            request.headers_mut().remove(X_API_KEY);
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(denied) => {
            metrics::refused(reason(denied));
            refusal(denied).into_response()
        }
    }
}

/// What everybody is told while nobody can be let in.
fn waiting() -> Refusal {
    let sentence = "this server can't let anybody in yet: a file of secrets is missing, and its log tells who runs it how to make one";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).with_header(RETRY_AFTER, RETRY_SECONDS.into())
}

/// When to ask again, in seconds: about as long as the file takes to be seen.
const RETRY_SECONDS: u64 = 5;

/// Who sent a request that [`check`] let in.
pub(super) fn principal(extensions: &http::Extensions) -> Arc<Principal> {
    // A door that is not behind `check` must not open for that.
    extensions
        .get()
        .cloned()
        .unwrap_or_else(|| Arc::new(Principal::nobody()))
}

fn reason(denied: Denied) -> &'static str {
    match denied {
        Denied::Missing => "missing",
        Denied::Several | Denied::Invalid => "invalid",
        Denied::Expired => "expired",
        Denied::TooMany(_) => "limited",
    }
}

/// What a caller is told: the challenge of RFC 6750, and a sentence that says what to send.
fn refusal(denied: Denied) -> Refusal {
    let (status, challenge, sentence) = match denied {
        Denied::Missing => (
            StatusCode::UNAUTHORIZED,
            r#"Bearer realm="mcp-hub""#,
            "this server asks who calls: send a token as \"Authorization: Bearer <token>\" or as \"X-API-Key: <token>\"; who runs the \
             server makes one with \"mcp-hub token new\"",
        ),
        Denied::Several => (
            StatusCode::BAD_REQUEST,
            r#"Bearer realm="mcp-hub", error="invalid_request""#,
            "more than one token was sent: send one, once, as \"Authorization: Bearer <token>\" or as \"X-API-Key: <token>\"",
        ),
        Denied::Invalid => (
            StatusCode::UNAUTHORIZED,
            r#"Bearer realm="mcp-hub", error="invalid_token""#,
            "what was sent is no valid token here, or no longer: send one as \"Authorization: Bearer <token>\" or as \"X-API-Key: \
             <token>\"; who runs the server makes one with \"mcp-hub token new\"",
        ),
        Denied::Expired => (
            StatusCode::UNAUTHORIZED,
            r#"Bearer realm="mcp-hub", error="invalid_token", error_description="the token has expired""#,
            "the token has expired: who runs the server makes a new one with \"mcp-hub token new\"",
        ),
        Denied::TooMany(wait) => {
            let refusal = Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong tokens came from this address: try again later, or with a valid one",
            );
            return refusal.with_header(RETRY_AFTER, seconds(wait).into());
        }
    };
    Refusal::new(status, sentence).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Whole seconds, and not too early.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
