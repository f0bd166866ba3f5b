//! From the text of a frame to the event: `cargo bench --bench parse`.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rocketbotte::testing::parse::{Frame, FrameParser};

#[path = "support/frames.rs"]
mod frames;

/// Each frame is a new message, as in a room: the classifier remembers it and forgets the oldest.
fn new_message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse/new message");
    for (name, bytes) in [("0.5 kB", 500), ("1.5 kB", 1_500), ("10 kB", 10_000)] {
        const PLACE: &str = "id-00000000000000";
        let template = frames::message(PLACE, bytes);
        let mut parser = FrameParser::new();
        let mut number = 0_u64;
        let mut next = || {
            number += 1;
            Frame::new(template.replacen(PLACE, &format!("id-{number:014}"), 1))
        };
        // As full as in a bot that has run for a while.
        for _ in 0..10_000 {
            assert_eq!(parser.events(&next()).count(), 1);
        }
        group.throughput(Throughput::Bytes(template.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                &mut next,
                |frame| parser.events(&frame).for_each(|event| drop(black_box(event))),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// What costs a bot nothing but the look at it.
fn ignored(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse/ignored");
    let again = frames::message("m1", 1_500);
    let not_joined = again.replace(r#""roomParticipant":true"#, r#""roomParticipant":false"#);
    for (name, frame) in [
        ("ping", r#"{"msg":"ping"}"#.to_owned()),
        ("message seen before, 1.5 kB", again),
        ("room not joined, 1.5 kB", not_joined),
    ] {
        let frame = Frame::new(frame);
        let mut parser = FrameParser::new();
        parser.events(&frame).for_each(drop);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                parser.events(&frame).for_each(|event| drop(black_box(event)));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, new_message, ignored);
criterion_main!(benches);
