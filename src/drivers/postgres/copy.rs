//! Rows for `COPY … FROM STDIN (FORMAT binary)` (postgresql.org/docs/current/sql-copy.html, "Binary Format").

use std::{io::Cursor, pin::pin};

use futures_util::SinkExt;
use tokio_postgres::{Error, Transaction};

/// What begins such a file: a signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Rows of one table, as they are sent.
pub(super) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
    count: usize,
}

impl Rows {
    /// None yet, of so many columns.
    pub(super) fn new(columns: i16) -> Self {
        Self { bytes: HEADER.to_vec(), columns, count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins a row: its columns follow, in their order.
    pub(super) fn row(&mut self) -> &mut Self {
        self.bytes.extend(self.columns.to_be_bytes());
        self.count += 1;
        self
    }

    /// A column of type `text`.
    pub(super) fn text(&mut self, text: Option<&str>) -> &mut Self {
        self.bytes(text.map(str::as_bytes))
    }

    /// A column of type `bigint`.
    pub(super) fn number(&mut self, number: Option<i64>) -> &mut Self {
        self.bytes(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// A column of type `boolean`.
    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.bytes(Some(&[u8::from(flag)]))
    }

    /// A column of type `bytea`.
    pub(super) fn bytes(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        // A length of -1 is NULL. Nothing of ours is as long as a length can say.
        let length = bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(bytes.unwrap_or_default());
        self
    }

    /// Sends them, all of them or none.
    pub(super) async fn send(mut self, transaction: &Transaction<'_>, statement: &str) -> Result<(), Error> {
        self.bytes.extend((-1_i16).to_be_bytes());
        let mut sink = pin!(transaction.copy_in::<_, Cursor<Vec<u8>>>(statement).await?);
        sink.send(Cursor::new(self.bytes)).await?;
        sink.finish().await?;
        Ok(())
    }
}
