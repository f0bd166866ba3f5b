//! A route, with its type erased.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::help::{Help, HelpRenderer};
use super::table::Table;
use crate::handler::{Handler, RouteOptions};
use crate::layer::announce::{self, Announcement};
use crate::request::Request;
use crate::response::{Response, RouteKind, RouteName};

/// A route of a [`Router`](super::Router) as a service: what [`route_layer`](super::Router::route_layer) wraps.
#[derive(Clone)]
pub struct Route(Arc<dyn CallRoute>);

/// Called by reference, so that one event costs one boxed future and no clone of the service.
trait CallRoute: Send + Sync {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>>;
}

impl Route {
    pub(crate) fn from_handler<H, T, S>(handler: H, state: Arc<S>) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
        S: Send + Sync + 'static,
    {
        struct HandlerRoute<H, T, S>(H, Arc<S>, std::marker::PhantomData<fn() -> T>);

        impl<H: Handler<T, S>, T, S: Send + Sync + 'static> CallRoute for HandlerRoute<H, T, S> {
            fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
                // The place first, then what goes there: the other way round the request would be moved once more.
                let place = Box::new_uninit();
                let future = Box::write(place, self.0.clone().call(request, Arc::clone(&self.1)));
                Box::into_pin(future)
            }
        }

        Self(Arc::new(HandlerRoute(handler, state, std::marker::PhantomData)))
    }

    pub(crate) fn from_service<T>(service: T) -> Self
    where
        T: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        T::Error: Into<BoxError>,
        T::Future: Send + 'static,
    {
        struct ServiceRoute<T>(T);

        impl<T> CallRoute for ServiceRoute<T>
        where
            T: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
            T::Error: Into<BoxError>,
            T::Future: Send + 'static,
        {
            fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
                // The clone is made ready by itself: what another event made ready is never used up here.
                let response = self.0.clone().oneshot(request);
                Box::pin(async move { response.await.map_err(Into::into) })
            }
        }

        Self(Arc::new(ServiceRoute(service)))
    }

    /// A command that hears of a refusal by one of the layers around it.
    fn refusable(self) -> Self {
        struct Refusable(Route);

        impl CallRoute for Refusable {
            fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
                match request.refusal().cloned() {
                    Some(rejection) => Box::pin(std::future::ready(Err(rejection.into()))),
                    None => self.0.run(request),
                }
            }
        }

        Self(Arc::new(Refusable(self)))
    }

    #[inline]
    pub(crate) fn run(&self, request: Request) -> BoxFuture<'static, Result<Response, BoxError>> {
        self.0.call(request)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").finish_non_exhaustive()
    }
}

impl Service<Request> for Route {
    type Response = Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.run(request)
    }
}

/// A layer, applied once the route is there.
pub(super) type RouteLayer = Arc<dyn Fn(Route) -> Route + Send + Sync>;

pub(super) fn route_layer<L>(layer: L) -> RouteLayer
where
    L: Layer<Route> + Send + Sync + 'static,
    L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    Arc::new(move |route| Route::from_service(layer.layer(route)))
}

/// Makes the route once the state and the router's table are there.
type MakeRoute<S> = Arc<dyn Fn(&Arc<S>, &Weak<Table>) -> Route + Send + Sync>;

/// A route as it was registered, before the state is known.
pub(super) struct Entry<S> {
    pub(super) options: RouteOptions,
    /// When it was registered, compared with the other routes of the router.
    pub(super) order: u32,
    make: MakeRoute<S>,
    layers: Vec<RouteLayer>,
}

impl<S: Send + Sync + 'static> Entry<S> {
    pub(super) fn new<H, T>(handler: H, order: u32) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let options = handler.options();
        Self {
            options,
            order,
            make: Arc::new(move |state, _| Route::from_handler(handler.clone(), Arc::clone(state))),
            layers: Vec::new(),
        }
    }

    /// The command that lists the others.
    pub(super) fn help(order: u32, renderer: HelpRenderer) -> Self {
        let options = RouteOptions {
            description: Some("Lists the commands".into()),
            examples: vec!["help help".into()],
            ..RouteOptions::default()
        };
        Self {
            options,
            order,
            make: Arc::new(move |_, table| {
                let help = Help::new(Weak::clone(table), Arc::clone(&renderer));
                Route::from_handler(help, Arc::new(()))
            }),
            layers: Vec::new(),
        }
    }

    pub(super) fn push_layer(&mut self, layer: RouteLayer) {
        self.layers.push(layer);
    }

    pub(super) fn with_state<S2>(self, state: &Arc<S>) -> Entry<S2> {
        let (make, state) = (self.make, Arc::clone(state));
        Entry {
            options: self.options,
            order: self.order,
            make: Arc::new(move |_, table| make(&state, table)),
            layers: self.layers,
        }
    }

    pub(super) fn instantiate(
        &self,
        state: &Arc<S>,
        table: &Weak<Table>,
        name: RouteName,
        kind: RouteKind,
    ) -> NamedRoute {
        let mut route = (self.make)(state, table);
        if kind == RouteKind::Command && !self.layers.is_empty() {
            route = route.refusable();
        }
        let (route, announced) =
            announce::collect(|| self.layers.iter().fold(route, |route, layer| layer(route)));
        NamedRoute {
            announced,
            name,
            kind,
            order: self.order,
            options: self.options.clone(),
            route,
        }
    }
}

impl<S> Clone for Entry<S> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            order: self.order,
            make: Arc::clone(&self.make),
            layers: self.layers.clone(),
        }
    }
}

/// A route that can run.
#[derive(Clone, Debug)]
pub(crate) struct NamedRoute {
    pub(crate) name: RouteName,
    pub(crate) kind: RouteKind,
    pub(crate) order: u32,
    pub(crate) options: RouteOptions,
    pub(crate) route: Route,
    /// What the layers around it tell.
    pub(crate) announced: Vec<Announcement>,
}
