//! The seal of session ids.
