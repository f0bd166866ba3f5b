//! A function that is not async.

fn wrong() -> &'static str {
    "pong"
}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", wrong);
}
