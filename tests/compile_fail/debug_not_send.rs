//! A future that is not `Send`.

async fn wrong() {
    let counter = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(counter);
}

fn main() {
    let _: rocketbotte::Router = rocketbotte::Router::new().command("wrong", rocketbotte::debug_handler!(wrong()));
}
