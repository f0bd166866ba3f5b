//! The name alone.

async fn wrong() {}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", rocketbotte::debug_handler!(wrong));
}
