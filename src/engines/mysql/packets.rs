//! Rows that are held as the packets that they came in.

use std::sync::Arc;

use super::field::{Field, Layout, take_row};
use super::scan::Projection;
use crate::engines::Scan;
use crate::engines::received::RowFormat;
use crate::engines::rows::write_row;
use crate::error::{Error, Result};
use crate::model::row::RowBlock;

/// How the packets that a statement is answered with are read.
pub(super) struct PacketFormat {
    scan: Scan,
    projection: Arc<Projection>,
    /// One for each expression of the projection.
    layouts: Vec<Layout>,
}

impl PacketFormat {
    /// The format of packets in which columns lie like this.
    pub(super) fn new(scan: &Scan, projection: &Arc<Projection>, layouts: &[Layout]) -> Self {
        PacketFormat { scan: scan.clone(), projection: Arc::clone(projection), layouts: layouts.to_vec() }
    }
}

impl RowFormat for PacketFormat {
    fn reads_like(&self, other: &Self) -> bool {
        self.layouts == other.layouts && self.projection.reads_like(&other.projection)
    }

    fn write<'a>(&self, packets: impl Iterator<Item = &'a [u8]>, block: &mut RowBlock) -> Result<()> {
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(self.layouts.len());
        for packet in packets {
            fields.clear();
            take_row(packet, &self.layouts, usize::MAX, &mut fields).ok_or_else(|| Error::new("found a row of another form"))?;
            write_row(&self.scan, block, |place, form, out| self.projection.push(place, &fields, form, out))?;
        }
        Ok(())
    }
}
