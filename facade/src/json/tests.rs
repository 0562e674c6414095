//! Tests of both directions.
