//! The journal's file: made, locked, looked through, and only then opened.

use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadableTable, StorageBackend, StorageError, TableDefinition, TableError,
    WriteTransaction,
};

use super::overlay::Overlay;
use crate::journal::{JournalError, JournalErrorKind};

/// What every redb file begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Where the size of a page stands, and what it is.
const PAGE_SIZE: (u64, [u8; 4]) = (12, 4096_u32.to_le_bytes());

/// Nobody else's database has this table.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("rocketbotte");
const FORMAT_KEY: &str = "format";

pub(super) const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

/// Brings a file from the format of its index to the next.
type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The format that this version writes is their number, and one more.
const MIGRATIONS: &[Migration] = &[];

/// So much of the file is kept in memory.
const CACHE: usize = 4 << 20;

/// A lock on the file, and the way to its bytes. It outlives a database that has to be opened again.
pub(super) type Bytes = Arc<dyn StorageBackend>;

/// An open journal's database and what it stands on.
pub(super) struct Opened {
    pub(super) bytes: Bytes,
    pub(super) database: Database,
}

/// Opens a journal, or makes one where there is no file.
pub(super) fn open(path: &Path) -> Result<Opened, JournalError> {
    // A file that comes or goes meanwhile is looked at once more.
    for _ in 0..8 {
        let opened = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => open_existing(path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(of_io(path, error)),
        };
        if let Some(opened) = opened {
            return Ok(opened);
        }
    }
    Err(JournalError::new(
        JournalErrorKind::Io,
        format!("the journal {} comes and goes", path.display()),
    ))
}

/// `None` where it is not at its place any more.
fn open_existing(path: &Path, file: File) -> Result<Option<Opened>, JournalError> {
    let metadata = file.metadata().map_err(|error| of_io(path, error))?;
    if !metadata.is_file() {
        return Err(foreign(path, "is no file"));
    }
    let bytes: Bytes = match FileBackend::new(file) {
        Ok(backend) => Arc::new(backend),
        Err(error) => return Err(of_database(path, error)),
    };
    if !is_at(path, &metadata) {
        return Ok(None);
    }
    inspect(path, &bytes)?;
    restrict(path);
    let database = database(&bytes).map_err(|error| of_database(path, error))?;
    migrate(&database, MIGRATIONS).map_err(|error| of_redb(path, error))?;
    Ok(Some(Opened { bytes, database }))
}

/// The file is made beside its place and put there when it is whole, so that there is never half a journal. `None`
/// where another was quicker.
fn create(path: &Path) -> Result<Option<Opened>, JournalError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", crate::random::id()));
    let new = Unfinished(path.with_file_name(name));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&new.0).map_err(|error| of_io(path, error))?;
    let bytes: Bytes = match FileBackend::new(file) {
        Ok(backend) => Arc::new(backend),
        Err(error) => return Err(of_database(path, error)),
    };
    let database = database(&bytes).map_err(|error| of_database(path, error))?;
    initialize(&database).map_err(|error| of_redb(path, error))?;
    // A name that is taken is not taken over.
    match std::fs::hard_link(&new.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        // Not every file system has links.
        Err(_) if !path.exists() => std::fs::rename(&new.0, path).map_err(|error| of_io(path, error))?,
        Err(_) => return Ok(None),
    }
    drop(new);
    sync_folder(path);
    Ok(Some(Opened { bytes, database }))
}

/// Removes the name that a new file had while it was made.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may have been renamed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The database in a file that was looked through.
pub(super) fn database(bytes: &Bytes) -> Result<Database, DatabaseError> {
    Database::builder()
        .set_cache_size(CACHE)
        .create_with_file_format_v3(true)
        .create_with_backend(Shared(Arc::clone(bytes)))
}

pub(super) fn initialize(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    transaction
        .open_table(META)?
        .insert(FORMAT_KEY, newest_format(MIGRATIONS))?;
    transaction.open_table(ENTRIES)?;
    Ok(transaction.commit()?)
}

/// With two phases whatever the file says last is whole: what is not is damage, and no trace of a crash.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn newest_format(migrations: &[Migration]) -> u64 {
    migrations.len() as u64 + 1
}

/// All of it or nothing: a crash leaves the old format.
fn migrate(database: &Database, migrations: &[Migration]) -> Result<(), redb::Error> {
    let format = read_format(database)?.unwrap_or_default();
    let done = usize::try_from(format).unwrap_or(usize::MAX).saturating_sub(1);
    if done >= migrations.len() {
        return Ok(());
    }
    let transaction = begin(database)?;
    for migration in &migrations[done..] {
        migration(&transaction)?;
    }
    transaction
        .open_table(META)?
        .insert(FORMAT_KEY, newest_format(migrations))?;
    Ok(transaction.commit()?)
}

fn read_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(meta.get(FORMAT_KEY)?.map(|format| format.value()))
}

pub(super) fn read_entries(database: &Database) -> Result<Vec<(Vec<u8>, Vec<u8>)>, redb::Error> {
    let table = database.begin_read()?.open_table(ENTRIES)?;
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        entries.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(entries)
}

/// Looks through the whole file, on a view that leaves it as it is.
pub(super) fn inspect(path: &Path, bytes: &Bytes) -> Result<(), JournalError> {
    let len = bytes.len().map_err(|error| of_io(path, error))?;
    if len == 0 {
        return Err(foreign(path, "is an empty file"));
    }
    let head = match len < MAGIC.len() as u64 {
        true => Vec::new(),
        false => bytes.read(0, MAGIC.len()).map_err(|error| of_io(path, error))?,
    };
    if head != MAGIC {
        return Err(foreign(path, "is something else"));
    }
    if len < PAGE_SIZE.1.len() as u64 + PAGE_SIZE.0 {
        return Err(damaged(path, "it is cut off"));
    }
    let page_size = bytes.read(PAGE_SIZE.0, PAGE_SIZE.1.len());
    if page_size.map_err(|error| of_io(path, error))? != PAGE_SIZE.1 {
        return Err(damaged(path, "its pages have another size"));
    }
    let view = Overlay::of(Arc::clone(bytes)).map_err(|error| of_io(path, error))?;
    // The library trusts what it reads, and panics over some of it.
    let looked = catch_unwind(AssertUnwindSafe(|| look_through(view)));
    match looked {
        Ok(Ok(Some(format))) if format > newest_format(MIGRATIONS) => Err(JournalError::new(
            JournalErrorKind::NewerFormat,
            format!(
                "the journal {} has the format {format}, and this version knows none above {}: use the version that wrote it",
                path.display(),
                newest_format(MIGRATIONS)
            ),
        )),
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Ok(None)) => Err(foreign(path, "is the database of another program")),
        Ok(Err(redb::Error::UpgradeRequired(_))) => Err(foreign(path, "is the database of another program")),
        Ok(Err(redb::Error::Io(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(of_io(path, error))
        }
        Ok(Err(error)) => Err(damaged(path, &error.to_string()).with_source(error)),
        Err(_) => Err(damaged(path, "it contradicts itself")),
    }
}

fn look_through(view: Overlay) -> Result<Option<u64>, redb::Error> {
    let mut database = Database::builder()
        .set_cache_size(CACHE)
        .create_with_backend(view)?;
    if !database.check_integrity()? {
        return Err(redb::Error::Corrupted("a checksum is wrong".to_owned()));
    }
    let Some(format) = read_format(&database)? else {
        return Ok(None);
    };
    if format <= newest_format(MIGRATIONS) {
        read_entries(&database)?;
    }
    Ok(Some(format))
}

/// Whether a file is still the one at this place.
fn is_at(path: &Path, opened: &std::fs::Metadata) -> bool {
    let Ok(there) = std::fs::metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (there.dev(), there.ino()) == (opened.dev(), opened.ino())
    }
    #[cfg(not(unix))]
    {
        there.is_file() == opened.is_file()
    }
}

/// Whoever can read the journal can compute the ids of the bot's replies.
#[cfg(unix)]
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else {
        return;
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the journal: only its owner can from now on");
        if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            tracing::warn!(%error, "the permissions of the journal can not be changed");
        }
    }
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}

/// A new name is kept when its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    if let Err(error) = synced {
        tracing::debug!(%error, "the journal's folder can not be synced");
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) {}

/// The file's lock is shared by the database and whoever opens it again.
#[derive(Debug)]
struct Shared(Bytes);

impl StorageBackend for Shared {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, io::Error> {
        self.0.read(offset, len)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self, eventual: bool) -> Result<(), io::Error> {
        self.0.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }
}

fn foreign(path: &Path, what: &str) -> JournalError {
    JournalError::new(
        JournalErrorKind::Foreign,
        format!(
            "{} {what}, and no journal: it is left as it is; name another path",
            path.display()
        ),
    )
}

fn damaged(path: &Path, why: &str) -> JournalError {
    JournalError::new(
        JournalErrorKind::Damaged,
        format!(
            "the journal {} is damaged ({why}): it is left as it is; put a copy back, or move it away to begin anew",
            path.display()
        ),
    )
}

pub(super) fn of_io(path: &Path, error: io::Error) -> JournalError {
    let (kind, what) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (JournalErrorKind::Permission, "may not be read and written")
        }
        _ => (JournalErrorKind::Io, "can not be used"),
    };
    JournalError::new(kind, format!("the journal {} {what}: {error}", path.display())).with_source(error)
}

fn of_database(path: &Path, error: DatabaseError) -> JournalError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => JournalError::new(
            JournalErrorKind::Locked,
            format!(
                "the journal {} is used by another process: a bot can run only once; stop the other one, or wait for it with `wait_for_lock`",
                path.display()
            ),
        ),
        DatabaseError::Storage(StorageError::Io(error)) => of_io(path, error),
        other => of_redb(path, other.into()),
    }
}

pub(super) fn of_redb(path: &Path, error: redb::Error) -> JournalError {
    match error {
        redb::Error::Io(error) => of_io(path, error),
        redb::Error::Corrupted(why) => damaged(path, &why),
        other => JournalError::new(
            JournalErrorKind::Io,
            format!("the journal {} can not be used: {other}", path.display()),
        )
        .with_source(other),
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    const OLD: TableDefinition<'_, &str, u64> = TableDefinition::new("old");

    #[test]
    fn a_migration_runs_once_and_whole() {
        let bytes: Bytes = Arc::new(InMemoryBackend::new());
        let database = database(&bytes).unwrap();
        initialize(&database).unwrap();
        let count: Migration = |transaction| {
            let mut table = transaction.open_table(OLD)?;
            let before = table.get("count")?.map_or(0, |count| count.value());
            table.insert("count", before + 1)?;
            Ok(())
        };
        let fail: Migration = |_| Err(redb::Error::Corrupted("no".to_owned()));
        assert!(migrate(&database, &[count, fail]).is_err());
        assert_eq!(read_format(&database).unwrap(), Some(1));
        for _ in 0..2 {
            migrate(&database, &[count, count]).unwrap();
        }
        assert_eq!(read_format(&database).unwrap(), Some(3));
        let table = database.begin_read().unwrap().open_table(OLD).unwrap();
        assert_eq!(table.get("count").unwrap().unwrap().value(), 2);
    }
}
