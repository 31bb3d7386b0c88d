//! Rows set aside until both sides have been read, in partitions of the key-hash domain; on disk where they do not
//! fit in memory.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::model::row::{Row, RowBlock};

/// Partitions of one spool: each may have a file open.
pub const PARTITIONS_MAX: usize = 128;

/// The rows of one side, by partition.
pub struct Spool {
    partitions: Vec<Mutex<Partition>>,
    held_bytes: AtomicU64,
    limit_bytes: u64,
    folder: Folder,
}

/// A temporary folder that is made when it is first needed and disappears with the spool.
struct Folder {
    parent: PathBuf,
    made: OnceLock<TempDir>,
}

#[derive(Default)]
struct Partition {
    rows: RowBlock,
    spilled: Option<File>,
}

impl Spool {
    /// A spool of `partitions` that holds `limit_bytes` in memory and the rest in files in `parent`.
    pub fn new(partitions: usize, limit_bytes: u64, parent: &Path) -> Self {
        Spool {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            held_bytes: AtomicU64::new(0),
            limit_bytes,
            folder: Folder { parent: parent.to_path_buf(), made: OnceLock::new() },
        }
    }

    /// Sets some rows aside, each in a partition. Those of one partition are written together: one by one, each would wait for memory
    /// that is in no cache.
    ///
    /// # Errors
    ///
    /// If rows have to be spilled and cannot be.
    pub fn push(&self, mut rows: Vec<(u16, Row<'_>)>) -> Result<()> {
        rows.sort_by_key(|(partition, _)| *partition);
        rows.chunk_by(|(one, _), (next, _)| one == next).try_for_each(|of_one| {
            let mut partition = lock(&self.partitions[usize::from(of_one[0].0)]);
            of_one.iter().for_each(|(_, row)| partition.rows.push(*row));
            let size = of_one.iter().map(|(_, row)| row.bytes().len() as u64 + ROW_OVERHEAD_BYTES).sum();
            if self.held_bytes.fetch_add(size, Relaxed) + size > self.limit_bytes {
                self.spill(&mut partition)?;
            }
            Ok(())
        })
    }

    /// Moves the rows of a partition to its file.
    fn spill(&self, partition: &mut Partition) -> Result<()> {
        let Partition { rows, spilled } = partition;
        let file = match spilled {
            Some(file) => file,
            None => spilled.insert(self.folder.file()?),
        };
        let mut bytes = Vec::with_capacity(rows.bytes_len() + rows.len() * ROW_OVERHEAD_BYTES as usize);
        for row in rows.iter() {
            for length in [row.key().len(), row.compared().len(), row.bytes().len()] {
                bytes.extend_from_slice(&(length as u64).to_le_bytes());
            }
            bytes.extend_from_slice(row.bytes());
        }
        file.write_all(&bytes).map_err(|error| self.folder.error("spill rows", error))?;
        self.held_bytes.fetch_sub(rows.bytes_len() as u64 + rows.len() as u64 * ROW_OVERHEAD_BYTES, Relaxed);
        *rows = RowBlock::default();
        Ok(())
    }

    /// Gives every row of a partition to `take`, spilled ones first. Can be called again.
    ///
    /// # Errors
    ///
    /// Those of `take`, and if spilled rows cannot be read back.
    pub fn read(&self, partition: usize, mut take: impl FnMut(Row<'_>)) -> Result<()> {
        let mut partition = lock(&self.partitions[partition]);
        if let Some(file) = &mut partition.spilled {
            file.seek(SeekFrom::Start(0)).map_err(|error| self.folder.error("read spilled rows", error))?;
            let mut reader = BufReader::with_capacity(READ_BYTES, file);
            let mut bytes = Vec::new();
            while let Some([key, compared, len]) =
                read_lengths(&mut reader).map_err(|error| self.folder.error("read spilled rows", error))?
            {
                bytes.resize(len, 0);
                reader.read_exact(&mut bytes).map_err(|error| self.folder.error("read spilled rows", error))?;
                take(Row::new(&bytes, key, compared));
            }
        }
        partition.rows.iter().for_each(take);
        Ok(())
    }

    /// Frees what a partition holds.
    pub fn forget(&self, partition: usize) {
        *lock(&self.partitions[partition]) = Partition::default();
    }
}

/// What a row takes beside its bytes: three lengths.
const ROW_OVERHEAD_BYTES: u64 = 24;
const READ_BYTES: usize = 1 << 20;

fn read_lengths(reader: &mut impl Read) -> std::io::Result<Option<[usize; 3]>> {
    let mut bytes = [0; ROW_OVERHEAD_BYTES as usize];
    match reader.read(&mut bytes[..1])? {
        0 => return Ok(None),
        _ => reader.read_exact(&mut bytes[1..])?,
    }
    let mut lengths = [0; 3];
    for (length, bytes) in lengths.iter_mut().zip(bytes.chunks_exact(8)) {
        let bytes = bytes.try_into().map_err(|_| std::io::Error::from(ErrorKind::InvalidData))?;
        *length = u64::from_le_bytes(bytes) as usize;
    }
    Ok(Some(lengths))
}

/// A thread that panicked while it held a partition has ended the run; what it left is not read.
fn lock(partition: &Mutex<Partition>) -> MutexGuard<'_, Partition> {
    partition.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Folder {
    fn file(&self) -> Result<File> {
        let make = || tempfile::Builder::new().prefix("tieout-").tempdir_in(&self.parent);
        let folder = match self.made.get() {
            Some(folder) => folder,
            None => {
                let folder = make().map_err(|error| self.error("make a folder for spilled rows", error))?;
                self.made.get_or_init(|| folder)
            }
        };
        tempfile::tempfile_in(folder.path()).map_err(|error| self.error("make a file for spilled rows", error))
    }

    fn error(&self, what: &str, cause: std::io::Error) -> Error {
        Error::caused(what, cause)
            .at(format!("temporary folder {}", self.parent.display()))
            .hint("name a folder with more room with --temp-dir, or give more memory with --memory")
    }
}
