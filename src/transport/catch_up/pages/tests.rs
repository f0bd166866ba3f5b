use serde_json::json;

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn message(id: i64, written: i64, revision: i64) -> Value {
    json!({
        "_id": id.to_string(), "rid": "r", "msg": "", "u": {"_id": "uA"},
        "ts": {"$date": written}, "_updatedAt": {"$date": revision},
    })
}

fn bound(keeps: Keep, most: usize) -> Bound {
    Bound {
        keeps,
        most,
        news_after: at(0),
    }
}

fn ids(result: &SyncResult) -> Vec<i64> {
    let id = |message: &Value| message["_id"].as_str().unwrap().parse().unwrap();
    result.updated.iter().rev().map(id).collect()
}

/// What a server with these messages answers.
fn ask(pages: &Pages, messages: &[(i64, i64)]) -> (Vec<Value>, bool) {
    let mut found: Vec<_> = messages
        .iter()
        .filter(|(_, revision)| at(*revision) > pages.place)
        .collect();
    found.sort_by_key(|(_, revision)| *revision);
    let has_more = found.len() > pages.count;
    found.truncate(pages.count);
    (
        found
            .into_iter()
            .map(|(id, revision)| message(*id, *id, *revision))
            .collect(),
        has_more,
    )
}

fn read(pages: &mut Pages, messages: &[(i64, i64)], bound: &Bound) -> usize {
    let mut asked = 0;
    while !pages.is_complete {
        let (page, has_more) = ask(pages, messages);
        assert!(pages.page(page, has_more, None));
        pages.bound(bound);
        asked += 1;
        assert!(asked < 1000, "it does not get on");
    }
    asked
}

#[test]
fn many_of_one_time_at_the_edge_of_a_page() {
    for together in [1, 2, 3, 7, 20, 39] {
        let messages: Vec<_> = (0..60).map(|n| (n, 100 + n / together)).collect();
        let mut pages = Pages::after(at(50));
        pages.count = 5;
        read(&mut pages, &messages, &bound(Keep::Newest, 1000));
        assert_eq!(
            ids(&pages.result(Vec::new())),
            (0..60).collect::<Vec<_>>(),
            "{together} together"
        );
    }
}

#[test]
fn what_is_changed_between_two_pages_is_there_once_as_it_is_now() {
    let mut messages: Vec<_> = (0..20).map(|n| (n, 100 + n)).collect();
    let mut pages = Pages::after(at(50));
    pages.count = 5;
    let (page, has_more) = ask(&pages, &messages);
    assert!(pages.page(page, has_more, None));
    messages[2].1 = 500;
    messages[13].1 = 501;
    read(&mut pages, &messages, &bound(Keep::Newest, 1000));
    let result = pages.result(Vec::new());
    assert_eq!(ids(&result), (0..20).collect::<Vec<_>>());
    assert_eq!(result.updated[17]["_updatedAt"], json!({"$date": 500}));
}

#[test]
fn of_too_many_the_newest_are_kept_or_the_rest_is_left() {
    let messages: Vec<_> = (0..50).map(|n| (n, 100 + n)).collect();
    let mut pages = Pages::after(at(50));
    pages.count = 5;
    read(&mut pages, &messages, &bound(Keep::Newest, 12));
    assert_eq!((pages.skipped(), pages.left_from()), (38, None));
    assert!(pages.bytes > 0 && pages.latest.len() == 12);
    assert_eq!(ids(&pages.result(Vec::new())), (38..50).collect::<Vec<_>>());

    let mut pages = Pages::after(at(50));
    pages.count = 5;
    read(&mut pages, &messages, &bound(Keep::Oldest, 12));
    let left_from = pages.left_from().unwrap();
    assert_eq!(pages.skipped(), 0);
    let read = ids(&pages.result(Vec::new()));
    assert!(read.len() > 12 && read.len() < 20);
    assert_eq!(read, (0..i64::try_from(read.len()).unwrap()).collect::<Vec<_>>());
    let rest = messages.iter().filter(|(_, revision)| at(*revision) >= left_from);
    assert!(rest.count() + read.len() >= 50, "nothing between the two");
}

#[test]
fn pages_that_begin_with_the_newest_are_no_pages() {
    let mut newest: Vec<_> = (0..5).map(|n| message(n, n, 100 + n)).collect();
    newest.reverse();
    assert!(!Pages::after(at(0)).page(newest.clone(), true, None));
    assert!(
        Pages::after(at(0)).page(newest, false, None),
        "it is all there is"
    );
}

#[test]
fn a_history_is_read_from_the_newest_on() {
    let messages: Vec<_> = (0..60).map(|n| message(n, 100 + n / 3, 500 - n)).collect();
    let history = |pages: &mut Pages, bound: &Bound| {
        while !pages.is_complete {
            let latest = pages.latest();
            let is_before = |fetched: &Fetched| latest.is_none_or(|latest| fetched.written < latest);
            let page: Vec<_> = messages
                .iter()
                .rev()
                .filter_map(|message| fetched(message.clone(), None))
                .filter(is_before)
                .take(8)
                .collect();
            let is_full = page.len() == 8;
            pages.history_page(page, is_full, bound);
        }
    };
    let mut pages = Pages::after(at(50));
    history(&mut pages, &bound(Keep::Newest, 1000));
    assert_eq!(ids(&pages.result(Vec::new())), (0..60).collect::<Vec<_>>());
    let mut pages = Pages::after(at(50));
    history(&mut pages, &bound(Keep::Newest, 10));
    assert!(pages.skipped() > 0);
    assert_eq!(ids(&pages.result(Vec::new())).last(), Some(&59));
    let mut pages = Pages::after(at(50));
    history(&mut pages, &bound(Keep::Oldest, 10));
    assert_eq!(pages.left_from(), Some(at(500 - 59)));
    assert_eq!(ids(&pages.result(Vec::new())), (0..10).collect::<Vec<_>>());
}
