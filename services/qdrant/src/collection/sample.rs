//! What the payloads of a sample have in them.
