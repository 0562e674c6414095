//! docs/tools.md.
use crate::error::Result;
pub(super) fn page() -> Result<String> {
    Ok(String::new())
}
