//! The API key, checked as Qdrant checks it. Health checks are free: they are not wrapped in this.

use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Lets calls through that bring the key, or all when there is none.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey(Option<String>);

impl ApiKey {
    pub(crate) fn new(key: Option<String>) -> Self {
        Self(key)
    }
}

impl Interceptor for ApiKey {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(expected) = &self.0 else {
            return Ok(request);
        };
        let header = |name| request.metadata().get(name)?.to_str().ok();
        let given = header("api-key").or_else(|| header("authorization")?.strip_prefix("Bearer "));
        match given {
            None => Err(Status::unauthenticated(
                "Must provide an API key or an Authorization bearer token",
            )),
            Some(key) if key != expected => Err(Status::unauthenticated("Invalid API key or JWT")),
            Some(_) => Ok(request),
        }
    }
}
