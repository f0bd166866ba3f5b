//! Small frames by hand, each with the events that it has to become; and what overtakes what.

use proptest::prelude::*;

use crate::event::Event;
use crate::event::classify::{Classifier, StreamEvent};

const WRITTEN: i64 = 1_795_334_400_000;

/// A message written at `WRITTEN` and changed `after` ms later, with more fields.
fn frame(after: i64, more: &str) -> StreamEvent {
    let updated = WRITTEN + after;
    raw(&format!(r#""_updatedAt":{{"$date":{updated}}}{more}"#))
}

fn raw(more: &str) -> StreamEvent {
    StreamEvent {
        collection: "stream-room-messages".into(),
        event_name: "__my_messages__".into(),
        args: format!(
            r#"[{{"_id":"m1","rid":"r","msg":"hi","ts":{{"$date":{WRITTEN}}},"u":{{"_id":"uA","username":"ann"}},{more}}},
            {{"roomParticipant":true,"roomType":"c"}}]"#
        )
        .into(),
    }
}

fn subscription(action: &str, more: &str) -> StreamEvent {
    StreamEvent {
        collection: "stream-notify-user".into(),
        event_name: "u/subscriptions-changed".into(),
        args: format!(r#"["{action}",{{"_id":"s1","rid":"r","t":"p","name":"ops"{more}}}]"#).into(),
    }
}

fn shown(event: &Event) -> String {
    match event {
        Event::Message(_) => "message".into(),
        Event::Edited(_) => "edited".into(),
        Event::Updated(_) => "updated".into(),
        Event::Deleted(_) => "deleted".into(),
        Event::Pinned(_) => "pinned".into(),
        Event::ThreadUpdate(_) => "thread".into(),
        Event::Starred(star) => format!(
            "{}star {}",
            if star.is_starred() { "+" } else { "-" },
            star.user_id()
        ),
        Event::RoomJoined(_) => "joined".into(),
        Event::RoomLeft(_) => "left".into(),
        Event::Reaction(reaction) => format!(
            "{}{} {}",
            if reaction.is_added() { "+" } else { "-" },
            reaction.emoji(),
            reaction.username()
        ),
        other => format!("{other:?}"),
    }
}

/// The events of frames that come one after the other.
fn events(frames: &[StreamEvent]) -> Vec<String> {
    let mut classifier = Classifier::new(false);
    frames
        .iter()
        .flat_map(|frame| classifier.classify(frame))
        .map(|event| shown(&event))
        .collect()
}

#[test]
fn a_first_sighting_with_a_trace_of_others_is_not_new() {
    for (after, more, expected) in [
        (42, "", "message"),
        (10_000, "", "message"),
        (10_001, "", "updated"),
        (
            42,
            r#","reactions":{},"starred":[],"tcount":0,"dcount":0,"pinned":false"#,
            "message",
        ),
        (42, r#","reactions":{":a:":{"usernames":["ann"]}}"#, "updated"),
        (42, r#","starred":[{"_id":"uA"}]"#, "updated"),
        (42, r#","starred":[ ]"#, "message"),
        (42, r#","tcount":1"#, "updated"),
        (42, r#","dcount":1"#, "updated"),
        (42, r#","pinned":true"#, "updated"),
        (42, r#","editedAt":{"$date":1795334400041}"#, "edited"),
        (
            42,
            r#","t":"rm","editedAt":{"$date":1795334400041},"reactions":[]"#,
            "deleted",
        ),
    ] {
        assert_eq!(events(&[frame(after, more)]), [expected], "{after} {more}");
    }
}

#[test]
fn what_comes_again_says_what_changed() {
    let ann = r#","reactions":{":a:":{"usernames":["ann"]}}"#;
    let both = r#","reactions":{":a:":{"usernames":["ann","bob"]}}"#;
    let removed = r#","t":"rm","reactions":[],"editedAt":{"$date":1795334405000}"#;
    for (frames, expected) in [
        (vec![frame(1, ""), frame(1, ""), frame(1, "")], vec!["message"]),
        (
            vec![
                frame(1, ""),
                frame(2, ann),
                frame(2, ann),
                frame(3, both),
                frame(4, ""),
            ],
            vec!["message", "+:a: ann", "+:a: bob", "-:a: ann", "-:a: bob"],
        ),
        (
            vec![frame(1, ""), frame(2, both), frame(3, removed), frame(3, removed)],
            vec!["message", "+:a: ann", "+:a: bob", "deleted"],
        ),
        (
            vec![
                frame(1, ""),
                frame(2, r#","pinned":true"#),
                frame(3, r#","pinned":false"#),
            ],
            vec!["message", "pinned", "pinned"],
        ),
        (
            vec![
                frame(1, ""),
                frame(2, r#","tcount":1"#),
                frame(3, r#","tcount":1,"starred":[{"_id":"u"}]"#),
            ],
            vec!["message", "thread", "+star u"],
        ),
    ] {
        assert_eq!(events(&frames), expected);
    }
}

#[test]
fn stars_are_told_by_whose_they_are() {
    let one = r#","starred":[{"_id":"u"}]"#;
    let two = r#","starred":[{"_id":"u"},{"_id":"v"}]"#;
    let bad = r#","starred":[7]"#;
    assert_eq!(
        events(&[
            frame(1, ""),
            frame(2, one),
            frame(3, two),
            frame(4, ""),
            frame(5, bad)
        ]),
        ["message", "+star u", "+star v", "-star u", "-star v", "updated"]
    );
}

#[test]
fn edits_and_deletions_say_what_was_there() {
    let before = |event: &Event| match event {
        Event::Edited(edit) => edit.before().map(str::to_owned),
        Event::Deleted(deletion) => deletion.before().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    let edit = |after: i64, text: &str| {
        let more = format!(r#","msg":"{text}","editedAt":{{"$date":{}}}"#, WRITTEN + after);
        let mut frame = frame(after, &more);
        frame.args = frame.args.replacen(r#""msg":"hi","#, "", 1).into();
        frame
    };
    let removal = StreamEvent {
        collection: "stream-notify-room".into(),
        event_name: "r/deleteMessage".into(),
        args: r#"[{"_id":"m1"}]"#.into(),
    };
    let mut classifier = Classifier::new(false);
    let told: Vec<_> = [
        frame(1, ""),
        edit(2, "ho"),
        edit(4, "ha"),
        removal.clone(),
        removal.clone(),
    ]
    .iter()
    .flat_map(|frame| classifier.classify(frame))
    .filter(|event| !matches!(event, Event::Message(_)))
    .map(|event| before(&event))
    .collect();
    let expected = ["hi", "ho", "ha"].map(|text| Some(text.to_owned()));
    assert_eq!(told, expected);
    let unknown: Vec<_> = Classifier::new(false)
        .classify(&removal)
        .iter()
        .map(before)
        .collect();
    assert_eq!(unknown, [None]);
}

#[test]
fn two_edits_within_a_millisecond_are_two() {
    let edit = |after: i64, text: &str| {
        let more = format!(r#","msg":"{text}","editedAt":{{"$date":{}}}"#, WRITTEN + 2);
        let mut frame = frame(after, &more);
        frame.args = frame.args.replacen(r#""msg":"hi","#, "", 1).into();
        frame
    };
    // The third is the second with a preview of a link.
    assert_eq!(
        events(&[frame(1, ""), edit(2, "ho"), edit(3, "ha"), edit(4, "ha")]),
        ["message", "edited", "edited", "updated"]
    );
}

#[test]
fn a_system_message_is_verified_where_nobody_else_can_send_it() {
    let verified = |version: Option<&str>, system_type: &str| {
        let server = version.map(|text| {
            let server = crate::rest::ServerVersion::default();
            server.learn(text);
            server
        });
        let mut classifier = Classifier::new(false).of_server(server);
        let events = classifier.classify(&frame(1, &format!(r#","t":"{system_type}""#)));
        match &events[..] {
            [Event::System(message)] => message.is_verified(),
            other => panic!("{other:?}"),
        }
    };
    for (version, system_type, expected) in [
        (Some("7.2.0"), "subscription-role-added", true),
        (Some("9.0.0"), "uj", true),
        (Some("9.0.0"), "no-type-of-the-server", false),
        (Some("7.1.9"), "uj", false),
        (Some("3.4.0"), "subscription-role-added", false),
        (Some("newest"), "uj", false),
        (None, "uj", false),
    ] {
        assert_eq!(
            verified(version, system_type),
            expected,
            "{version:?} {system_type}"
        );
    }
}

#[test]
fn a_reaction_that_can_not_be_read_takes_none_back() {
    let good = r#","reactions":{":a:":{"usernames":["ann"]},":b:":{"usernames":["bob"]}}"#;
    let bad = r#","reactions":{":a:":7,":b:":{"usernames":["bob","ann"]}}"#;
    let none = r#","reactions":"?""#;
    assert_eq!(
        events(&[frame(1, ""), frame(2, good), frame(3, bad), frame(4, good)]),
        ["message", "+:a: ann", "+:b: bob", "+:b: ann", "-:b: ann"]
    );
    assert_eq!(events(&[frame(1, ""), frame(2, none)]), ["message", "updated"]);
}

#[test]
fn what_overtakes_a_message_does_not_swallow_it() {
    for late in [
        r#","reactions":{":a:":{"usernames":["ann"]}}"#,
        r#","tcount":1"#,
        r#","pinned":true"#,
        r#","editedAt":{"$date":1795334400900}"#,
    ] {
        let found = events(&[frame(900, late), frame(42, ""), frame(42, ""), frame(900, late)]);
        assert_eq!(found[1..], ["message"], "{late}");
    }
    // Within one millisecond.
    assert_eq!(
        events(&[frame(42, r#","pinned":true"#), frame(42, "")]),
        ["updated", "message"]
    );
    // What was given once, or came from an older change, is not given again.
    assert_eq!(events(&[frame(900, ""), frame(42, "")]), ["message"]);
    assert_eq!(
        events(&[frame(900, r#","tcount":2"#), frame(800, r#","tcount":1"#)]),
        ["updated"]
    );
    assert_eq!(
        events(&[frame(900_000, ""), frame(800_000, "")]),
        ["updated"],
        "both are changes of an old message"
    );
}

#[test]
fn without_a_time_of_the_change_what_is_remembered_is_compared() {
    let bare = || raw(r#""x":0"#);
    let pinned = || raw(r#""pinned":true"#);
    let edited = || raw(r#""editedAt":{"$date":1795334405000}"#);
    assert_eq!(
        events(&[bare(), bare(), pinned(), pinned(), bare(), edited(), edited()]),
        ["message", "pinned", "pinned", "edited"]
    );
    // One of the two does not say when.
    assert_eq!(
        events(&[frame(1, ""), bare(), pinned(), frame(1, "")]),
        ["message", "pinned"]
    );
}

#[test]
fn an_invitation_is_no_membership() {
    assert_eq!(events(&[subscription("inserted", "")]), ["joined"]);
    for status in ["INVITED", "BANNED"] {
        let status = format!(r#","status":"{status}""#);
        assert_eq!(events(&[subscription("inserted", &status)]), [""; 0]);
    }
    assert_eq!(events(&[subscription("removed", "")]), ["left"]);
}

#[test]
fn an_invitation_that_is_accepted_is_one() {
    let invited = |action: &str| subscription(action, r#","status":"INVITED""#);
    for (frames, expected) in [
        (
            vec![invited("inserted"), subscription("updated", "")],
            vec!["joined"],
        ),
        (
            vec![
                invited("inserted"),
                invited("updated"),
                subscription("updated", ""),
                subscription("updated", ""),
                subscription("removed", ""),
            ],
            vec!["joined", "left"],
        ),
        (vec![subscription("updated", "")], vec![]),
        (
            vec![
                invited("inserted"),
                subscription("updated", r#","status":"BANNED""#),
            ],
            vec![],
        ),
        // Declined.
        (vec![invited("inserted"), subscription("removed", "")], vec![]),
    ] {
        assert_eq!(events(&frames), expected);
    }
}

#[test]
fn deletions_of_many_are_told_one_by_one_and_nothing_is_lost() {
    let bulk = |ids: &str| StreamEvent {
        collection: "stream-notify-room".into(),
        event_name: "r/deleteMessageBulk".into(),
        args: format!(r#"[{{"rid":"r","excludePinned":false,"ts":{{}},"users":[]{ids}}}]"#).into(),
    };
    for (ids, expected) in [
        (r#","ids":["m1","m2"]"#, vec!["deleted", "deleted"]),
        (r#","ids":[]"#, vec!["raw"]),
        ("", vec!["raw"]),
        (r#","ids":7"#, vec!["raw"]),
        (r#","ids":["m1",7,"m2"]"#, vec!["deleted", "deleted", "raw"]),
    ] {
        let events = Classifier::new(false).classify(&bulk(ids));
        let kinds: Vec<_> = events.iter().map(|event| event.kind().name()).collect();
        assert_eq!(kinds, expected, "{ids}");
    }
}

/// An earlier process was done with these events of the message.
fn events_after(done: &[(i64, &str)], frames: &[StreamEvent]) -> Vec<String> {
    let mut classifier = Classifier::new(false);
    for (revision, key) in done {
        classifier.recall(key, crate::event::Timestamp::from_millis(WRITTEN + revision));
    }
    frames
        .iter()
        .flat_map(|frame| classifier.classify(frame))
        .map(|event| shown(&event))
        .collect()
}

#[test]
fn what_an_earlier_process_told_is_not_told_again() {
    let at = |after: i64| WRITTEN + after;
    let reacted = r#","reactions":{":a:":{"usernames":["ann"]}}"#;
    let both = r#","reactions":{":a:":{"usernames":["ann","bob"]}}"#;
    let edited = format!(r#","editedAt":{{"$date":{}}}"#, at(3));
    let pinned = format!(r#","pinned":true,"pinnedAt":{{"$date":{}}}"#, at(3));
    let replied = format!(r#","tcount":2,"tlm":{{"$date":{}}}"#, at(3));
    let starred = r#","starred":[{"_id":"u"}]"#;
    let (new, react) = ((1, "m1"), (2, "m1/react/ann/:a:/1795334400002"));
    let rows: Vec<(Vec<(i64, &str)>, Vec<StreamEvent>, Vec<&str>)> = vec![
        (vec![new], vec![frame(1, "")], vec![]),
        // What was told before is there still, and something else has changed.
        (vec![new, react], vec![frame(9, reacted)], vec!["updated"]),
        (vec![new, react], vec![frame(9, both)], vec!["+:a: bob"]),
        (vec![new, react], vec![frame(9, "")], vec!["-:a: ann"]),
        (
            vec![new, react, (3, "m1/unreact/ann/:a:/1795334400003")],
            vec![frame(9, reacted)],
            vec!["+:a: ann"],
        ),
        (vec![new], vec![frame(9, reacted)], vec!["+:a: ann"]),
        // It was given with what was there then.
        (
            vec![(20_000, "m1")],
            vec![frame(20_009, reacted)],
            vec!["updated"],
        ),
        (
            vec![(20_000, "m1")],
            vec![frame(20_009, reacted), frame(20_010, both)],
            vec!["updated", "+:a: bob"],
        ),
        // Nobody knows what that was.
        (
            vec![new, (5, "m1/updated/1795334400005")],
            vec![frame(9, reacted)],
            vec!["updated"],
        ),
        (vec![new], vec![frame(9, &edited)], vec!["edited"]),
        (
            vec![new, (3, "m1/edited/3")],
            vec![frame(9, &edited)],
            vec!["updated"],
        ),
        (vec![new], vec![frame(9, &pinned)], vec!["pinned"]),
        (
            vec![new, (3, "m1/pinned/3")],
            vec![frame(9, &pinned)],
            vec!["updated"],
        ),
        (
            vec![new, (3, "m1/pinned/3")],
            vec![frame(9, &edited)],
            vec!["updated"],
        ),
        (vec![new], vec![frame(9, r#","pinned":true"#)], vec!["updated"]),
        (vec![new], vec![frame(9, &replied)], vec!["thread"]),
        (
            vec![new, (3, "m1/thread_update/3")],
            vec![frame(9, &replied), frame(10, "")],
            vec!["updated", "thread"],
        ),
        (vec![new], vec![frame(9, starred)], vec!["+star u"]),
        (
            vec![new, (3, "m1/star/u/3")],
            vec![frame(9, starred), frame(10, "")],
            vec!["updated", "-star u"],
        ),
        (vec![new], vec![frame(9, r#","t":"rm""#)], vec!["deleted"]),
        (
            vec![new, (3, "m1/deleted")],
            vec![frame(9, r#","t":"rm""#)],
            vec![],
        ),
        // An older state that comes late says nothing.
        (
            vec![new, (5, "m1/edited/5")],
            vec![frame(3, both), frame(9, "")],
            vec!["updated"],
        ),
    ];
    for (done, frames, expected) in rows {
        assert_eq!(events_after(&done, &frames), expected, "{done:?} {frames:?}");
    }
}

#[test]
fn half_a_surrogate_pair_does_not_lose_the_message() {
    assert_eq!(events(&[frame(1, r#","alias":"\ud83d","x":1e999"#)]), ["message"]);
}

proptest! {
    /// However the frames of a message overtake each other and repeat, it is new exactly once, as it was written.
    #[test]
    fn in_any_order_a_message_is_new_once(
        order in prop::collection::vec(0_usize..5, 0..12),
        shuffled in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let frames = [
            frame(0, ""),
            frame(100, r#","reactions":{":a:":{"usernames":["ann"]}}"#),
            frame(200, r#","reactions":{":a:":{"usernames":["ann"]}},"tcount":1"#),
            frame(300, r#","tcount":1,"editedAt":{"$date":1795334400300}"#),
            frame(20_000, r#","tcount":1,"pinned":true,"editedAt":{"$date":1795334400300}"#),
        ];
        // Each of them comes at least once.
        let frames: Vec<_> = order.into_iter().chain(shuffled).map(|i| frames[i].clone()).collect();
        let events = events(&frames);
        prop_assert_eq!(events.iter().filter(|event| *event == "message").count(), 1, "{:?}", events);
    }
}
