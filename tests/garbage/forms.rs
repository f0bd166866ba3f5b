//! Uploads: forms of any shape, right ones and damaged ones.

use proptest::prelude::*;

use super::rest::{Scene, assert_documented};
use super::values::{damaged, damages, word};
use super::{assert_works, config, run};

const BOUNDARY: &str = "b1";

/// The headers of a part: right ones, odd ones, and what is none.
fn header() -> impl Strategy<Value = String> {
    let names = || prop::sample::select(vec!["file", "msg", "tmid", "description", "", "customFields"]);
    prop_oneof![
        4 => names().prop_map(|name| format!("content-disposition: form-data; name=\"{name}\"; filename=\"a.txt\"")),
        3 => names().prop_map(|name| format!("content-disposition: form-data; name=\"{name}\"")),
        1 => names().prop_map(|name| format!("content-disposition: form-data; name={name}; filename=a.txt")),
        1 => names().prop_map(|name| format!("content-disposition: form-data; filename*=UTF-8''%e2%82; name=\"{name}")),
        1 => "[ -~]{0,40}".prop_map(|value| format!("content-disposition: {value}")),
        1 => Just("content-disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\\0\"".to_owned()),
        2 => prop::sample::select(vec!["text/plain", "image/png", "", "x", "multipart/mixed; boundary=b1", "a/b; c"])
            .prop_map(|kind| format!("content-type: {kind}")),
        1 => (0..3_usize).prop_map(|times| format!("x-long: {}", "x".repeat(times * 40_000))),
        1 => word().prop_map(|word| word.replace(['\r', '\n'], "")),
    ]
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        3 => word().prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..200),
        // Of a form within the form, and of its end.
        1 => Just(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nx").into_bytes()),
        1 => Just(format!("\r\n--{BOUNDARY}").into_bytes()),
    ];
    (prop::collection::vec(header(), 0..4), body).prop_map(|(headers, body)| {
        let mut part = format!("--{BOUNDARY}\r\n").into_bytes();
        for header in headers {
            part.extend_from_slice(header.as_bytes());
            part.extend_from_slice(b"\r\n");
        }
        part.extend_from_slice(b"\r\n");
        part.extend_from_slice(&body);
        part.extend_from_slice(b"\r\n");
        part
    })
}

/// Forms; now and then with thousands of parts, and without an end.
fn form() -> impl Strategy<Value = Vec<u8>> {
    let times = prop_oneof![9 => Just(1_usize), 1 => Just(2_000)];
    (prop::collection::vec(part(), 0..6), times, any::<bool>()).prop_map(|(parts, times, has_end)| {
        let mut form = parts.concat();
        let times = times.min(4_000_000 / form.len().max(1)).max(1);
        form = form.repeat(times);
        if has_end {
            form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        }
        form
    })
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn any_form_gets_an_answer(
        endpoint in prop::sample::select(vec!["rooms.media/GENERAL", "rooms.upload/GENERAL", "rooms.media/none", "rooms.mediaConfirm/GENERAL/x", "login"]),
        kind in prop_oneof![
            8 => Just(format!("multipart/form-data; boundary={BOUNDARY}")),
            1 => Just(format!("multipart/form-data; boundary=\"{BOUNDARY}\"; boundary=b2")),
            1 => Just(format!("multipart/form-data; boundary={}", "x".repeat(5_000))),
            1 => "multipart/form-data; boundary=[!-~]{0,80}",
        ],
        form in form(),
        damages in prop::option::of(damages()),
    ) {
        run(async {
            let scene = Scene::new().await;
            let form = match &damages {
                Some(damages) => damaged(form, damages),
                None => form,
            };
            let answer = scene.ask(&format!("POST /api/v1/{endpoint}"), &scene.bots(&kind), &form).await;
            let (status, body) = answer.expect("an answer");
            assert_documented(status, &body);
            assert_works(&scene.sandbox).await;
        });
    }
}

#[test]
fn a_right_form_is_taken_so_that_damaged_ones_reach_the_parser() {
    run(async {
        let scene = Scene::new().await;
        let form = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhi\r\n--{BOUNDARY}--\r\n"
        );
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = scene
            .ask(
                "POST /api/v1/rooms.media/GENERAL",
                &scene.bots(&kind),
                form.as_bytes(),
            )
            .await;
        assert_eq!(
            answer.as_ref().map(|(status, _)| *status),
            Some(200),
            "{answer:?}"
        );
    });
}
