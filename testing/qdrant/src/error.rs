//! Errors, with the gRPC codes and the words of Qdrant's own server.

use qdrant_edge::{OperationError, PointId};
use tonic::{Code, Status};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A message that makes no sense, found before it reaches a collection.
    #[error("{0}")]
    Malformed(String),
    /// A field outside its bounds.
    #[error("Validation error in body: [{field}: {reason}]")]
    Invalid { field: String, reason: String },
    /// What the collection can't do with its schema or data.
    #[error("Wrong input: {0}")]
    BadInput(String),
    /// A combination that is never possible.
    #[error("Bad request: {0}")]
    BadRequest(String),
    /// A collection of that name is there.
    #[error("Wrong input: Collection `{0}` already exists!")]
    Exists(String),
    /// No such collection.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    NoCollection(String),
    /// No such alias.
    #[error("Not found: Alias {0} does not exists!")]
    NoAlias(String),
    /// No such collection to take vectors from.
    #[error("Not found: Collection {0} not found")]
    NoLookup(String),
    /// A query by the id of a point that is not there.
    #[error("Not found: No point with id {0} found")]
    NoPoint(PointId),
    /// A query by the id of a point that lacks the vector.
    #[error("Not found: Vector with name {0:?} for point not found")]
    NoVector(String),
    /// A failure of the server's own.
    #[error("Service internal error: {0}")]
    Internal(String),
    /// A text or an image that only a remote inference service could embed, in a query.
    #[error("Inference error: {0}")]
    Inference(Box<Error>),
    /// What Qdrant can do and the stand-in can't.
    #[error("the stand-in does not do this: {0}")]
    Unimplemented(&'static str),
}

impl Error {
    /// A field outside its bounds.
    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// A field of which Qdrant's server says no more than this.
    pub(crate) fn invalid_at_all(field: impl Into<String>, reason: &str) -> Self {
        Self::invalid(field, format!("Validation error: {reason} [{{}}]"))
    }

    /// The same, of a message that is a part of another: a field's path begins there.
    #[must_use]
    pub(crate) fn within(self, path: &str) -> Self {
        match self {
            Self::Invalid { field, reason } => Self::invalid(format!("{path}.{field}"), reason),
            other => other,
        }
    }

    /// A message that makes no sense.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }

    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Invalid { .. } | Self::BadInput(_) | Self::BadRequest(_) => {
                Code::InvalidArgument
            }
            Self::Exists(_) => Code::AlreadyExists,
            Self::NoCollection(_)
            | Self::NoAlias(_)
            | Self::NoLookup(_)
            | Self::NoPoint(_)
            | Self::NoVector(_) => Code::NotFound,
            Self::Internal(_) | Self::Inference(_) => Code::Internal,
            Self::Unimplemented(_) => Code::Unimplemented,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<OperationError> for Error {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::PointIdError { missed_point_id } => Self::NoPoint(missed_point_id),
            OperationError::WrongSparse => {
                Self::BadInput("Conversion between sparse and regular vectors failed".to_owned())
            }
            OperationError::WrongMulti => {
                Self::BadInput("Conversion between multi and regular vectors failed".to_owned())
            }
            OperationError::ServiceError { description, .. } => Self::Internal(description),
            OperationError::InconsistentStorage { .. }
            | OperationError::OutOfMemory { .. }
            | OperationError::Cancelled { .. }
            | OperationError::Timeout { .. } => Self::Internal(error.to_string()),
            OperationError::WrongVectorDimension { .. }
            | OperationError::VectorNameNotExists { .. }
            | OperationError::TypeError { .. }
            | OperationError::TypeInferenceError { .. }
            | OperationError::ValidationError { .. }
            | OperationError::MissingRangeIndexForOrderBy { .. }
            | OperationError::MissingMapIndexForFacet { .. }
            | OperationError::VariableTypeError { .. }
            | OperationError::NonFiniteNumber { .. } => Self::BadInput(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// What most functions here return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Runs what the engine does, which blocks, away from the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<tonic::Response<T>, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(tonic::Response::new(result?)),
        Err(panic) => Err(Error::Internal(panic.to_string()).into()),
    }
}
