//! What a handler answers: actions as values, and what became of each route.

mod action;

pub use self::action::{Action, Delete, DerivedIds, Edit, React, Send, Thread};
