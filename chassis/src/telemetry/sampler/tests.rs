//! All six samplers, and callers that want more than they may.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};
use proptest::prelude::*;

use super::*;
use crate::trace::context;

fn sampler(name: &str, argument: &str) -> Sampler {
    let find = |variable: &str| match variable {
        "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
        "OTEL_TRACES_SAMPLER_ARG" => Some(argument.to_owned()),
        _ => None,
    };
    let variables = Variables::new(&find);
    let sampler = Sampler::of(&variables);
    assert_eq!(variables.into_warnings(), [""; 0]);
    sampler
}

/// A context whose parent is in another process of ours.
fn trusted(trace_id: TraceId, sampled: bool) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let parent = SpanContext::new(trace_id, SpanId::from(1), flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(parent)
}

fn stranger(trace_id: TraceId, flags: u8) -> Context {
    context::untrusted(&format!("00-{trace_id}-00000000000000f1-{flags:02x}")).expect("a context")
}

/// A trace id that every ratio above 0 lets pass, and one that none below 1 does.
const PASSES: u128 = 1 << 64;
const FAILS: u128 = (1 << 64) | 0xffff_ffff_ffff_ffff;

#[test]
fn each_sampler_decides_as_its_name_says() {
    let (passes, fails) = (TraceId::from(PASSES), TraceId::from(FAILS));
    // name; roots that pass and fail a ratio; sampled and unsampled parents in a trace that fails it
    for (name, expected) in [
        ("always_on", [true, true, true, true]),
        ("always_off", [false, false, false, false]),
        ("traceidratio", [true, false, false, false]),
        ("parentbased_always_on", [true, true, true, false]),
        ("parentbased_always_off", [false, false, true, false]),
        ("parentbased_traceidratio", [true, false, true, false]),
        ("PARENTBASED_TRACEIDRATIO", [true, false, true, false]),
    ] {
        let sampler = sampler(name, "0.5");
        let decided = [
            sampler.samples(Some(&Context::new()), passes),
            sampler.samples(None, fails),
            sampler.samples(Some(&trusted(fails, true)), fails),
            sampler.samples(Some(&trusted(fails, false)), fails),
        ];
        assert_eq!(decided, expected, "{name}");
    }
}

#[test]
fn the_default_is_to_record_what_nobody_has_decided() {
    let nothing = |_: &str| None;
    let sampler = Sampler::of(&Variables::new(&nothing));
    assert_eq!(
        (sampler.parent_based, sampler.root),
        (true, Root::On),
        "the specification's default"
    );
}

#[test]
fn wrong_names_and_arguments_are_warned_of() {
    for (name, argument, expected, warning) in [
        ("xray", "", Root::On, "OTEL_TRACES_SAMPLER must be one of"),
        (
            "traceidratio",
            "1.5",
            Root::Ratio(1.0),
            "OTEL_TRACES_SAMPLER_ARG must be",
        ),
        (
            "traceidratio",
            "NaN",
            Root::Ratio(1.0),
            "OTEL_TRACES_SAMPLER_ARG must be",
        ),
        (
            "traceidratio",
            "half",
            Root::Ratio(1.0),
            "OTEL_TRACES_SAMPLER_ARG must be",
        ),
    ] {
        let find = |variable: &str| match variable {
            "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => Some(argument.to_owned()),
            _ => None,
        };
        let variables = Variables::new(&find);
        assert_eq!(Sampler::of(&variables).root, expected);
        let warnings = variables.into_warnings();
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(warning),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_stranger_with_a_trace_id_that_always_passes_is_recorded_no_more_often_than_others() {
    for name in ["traceidratio", "parentbased_traceidratio"] {
        let sampler = sampler(name, "0.1");
        let recorded = |trace_id: u128, flags| {
            let trace_id = TraceId::from(trace_id);
            let caller = stranger(trace_id, flags);
            (0..10_000)
                .filter(|_| sampler.samples(Some(&caller), trace_id))
                .count()
        };
        for (trace_id, flags) in [(PASSES, 1), (PASSES, 0), (FAILS, 1), (FAILS, 0)] {
            let recorded = recorded(trace_id, flags);
            // Six standard deviations of 10,000 tries with a chance of 0.1.
            assert!((820..=1180).contains(&recorded), "{name}: {recorded}");
        }
    }
}

#[test]
fn what_is_below_the_first_span_of_a_strangers_trace_shares_its_fate() {
    for name in ["traceidratio", "parentbased_traceidratio"] {
        let sampler = sampler(name, "0.5");
        let trace_id = TraceId::from(PASSES);
        for sampled in [true, false] {
            let flags = TraceFlags::default().with_sampled(sampled);
            let ours = SpanContext::new(trace_id, SpanId::from(2), flags, false, TraceState::NONE);
            let below = stranger(trace_id, 1).with_remote_span_context(ours);
            assert_eq!(sampler.samples(Some(&below), trace_id), sampled, "{name}");
        }
    }
}

proptest! {
    #[test]
    fn no_stranger_can_hide_or_have_itself_recorded(trace_id in 1u128.., flags in any::<u8>()) {
        let trace_id = TraceId::from(trace_id);
        let caller = stranger(trace_id, flags);
        for (name, recorded) in [
            ("always_on", true),
            ("parentbased_always_on", true),
            ("always_off", false),
            ("parentbased_always_off", false),
        ] {
            prop_assert_eq!(sampler(name, "").samples(Some(&caller), trace_id), recorded);
        }
        prop_assert!(!Sampler::NOTHING.samples(Some(&caller), trace_id));
    }

    #[test]
    fn nothing_of_a_stranger_but_its_ids_is_passed_on(trace_id in 1u128.., flags in any::<u8>(), text in "\\PC{0,80}") {
        let mut headers = http::HeaderMap::new();
        let parent = format!("00-{}-00000000000000f1-{flags:02x}", TraceId::from(trace_id));
        headers.insert("traceparent", parent.parse().expect("ASCII"));
        for name in ["tracestate", "baggage"] {
            if let Ok(value) = format!("mcp_hub={text}").parse() {
                headers.insert(name, value);
            }
        }
        let header = headers["traceparent"].to_str().expect("ASCII");
        let context = context::untrusted(header).expect("a context");
        let result = sampler("always_on", "").should_sample(
            Some(&context),
            TraceId::from(trace_id),
            "x",
            &SpanKind::Server,
            &[],
            &[],
        );
        prop_assert_eq!(result.trace_state, TraceState::NONE);
        let mut out = http::HeaderMap::new();
        context::inject(&context, &mut out);
        prop_assert!(out.keys().all(|name| name == "traceparent" || (name == "tracestate" && out[name].is_empty())));
        prop_assert!(!out["traceparent"].to_str().expect("ASCII").ends_with("-01"));
    }
}

#[test]
fn what_was_decided_for_a_request_is_so_for_the_trace_that_its_message_names() {
    let sampler = sampler("parentbased_traceidratio", "0.5");
    let named = format!("00-{}-00000000000000f1-01", TraceId::from(PASSES));
    for (decided, trace_id) in [(true, FAILS), (false, PASSES)] {
        let around = trusted(TraceId::from(trace_id), decided);
        let within = context::untrusted_within(&named, &around).expect("a context");
        let recorded = (0..100).filter(|_| sampler.samples(Some(&within), TraceId::from(PASSES)));
        assert_eq!(recorded.count(), if decided { 100 } else { 0 });
    }
    // Without a request around it, it is decided as for any stranger.
    let within = context::untrusted_within(&named, &Context::new()).expect("a context");
    let recorded = (0..1_000).filter(|_| sampler.samples(Some(&within), TraceId::from(PASSES)));
    assert!((300..700).contains(&recorded.count()));
}
