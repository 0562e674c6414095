//! The ids of points.

use qdrant_client::qdrant::PointId as ApiId;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_edge::PointId;
use qdrant_edge::external::uuid::Uuid;

use crate::error::{Error, Result};

/// A number or a UUID in any of its forms.
pub(crate) fn from_api(id: ApiId) -> Result<PointId> {
    match id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(number)),
        Some(PointIdOptions::Uuid(text)) => Uuid::parse_str(&text)
            .map(PointId::Uuid)
            .map_err(|_| Error::malformed(format!("Unable to parse UUID: {text}"))),
        None => Err(Error::malformed("No ID options provided")),
    }
}

/// An id that must be there.
pub(crate) fn required(id: Option<ApiId>, missing: &str) -> Result<PointId> {
    from_api(id.ok_or_else(|| Error::malformed(missing))?)
}

/// All of a list.
pub(crate) fn list(ids: Vec<ApiId>) -> Result<Vec<PointId>> {
    ids.into_iter().map(from_api).collect()
}

/// As clients see it.
pub(crate) fn to_api(id: PointId) -> ApiId {
    let options = match id {
        PointId::NumId(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.to_string()),
    };
    ApiId {
        point_id_options: Some(options),
    }
}
