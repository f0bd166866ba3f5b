//! One argument too many.

use rocketbotte::event::Event;

async fn wrong(_: Event, _: Event, _: Event, _: Event, _: Event, _: Event, _: Event, _: Event, _: Event) {}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", rocketbotte::debug_handler!(wrong(_, _, _, _, _, _, _, _, _)));
}
