//! Column chunks that are written twice: a column that does not differ is encoded and compressed for the source, and
//! copied for the target.

use std::io::Write;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, InMemoryPageStore, PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

/// The encoded pages of the chunks that were written last.
#[derive(Debug, Default)]
pub struct Pages {
    /// By Parquet column, in the order in which they lie in the file.
    columns: Mutex<Vec<Shared>>,
}

type Shared = Arc<Mutex<Vec<Bytes>>>;

impl Pages {
    /// Writes a chunk as the next column of a row group, and gives what is needed to write it once more; `leaf` is its
    /// place among the Parquet columns.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write<W: Write + Send>(
        &self,
        chunk: ArrowColumnChunk,
        leaf: usize,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<Written> {
        let close = chunk.close().clone();
        chunk.append_to_row_group(group)?;
        let pages = lock(&self.columns).get(leaf).map_or_else(Vec::new, |column| take(&mut *lock(column)));
        Ok(Written { close, pages })
    }
}

impl PageStoreFactory for Pages {
    fn create(&self, args: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        let mut columns = lock(&self.columns);
        if columns.len() <= args.column_index() {
            columns.resize_with(args.column_index() + 1, Shared::default);
        }
        Ok(Box::new(Store { pages: InMemoryPageStore::default(), written: Arc::clone(&columns[args.column_index()]) }))
    }
}

/// Keeps pages that are taken to be written.
struct Store {
    pages: InMemoryPageStore,
    written: Shared,
}

impl PageStore for Store {
    fn put(&mut self, page: Bytes) -> Result<PageKey> {
        self.pages.put(page)
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let page = self.pages.take(key)?;
        lock(&self.written).push(page.clone());
        Ok(page)
    }

    fn memory_size(&self) -> usize {
        self.pages.memory_size()
    }
}

/// A chunk that was written.
pub struct Written {
    close: ColumnCloseResult,
    /// The head of each page, and behind it the page; that of the dictionary first, if there is one.
    pages: Vec<Bytes>,
}

impl Written {
    /// Writes the same chunk as the next column of its row group, which is `column`.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or the column cannot hold the same pages, which is a bug.
    pub fn write_again<W: Write + Send>(self, column: ColumnDescPtr, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let old = self.close.metadata.column_descr();
        let shape = |column: &parquet::schema::types::ColumnDescriptor| {
            (column.physical_type(), column.type_length(), column.max_def_level(), column.max_rep_level())
        };
        if shape(old) != shape(&column) {
            return Err(ParquetError::General(format!("column {} cannot hold what {} holds", column.path(), old.path())));
        }
        let has_dictionary = self.close.metadata.dictionary_page_offset().is_some();
        let dictionary_len = if has_dictionary { self.pages.iter().take(2).map(Bytes::len).sum() } else { 0 };
        let mut close = self.close.update_dictionary_location(dictionary_len)?;
        close.metadata = under(&close.metadata, column)?;
        group.append_column(&Bytes::from(self.pages.concat()), close)
    }
}

/// What is known of a chunk, as that of another column.
fn under(metadata: &ColumnChunkMetaData, column: ColumnDescPtr) -> Result<ColumnChunkMetaData> {
    let mut other = ColumnChunkMetaData::builder(column)
        .set_compression_codec(metadata.compression_codec())
        .set_encodings_mask(*metadata.encodings_mask())
        .set_total_compressed_size(metadata.compressed_size())
        .set_total_uncompressed_size(metadata.uncompressed_size())
        .set_num_values(metadata.num_values())
        .set_data_page_offset(metadata.data_page_offset())
        .set_dictionary_page_offset(metadata.dictionary_page_offset())
        .set_unencoded_byte_array_data_bytes(metadata.unencoded_byte_array_data_bytes())
        .set_repetition_level_histogram(metadata.repetition_level_histogram().cloned())
        .set_definition_level_histogram(metadata.definition_level_histogram().cloned());
    if let Some(statistics) = metadata.statistics() {
        other = other.set_statistics(statistics.clone());
    }
    if let Some(encodings) = metadata.page_encoding_stats() {
        other = other.set_page_encoding_stats(encodings.clone());
    }
    other.build()
}

/// What a thread that panicked left is not written: the panic ends the run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use arrow::array::{Array, AsArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::super::parquet::DiffWriter;
    use super::super::samples::{block, orders};
    use super::super::schema::DiffSchema;
    use crate::model::canonical::{Tag, push_bytes, push_decimal, push_null, push_whole};
    use crate::model::finding::{Difference, FindingRef, Findings};
    use crate::model::row::RowBlock;
    use crate::sides::Sides;

    const BATCH: usize = 8192;

    /// A batch of rows as [`orders`] has them. Amounts and names come in two versions; `few` names fit a dictionary.
    fn rows(batch: usize, few: bool, [amounts, names]: [usize; 2]) -> RowBlock {
        block(BATCH, |i, out| {
            let id = batch * BATCH + i;
            push_whole(out, Tag::Number, id as i128);
            push_decimal(out, (id * 7 + amounts) as i128, 2);
            match id % 5 {
                0 => push_null(out),
                _ if few => push_bytes(out, Tag::Text, format!("name {}", id % 9 + names).as_bytes()),
                _ => push_bytes(out, Tag::Text, format!("a name that is {id} {names}").as_bytes()),
            }
            push_whole(out, Tag::Timestamp, id as i128 * 1_000_000);
        })
    }

    /// Writes batches, each with the columns that differ in it or with rows that only the source has, and holds the file
    /// against them.
    fn written(path: &Path, few: bool, batches: &[Option<&[u16]>]) -> ParquetMetaData {
        let mut writer = DiffWriter::create(path.to_path_buf(), DiffSchema::new(&orders()).unwrap()).unwrap();
        for (batch, changed) in batches.iter().enumerate() {
            let differ = [1, 2].map(|column| usize::from(changed.is_some_and(|changed| changed.contains(&column))));
            let (source, target) = (rows(batch, few, [0, 0]), rows(batch, few, differ));
            let mut findings = Findings::default();
            for i in 0..BATCH {
                let source = Some((source.row(i), 1));
                match changed {
                    Some(changed) => {
                        findings.push(Difference::Changed, Sides { source, target: Some((target.row(i), 1)) }, changed)
                    }
                    None => findings.push(Difference::MissingInTarget, Sides { source, target: None }, &[]),
                }
            }
            writer.write(&findings.iter().collect::<Vec<FindingRef<'_>>>()).unwrap();
        }
        writer.finish().unwrap();

        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().with_batch_size(BATCH);
        let mut reader = reader.build().unwrap().map(Result::unwrap);
        for (batch, changed) in batches.iter().enumerate() {
            // A batch that is read ends where a row group does; so does one that was written.
            let read = reader.next().unwrap();
            let [source, target] = ["source", "target"].map(|side| read.column_by_name(side).unwrap().as_struct());
            assert_eq!(source.column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0), (batch * BATCH) as i64);
            for column in 0..4 {
                match changed {
                    Some(changed) => {
                        let same = source.column(column) == target.column(column);
                        assert_eq!(same, !changed.contains(&(column as u16)), "column {column} of batch {batch}");
                    }
                    None => assert!(target.null_count() == BATCH && source.null_count() == 0),
                }
            }
        }
        assert!(reader.next().is_none());
        SerializedFileReader::new(File::open(path).unwrap()).unwrap().metadata().clone()
    }

    #[test]
    fn what_is_written_again_reads_back_with_and_without_a_dictionary() {
        let dir = tempfile::tempdir().unwrap();
        for few in [true, false] {
            let metadata = written(&dir.path().join("t"), few, &[Some(&[1]), Some(&[1]), Some(&[1])]);
            let group = metadata.row_group(0);
            let column = |name: &str| group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
            let (source, target) = (column("source.name"), column("target.name"));
            assert_eq!(source.statistics(), target.statistics());
            assert!(source.statistics().is_some());
            assert_eq!((source.compressed_size(), source.num_values()), (target.compressed_size(), target.num_values()));
            assert!(source.byte_range().0 + source.byte_range().1 <= target.byte_range().0);
            assert_eq!(source.dictionary_page_offset().is_some(), target.dictionary_page_offset().is_some());
        }
    }

    #[test]
    fn a_row_group_ends_where_a_column_begins_to_differ_but_not_again_for_the_same_one() {
        let dir = tempfile::tempdir().unwrap();
        let lengths = |batches: &[Option<&[u16]>]| -> Vec<usize> {
            let metadata = written(&dir.path().join("t"), false, batches);
            metadata.row_groups().iter().map(|group| group.num_rows() as usize / BATCH).collect()
        };
        assert_eq!(lengths(&[Some(&[1]), Some(&[1]), Some(&[1, 2]), Some(&[1]), Some(&[2]), Some(&[1])]), [2, 4]);
        assert_eq!(lengths(&[Some(&[1]), Some(&[2]), Some(&[1]), Some(&[2]), Some(&[])]), [1, 1, 3]);
        assert_eq!(lengths(&[Some(&[1]), None, Some(&[2]), None, Some(&[])]), [1, 4]);
        // A whole row group later, columns are copied again, as long as they do not differ.
        let mut long = vec![Some(&[1u16][..]); 40];
        (long[1], long[20]) = (None, None);
        assert_eq!(lengths(&long), [1, 16, 3, 16, 4]);
    }
}
