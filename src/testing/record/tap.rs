//! What the recorder leaves in a request, so that what never becomes part of the response is seen too: what handlers
//! send while they run, and which arguments are secret.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::{StoredAction, StoredAnswer};
use super::job::{Job, Outlet};
use crate::dispatch::Receipt;
use crate::event::MessageId;
use crate::request::Request;
use crate::response::{Action, Response, RouteName};

/// An extension of a request that is recorded. What it notes is handed over when the request was answered, and what
/// comes after that when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Inner>);

struct Inner {
    outlet: Outlet,
    request: Request,
    number: u64,
    at_ms: u64,
    notes: Mutex<Notes>,
    /// One that is recorded by more than one.
    outer: Option<Tap>,
    /// In a replay: what the server answered when it was recorded.
    receipts: HashMap<(String, u32), MessageId>,
}

#[derive(Default)]
struct Notes {
    answer: StoredAnswer,
    secrets: Vec<String>,
    is_answered: bool,
    was_handed_over: bool,
}

impl Tap {
    /// `request` is the one that is recorded, before this is put into it.
    pub(super) fn new(outlet: Outlet, request: Request, number: u64, at_ms: u64) -> Self {
        let receipts = outlet.receipts_of(&request);
        let outer = request.extensions().get::<Self>().cloned();
        Self(Arc::new(Inner {
            outlet,
            request,
            number,
            at_ms,
            notes: Mutex::default(),
            outer,
            receipts,
        }))
    }

    /// Some arguments of the command are secret.
    pub(crate) fn hide(&self, mut secrets: Vec<String>) {
        if let Some(outer) = &self.0.outer {
            outer.hide(secrets.clone());
        }
        self.0.notes().secrets.append(&mut secrets);
    }

    /// A handler sent something while it ran. In a replay it gets the receipt that it got then.
    pub(crate) fn sent(
        &self,
        route: Option<&RouteName>,
        position: u32,
        action: Action,
        receipt: Option<Receipt>,
    ) -> Option<Receipt> {
        let receipt = match &self.0.outer {
            Some(outer) => outer.sent(route, position, action.clone(), receipt),
            None => receipt,
        };
        let route = route.map(|route| route.as_str().to_owned());
        let then = self
            .0
            .receipts
            .get(&(route.clone().unwrap_or_default(), position))
            .cloned()
            .map(Receipt::of_message);
        let receipt = receipt.map(|receipt| then.unwrap_or(receipt));
        let stored = StoredAction {
            route,
            position: Some(position),
            receipt: receipt.as_ref().and_then(|receipt| receipt.message_id().cloned()),
            action,
        };
        self.0.notes().answer.sent.push(stored);
        receipt
    }

    /// The pipeline answered.
    pub(super) fn answered(&self, response: &Response) {
        let mut notes = self.0.notes();
        notes.answer.add(response);
        notes.is_answered = true;
        self.0.hand_over(&mut notes);
    }

    /// The pipeline failed.
    pub(super) fn failed(&self, error: &tower::BoxError) {
        let mut notes = self.0.notes();
        notes.answer.fail(error);
        notes.is_answered = true;
        self.0.hand_over(&mut notes);
    }

    /// A route that went on behind the response ended.
    pub(super) fn ended_later(&self, response: &Response) {
        let mut notes = self.0.notes();
        notes.answer.add(response);
        self.0.hand_over(&mut notes);
    }
}

impl Inner {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, notes: &mut Notes) {
        let mut answer = std::mem::take(&mut notes.answer);
        answer.is_cut_off = !notes.is_answered;
        self.outlet.put(Job {
            number: self.number,
            at_ms: self.at_ms,
            request: self.request.clone(),
            is_first: !std::mem::replace(&mut notes.was_handed_over, true),
            answer,
            secrets: notes.secrets.clone(),
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let notes = self.notes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut notes = std::mem::take(notes);
        // Whoever answered it was dropped before the end, or sent something behind it.
        if !notes.is_answered || !notes.answer.is_empty() {
            self.hand_over(&mut notes);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.0.number).finish()
    }
}
