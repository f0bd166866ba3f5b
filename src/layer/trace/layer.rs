//! What a trace is configured with.

use tower::Layer;

use super::{DefaultMakeSpan, DefaultOnFailure, DefaultOnRequest, DefaultOnResponse, Trace};

/// Makes a span for each event, and says when it comes, what answered it and what failed: see the
/// [module](super).
///
/// It goes outside of everything.
///
/// ```
/// use rocketbotte::{Router, layer::trace::{DefaultMakeSpan, TraceLayer}};
/// use tower::ServiceBuilder;
/// use tracing::Level;
///
/// let app = ServiceBuilder::new().layer(TraceLayer::new()).service(Router::new());
///
/// let quiet = TraceLayer::new()
///     .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
///     .on_request(());
/// let own = TraceLayer::new().make_span_with(|request: &rocketbotte::Request| {
///     tracing::info_span!("chat", kind = request.kind().name(), outcome = tracing::field::Empty)
/// });
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// # let _ = (quiet, own);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct TraceLayer<
    M = DefaultMakeSpan,
    OnReq = DefaultOnRequest,
    OnResp = DefaultOnResponse,
    OnFail = DefaultOnFailure,
> {
    make_span: M,
    on_request: OnReq,
    on_response: OnResp,
    on_failure: OnFail,
}

impl TraceLayer {
    /// The default of each step.
    pub const fn new() -> Self {
        Self {
            make_span: DefaultMakeSpan::new(),
            on_request: DefaultOnRequest::new(),
            on_response: DefaultOnResponse::new(),
            on_failure: DefaultOnFailure::new(),
        }
    }
}

impl<M, OnReq, OnResp, OnFail> TraceLayer<M, OnReq, OnResp, OnFail> {
    /// Makes the span in another way. Fields that are known later are recorded if the span has them: `command`,
    /// `outcome` and `latency_ms`.
    pub fn make_span_with<M2>(self, make_span: M2) -> TraceLayer<M2, OnReq, OnResp, OnFail> {
        TraceLayer {
            make_span,
            on_request: self.on_request,
            on_response: self.on_response,
            on_failure: self.on_failure,
        }
    }

    /// Does something else when an event comes.
    pub fn on_request<OnReq2>(self, on_request: OnReq2) -> TraceLayer<M, OnReq2, OnResp, OnFail> {
        TraceLayer {
            make_span: self.make_span,
            on_request,
            on_response: self.on_response,
            on_failure: self.on_failure,
        }
    }

    /// Does something else when an event is answered.
    pub fn on_response<OnResp2>(self, on_response: OnResp2) -> TraceLayer<M, OnReq, OnResp2, OnFail> {
        TraceLayer {
            make_span: self.make_span,
            on_request: self.on_request,
            on_response,
            on_failure: self.on_failure,
        }
    }

    /// Does something else when a route, or what is around the routes, fails.
    pub fn on_failure<OnFail2>(self, on_failure: OnFail2) -> TraceLayer<M, OnReq, OnResp, OnFail2> {
        TraceLayer {
            make_span: self.make_span,
            on_request: self.on_request,
            on_response: self.on_response,
            on_failure,
        }
    }
}

impl<S, M, OnReq, OnResp, OnFail> Layer<S> for TraceLayer<M, OnReq, OnResp, OnFail>
where
    M: Clone,
    OnReq: Clone,
    OnResp: Clone,
    OnFail: Clone,
{
    type Service = Trace<S, M, OnReq, OnResp, OnFail>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace {
            inner,
            make_span: self.make_span.clone(),
            on_request: self.on_request.clone(),
            on_response: self.on_response.clone(),
            on_failure: self.on_failure.clone(),
        }
    }
}
