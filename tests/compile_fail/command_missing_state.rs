//! A handler that asks for a state that the router does not get.

use rocketbotte::extract::State;

async fn wrong(_: State<String>) {}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", wrong);
}
