//! Fewer underscores than arguments.

use rocketbotte::event::Event;

async fn wrong(_: Event, _: Event) {}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", rocketbotte::debug_handler!(wrong(_)));
}
