//! The sizes of a blob: how many rows and columns its matrix has, and what follows from that.

/// Cosets on which a blob's polynomial is evaluated; the first gives the blob itself.
pub const COSETS: usize = 3;
/// Bytes of user data in an element, so that every value stays below the field's modulus.
pub const RAW_UNIT_BYTES: usize = 31;
/// Bytes of an element on the wire.
pub const UNIT_BYTES: usize = 32;
/// Bytes of the length that ends a padded blob.
pub const TRAILER_BYTES: usize = 4;
/// Bytes of a Merkle leaf.
pub const LEAF_BYTES: usize = 256;

/// Rows and columns of a blob's matrix, as powers of two. Source: 0glabs/0g-da-encoder, crates/encoder/src/constants.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub log_rows: u32,
    pub log_columns: u32,
}

/// What every official program is built for.
pub const PRODUCTION: Shape = Shape { log_rows: 10, log_columns: 10 };
/// Small enough for a unit test; no official program takes it.
pub const DEVELOPMENT: Shape = Shape { log_rows: 6, log_columns: 5 };

impl Shape {
    /// Rows of the blob itself, a third of the encoded ones.
    pub const fn rows(self) -> usize {
        1 << self.log_rows
    }

    pub const fn columns(self) -> usize {
        1 << self.log_columns
    }

    /// Elements of the blob.
    pub const fn elements(self) -> usize {
        1 << self.log_elements()
    }

    pub const fn log_elements(self) -> u32 {
        self.log_rows + self.log_columns
    }

    /// Rows of all cosets.
    pub const fn encoded_rows(self) -> usize {
        COSETS * self.rows()
    }

    /// The longest blob that fits.
    pub const fn bytes_max(self) -> usize {
        RAW_UNIT_BYTES * self.elements() - TRAILER_BYTES
    }

    pub const fn row_bytes(self) -> usize {
        UNIT_BYTES * self.columns()
    }

    /// Levels of the tree of proofs below its root.
    pub const fn depth(self) -> u32 {
        self.log_rows
    }
}
