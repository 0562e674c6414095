use std::collections::HashMap;

use super::*;
use crate::binding::tests::{embeddings, shape};

fn dense(dimensions: usize) -> vector::Vector {
    vector::Vector::Dense(vec![1.0; dimensions])
}

fn sparse() -> vector::Vector {
    vector::Vector::Sparse {
        indices: vec![1],
        values: vec![1.0],
    }
}

#[tokio::test]
async fn a_vector_goes_to_the_one_that_it_fits() {
    let embeddings = embeddings("'reviews/b=m'").await;
    let shape_of = |dense: &[(&str, u64)], sparse: &[(&str, bool)]| shape(dense, sparse, HashMap::new());
    let shape = shape_of(
        &[("a", 2), ("b", 3), ("c", 3), ("d", 4), ("e", 4)],
        &[("s", false)],
    );
    let bindings = Bindings::of(&shape, &embeddings);
    let chosen = |using: Option<&str>, given: &vector::Vector| {
        for_vector(&bindings, using, given).map(|vector| vector.name.as_str())
    };
    assert_eq!(chosen(None, &dense(2)), Ok("a"));
    assert_eq!(chosen(None, &dense(3)), Ok("b"), "the bound one");
    assert_eq!(chosen(Some("c"), &dense(3)), Ok("c"));
    assert_eq!(chosen(None, &sparse()), Ok("s"));
    let fault = chosen(None, &dense(4)).expect_err("two");
    assert_eq!(
        fault.message,
        "several vectors could be meant: name one with using (d (4), e (4))"
    );
    let fault = chosen(None, &dense(5)).expect_err("none");
    assert!(
        fault.message.starts_with(
            "no vector of `reviews` fits one that is dense with 5 dimensions; there are: a (2), b (3)"
        ),
        "{fault}"
    );
    let fault = chosen(Some("a"), &dense(3)).expect_err("another size");
    assert_eq!(
        fault.message,
        "vector is dense with 3 dimensions, and a (2) is not"
    );
    let fault = chosen(Some("a"), &sparse()).expect_err("another form");
    assert_eq!(fault.message, "vector is sparse, and a (2) is not");
    let fault = chosen(Some("aa"), &dense(2)).expect_err("no such");
    assert_eq!(
        (fault.reason, fault.metadata["did_you_mean"].as_str()),
        (Reason::ObjectNotFound, "a,b,c")
    );
    let fault = chosen(None, &vector::Vector::Dense(vec![0.0; 2])).expect_err("no direction");
    assert!(fault.message.contains("all zeros"), "{fault}");

    let unnamed = shape_of(&[("", 2)], &[("s", true)]);
    let bindings = Bindings::of(&unnamed, &embeddings);
    assert_eq!(for_vector(&bindings, None, &dense(2)).expect("fits").name, "");
    let fault = for_vector(&bindings, Some("text"), &dense(2)).expect_err("no names");
    assert!(
        fault
            .message
            .contains("there are: the unnamed one (2), s (sparse)"),
        "{fault}"
    );
}

#[tokio::test]
async fn points_are_alike_by_the_vector_that_is_meant() {
    let embeddings = embeddings("").await;
    let chosen = |dense: &[(&str, u64)], sparse: &[(&str, bool)], using: Option<&str>| {
        let shape = shape(dense, sparse, HashMap::new());
        let bindings = Bindings::of(&shape, &embeddings);
        for_points(&bindings, using)
            .map(|vector| vector.name.clone())
            .map_err(|fault| fault.message)
    };
    assert_eq!(chosen(&[("", 2)], &[("s", true)], None).as_deref(), Ok(""));
    assert_eq!(chosen(&[("a", 2)], &[("s", true)], None).as_deref(), Ok("a"));
    assert_eq!(chosen(&[("a", 2)], &[("s", true)], Some("s")).as_deref(), Ok("s"));
    assert_eq!(chosen(&[], &[("s", true)], None).as_deref(), Ok("s"));
    let several = "several vectors could be meant: name one with using (a (2), b (2))";
    assert_eq!(chosen(&[("a", 2), ("b", 2)], &[], None), Err(several.to_owned()));
    let none = chosen(&[], &[], None).expect_err("no vectors");
    assert!(none.contains("has no vectors"), "{none}");
}
