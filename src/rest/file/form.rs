//! The form that a file goes up in: written while it is sent, so that no more than a piece of the file is in memory.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, TryFutureExt as _};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::Progress;
use crate::rest::timeout::Activity;

/// How much of a file is read at once.
pub(super) const PIECE: usize = 64 * 1024;

/// Why a file could not be read to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("{0}")]
    Read(#[source] Arc<io::Error>),
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    #[error("the file has not the {0} bytes that it was said to have")]
    OtherLength(u64),
    #[error("the stream was read before and can not be read again")]
    Spent,
}

impl SourceError {
    /// The one in an error of the HTTP client, if that is what ended the request.
    pub(crate) fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref::<Self>())
    }
}

pub(super) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What a file is read from.
#[derive(Clone)]
pub(super) enum Source {
    Bytes(Bytes),
    /// A file on disk, and how long it was found to be.
    Path(PathBuf, u64),
    /// A stream, which can be read once, and its length where that is known.
    Once(Arc<Mutex<Option<Pieces>>>, Option<u64>),
}

impl Source {
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Path(_, length) => Some(*length),
            Self::Once(_, length) => *length,
        }
    }

    /// Whether it can be read again and again.
    pub(super) fn can_be_reopened(&self) -> bool {
        !matches!(self, Self::Once(..))
    }

    fn is_there(&self) -> bool {
        match self {
            Self::Bytes(_) | Self::Path(..) => true,
            Self::Once(stream, _) => stream.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
        }
    }

    fn open(&self) -> Result<Pieces, SourceError> {
        match self {
            Self::Bytes(bytes) => {
                let mut rest = bytes.clone();
                let pieces = std::iter::from_fn(move || {
                    let piece = rest.split_to(rest.len().min(PIECE));
                    (!piece.is_empty()).then_some(Ok(piece))
                });
                Ok(Box::pin(futures_util::stream::iter(pieces)))
            }
            Self::Path(path, length) => {
                // One more than it had would be seen.
                let most = length.saturating_add(1);
                let file = tokio::fs::File::open(path.clone())
                    .map_ok(move |file| ReaderStream::with_capacity(file.take(most), PIECE));
                Ok(file.try_flatten_stream().boxed())
            }
            Self::Once(stream, _) => stream
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .ok_or(SourceError::Spent),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Bytes(_) => "Bytes",
            Self::Path(..) => "Path",
            Self::Once(..) => "Once",
        };
        f.debug_tuple(kind).field(&self.length()).finish()
    }
}

/// Who is told how far a file is.
pub(super) type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// A form with text fields and a file, as `multipart/form-data`.
pub(crate) struct Form {
    head: Bytes,
    source: Source,
    tail: Bytes,
    /// Bytes of the file.
    most: Option<u64>,
    activity: Activity,
    on_progress: Option<OnProgress>,
    sent: u64,
    state: State,
}

enum State {
    Head,
    File(Pieces),
    Tail,
    Done,
}

/// Random, so that no file holds it.
fn boundary() -> String {
    format!("----rocketbotte{}", crate::random::id())
}

/// What browsers do with characters that would end a name.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

impl Form {
    /// A form, and its content type.
    pub(super) fn new(
        fields: &[(&str, &str)],
        name: &str,
        content_type: &str,
        source: Source,
        activity: Activity,
    ) -> (Self, String) {
        let boundary = boundary();
        let mut head = String::new();
        for (field, text) in fields {
            head += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{text}\r\n",
                escaped(field)
            );
        }
        head += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: \
             {content_type}\r\n\r\n",
            escaped(name)
        );
        let form = Self {
            head: head.into(),
            source,
            tail: format!("\r\n--{boundary}--\r\n").into(),
            most: None,
            activity,
            on_progress: None,
            sent: 0,
            state: State::Head,
        };
        (form, format!("multipart/form-data; boundary={boundary}"))
    }

    /// Ends with an error where the file is larger.
    pub(super) fn at_most(mut self, bytes: Option<u64>) -> Self {
        self.most = bytes;
        self
    }

    pub(super) fn on_progress(mut self, on_progress: Option<OnProgress>) -> Self {
        self.on_progress = on_progress;
        self
    }

    /// Whether the file can be read from its beginning.
    pub(super) fn can_be_sent_again(&self) -> bool {
        self.source.is_there()
    }

    pub(crate) fn can_be_sent(&self) -> bool {
        self.can_be_sent_again()
    }

    fn length(&self) -> Option<u64> {
        let around = (self.head.len() + self.tail.len()) as u64;
        self.source.length().and_then(|length| length.checked_add(around))
    }

    /// A piece of the file is about to be sent.
    fn count(&mut self, piece: &Bytes) -> Result<(), SourceError> {
        self.sent = self.sent.saturating_add(piece.len() as u64);
        if let Some(most) = self.most.filter(|most| self.sent > *most) {
            return Err(SourceError::TooLarge(most));
        }
        let total = self.source.length();
        if let Some(total) = total.filter(|total| self.sent > *total) {
            return Err(SourceError::OtherLength(total));
        }
        if let Some(on_progress) = &self.on_progress {
            on_progress(Progress {
                bytes: self.sent,
                total,
            });
        }
        Ok(())
    }

    /// The next piece; `None` at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        loop {
            match &mut self.state {
                State::Head => {
                    self.state = State::File(self.source.open()?);
                    return Poll::Ready(Some(Ok(self.head.clone())));
                }
                State::File(pieces) => match ready!(pieces.as_mut().poll_next(cx)) {
                    Some(Ok(piece)) if piece.is_empty() => {}
                    Some(Ok(piece)) => {
                        self.count(&piece)?;
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(SourceError::Read(error.into())))),
                    None => {
                        if let Some(total) = self.source.length().filter(|total| self.sent != *total) {
                            return Poll::Ready(Some(Err(SourceError::OtherLength(total))));
                        }
                        self.state = State::Tail;
                    }
                },
                State::Tail => {
                    self.state = State::Done;
                    return Poll::Ready(Some(Ok(self.tail.clone())));
                }
                State::Done => return Poll::Ready(None),
            }
        }
    }
}

impl Clone for Form {
    /// From its beginning.
    fn clone(&self) -> Self {
        Self {
            head: self.head.clone(),
            source: self.source.clone(),
            tail: self.tail.clone(),
            most: self.most,
            activity: self.activity.clone(),
            on_progress: self.on_progress.clone(),
            sent: 0,
            state: State::Head,
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("source", &self.source)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl HttpBody for Form {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        let this = self.get_mut();
        let piece = ready!(this.poll_piece(cx));
        this.activity.note();
        if matches!(piece, Some(Err(_))) {
            this.state = State::Done;
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for once, before anything is sent.
        match self.length() {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use multer::Multipart;

    use super::*;

    fn once(pieces: &[&'static str], length: Option<u64>) -> Source {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        let stream: Pieces = Box::pin(futures_util::stream::iter(pieces));
        Source::Once(Arc::new(Mutex::new(Some(stream))), length)
    }

    fn form(fields: &[(&str, &str)], name: &str, source: Source) -> (Form, String) {
        Form::new(fields, name, "text/plain", source, Activity::default())
    }

    /// What a parser of others finds in it: text fields, the name of the file and its bytes.
    async fn parsed(form: Form, content_type: &str) -> (Vec<(String, String)>, String, Bytes) {
        let boundary = multer::parse_boundary(content_type).expect("a boundary");
        let mut parts = Multipart::new(form.into_data_stream(), boundary);
        let mut fields = Vec::new();
        while let Some(part) = parts.next_field().await.expect("a part") {
            let field = part.name().expect("a name").to_owned();
            match part.file_name().map(str::to_owned) {
                Some(name) => {
                    assert_eq!(field, "file");
                    assert_eq!(part.content_type().expect("a type").as_ref(), "text/plain");
                    return (fields, name, part.bytes().await.expect("bytes"));
                }
                None => fields.push((field, part.text().await.expect("text"))),
            }
        }
        panic!("no file");
    }

    #[tokio::test]
    async fn it_is_what_parsers_of_others_read() {
        let long = Bytes::from(vec![b'x'; 3 * PIECE + 7]);
        for (name, shown, source, expected) in [
            (
                "a.txt",
                "a.txt",
                Source::Bytes(Bytes::from_static(b"hello")),
                Bytes::from_static(b"hello"),
            ),
            (
                "ä \"b\".txt",
                "ä %22b%22.txt",
                Source::Bytes(long.clone()),
                long.clone(),
            ),
            (
                "x\r\ny",
                "x%0D%0Ay",
                once(&["he", "", "llo"], None),
                Bytes::from_static(b"hello"),
            ),
            ("n", "n", once(&["hello"], Some(5)), Bytes::from_static(b"hello")),
        ] {
            let (form, content_type) = form(&[("msg", "see\r\nthis")], name, source);
            let length = form.size_hint().exact();
            let whole = form.can_be_sent_again().then(|| form.clone());
            if let Some(whole) = whole.filter(|whole| whole.source.can_be_reopened()) {
                let bytes = whole.collect().await.expect("all of it").to_bytes();
                assert_eq!(length, Some(bytes.len() as u64), "{name}");
            }
            let (fields, file, bytes) = parsed(form, &content_type).await;
            assert_eq!(fields, [("msg".to_owned(), "see\r\nthis".to_owned())]);
            assert_eq!((file.as_str(), bytes), (shown, expected));
        }
    }

    #[tokio::test]
    async fn what_can_not_be_sent_is_an_error_and_not_a_shorter_file() {
        let cases: [(Source, Option<u64>, fn(&SourceError) -> bool); 5] = [
            (once(&["hello"], Some(6)), None, |error| {
                matches!(error, SourceError::OtherLength(6))
            }),
            (once(&["hello"], Some(4)), None, |error| {
                matches!(error, SourceError::OtherLength(4))
            }),
            (once(&["he", "llo"], None), Some(4), |error| {
                matches!(error, SourceError::TooLarge(4))
            }),
            (Source::Path("/nowhere/to/be/found".into(), 5), None, |error| {
                matches!(error, SourceError::Read(_))
            }),
            (Source::Bytes(Bytes::from_static(b"hello")), Some(4), |error| {
                matches!(error, SourceError::TooLarge(4))
            }),
        ];
        for (source, most, is_expected) in cases {
            let (form, _) = form(&[], "a.txt", source);
            let error = form.at_most(most).collect().await.expect_err("not all of it");
            assert!(is_expected(&error), "{error}");
        }
    }

    #[tokio::test]
    async fn a_stream_is_read_once() {
        let (form, _) = form(&[], "a.txt", once(&["hello"], None));
        let again = form.clone();
        assert!(again.can_be_sent());
        form.collect().await.expect("all of it");
        assert!(!again.can_be_sent());
        assert!(matches!(again.collect().await, Err(SourceError::Spent)));
    }

    #[tokio::test]
    async fn progress_is_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let (form, _) = form(&[], "a", Source::Bytes(vec![0; PIECE + 1].into()));
        let form = form.on_progress(Some(Arc::new(move |progress: Progress| {
            log.lock()
                .expect("no panic")
                .push((progress.bytes, progress.total));
        })));
        form.collect().await.expect("all of it");
        let all = Some(PIECE as u64 + 1);
        assert_eq!(
            *told.lock().expect("no panic"),
            [(PIECE as u64, all), (PIECE as u64 + 1, all)]
        );
    }
}
