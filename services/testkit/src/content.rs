//! What the fixtures are made of: the suite's texts, a picture and a sound as small as they can be.

use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::content::v1::{Content, Media, ResourceContents, resource_contents};

/// A picture of one red pixel.
pub(crate) const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, // what makes it a PNG
    0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0,
    0, // 1 x 1, 8 bits of each of RGB
    0x90, 0x77, 0x53, 0xde, // its checksum
    0, 0, 0, 12, b'I', b'D', b'A', b'T', 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01, 0x01,
    0x00, // the pixel, deflated
    0x18, 0xdd, 0x8d, 0xb0, // its checksum
    0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82, // the end
];

/// A sound of four samples of silence: PCM, mono, 8,000 Hz, 8 bits.
pub(crate) const WAV: &[u8] = &[
    b'R', b'I', b'F', b'F', 40, 0, 0, 0, b'W', b'A', b'V', b'E', // 40 bytes follow the first eight
    b'f', b'm', b't', b' ', 16, 0, 0, 0, 1, 0, 1, 0, // 16 bytes: PCM, one channel
    0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, // 8,000 samples and bytes a second, of a byte each
    b'd', b'a', b't', b'a', 4, 0, 0, 0, 128, 128, 128, 128, // four bytes: the middle
];

/// A block of one kind, for everybody.
pub(crate) fn block(kind: Kind) -> Content {
    Content {
        kind: Some(kind),
        annotations: None,
    }
}

pub(crate) fn text(text: impl Into<String>) -> Content {
    block(Kind::Text(text.into()))
}

pub(crate) fn picture() -> Content {
    block(Kind::Image(Media {
        data: PNG.to_vec(),
        mime_type: "image/png".to_owned(),
    }))
}

pub(crate) fn sound() -> Content {
    block(Kind::Audio(Media {
        data: WAV.to_vec(),
        mime_type: "audio/wav".to_owned(),
    }))
}

/// A document that comes along.
pub(crate) fn document(uri: &str, mime_type: &str, text: &str) -> Content {
    block(Kind::Resource(text_at(uri, mime_type, text)))
}

/// The text of a document.
pub(crate) fn text_at(uri: &str, mime_type: &str, text: &str) -> ResourceContents {
    ResourceContents {
        uri: uri.to_owned(),
        mime_type: mime_type.to_owned(),
        kind: Some(resource_contents::Kind::Text(text.to_owned())),
    }
}
