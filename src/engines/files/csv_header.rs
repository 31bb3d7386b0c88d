//! The columns of CSV files: named by the first record, and the same in every file of a table.

use std::path::Path;

use super::blocks::{Blocks, Framing};
use super::csv_fields::{Dialect, Records, is_empty_line};
use super::options::FileOptions;
use super::source::DataFile;
use crate::error::{Error, Result};

/// Bytes that are read of a file to find its header, unless its first record is larger.
const HEADER_BYTES: usize = 64 * 1024;

/// What the first record of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The names of the columns.
    pub(super) names: Vec<String>,
    /// Where the records begin that are data: bytes from the start of the decompressed file.
    pub(super) data_start: u64,
}

/// The bytes by which a file is read: those of the options, else a tab between the fields of `.tsv` and `.tab`, a
/// comma between all others, and double quotes around them.
///
/// # Errors
///
/// If they cannot be told from one another, from line ends, or from parts of UTF-8 characters.
pub(super) fn dialect_of(path: &Path, options: &FileOptions) -> Result<Dialect> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let tabs = name.split('.').skip(1).any(|extension| matches!(extension, "tsv" | "tab"));
    let dialect =
        Dialect { delimiter: options.delimiter.unwrap_or(if tabs { b'\t' } else { b',' }), quote: options.quote.unwrap_or(b'"') };
    for (what, byte) in [("delimiter", dialect.delimiter), ("quote", dialect.quote)] {
        if !byte.is_ascii() || matches!(byte, b'\n' | b'\r') {
            return Err(Error::new(format!(
                "found the byte 0x{byte:02x} as the {what}, expected an ASCII character other than a line end"
            )));
        }
    }
    if dialect.delimiter == dialect.quote {
        let found = char::from(dialect.quote);
        return Err(Error::new(format!("found {found:?} as both the delimiter and the quote, expected two characters")));
    }
    Ok(dialect)
}

/// Reads the header of a file; `None` if the file has no record at all, or only empty lines.
///
/// # Errors
///
/// If the file cannot be read, or a name is empty or occurs twice.
pub(super) fn read(file: &DataFile, dialect: Dialect, options: &FileOptions) -> Result<Option<Header>> {
    let framing = Framing::Quoted { delimiter: dialect.delimiter, quote: dialect.quote };
    let mut fields = Vec::new();
    for block in Blocks::new(file.reader()?, framing, HEADER_BYTES) {
        let block = block.map_err(|error| error.at(file.place()))?;
        let text = block.text().map_err(|error| error.at(file.place()))?;
        let mut records = Records::new(text, dialect);
        let mut start = 0;
        let at = |start, error: Error| error.at(format!("line {}", block.line_of(start))).at(file.place());
        while records.next(&mut fields).map_err(|fault| at(fault.at, fault.error))? {
            if is_empty_line(&fields) {
                start = records.at();
                continue;
            }
            if options.no_header {
                let names = (1..=fields.len()).map(|number| format!("column{number}")).collect();
                return Ok(Some(Header { names, data_start: 0 }));
            }
            let names: Vec<String> = fields.iter().map(|field| field.value(text, dialect).into_owned()).collect();
            check(&names).map_err(|error| at(start, error).hint("pass --no-header if the first line is data"))?;
            return Ok(Some(Header { names, data_start: block.offset + records.at() as u64 }));
        }
    }
    Ok(None)
}

/// Checks that each name names one column.
fn check(names: &[String]) -> Result<()> {
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::new(format!("found no name for column {}", i + 1)));
        }
        if let Some(first) = names[..i].iter().position(|other| other == name) {
            return Err(Error::new(format!("found the name '{name}' twice, for columns {} and {}", first + 1, i + 1)));
        }
    }
    Ok(())
}

/// Checks that the columns of another file are those of the first, in the same order.
///
/// # Errors
///
/// If they are not; the error names both files and the first column in which they differ.
pub(super) fn agree(first: (&Path, &[String]), other: (&Path, &[String])) -> Result<()> {
    let ((path, expected), (other_path, found)) = (first, other);
    let Some(at) = (0..expected.len().max(found.len())).find(|&i| expected.get(i) != found.get(i)) else { return Ok(()) };
    let name = |names: &[String]| names.get(at).map_or("no column".to_string(), |name| format!("'{name}'"));
    Err(Error::new(format!("found {}, expected {} as in {}", name(found), name(expected), path.display()))
        .at(format!("column {}", at + 1))
        .at(other_path.display().to_string())
        .hint("the files of a table have the same columns in the same order"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::source::Compression;
    use super::*;

    fn header(text: &str, options: &FileOptions) -> Result<Option<Header>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let dialect = dialect_of(&path, options)?;
        read(&DataFile::open(path, Compression::None, Arc::default())?, dialect, options)
    }

    #[test]
    fn the_first_record_names_the_columns() {
        let names =
            |text| header(text, &FileOptions::default()).map(|header| header.map(|header| (header.names, header.data_start)));
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names("id,\"a\nb\"\r\n1,2\n").unwrap(), Some((owned(&["id", "a\nb"]), 10)));
        assert_eq!(names("\u{feff}\"id\"").unwrap(), Some((owned(&["id"]), 7)));
        assert_eq!(names("\n\nid,x\n").unwrap(), Some((owned(&["id", "x"]), 7)));
        assert_eq!(names("").unwrap(), None);
        assert_eq!(names("\r\n\n").unwrap(), None);
        let message = |text| names(text).unwrap_err().to_string();
        assert!(message("id,,x\n").ends_with("a.csv: line 1: found no name for column 2"), "{}", message("id,,x\n"));
        assert!(message("\nid,x,id\n").ends_with("line 2: found the name 'id' twice, for columns 1 and 3"));
        assert!(message("id,\"x\n1,2\n").contains("line 1: found a quoted field that does not end"));
    }

    #[test]
    fn without_a_header_columns_are_numbered() {
        let options = FileOptions { no_header: true, ..FileOptions::default() };
        let header = header("\n7,,7\n", &options).unwrap().unwrap();
        assert_eq!(header, Header { names: ["column1", "column2", "column3"].map(String::from).to_vec(), data_start: 0 });
    }

    #[test]
    fn names_and_options_tell_the_dialect() {
        let dialect = |name: &str, options: &FileOptions| dialect_of(Path::new(name), options).map(|d| (d.delimiter, d.quote));
        let mut options = FileOptions::default();
        assert_eq!(dialect("a.csv", &options).unwrap(), (b',', b'"'));
        assert_eq!(dialect("a.TSV.gz", &options).unwrap(), (b'\t', b'"'));
        options.delimiter = Some(b'|');
        assert_eq!(dialect("a.tab", &options).unwrap(), (b'|', b'"'));
        for (delimiter, quote) in [(b'"', b'"'), (b'\n', b'"'), (b',', 0xE9)] {
            let options = FileOptions { delimiter: Some(delimiter), quote: Some(quote), ..FileOptions::default() };
            assert!(dialect("a.csv", &options).is_err());
        }
    }

    #[test]
    fn files_that_disagree_are_named() {
        let names = |names: &str| names.split(' ').map(str::to_string).collect::<Vec<_>>();
        let check = |first: &str, other: &str| agree((Path::new("1.csv"), &names(first)), (Path::new("2.csv"), &names(other)));
        assert!(check("a b", "a b").is_ok());
        assert_eq!(check("a b c", "a c b").unwrap_err().to_string(), "2.csv: column 2: found 'c', expected 'b' as in 1.csv");
        assert_eq!(check("a b", "a").unwrap_err().to_string(), "2.csv: column 2: found no column, expected 'b' as in 1.csv");
        assert_eq!(check("a", "a b").unwrap_err().to_string(), "2.csv: column 2: found 'b', expected no column as in 1.csv");
    }
}
