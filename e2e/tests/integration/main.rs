//! The hub as its users meet it.
