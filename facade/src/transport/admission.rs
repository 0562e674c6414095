//! The question who calls, in front of every door: no door is reached without a [`Principal`].

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::client::Client;
use super::message::Refusal;
use crate::auth::{Auth, Principal};

/// Lets a request in, with its [`Principal`] in the extensions, or says why not.
pub(super) async fn check(State(auth): State<Auth>, mut request: Request, next: Next) -> Response {
    let address = Client::of(&request).address;
    match auth.admit(request.headers(), address) {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(_denied) => Refusal::new(StatusCode::UNAUTHORIZED, "not authorized").into_response(),
    }
}

/// Who sent a request that [`check`] let in.
pub(super) fn principal(extensions: &http::Extensions) -> Arc<Principal> {
    // A door that is not behind `check` must not open for that.
    extensions
        .get()
        .cloned()
        .unwrap_or_else(|| Arc::new(Principal::nobody()))
}
