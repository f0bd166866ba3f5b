//! What only the page has: joining and the faults, ordered wrongly.

use proptest::prelude::*;
use rocketbotte::sandbox::Sandbox;

use super::client::PATIENCE;
use super::rest::{Scene, assert_documented, orders};
use super::values::{anything, changed, changes, damaged, damages, word};
use super::{assert_works, config, run};

/// Orders that are right.
const ORDERS: &str = r#"
POST join {}
POST join {"name":"zoe"}
GET faults {}
DELETE faults {}
POST faults {"fault":"drop"}
POST faults {"fault":"half_frame"}
POST faults {"fault":"silence","seconds":600}
POST faults {"fault":"gone","seconds":0.001}
POST faults {"fault":"refuse","seconds":600}
POST faults {"fault":"rest","kind":"status","status":503,"endpoint":"me","calls":3}
POST faults {"fault":"rest","kind":"too_many_requests","milliseconds":1000}
POST faults {"fault":"slow","milliseconds":1}
POST faults {"fault":"duplicate","on":true}
POST faults {"fault":"reorder","how":"pairs"}
POST faults {"fault":"cut_at","step":"login"}
"#;

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn orders_that_are_nearly_right_get_an_answer(
        picks in prop::collection::vec((any::<prop::sample::Index>(), changes(), prop::option::of(damages()), 0..8_u8), 1..8),
        name in word(),
        other in anything(),
    ) {
        run(async {
            let scene = Scene::new().await;
            let page = scene.sandbox.page_url();
            let (_, token) = page.split_once("?token=").expect("has a token");
            let mut leaves = false;
            for (pick, changes, damages, how) in picks {
                let (verb, path, order) = pick.get(&orders(ORDERS)).clone();
                // The order, or what is none at all; now and then by a wrong token or for a path that is not there.
                let order = if how == 0 { other.clone() } else { changed(order, &changes) };
                let body = order.to_string().into_bytes();
                let body = damages.map_or(body.clone(), |damages| damaged(body, &damages));
                let path = if how == 1 { format!("assets/{}", name.escape_default()) } else { path.to_owned() };
                let path: String = path.chars().filter(char::is_ascii_graphic).collect();
                let token = if how == 2 { "x".repeat(token.len()) } else { token.to_owned() };
                let sent = String::from_utf8_lossy(&body);
                let headers = format!("x-sandbox-token: {token}\r\ncontent-type: application/json");
                let answer = scene.ask(&format!("{verb} /_sandbox/{path}"), &headers, &body).await;
                let gone = scene.sandbox.faults_met().contains_key("server gone");
                match answer {
                    Some((status, body)) => {
                        assert_documented(status, &body);
                        assert!(how != 2 || status == 401, "{status}: {body}");
                        leaves |= status == 200 && sent.contains("gone");
                    }
                    // Nothing listens for a while.
                    None => assert!(gone, "no answer"),
                }
                scene.sandbox.clear_faults();
            }
            // It says so first, and goes then.
            if leaves {
                let gone = |sandbox: &Sandbox| sandbox.faults_met().contains_key("server gone");
                scene.sandbox.wait_until(gone, PATIENCE).await.expect("it goes");
                scene.sandbox.come_back().await;
            }
            assert_works(&scene.sandbox).await;
        });
    }
}
