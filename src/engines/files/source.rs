//! One file: what it is, and its bytes, the same ones each time it is read.

use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::options::{Encoding, FileOptions};
use crate::error::{Error, Result};

/// Bytes that a decompressor takes from a file at once.
const COMPRESSED_READ_BYTES: usize = 256 * 1024;
/// The largest window that zstd can be told to use, as a power of two (`zstd --ultra --long=31`).
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// How a file is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames.
    Zstd,
}

/// Tells the format of a file: what the options say, else what its name says. The compression is always told by the
/// name.
///
/// # Errors
///
/// If the name does not tell the format, or the format cannot be read compressed.
pub(super) fn format_of(path: &Path, options: &FileOptions) -> Result<(Encoding, Compression)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (stem, compression) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Compression::Gzip),
        Some((stem, "zst" | "zstd")) => (stem, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let extension = stem.rsplit_once('.').map_or("", |(_, extension)| extension);
    let told = match extension {
        "parquet" | "parq" | "pq" => Some(Encoding::Parquet),
        "csv" | "tsv" | "tab" | "txt" => Some(Encoding::Csv),
        "ndjson" | "jsonl" | "json" => Some(Encoding::Ndjson),
        "arrow" | "ipc" | "feather" | "arrows" => Some(Encoding::Arrow),
        _ => None,
    };
    let Some(encoding) = options.encoding.or(told) else {
        let found = if extension.is_empty() { "no file extension".to_string() } else { format!("file extension '.{extension}'") };
        return Err(Error::new(format!("found {found}, expected one that tells the format, such as .parquet or .csv"))
            .at(path.display().to_string())
            .hint("pass --file-format parquet, csv, ndjson or arrow"));
    };
    if matches!(encoding, Encoding::Parquet | Encoding::Arrow) && compression != Compression::None {
        return Err(Error::new(format!("found a compressed file, expected {} as it is", encoding.name()))
            .at(path.display().to_string())
            .hint("decompress the file first"));
    }
    Ok((encoding, compression))
}

/// A file of a table. It is opened anew for each scan, and must be the same each time.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    compression: Compression,
    len: u64,
    modified: Option<SystemTime>,
    bytes_read: Arc<AtomicU64>,
}

impl DataFile {
    /// Remembers the file as it is now; what is read of it later is added to `bytes_read`, in bytes on disk.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it cannot be read more than once, as a pipe cannot.
    pub(super) fn open(path: PathBuf, compression: Compression, bytes_read: Arc<AtomicU64>) -> Result<Self> {
        let place = path.display().to_string();
        let failed = |error| Error::caused("cannot be opened", error).at(&place);
        // Looked at before it is opened: opening a pipe would wait for somebody to write to it.
        let metadata = fs::metadata(&path).map_err(failed)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(Error::new(format!("found {found}, expected a file, which can be read more than once")).at(place));
        }
        // Opened, not only looked at: that the file cannot be read is said before anything else is.
        File::open(&path).map_err(failed)?;
        if metadata.len() == 0 && compression != Compression::None {
            return Err(Error::new("found 0 bytes, expected a compressed file").at(place));
        }
        Ok(DataFile { path, compression, len: metadata.len(), modified: metadata.modified().ok(), bytes_read })
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file is, for messages.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// How the file is compressed.
    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Its size on disk in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Counts bytes that a reader took from [`DataFile::file`].
    pub(super) fn count(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Opens the file at its start, as it lies on disk. What is read of it is not counted.
    ///
    /// # Errors
    ///
    /// If it is gone, or its size or its time of modification is not the one it was.
    pub(super) fn file(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(format!("changed during the audit: found no file, expected {} bytes", self.len)).at(self.place())
            }
            _ => Error::caused("cannot be opened", error).at(self.place()),
        })?;
        let metadata = file.metadata().map_err(|error| Error::caused("cannot be opened", error).at(self.place()))?;
        match self.change(&metadata) {
            Some(change) => Err(Error::new(change).at(self.place())),
            None => Ok(file),
        }
    }

    /// What has changed since the file was first seen.
    fn change(&self, now: &Metadata) -> Option<String> {
        if now.len() != self.len {
            Some(format!("changed during the audit: found {} bytes, expected {}", now.len(), self.len))
        } else if now.modified().ok() != self.modified {
            Some("changed during the audit: found a new time of modification".to_string())
        } else {
            None
        }
    }

    /// Opens the file at its start, decompressed. A file that is cut short, or changes while it is read, is an error
    /// of the reader, never an end.
    ///
    /// # Errors
    ///
    /// Those of [`DataFile::file`].
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send + '_>> {
        let reader = Counted { file: self.file()?, of: self, read: 0 };
        Ok(match self.compression {
            Compression::None => Box::new(reader),
            Compression::Gzip => {
                Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED_READ_BYTES, reader)))
            }
            Compression::Zstd => {
                let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(COMPRESSED_READ_BYTES, reader));
                let decoder = decoder.and_then(|mut decoder| decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map(|()| decoder));
                Box::new(decoder.map_err(|error| Error::caused("cannot be decompressed", error).at(self.place()))?)
            }
        })
    }

    /// Reads `len` bytes at `offset` of the file as it lies on disk; fewer where it ends.
    ///
    /// # Errors
    ///
    /// Those of [`DataFile::file`], and if the file cannot be read.
    pub(super) fn window(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut file = self.file()?;
        let mut bytes = Vec::with_capacity(len);
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.take(len as u64).read_to_end(&mut bytes));
        self.count(bytes.len() as u64);
        read.map(|_| bytes).map_err(|error| Error::caused("cannot be read", error).at(self.place()))
    }
}

/// Counts what is read of a file, and holds its end against the one expected.
struct Counted<'a> {
    file: File,
    of: &'a DataFile,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read += read as u64;
        self.of.count(read as u64);
        if read == 0 && !buffer.is_empty() {
            if let Some(change) = self.of.change(&self.file.metadata()?) {
                return Err(io::Error::other(change));
            }
            if self.read != self.of.len {
                return Err(io::Error::other(format!("found {} bytes, expected {}", self.read, self.of.len)));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn data_file(folder: &TempDir, name: &str, bytes: &[u8]) -> Result<DataFile> {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let (_, compression) = format_of(&path, &FileOptions::default())?;
        DataFile::open(path, compression, Arc::default())
    }

    fn content(file: &DataFile) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.reader()?.read_to_end(&mut bytes).map_err(|error| Error::caused("cannot be read", error))?;
        Ok(bytes)
    }

    #[test]
    fn names_tell_the_format() {
        let tell = |name: &str| format_of(Path::new(name), &FileOptions::default());
        for (name, expected) in [
            ("a/orders.parquet", (Encoding::Parquet, Compression::None)),
            ("ORDERS.CSV", (Encoding::Csv, Compression::None)),
            ("orders.v2.tsv.gz", (Encoding::Csv, Compression::Gzip)),
            ("orders.jsonl.zst", (Encoding::Ndjson, Compression::Zstd)),
            ("orders.feather", (Encoding::Arrow, Compression::None)),
        ] {
            assert_eq!(tell(name).unwrap(), expected, "{name}");
        }
        for name in ["orders", "orders.gz", "orders.xlsx", "csv"] {
            assert!(tell(name).unwrap_err().advice().unwrap().contains("--file-format"), "{name}");
        }
        assert!(tell("orders.parquet.gz").is_err());
        let options = FileOptions { encoding: Some(Encoding::Csv), ..FileOptions::default() };
        assert_eq!(format_of(Path::new("orders.dat.gz"), &options).unwrap(), (Encoding::Csv, Compression::Gzip));
    }

    #[test]
    fn compressed_files_are_read_to_their_end() {
        let folder = TempDir::new().unwrap();
        let file = data_file(&folder, "a.csv.gz", &[gzip(b"id\n"), gzip(b"1\n2\n")].concat()).unwrap();
        assert_eq!(content(&file).unwrap(), b"id\n1\n2\n");
        assert_eq!(file.bytes_read.load(Ordering::Relaxed), file.len());
        let frames = [zstd::encode_all(&b"id\n"[..], 0).unwrap(), zstd::encode_all(&b"1\n"[..], 0).unwrap()].concat();
        assert_eq!(content(&data_file(&folder, "a.csv.zst", &frames).unwrap()).unwrap(), b"id\n1\n");
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let folder = TempDir::new().unwrap();
        let text: Vec<u8> = (0..50_000u32).flat_map(|i| format!("{},\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
        let two_members = [gzip(b"id\n"), gzip(&text)].concat();
        for cut in [1, 5, 1000, gzip(&text).len() - 3] {
            let file = data_file(&folder, "cut.csv.gz", &two_members[..two_members.len() - cut]).unwrap();
            assert!(content(&file).is_err(), "gzip, {cut} bytes short");
        }
        let whole = zstd::encode_all(&text[..], 0).unwrap();
        for cut in [1, 1000, whole.len() - 3] {
            let file = data_file(&folder, "cut.csv.zst", &whole[..whole.len() - cut]).unwrap();
            assert!(content(&file).is_err(), "zstd, {cut} bytes short");
        }
        assert!(data_file(&folder, "empty.csv.gz", b"").is_err());
        assert!(content(&data_file(&folder, "plain.csv.gz", b"id\n1\n").unwrap()).is_err());
    }

    #[test]
    fn a_file_that_changes_is_an_error() {
        let folder = TempDir::new().unwrap();
        let file = data_file(&folder, "a.csv", b"id\n1\n").unwrap();
        fs::write(file.path(), b"id\n1\n2\n").unwrap();
        let message = file.reader().err().unwrap().to_string();
        assert!(message.ends_with("changed during the audit: found 7 bytes, expected 5"), "{message}");
        fs::write(file.path(), b"id\n2\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        File::options().write(true).open(file.path()).unwrap().set_modified(later).unwrap();
        assert!(file.reader().err().unwrap().to_string().contains("time of modification"));
        fs::remove_file(file.path()).unwrap();
        assert!(file.reader().err().unwrap().to_string().contains("found no file"));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_an_error() {
        let folder = TempDir::new().unwrap();
        let file = data_file(&folder, "a.csv", b"id\n1\n").unwrap();
        let mut reader = file.reader().unwrap();
        File::options().append(true).open(file.path()).unwrap().write_all(b"2\n").unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).unwrap_err().to_string().contains("found 7 bytes, expected 5"));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = TempDir::new().unwrap();
        let open = |path: PathBuf| DataFile::open(path, Compression::None, Arc::default());
        assert!(open(folder.path().join("none.csv")).unwrap_err().to_string().contains("cannot be opened"));
        assert!(open(folder.path().to_path_buf()).unwrap_err().to_string().contains("found a folder"));
    }
}
