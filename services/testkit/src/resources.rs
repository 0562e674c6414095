//! The resources that the suite asks for, under the addresses that it gives them: the adapter's key, `test`, is their scheme.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::resource::{Page, Resources};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink, resource_contents};
use mcp_hub_proto::resource::v1::ResourceTemplate;

use crate::content::{PNG, text_at};

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";
pub(crate) const TEMPLATE: &str = "test://template/{id}/data";

/// The documents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Documents;

#[tonic::async_trait]
impl Resources for Documents {
    /// Two pages of one each, so that paging is seen.
    async fn list(&self, cursor: Option<&str>) -> Result<Page, Fault> {
        match cursor {
            None => Ok(Page {
                resources: vec![link(TEXT, "static-text", "A text.", "text/plain")],
                next_cursor: Some("binary".to_owned()),
            }),
            Some("binary") => Ok(Page {
                resources: vec![link(BINARY, "static-binary", "A picture.", "image/png")],
                next_cursor: None,
            }),
            Some(_) => Err(Fault::argument("cursor", "there is no such page")),
        }
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: TEMPLATE.to_owned(),
            name: "template-data".to_owned(),
            title: "Data by id".to_owned(),
            description: "An object that says its id.".to_owned(),
            mime_type: "application/json".to_owned(),
        }]
    }

    async fn read(&self, uri: &str) -> Result<Vec<ResourceContents>, Fault> {
        let contents = match uri {
            TEXT => text_at(
                uri,
                "text/plain",
                "This is the content of the static text resource.",
            ),
            BINARY => ResourceContents {
                uri: uri.to_owned(),
                mime_type: "image/png".to_owned(),
                kind: Some(resource_contents::Kind::Blob(PNG.to_vec())),
            },
            _ => {
                let id = id(uri).ok_or_else(|| {
                    Fault::new(Reason::ObjectNotFound, format!("there is no resource at {uri:?}"))
                })?;
                let data = serde_json::json!({
                    "id": id,
                    "templateTest": true,
                    "data": format!("Data for ID: {id}"),
                });
                text_at(uri, "application/json", &data.to_string())
            }
        };
        Ok(vec![contents])
    }
}

/// The id in an address of the template's form.
fn id(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

fn link(uri: &str, name: &str, description: &str, mime_type: &str) -> ResourceLink {
    ResourceLink {
        uri: uri.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        mime_type: mime_type.to_owned(),
        ..ResourceLink::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(id("test://template/123/data"), Some("123"));
        for other in [
            "test://template//data",
            "test://template/1/2/data",
            "test://template/data",
            "test://static-text",
        ] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
