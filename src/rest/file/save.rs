//! A download into a file: beside it first, so that there is never half of it.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::download::Download;
use super::link::CALL;
use crate::rest::error::{RestError, RestErrorKind};

impl Download {
    /// Writes it to a file, and gives the number of bytes. It is written beside it, under a name that begins with a dot and
    /// ends in `.part`, and gets its name when all of it is on the disk: then it takes the place of what is there. If
    /// anything fails, or this future is dropped, nothing is left.
    ///
    /// The path is the program's own choice. The name that somebody gave a file may be that of any file, also with
    /// slashes: do not join it to a path.
    ///
    /// # Errors
    ///
    /// Those of the stream, and [`RestErrorKind::LocalFile`] where the file can not be written.
    pub async fn save_to(mut self, path: impl AsRef<Path>) -> Result<u64, RestError> {
        let path = path.as_ref();
        let failed = |error: io::Error| {
            let message = format!("the file {} can not be written: {error}", path.display());
            RestError::new(RestErrorKind::LocalFile, CALL, message).with_source(error)
        };
        let Some(part) = Part::beside(path) else {
            return Err(failed(io::Error::from(io::ErrorKind::InvalidInput)));
        };
        let mut file = File::create_new(&part.0).await.map_err(failed)?;
        while let Some(piece) = self.next().await {
            file.write_all(&piece?).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        drop(file);
        tokio::fs::rename(&part.0, path).await.map_err(failed)?;
        part.keep();
        Ok(self.received())
    }
}

/// The file before it has its name. Dropped, it is gone.
struct Part(PathBuf);

impl Part {
    fn beside(path: &Path) -> Option<Self> {
        let name = path.file_name()?;
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", crate::random::id()));
        Some(Self(path.with_file_name(part)))
    }

    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // It may not have been made.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
