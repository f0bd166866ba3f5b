//! The task that owns the socket: connects, runs sessions, hands events over, and connects again.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytestring::ByteString;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::DdpTransportBuilder;
use super::confirm::{Answer, Confirmations};
use super::connection::{Class, Failure, Socket, open};
use super::outbound::Outbound;
use super::output::Output;
use super::session::{Session, SessionConfig};
use crate::event::classify::{self, Classifier, StreamEvent};
use crate::event::{Event, MessageId, Reconnected, RoomId};
use crate::rest::token_source::{NotRenewed, TokenNews, TokenSource};
use crate::transport::backoff::{Backoff, Next};
use crate::transport::catch_up::{CatchUp, Deliveries, News};
use crate::transport::{ConnectionState, Delivery, TransportError};

/// A frame that cannot be written within this time: the peer does not read, the connection is dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long saying good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the transport's owner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// No more events, and no connection.
    Stopping,
}

#[derive(Debug)]
pub(super) struct TypingCall {
    pub(super) room_id: RoomId,
    pub(super) thread_id: Option<MessageId>,
    pub(super) on: bool,
}

#[derive(Debug)]
pub(super) struct Worker {
    settings: DdpTransportBuilder,
    tokens: TokenSource,
    token_news: TokenNews,
    /// The token of the connection.
    token_serial: u64,
    classifier: Classifier,
    backoff: Backoff,
    /// The stream ends with the worker, when the connection is closed.
    deliveries: mpsc::Sender<Result<Delivery, TransportError>>,
    typing: mpsc::Receiver<TypingCall>,
    phase: watch::Receiver<Phase>,
    state: watch::Sender<ConnectionState>,
    overflow: Arc<AtomicU64>,
    was_ready: bool,
    is_first_attempt: bool,
    /// When the connection that is gone last showed life.
    lost_at: Option<Instant>,
    last_frame: Instant,
    catch_up: Option<CatchUp>,
    confirmations: Option<Confirmations>,
    /// The rooms that the bot is known to be in, where each of them is subscribed to.
    rooms: HashSet<RoomId>,
}

/// How a connection ended.
enum End {
    /// The owner wants no connection any more.
    Stopped,
    Failed(Failure),
}

impl Worker {
    pub(super) fn new(
        settings: DdpTransportBuilder,
        deliveries: mpsc::Sender<Result<Delivery, TransportError>>,
        typing: mpsc::Receiver<TypingCall>,
        phase: watch::Receiver<Phase>,
        state: watch::Sender<ConnectionState>,
        overflow: Arc<AtomicU64>,
    ) -> Self {
        let tokens = settings.tokens.clone();
        let client = settings.client.as_ref().or(settings.catch_up.as_ref()).cloned();
        let version = client.as_ref().map(|client| client.version().clone());
        let catch_up = settings.catch_up.clone().map(|client| {
            CatchUp::new(
                client,
                settings.limits,
                settings.hints.clone(),
                Arc::clone(&overflow),
                settings.ledger.clone(),
            )
            .tells(Arc::clone(&settings.vitals))
        });
        Self {
            catch_up,
            last_frame: Instant::now(),
            token_news: tokens.news(),
            token_serial: 0,
            tokens,
            classifier: Classifier::new(settings.unjoined_rooms).of_server(version),
            confirmations: client.map(Confirmations::new),
            rooms: HashSet::new(),
            backoff: Backoff::new(settings.backoff, Instant::now()),
            settings,
            deliveries,
            typing,
            phase,
            state,
            overflow,
            was_ready: false,
            is_first_attempt: true,
            lost_at: None,
        }
    }

    pub(super) async fn run(mut self: Box<Self>) {
        if tracing::enabled!(target: "tungstenite::protocol", tracing::Level::TRACE) {
            tracing::warn!(
                "with tungstenite at TRACE the login token may get into the log; filter tungstenite=debug"
            );
        }
        if let Some(catch_up) = &mut self.catch_up {
            tokio::select! {
                biased;
                () = stopped(&mut self.phase) => {}
                () = catch_up.begin(&mut self.classifier) => {}
            }
        }
        self.tell_whether_behind();
        self.backoff = Backoff::new(self.settings.backoff, Instant::now());
        while let End::Failed(failure) = self.connect().await {
            self.settings.vitals.connection_failed();
            self.state.send_replace(ConnectionState::Off);
            self.is_first_attempt = false;
            let now = Instant::now();
            if self.was_ready {
                let at = *self.lost_at.get_or_insert(self.last_frame);
                if let Some(catch_up) = &mut self.catch_up {
                    catch_up.lost(at);
                }
                self.tell_whether_behind();
            }
            let is_fatal = match failure.class {
                Class::Refused | Class::TokenRefused => true,
                Class::Configuration => !self.was_ready,
                Class::Passing => false,
                Class::NewToken => {
                    tracing::info!("the account has a new token, connecting with it");
                    continue;
                }
            };
            if is_fatal {
                self.end_with(failure).await;
                break;
            }
            match self.backoff.failed(now, fastrand::f64()) {
                Next::Retry(wait) => {
                    tracing::warn!(error = failure.message(), ?wait, "no connection, trying again");
                    tokio::select! {
                        biased;
                        () = stopped(&mut self.phase) => break,
                        () = tokio::time::sleep(wait) => {}
                        never = hand_over(&mut self.catch_up, &self.deliveries) => match never {},
                    }
                }
                Next::GiveUp { attempts, off } => {
                    let failure = failure.give_up(&self.settings.url, attempts, off);
                    self.end_with(failure).await;
                    break;
                }
            }
        }
        self.state.send_replace(ConnectionState::Closed);
    }

    /// One connection, from the first byte to the last.
    async fn connect(&mut self) -> End {
        tracing::debug!(url = %self.settings.url, "connecting");
        let opened = tokio::select! {
            biased;
            () = stopped(&mut self.phase) => return End::Stopped,
            opened = open(&self.settings.url, &self.settings.connector) => opened,
            never = hand_over(&mut self.catch_up, &self.deliveries) => match never {},
        };
        let mut socket = match opened {
            Ok(socket) => socket,
            Err(failure) => return End::Failed(failure),
        };
        let mut phase = self.phase.clone();
        let end = tokio::select! {
            biased;
            () = stopped(&mut phase) => End::Stopped,
            end = self.talk(&mut socket) => end,
        };
        if matches!(end, End::Stopped) {
            self.state.send_replace(ConnectionState::Closing);
        }
        // The peer may be gone: saying good-bye is a courtesy.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, say_goodbye(&mut socket, &end)).await;
        match end {
            End::Failed(failure) if failure.class == Class::TokenRefused && self.tokens.can_renew() => {
                self.state.send_replace(ConnectionState::Off);
                self.renew().await
            }
            end => end,
        }
    }

    /// The token is refused: waits for another one.
    async fn renew(&mut self) -> End {
        let renewed = tokio::select! {
            biased;
            () = stopped(&mut self.phase) => return End::Stopped,
            renewed = self.tokens.renew(self.token_serial) => renewed,
            never = hand_over(&mut self.catch_up, &self.deliveries) => match never {},
        };
        End::Failed(match renewed {
            Ok(()) => Failure::new_token(),
            Err(why) => not_renewed(why),
        })
    }

    /// Runs a session until it ends by itself.
    async fn talk(&mut self, socket: &mut Socket) -> End {
        // It may be another version than before, and another token.
        let client = self.settings.client.as_ref().or(self.settings.catch_up.as_ref());
        let held = self.tokens.held();
        self.token_serial = held.serial();
        let config = SessionConfig {
            user_id: self.tokens.user_id().clone(),
            token: held.token().clone(),
            per_room: self.settings.per_room,
            has_activity: client.is_none_or(|client| client.version().has_activity()),
        };
        let mut session = Session::new(config, Instant::now());
        loop {
            if let Err(end) = self.carry_out(&mut session, socket).await {
                return end;
            }
            if let Err(end) = self.next(&mut session, socket).await {
                return end;
            }
        }
    }

    /// Does what the session asks for.
    async fn carry_out(&mut self, session: &mut Session, socket: &mut Socket) -> Result<(), End> {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(text) => {
                    match tokio::time::timeout(WRITE_TIMEOUT, socket.send(Frame::text(text.0))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            return Err(End::Failed(Failure::of_socket(&self.settings.url, error)));
                        }
                        Err(_) => {
                            let message = format!("{} takes no frames any more", self.settings.url);
                            return Err(End::Failed(Failure::passing(message)));
                        }
                    }
                }
                Output::State(state) => {
                    if state == ConnectionState::LoggedIn {
                        self.tokens.in_use(self.token_serial);
                    }
                    self.state.send_replace(state);
                }
                Output::TokenExpires(at) => self.tokens.expires(self.token_serial, at),
                Output::Ready => {
                    self.on_ready();
                    self.subscribe_rooms(session);
                }
                Output::Event(event) => self.on_event(event, session),
                Output::Close(reason) => {
                    let user_id = self.tokens.user_id().as_str();
                    return Err(End::Failed(Failure::of_session(
                        &self.settings.url,
                        user_id,
                        reason,
                    )));
                }
            }
        }
        Ok(())
    }

    /// Waits for whatever comes first and tells the session.
    async fn next(&mut self, session: &mut Session, socket: &mut Socket) -> Result<(), End> {
        let timer = async {
            match session.next_timeout() {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // The timer comes before the socket: a flood of frames must not hold back our ping.
        tokio::select! {
            biased;
            () = timer => {
                session.handle_timeout(Instant::now());
                Ok(())
            }
            Some(call) = self.typing.recv() => {
                if let Some(name) = &self.settings.typing_as {
                    let thread = call.thread_id.as_ref().map(MessageId::as_str);
                    session.typing(call.room_id.as_str(), thread, name, call.on, Instant::now());
                }
                Ok(())
            }
            news = caught_up(&mut self.catch_up, &self.deliveries) => {
                if let Some(catch_up) = &mut self.catch_up {
                    catch_up.handle(news, &mut self.classifier, &self.deliveries);
                }
                self.tell_whether_behind();
                Ok(())
            }
            answer = confirmed(&mut self.confirmations) => {
                self.on_answer(answer, session);
                Ok(())
            }
            renewed = self.tokens.superseded(&mut self.token_news, self.token_serial) => {
                Err(End::Failed(match renewed {
                    Ok(()) => Failure::new_token(),
                    Err(why) => not_renewed(why),
                }))
            }
            frame = socket.next() => self.on_frame(session, frame).map_err(End::Failed),
        }
    }

    fn on_frame(
        &mut self,
        session: &mut Session,
        frame: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        if matches!(frame, Some(Ok(_))) {
            self.last_frame = now;
            if let Some(catch_up) = &mut self.catch_up {
                catch_up.heard(now);
            }
            self.settings.vitals.frame(now);
        }
        match frame {
            Some(Ok(Frame::Text(text))) => {
                // The websocket has checked that it is UTF-8.
                if let Ok(text) = ByteString::try_from(bytes::Bytes::from(text)) {
                    session.handle(&text, now);
                }
                Ok(())
            }
            Some(Ok(Frame::Close(close))) => {
                let why = close.map_or_else(String::new, |close| {
                    format!(
                        " ({} {})",
                        close.code,
                        crate::excerpt::excerpt(&close.reason, 100)
                    )
                });
                let message = format!("{} closed the connection{why}", self.settings.url);
                Err(Failure::passing(message))
            }
            Some(Ok(_)) => {
                session.alive(now);
                Ok(())
            }
            Some(Err(error)) => Err(Failure::of_socket(&self.settings.url, error)),
            None => Err(Failure::passing(format!(
                "the connection to {} was lost",
                self.settings.url
            ))),
        }
    }

    fn on_ready(&mut self) {
        let now = Instant::now();
        self.backoff.ready(now);
        let lost_at = self.lost_at.take();
        if !std::mem::replace(&mut self.was_ready, true) {
            tracing::debug!("the connection is ready");
            if let Some(catch_up) = &mut self.catch_up {
                catch_up.ready(self.is_first_attempt);
            }
            return self.deliver(Event::Ready);
        }
        let gap = lost_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        tracing::info!(?gap, "the connection is back");
        self.settings.vitals.reconnected(gap);
        match &mut self.catch_up {
            Some(catch_up) => catch_up.reconnected(gap),
            None => self.deliver(Event::Reconnected(Reconnected::new(gap))),
        }
    }

    fn tell_whether_behind(&self) {
        let is_behind = self.catch_up.as_ref().is_some_and(CatchUp::is_behind);
        self.settings.vitals.behind(is_behind);
    }

    fn on_event(&mut self, event: StreamEvent, session: &mut Session) {
        if &*event.collection == "stream-notify-user" {
            return self.on_user_event(&event, session);
        }
        if !self.settings.per_room.is_empty()
            && let Some(head) = classify::head(&event)
        {
            self.joined(&head.room_id, false, session);
        }
        if let Some(catch_up) = &mut self.catch_up {
            return catch_up.live(event, &mut self.classifier, &self.deliveries);
        }
        for event in self.classifier.classify(&event) {
            self.deliver(event);
        }
    }

    /// What anybody may have written on an old server: it is confirmed first.
    fn on_user_event(&mut self, stream: &StreamEvent, session: &mut Session) {
        for event in self.classifier.classify(stream) {
            let event = match &self.confirmations {
                Some(confirmations) => confirmations.membership(event, stream.clone()),
                None => Some(event),
            };
            if let Some(event) = event {
                self.tell(event, session);
            }
        }
    }

    fn on_answer(&mut self, answer: Answer, session: &mut Session) {
        match answer {
            Answer::Membership(event) => {
                if let Some(event) = event {
                    self.tell(event, session);
                }
            }
            Answer::Rooms(rooms) => {
                let rooms: HashSet<RoomId> = rooms.into_iter().collect();
                let left: Vec<RoomId> = self.rooms.difference(&rooms).cloned().collect();
                for room in left {
                    self.left(&room, session);
                }
                for room in &rooms {
                    self.joined(room, false, session);
                }
            }
            Answer::NoRooms => {}
        }
    }

    /// An event that is in no room's order.
    fn tell(&mut self, event: Event, session: &mut Session) {
        match &event {
            Event::RoomJoined(membership) => self.joined(membership.room().id(), true, session),
            Event::RoomLeft(membership) => self.left(membership.room().id(), session),
            _ => {}
        }
        match &mut self.catch_up {
            Some(catch_up) => catch_up.tell(event, &self.deliveries),
            None => self.deliver(event),
        }
    }

    /// Subscribes to the rooms that are known, and asks which there are.
    fn subscribe_rooms(&self, session: &mut Session) {
        if self.settings.per_room.is_empty() {
            return;
        }
        let now = Instant::now();
        for room in &self.rooms {
            session.add_room(room.as_str(), false, now);
        }
        if let Some(confirmations) = &self.confirmations {
            confirmations.rooms();
        }
    }

    fn joined(&mut self, room: &RoomId, anew: bool, session: &mut Session) {
        let per_room = self.settings.per_room;
        if per_room.is_empty() {
            return;
        }
        if self.rooms.len() < per_room.most_rooms && !self.rooms.contains(room) {
            // A copy: the id may be a slice of its frame, and would keep it.
            self.rooms.insert(RoomId::from(room.as_str()));
        }
        session.add_room(room.as_str(), anew, Instant::now());
    }

    fn left(&mut self, room: &RoomId, session: &mut Session) {
        self.rooms.remove(room);
        session.remove_room(room.as_str());
    }

    fn deliver(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.deliveries.try_send(Ok(Delivery::live(event))) {
            let dropped = self.overflow.fetch_add(1, Ordering::Relaxed) + 1;
            // Once for each power of two: a flood must not flood the log too.
            if dropped.is_power_of_two() {
                tracing::error!(
                    dropped,
                    "events were dropped: the pipeline does not take them in time"
                );
            }
        }
    }

    async fn end_with(&mut self, failure: Failure) {
        tokio::select! {
            biased;
            () = stopped(&mut self.phase) => {}
            // An error means that nobody reads any more.
            _ = self.deliveries.send(Err(failure.into_error())) => {}
        }
    }
}

fn not_renewed(why: NotRenewed) -> Failure {
    match why {
        NotRenewed::Refused(why) => Failure::refused(&*why),
        NotRenewed::Later(why) => Failure::passing(format!("logging in again failed: {why}")),
    }
}

/// Hands over what was caught up.
async fn hand_over(catch_up: &mut Option<CatchUp>, deliveries: &Deliveries) -> Infallible {
    match catch_up {
        Some(catch_up) => catch_up.hand_over(Some(deliveries)).await,
        None => std::future::pending().await,
    }
}

async fn confirmed(confirmations: &mut Option<Confirmations>) -> Answer {
    match confirmations {
        Some(confirmations) => confirmations.next().await,
        None => std::future::pending().await,
    }
}

async fn caught_up(catch_up: &mut Option<CatchUp>, deliveries: &Deliveries) -> News {
    match catch_up {
        Some(catch_up) => catch_up.next(Some(deliveries)).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the owner wants no more events.
async fn stopped(phase: &mut watch::Receiver<Phase>) {
    // An error means that the transport was dropped.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
}

/// Closes the socket. Who wants no connection any more says so first, and waits until the peer has heard it.
async fn say_goodbye(socket: &mut Socket, end: &End) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    if let End::Failed(_) = end {
        return socket.close(None).await;
    }
    socket.send(Frame::text(Outbound::Disconnect.to_json())).await?;
    socket.close(None).await?;
    while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
    Ok(())
}
