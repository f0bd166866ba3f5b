//! Files down: a stream that goes on where it was cut, and never ends early without an error.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::io::StreamReader;

use super::Progress;
use super::form::OnProgress;
use super::limits::too_large;
use super::link::{CALL, FileLink};
use crate::rest::body::Body;
use crate::rest::call::{Meta, USER_AGENT};
use crate::rest::client::Client;
use crate::rest::collect::{AsStream, Streamed};
use crate::rest::error::{RestError, RestErrorKind};
use crate::rest::reply;

/// A file that is one of a storage behind the server is one redirect away.
const REDIRECTS: u32 = 5;

/// How often it goes on after a cut behind which nothing more came.
const RESUMES: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// Begins to download a file: see [the module](crate::rest::file).
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
    /// use rocketbotte::rest::file::FileLink;
    ///
    /// let link = FileLink::new("/file-upload/A2rXsQfPmD9JXwBtv/note.txt").at_most(1 << 20);
    /// let text = client.download(link).await?.bytes().await?;
    /// println!("{}", String::from_utf8_lossy(&text));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RestErrorKind::InvalidCall`] for a link that is not followed; [`RestErrorKind::NotFound`] and
    /// [`RestErrorKind::Forbidden`]; [`RestErrorKind::TooLarge`] for more than [`FileLink::at_most`]; and the others of
    /// [`RestErrorKind`].
    pub async fn download(&self, link: impl Into<FileLink>) -> Result<Download, RestError> {
        let link = link.into();
        let most = link.most.into_iter().chain(self.max_file_size()).min();
        let uri = link.resolve(self.url())?;
        let (head, body) = self.fetch(uri.clone(), None).await?;
        if head.status() != StatusCode::OK {
            return Err(unexpected(head.status()));
        }
        let length = body.size_hint().exact();
        if let (Some(length), Some(most)) = (length, most)
            && length > most
        {
            return Err(too_large(CALL, length, most));
        }
        Ok(Download {
            client: self.clone(),
            uri,
            length,
            most,
            content_type: text_of(head.headers(), &header::CONTENT_TYPE),
            on_progress: link.on_progress,
            received: 0,
            skip: 0,
            resumed: 0,
            idle: Box::pin(sleep(self.timeout())),
            state: State::Reading(body),
        })
    }

    /// Asks for a file, or for the rest of it, wherever it is.
    async fn fetch(
        &self,
        mut uri: Uri,
        rest: Option<(u64, u64)>,
    ) -> Result<(Response<()>, Incoming), RestError> {
        for _ in 0..=REDIRECTS {
            let response = self.request(CALL, request_for(&uri, rest)?).await?;
            let Some(body) = response.extensions().get::<Streamed>().and_then(Streamed::take) else {
                // What is no file is an error, in the words of all calls.
                return Err(
                    match reply::read::<serde_json::Value>(CALL, self.url(), &response, true) {
                        Err(error) => error,
                        Ok(_) => unexpected(response.status()),
                    },
                );
            };
            let response = response.map(drop);
            let status = response.status();
            if status.is_success() {
                return Ok((response, body));
            }
            if !status.is_redirection() {
                return Err(refused(status));
            }
            uri = redirected(&uri, response.headers())?;
        }
        Err(RestError::new(
            RestErrorKind::NotRocketChat,
            CALL,
            "too many redirects",
        ))
    }
}

fn request_for(uri: &Uri, rest: Option<(u64, u64)>) -> Result<Request<Body>, RestError> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(uri.clone())
        .header(header::ACCEPT, HeaderValue::from_static("*/*"))
        .header(header::USER_AGENT, USER_AGENT);
    if let Some((first, last)) = rest {
        // Rocket.Chat knows no range without an end.
        request = request.header(header::RANGE, format!("bytes={first}-{last}"));
    }
    let meta = Meta {
        idempotent: true,
        anonymous: false,
        sensitive: true,
    };
    let request = request.extension(meta).extension(AsStream).body(Body::default());
    request.map_err(|error| {
        RestError::new(RestErrorKind::InvalidCall, CALL, "it does not fit into a request").with_source(error)
    })
}

/// Where a redirect leads. The layer for credentials adds them for the client's server only.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, RestError> {
    let refuse = |why| Err(RestError::new(RestErrorKind::NotRocketChat, CALL, why));
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok());
    let Some(location) = location.map(|location| location.split('#').next().unwrap_or_default()) else {
        return refuse("a redirect to nowhere");
    };
    let whole = match location {
        path if path.starts_with("//") => format!("{}:{path}", from.scheme().unwrap_or(&Scheme::HTTPS)),
        path if path.starts_with('/') => {
            let (scheme, host) = (from.scheme(), from.authority());
            format!(
                "{}://{}{path}",
                scheme.unwrap_or(&Scheme::HTTPS),
                host.map_or("", |host| host.as_str())
            )
        }
        other => other.to_owned(),
    };
    let Ok(uri) = whole.parse::<Uri>() else {
        return refuse("a redirect to what is no address");
    };
    let is_tls = |uri: &Uri| uri.scheme() == Some(&Scheme::HTTPS);
    match uri.scheme() {
        _ if uri
            .authority()
            .is_none_or(|authority| authority.as_str().contains('@')) =>
        {
            refuse("a redirect to what is no address")
        }
        Some(_) if is_tls(from) && !is_tls(&uri) => refuse("a redirect away from TLS is not followed"),
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => Ok(uri),
        _ => refuse("a redirect to what is no address of the web"),
    }
}

fn refused(status: StatusCode) -> RestError {
    let (kind, message) = match status {
        StatusCode::FORBIDDEN => (RestErrorKind::Forbidden, "the account may not have the file"),
        StatusCode::NOT_FOUND | StatusCode::GONE => (RestErrorKind::NotFound, "there is no such file"),
        _ => return unexpected(status),
    };
    RestError::new(kind, CALL, message).with_status(status)
}

fn unexpected(status: StatusCode) -> RestError {
    RestError::new(RestErrorKind::UnexpectedReply, CALL, "the answer is no file").with_status(status)
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// What the answer to a request for the rest of a file says: where that begins, and how long the whole is.
fn range_of(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = text_of(headers, &header::CONTENT_RANGE)?;
    let (span, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((
        span.split_once('-')?.0.trim().parse().ok()?,
        total.trim().parse().ok(),
    ))
}

/// A file that comes down, as a stream of its pieces.
///
/// It ends after the last byte of the file; anything else is an error, which is the last item. When the connection is cut
/// it goes on from there if the server can (by `Range`), and is [`Cut`](RestErrorKind::Cut) otherwise. The connection is
/// given up when nothing came for the client's timeout.
pub struct Download {
    client: Client,
    uri: Uri,
    length: Option<u64>,
    most: Option<u64>,
    content_type: Option<String>,
    on_progress: Option<OnProgress>,
    received: u64,
    /// How many bytes come that came before.
    skip: u64,
    /// How often it went on since something came.
    resumed: u32,
    idle: Pin<Box<Sleep>>,
    state: State,
}

enum State {
    Reading(Incoming),
    Resuming(BoxFuture<'static, Result<(Response<()>, Incoming), RestError>>),
    Ended,
}

/// Why no more comes from a connection.
enum Stopped {
    /// It has all come.
    Complete,
    /// It was cut, with these words.
    Cut(String),
}

impl Download {
    /// How many bytes the file has, where the server says so.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The media type, as the server says: what whoever uploaded the file said.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// How many bytes have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The whole file in memory: for small ones, with [`FileLink::at_most`].
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn bytes(mut self) -> Result<Bytes, RestError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }

    /// The file as something to read from. An error of the stream is inside the error of the reader.
    pub fn into_reader(self) -> DownloadReader {
        DownloadReader(StreamReader::new(Pieces(self)))
    }

    fn take(&mut self, piece: &Bytes) -> Result<(), RestError> {
        self.resumed = 0;
        self.received = self.received.saturating_add(piece.len() as u64);
        if let Some(most) = self.most.filter(|most| self.received > *most) {
            return Err(too_large(CALL, self.received, most));
        }
        if let Some(on_progress) = &self.on_progress {
            on_progress(Progress {
                bytes: self.received,
                total: self.length,
            });
        }
        Ok(())
    }

    fn rest_idle(&mut self) {
        let at = Instant::now() + self.client.timeout();
        self.idle.as_mut().reset(at);
    }

    /// Asks for the rest.
    fn resume(&mut self, why: &str) -> Result<State, RestError> {
        let cut = || {
            let message = format!(
                "the connection was lost behind {} bytes of the file: {why}",
                self.received
            );
            RestError::new(RestErrorKind::Cut, CALL, message).transient(true)
        };
        let Some(length) = self.length.filter(|_| self.resumed < RESUMES) else {
            return Err(cut());
        };
        let pause = FIRST_PAUSE * 2_u32.pow(self.resumed);
        self.resumed += 1;
        tracing::debug!(received = self.received, why, "a download was cut and goes on");
        let last = length.saturating_sub(1);
        // Nor does it know one of a single byte: the byte before comes again.
        let first = self.received.min(last.saturating_sub(1));
        self.skip = self.received - first;
        let (client, uri, error) = (self.client.clone(), self.uri.clone(), cut());
        let rest = (first > 0).then_some((first, last));
        Ok(State::Resuming(Box::pin(async move {
            sleep(pause).await;
            let (head, body) = client.fetch(uri, rest).await?;
            let fits = match rest {
                None => head.status() == StatusCode::OK && body.size_hint().exact() == Some(length),
                // A server that begins anew can not go on.
                Some(_) => {
                    head.status() == StatusCode::PARTIAL_CONTENT
                        && range_of(head.headers()) == Some((first, Some(length)))
                }
            };
            if fits { Ok((head, body)) } else { Err(error) }
        })))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RestError>>> {
        loop {
            let stopped = match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Resuming(resuming) => {
                    let (_, body) = ready!(resuming.as_mut().poll(cx))?;
                    self.rest_idle();
                    self.state = State::Reading(body);
                    continue;
                }
                State::Reading(body) => match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        self.rest_idle();
                        match frame.into_data() {
                            Ok(mut piece) => {
                                let known = self.skip.min(piece.len() as u64);
                                self.skip -= known;
                                // No longer than the piece.
                                piece.advance(usize::try_from(known).unwrap_or(usize::MAX));
                                if piece.is_empty() {
                                    continue;
                                }
                                self.take(&piece)?;
                                return Poll::Ready(Some(Ok(piece)));
                            }
                            Err(_trailers) => continue,
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        Stopped::Cut(crate::transport::connect_failure::root_cause(&error))
                    }
                    Poll::Ready(None) if self.length.is_none_or(|length| length == self.received) => {
                        Stopped::Complete
                    }
                    Poll::Ready(None) => Stopped::Cut("it ended early".to_owned()),
                    Poll::Pending => {
                        ready!(self.idle.as_mut().poll(cx));
                        Stopped::Cut("nothing more came in time".to_owned())
                    }
                },
            };
            match stopped {
                Stopped::Complete => {
                    self.state = State::Ended;
                    return Poll::Ready(None);
                }
                Stopped::Cut(why) => self.state = self.resume(&why)?,
            }
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes, RestError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = ready!(this.poll_piece(cx));
        if matches!(piece, Some(Err(_))) {
            this.state = State::Ended;
        }
        Poll::Ready(piece)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("received", &self.received)
            .field("length", &self.length)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

struct Pieces(Download);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map_err(io::Error::other)
    }
}

/// A [`Download`] to read from.
pub struct DownloadReader(StreamReader<Pieces, Bytes>);

impl AsyncRead for DownloadReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncBufRead for DownloadReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().0).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.0).consume(amount);
    }
}

impl fmt::Debug for DownloadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DownloadReader")
            .field(&self.0.get_ref().0)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        for (from, location, leads) in [
            (
                "https://a.example/x",
                "https://s3.example/y?z=1#f",
                Some("https://s3.example/y?z=1"),
            ),
            ("https://a.example:1/x", "/y", Some("https://a.example:1/y")),
            (
                "https://a.example/x",
                "//b.example/y",
                Some("https://b.example/y"),
            ),
            (
                "http://a.example/x",
                "https://b.example/",
                Some("https://b.example/"),
            ),
            ("https://a.example/x", "http://a.example/x", None),
            ("http://a.example/x", "file:///etc/passwd", None),
            ("http://a.example/x", "https://user:pw@b.example/", None),
            ("http://a.example/x", "y", None),
            ("http://a.example/x", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().expect("a value"));
            let uri = redirected(&from.parse().expect("an address"), &headers);
            assert_eq!(
                uri.ok().map(|uri| uri.to_string()).as_deref(),
                leads,
                "{from} {location}"
            );
        }
    }

    #[test]
    fn ranges() {
        for (text, range) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", None),
            ("items 5-9/10", None),
            ("bytes -9/10", None),
            ("bytes 99999999999999999999-9/10", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, text.parse().expect("a value"));
            assert_eq!(range_of(&headers), range, "{text}");
        }
    }
}
