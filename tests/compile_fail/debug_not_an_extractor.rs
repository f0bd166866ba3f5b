//! An argument that is no extractor.

async fn wrong(_text: rocketbotte::extract::Args<String>, _number: i32) {}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", rocketbotte::debug_handler!(wrong(_, _)));
}
