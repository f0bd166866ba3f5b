//! A transport without a bot behind it, and what it hears.

use std::time::Duration;

use futures_util::StreamExt as _;
use rocketbotte::event::Event;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{Arrival, Connector, DdpTransport, DdpTransportBuilder};
use rocketbotte::{Credentials, ServerUrl};

/// Also in paused time, where an hour is nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// It is quick to come back, and catches up.
pub fn transport(
    sandbox: &Sandbox,
    connector: Connector,
    configure: impl FnOnce(DdpTransportBuilder) -> DdpTransportBuilder,
) -> DdpTransport {
    let account = sandbox.bot("rocketbotte");
    let credentials = Credentials::new(account.id(), account.token()).unwrap();
    let url: ServerUrl = sandbox.url().parse().unwrap();
    let client = Client::builder(url.clone(), connector.clone())
        .credentials(credentials.clone())
        .build();
    let builder = DdpTransport::builder(url, credentials, connector)
        .max_retry_time(Duration::from_millis(20))
        .catch_up(client);
    configure(builder).build()
}

/// The next event, which is done with at once.
pub async fn next(transport: &mut DdpTransport) -> (Event, Arrival) {
    let delivery = tokio::time::timeout(PATIENCE, transport.next())
        .await
        .expect("in time")
        .expect("not the end")
        .expect("no error");
    let (event, arrival, ack) = delivery.into_parts();
    ack.done();
    (event, arrival)
}

/// Everything up to the end of the catch-up, and how much was skipped.
pub async fn until_reconnected(transport: &mut DdpTransport) -> (Vec<(Event, Arrival)>, u64) {
    let mut events = Vec::new();
    loop {
        match next(transport).await {
            (Event::Reconnected(back), _) => return (events, back.skipped()),
            event => events.push(event),
        }
    }
}

/// Everything up to a message with this text.
pub async fn until_message(transport: &mut DdpTransport, end: &str) -> Vec<(Event, Arrival)> {
    let mut events = Vec::new();
    loop {
        match next(transport).await {
            (Event::Message(message), _) if message.text() == end => return events,
            event => events.push(event),
        }
    }
}

pub fn texts(events: &[(Event, Arrival)]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::Message(message) => Some(message.text()),
            _ => None,
        })
        .collect()
}
