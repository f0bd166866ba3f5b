//! Makes the table of a router that has its state, and runs it as a service.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tower::{BoxError, Service};

use super::future::RouterFuture;
use super::help::CommandInfo;
use super::route::{NamedRoute, Route};
use super::table::{CommandSlot, Filter, Group, Listener, Table, TableParts, Target};
use super::{CommandEntry, Definition, EntryTarget, Explanation, Router};
use crate::handler::{Hears, RouteOptions};
use crate::inspect::{enter, trail_of};
use crate::layer::announce;
use crate::request::Request;
use crate::response::{Response, RouteKind, RouteName};

/// A router that can run.
#[derive(Clone)]
pub(super) struct Compiled {
    table: Arc<Table>,
    /// The table behind the router's own layers, if it has any.
    layered: Option<Route>,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Gives the handlers their state. What it returns is a `tower::Service` if no other state is asked for.
    pub fn with_state<S2: Send + Sync + 'static>(mut self, state: S) -> Router<S2> {
        let state = Arc::new(state);
        let definition = std::mem::take(self.edit());
        Router {
            definition: Arc::new(definition.with_state(&state)),
        }
    }
}

impl<S: Send + Sync + 'static> Definition<S> {
    fn with_state<S2: Send + Sync + 'static>(self, state: &Arc<S>) -> Definition<S2> {
        Definition {
            commands: self
                .commands
                .into_iter()
                .map(
                    |CommandEntry {
                         names,
                         hidden_names,
                         target,
                     }| CommandEntry {
                        names,
                        hidden_names,
                        target: match target {
                            EntryTarget::Command(entry) => EntryTarget::Command(entry.with_state(state)),
                            EntryTarget::Group { mut router, order } => {
                                let definition = std::mem::take(router.edit()).with_state(state);
                                EntryTarget::Group {
                                    router: Router {
                                        definition: Arc::new(definition),
                                    },
                                    order,
                                }
                            }
                        },
                    },
                )
                .collect(),
            names: self.names,
            listeners: self
                .listeners
                .into_iter()
                .map(|(filter, entry)| (filter, entry.with_state(state)))
                .collect(),
            fallback: self.fallback.map(|entry| entry.with_state(state)),
            unknown_command: self.unknown_command.map(|entry| entry.with_state(state)),
            layers: self.layers,
            hold: self.hold,
            suggests: self.suggests,
            next_order: self.next_order,
            compiled: std::sync::OnceLock::new(),
        }
    }

    fn compile(&self, state: &Arc<S>) -> Compiled {
        let table = self.table(state, "");
        let layered = (!self.layers.is_empty()).then(|| {
            let inner = Arc::clone(&table);
            let core = Route::from_service(tower::service_fn(move |request| inner.run(request)));
            self.layers.iter().fold(core, |route, layer| layer(route))
        });
        Compiled { table, layered }
    }

    fn table(&self, state: &Arc<S>, path: &str) -> Arc<Table> {
        Arc::new_cyclic(|table| {
            Table::new(TableParts {
                slots: self
                    .commands
                    .iter()
                    .map(|command| command.slot(state, table, path))
                    .collect(),
                listeners: self.listeners(state, table),
                fallback: self.fallback.as_ref().map(|entry| {
                    entry.instantiate(state, table, RouteName::new("fallback"), RouteKind::Listener)
                }),
                unknown_command: self.unknown_command.as_ref().map(|entry| {
                    entry.instantiate(
                        state,
                        table,
                        RouteName::new("unknown command"),
                        RouteKind::Command,
                    )
                }),
                path: path.into(),
                hold: self.hold,
                suggests: self.suggests,
            })
        })
    }

    /// Listeners with the same event and name are numbered, so that each has ids of its own.
    fn listeners(&self, state: &Arc<S>, table: &Weak<Table>) -> Vec<Listener> {
        let mut known = HashMap::<String, u32>::new();
        let listener = |(filter, entry): &(Filter, super::route::Entry<S>)| {
            let mut name = listener_name(filter, entry.options.name.as_deref().unwrap_or_default());
            let count = known.entry(name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                name = format!("{name}#{count}");
            }
            Listener {
                filter: filter.clone(),
                route: entry.instantiate(state, table, RouteName::new(&name), RouteKind::Listener),
            }
        };
        self.listeners.iter().map(listener).collect()
    }
}

/// The name of a listener's route: its event and its own name.
pub(super) fn listener_name(filter: &Filter, own: &str) -> String {
    match filter {
        Filter::Kind(kind) => format!("on_{}/{own}", kind.name()),
        Filter::Custom(name) => format!("on_custom/{name}/{own}"),
        Filter::Job(job, _) => format!("on_schedule/{job}/{own}"),
        Filter::Command => format!("on_command/{own}"),
        Filter::Predicate(_) => format!("on_any/{own}"),
    }
}

impl<S: Send + Sync + 'static> CommandEntry<S> {
    fn slot(&self, state: &Arc<S>, table: &Weak<Table>, path: &str) -> CommandSlot {
        let name = &self.names[0];
        let path = if path.is_empty() {
            name.to_string()
        } else {
            format!("{path} {name}")
        };
        let target = match &self.target {
            EntryTarget::Command(entry) => {
                Target::Command(entry.instantiate(state, table, RouteName::new(&path), RouteKind::Command))
            }
            EntryTarget::Group { router, order } => {
                let definition = &router.definition;
                let table = definition.table(state, &path);
                let (route, announced) = announce::collect(|| {
                    let layers = definition.layers.iter();
                    layers.fold(table.command_service(), |route, layer| layer(route))
                });
                let layered = (!definition.layers.is_empty()).then(|| NamedRoute {
                    name: RouteName::new(&path),
                    kind: RouteKind::Command,
                    order: *order,
                    options: RouteOptions {
                        hears_bots: table.hears_bots(),
                        // Its commands decide.
                        hears: Hears::AnyAge,
                        ..RouteOptions::default()
                    },
                    route,
                    announced: Vec::new(),
                });
                Target::Group(Group {
                    table,
                    layered,
                    announced,
                    order: *order,
                })
            }
        };
        CommandSlot {
            names: self.names.clone(),
            hidden_names: self.hidden_names.clone(),
            target,
        }
    }
}

impl Router {
    /// The commands, in order of registration, with those of groups.
    ///
    /// ```
    /// use rocketbotte::Router;
    ///
    /// async fn ping() -> &'static str { "pong" }
    ///
    /// let router: Router = Router::new().command("ping", ping).alias("p");
    /// assert_eq!(router.commands()[0].path(), "ping");
    /// ```
    pub fn commands(&self) -> Vec<CommandInfo> {
        self.compiled().table.commands()
    }

    /// Says for each route why it runs for a request, or why it does not.
    ///
    /// Predicates are called. Handlers and layers are not: those around the router, and those of routes and groups, may
    /// still answer before a route runs. The request is taken as it is, so a command is found only if a
    /// [`CommandLayer`](crate::command::CommandLayer) has seen it: explain in a layer behind it
    /// ([`from_fn`](crate::layer::from_fn())), or give the request its command with
    /// [`CommandLayer::parse`](crate::command::CommandLayer::parse).
    ///
    /// ```
    /// use rocketbotte::command::CommandLayer;
    /// use rocketbotte::event::{Message, Room, RoomKind, User};
    /// use rocketbotte::handler::route;
    /// use rocketbotte::router::Verdict;
    /// use rocketbotte::{Request, Router};
    ///
    /// async fn ping() -> &'static str { "pong" }
    /// async fn hello() -> &'static str { "world" }
    ///
    /// let router: Router = Router::new()
    ///     .command("ping", ping)
    ///     .listen(
    ///         |request| request.message().is_some_and(|message| message.text().contains("hello")),
    ///         route(hello).named("hello"),
    ///     );
    ///
    /// let message = Message::builder(Room::new("r", RoomKind::Channel), User::new("uA", "ann"), "!pong").build();
    /// let mut request = Request::new(message);
    /// request.set_command(CommandLayer::new("!").parse(&request));
    ///
    /// let why = router.explain(&request);
    /// assert_eq!(why.route("ping").unwrap().verdict(), Verdict::OtherCommand);
    /// assert_eq!(why.to_string(), "\
    /// message: the command `pong` behind `!`, which the router does not have
    /// - command ping           another command was asked for
    /// - listener on_any/hello  its predicate does not pick the event");
    /// ```
    pub fn explain(&self, request: &Request) -> Explanation {
        let compiled = self.compiled();
        compiled.table.explain(request, compiled.layered.is_some())
    }

    fn compiled(&self) -> &Compiled {
        self.definition
            .compiled
            .get_or_init(|| self.definition.compile(&Arc::new(())))
    }
}

impl Service<Request> for Router {
    type Response = Response;
    type Error = BoxError;
    type Future = RouterFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let compiled = self.compiled();
        if !request.is_inside_router() {
            let shared = request.context().shared();
            if shared.stack.announce_table(&compiled.table) {
                shared.schedules.declare(compiled.table.jobs());
            }
            if let Some(trail) = trail_of(&request) {
                trail.explained(self.explain(&request));
            }
        }
        let visit = enter(&mut request, || "Router");
        let future = match &compiled.layered {
            Some(layered) => RouterFuture::layered(layered.run(request)),
            None => compiled.table.run(request),
        };
        future.inspected(visit)
    }
}
