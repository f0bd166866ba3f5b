//! A file that is about to go up: what it is read from, and who is told how far it is.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt as _;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use tower::BoxError;

use super::Progress;
use super::form::{OnProgress, PIECE, Pieces, Source};
use crate::response::{FileSource, Upload, UploadSource};
use crate::rest::error::{RestError, RestErrorKind};

/// What the file of an [`Upload`] is read from once it is on its way: also a stream, which is no value any more.
#[derive(Clone)]
pub struct Transfer {
    source: TransferSource,
    pub(super) on_progress: Option<OnProgress>,
}

#[derive(Clone)]
enum TransferSource {
    /// Read again for each attempt.
    Value(FileSource),
    /// Empty once it was read.
    Once(Arc<Mutex<Option<Pieces>>>, Option<u64>),
}

impl Upload<Transfer> {
    /// A file that is read from a stream while it is sent. It is read once, so when the connection is lost the upload
    /// fails and is not made again.
    ///
    /// ```
    /// use rocketbotte::BoxError;
    /// use rocketbotte::response::Upload;
    ///
    /// let lines = futures_util::stream::iter(["one\n", "two\n"]).map(Ok::<_, BoxError>);
    /// let upload = Upload::from_stream("lines.txt", lines);
    /// assert_eq!(upload.name(), "lines.txt");
    /// # use futures_util::StreamExt as _;
    /// ```
    pub fn from_stream<T, B, E>(name: impl Into<String>, pieces: T) -> Self
    where
        T: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        let pieces = pieces.map(|piece| piece.map(Into::into).map_err(io::Error::other));
        let transfer = Transfer {
            source: TransferSource::Once(Arc::new(Mutex::new(Some(Box::pin(pieces)))), None),
            on_progress: None,
        };
        Self::with(transfer, name.into())
    }

    /// The same from a reader, such as the output of a process.
    pub fn from_reader(name: impl Into<String>, reader: impl AsyncRead + Send + 'static) -> Self {
        Self::from_stream(name, ReaderStream::with_capacity(reader, PIECE))
    }

    /// Says how many bytes the stream has. Then the server is told, a limit is seen before anything is sent, and another
    /// number is an error. Without effect for bytes and paths, whose size is known.
    #[must_use]
    pub fn length(mut self, bytes: u64) -> Self {
        if let TransferSource::Once(_, length) = &mut self.source.source {
            *length = Some(bytes);
        }
        self
    }
}

impl<S> Upload<S>
where
    Upload<S>: Into<Upload<Transfer>>,
{
    /// Has a function told how far it is, each time that a piece of the file is handed to the connection. It must not
    /// block.
    #[must_use]
    pub fn on_progress(self, on_progress: impl Fn(Progress) + Send + Sync + 'static) -> Upload<Transfer> {
        let mut upload = self.into();
        upload.source.on_progress = Some(Arc::new(on_progress));
        upload
    }
}

impl From<Upload> for Upload<Transfer> {
    fn from(upload: Upload) -> Self {
        upload.map_source(|source| match source.0 {
            UploadSource::Transfer(transfer) => *transfer,
            value => Transfer {
                source: TransferSource::Value(FileSource(value)),
                on_progress: None,
            },
        })
    }
}

impl Upload<Transfer> {
    /// As an action, for the sink: what is a value is one.
    pub(crate) fn into_action(self) -> Upload {
        self.map_source(|transfer| match transfer {
            Transfer {
                source: TransferSource::Value(value),
                on_progress: None,
            } => value,
            transfer => FileSource(UploadSource::Transfer(Box::new(transfer))),
        })
    }
}

/// The same stream, told to the same function.
impl PartialEq for Transfer {
    fn eq(&self, other: &Self) -> bool {
        let is_same_file = match (&self.source, &other.source) {
            (TransferSource::Value(one), TransferSource::Value(two)) => one == two,
            (TransferSource::Once(one, _), TransferSource::Once(two, _)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        let is_same_listener = match (&self.on_progress, &other.on_progress) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        };
        is_same_file && is_same_listener
    }
}

impl Eq for Transfer {}

impl Transfer {
    /// What it is read from if that is no stream.
    pub(crate) fn value(&self) -> Option<&UploadSource> {
        match &self.source {
            TransferSource::Value(FileSource(value @ (UploadSource::Bytes(_) | UploadSource::Path(_)))) => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Finds out how long a file on disk is.
    pub(super) async fn open(self, call: &str) -> Result<Source, RestError> {
        Ok(match self.source {
            TransferSource::Once(pieces, length) => {
                if pieces.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                    let message = "the stream was read before, and can not be read again";
                    return Err(RestError::new(RestErrorKind::Cut, call, message));
                }
                Source::Once(pieces, length)
            }
            // Of a recording, or an action that went into another.
            TransferSource::Value(FileSource(UploadSource::Stream | UploadSource::Transfer(_))) => {
                let message = "of the file's stream there is nothing to read";
                return Err(RestError::new(RestErrorKind::InvalidCall, call, message));
            }
            TransferSource::Value(FileSource(UploadSource::Bytes(bytes))) => Source::Bytes(bytes),
            TransferSource::Value(FileSource(UploadSource::Path(path))) => {
                let failed = |error: io::Error| {
                    let message = format!("the file {} can not be read: {error}", path.display());
                    RestError::new(RestErrorKind::LocalFile, call, message).with_source(error)
                };
                let file = tokio::fs::metadata(&path).await.map_err(failed)?;
                if !file.is_file() {
                    return Err(failed(io::Error::other("it is no file")));
                }
                Source::Path(path, file.len())
            }
        })
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Transfer");
        match &self.source {
            TransferSource::Value(source) => debug.field("source", source),
            TransferSource::Once(_, length) => debug.field("length", length),
        };
        debug.finish_non_exhaustive()
    }
}
