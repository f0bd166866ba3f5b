//! Conditions as values: joined by and, or, and not, and told in words.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::check::{Check, FnCheck, Predicate};
use super::room_roles::RoomRolesCheck;
use crate::event::{RoomId, RoomKind, UserId};
use crate::request::Request;

/// Who may, where, and when: for [`RequireLayer::that`](super::RequireLayer::that).
///
/// The help of a [router](crate::Router::help) asks it too, and shows only what the caller may run.
///
/// ```
/// use rocketbotte::layer::require::{Condition, RequireLayer};
///
/// let may_deploy = Condition::users(["uAnn"])
///     .or(Condition::room_roles(["owner", "moderator"]))
///     .and(Condition::rooms(["GENERAL"]).not());
/// assert_eq!(may_deploy.to_string(), "(certain people or `owner` or `moderator` of the room) and not in certain rooms");
/// let layer = RequireLayer::that(may_deploy);
/// # let _ = layer;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Condition {
    node: Arc<Node>,
    description: Option<Cow<'static, str>>,
}

enum Node {
    Known(Box<dyn Fn(&Request) -> bool + Send + Sync>),
    /// `None` where it can not be found out.
    Asked(Box<dyn Fn(&Request) -> BoxFuture<'static, Option<bool>> + Send + Sync>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Condition),
}

impl Condition {
    fn new(node: Node, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        Self {
            node: Arc::new(node),
            description: (!description.is_empty()).then_some(description),
        }
    }

    /// What a predicate says.
    pub fn when(holds: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Node::Known(Box::new(holds)), "")
    }

    /// What an async function says. It should have a limit of its own for what it waits for.
    pub fn check<F, Fut>(function: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Self::new(
            Node::Asked(Box::new(move |request| {
                Box::pin(function(request.clone()).map(Some))
            })),
            "",
        )
    }

    /// These users, by their ids.
    pub fn users<I>(ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<UserId>,
    {
        let ids: HashSet<UserId> = ids.into_iter().map(Into::into).collect();
        Self::when(move |request| request.author().is_some_and(|author| ids.contains(author.id())))
            .described("certain people")
    }

    /// In these rooms, by their ids.
    pub fn rooms<I>(ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<RoomId>,
    {
        let ids: HashSet<RoomId> = ids.into_iter().map(Into::into).collect();
        Self::when(move |request| request.event().room_id().is_some_and(|id| ids.contains(id)))
            .described("in certain rooms")
    }

    /// In channels and private rooms of these names. A room may be renamed, and another get its name: for what needs
    /// protection, [`rooms`](Self::rooms).
    pub fn rooms_named<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let names: HashSet<String> = names.into_iter().map(Into::into).collect();
        let mut shown: Vec<_> = names.iter().map(|name| format!("#{name}")).collect();
        shown.sort_unstable();
        Self::when(move |request| {
            let room = request.room().filter(|room| !room.is_direct());
            room.and_then(|room| room.name())
                .is_some_and(|name| names.contains(name))
        })
        .described(format!("in {}", shown.join(", ")))
    }

    /// In rooms of a kind.
    pub fn room_kind(kind: RoomKind) -> Self {
        Self::when(move |request| request.room().is_some_and(|room| room.kind() == kind)).described(
            match kind {
                RoomKind::Channel => "in channels",
                RoomKind::Private => "in private rooms",
                RoomKind::Direct => "in direct conversations",
                RoomKind::Livechat => "in livechats",
                RoomKind::Unknown => "in rooms of a kind that is not known",
            },
        )
    }

    /// In a direct conversation with the bot alone.
    pub fn direct() -> Self {
        Self::when(Request::is_direct_with_bot).described("in a direct conversation with the bot")
    }

    /// People with one of these roles in the room: `owner`, `moderator`, `leader`. Direct conversations have no roles.
    /// The server is asked once a minute for a room; if it does not answer, nobody is let through.
    pub fn room_roles<I>(roles: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        RoomRolesCheck::new(roles.into_iter().map(Into::into).collect()).condition()
    }

    /// Both hold. The second is asked only if the first holds.
    pub fn and(self, other: Self) -> Self {
        Self::new(Node::All(vec![self, other]), "")
    }

    /// One of them holds. The second is asked only if the first does not hold.
    pub fn or(self, other: Self) -> Self {
        Self::new(Node::Any(vec![self, other]), "")
    }

    /// It does not hold. What can not be found out, such as roles while the server does not answer, lets nobody through here
    /// either.
    #[expect(clippy::should_implement_trait, reason = "it reads as `and` and `or` do")]
    pub fn not(self) -> Self {
        Self::new(Node::Not(self), "")
    }

    /// Says in words who or where it is, for the help: `the team on duty`, `in #ops`.
    pub fn described(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether it holds, where that is known without asking anybody.
    pub(crate) fn known(&self, request: &Request) -> Option<bool> {
        match &*self.node {
            Node::Known(holds) => Some(holds(request)),
            Node::Asked(_) => None,
            Node::All(all) => all
                .iter()
                .map(|condition| condition.known(request))
                .find(|known| *known != Some(true))
                .unwrap_or(Some(true)),
            Node::Any(any) => any
                .iter()
                .map(|condition| condition.known(request))
                .find(|known| *known != Some(false))
                .unwrap_or(Some(false)),
            Node::Not(condition) => condition.known(request).map(|known| !known),
        }
    }

    /// Whether it holds. What can not be found out does not.
    pub fn holds(&self, request: &Request) -> ConditionFuture {
        ConditionFuture(match self.known(request) {
            Some(holds) => State::Known(holds),
            None => State::Asked(self.clone().ask(request.clone())),
        })
    }

    fn ask(self, request: Request) -> BoxFuture<'static, Option<bool>> {
        Box::pin(async move {
            let ask = |condition: &Self| condition.clone().ask(request.clone());
            match &*self.node {
                Node::Known(holds) => Some(holds(&request)),
                Node::Asked(ask) => ask(&request).await,
                Node::All(all) => {
                    for condition in all {
                        match ask(condition).await {
                            Some(true) => {}
                            otherwise => return otherwise,
                        }
                    }
                    Some(true)
                }
                Node::Any(any) => {
                    let mut otherwise = Some(false);
                    for condition in any {
                        match ask(condition).await {
                            Some(true) => return Some(true),
                            Some(false) => {}
                            None => otherwise = None,
                        }
                    }
                    otherwise
                }
                Node::Not(condition) => ask(condition).await.map(|holds| !holds),
            }
        })
    }

    /// In words; `None` where nobody said.
    pub(crate) fn words(&self) -> Option<String> {
        if let Some(description) = &self.description {
            return Some(description.clone().into_owned());
        }
        let joined = |conditions: &[Self], word: &str, inner: fn(&Self) -> Option<String>| {
            let words: Vec<_> = conditions.iter().filter_map(inner).collect();
            (!words.is_empty()).then(|| words.join(word))
        };
        match &*self.node {
            Node::Known(_) | Node::Asked(_) => None,
            Node::All(all) => joined(all, " and ", Self::words_inside),
            // Half of an alternative would be wrong.
            Node::Any(any) if any.iter().all(|condition| condition.words().is_some()) => {
                joined(any, " or ", Self::words)
            }
            Node::Any(_) => None,
            Node::Not(condition) => condition.words_inside().map(|words| format!("not {words}")),
        }
    }

    fn words_inside(&self) -> Option<String> {
        let words = self.words()?;
        let is_joined = self.description.is_none() && matches!(&*self.node, Node::All(_) | Node::Any(_));
        Some(if is_joined { format!("({words})") } else { words })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().as_deref().unwrap_or("on a condition"))
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({self})")
    }
}

impl Check for Condition {
    type Future = ConditionFuture;

    fn check(&self, request: &Request) -> ConditionFuture {
        self.holds(request)
    }
}

/// Whether a [`Condition`] holds.
#[must_use = "futures do nothing unless polled"]
pub struct ConditionFuture(State);

enum State {
    Known(bool),
    Asked(BoxFuture<'static, Option<bool>>),
}

impl Future for ConditionFuture {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match &mut self.0 {
            State::Known(holds) => Poll::Ready(*holds),
            State::Asked(asked) => asked.as_mut().poll(cx).map(|holds| holds == Some(true)),
        }
    }
}

impl fmt::Debug for ConditionFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionFuture").finish_non_exhaustive()
    }
}

/// What a [`RequireLayer`](super::RequireLayer) asks, as a value.
pub trait AsCondition {
    /// The same condition.
    fn condition(&self) -> Condition;
}

impl AsCondition for Condition {
    fn condition(&self) -> Condition {
        self.clone()
    }
}

impl AsCondition for Predicate {
    fn condition(&self) -> Condition {
        let holds = Arc::clone(&self.holds);
        Condition::new(
            Node::Known(Box::new(move |request| holds(request))),
            self.description.clone(),
        )
    }
}

impl<F, Fut> AsCondition for FnCheck<F>
where
    F: Fn(Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    fn condition(&self) -> Condition {
        Condition::check(self.function.clone())
    }
}

impl AsCondition for RoomRolesCheck {
    fn condition(&self) -> Condition {
        let roles: Vec<_> = self.roles().iter().map(|role| format!("`{role}`")).collect();
        let check = self.clone();
        Condition::new(
            Node::Asked(Box::new(move |request| {
                let (check, request) = (check.clone(), request.clone());
                Box::pin(async move {
                    let holds = check.check(&request).await;
                    (holds || check.is_known(&request)).then_some(holds)
                })
            })),
            format!("{} of the room", roles.join(" or ")),
        )
    }
}
