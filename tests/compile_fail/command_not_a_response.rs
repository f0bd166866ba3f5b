//! A return type that is no response.

async fn wrong() -> i32 {
    1
}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", wrong);
}
