//! What the layers hand to each other: a row a token, rounded to bytes in blocks of 32 that share a scale.

use super::matrix::BLOCK;

/// What belongs to a block besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scale {
    /// What one step of a byte is worth: the largest magnitude of the block over 127.
    pub step: f32,
    /// `step` times `total`.
    pub weight: f32,
    /// The sum of the bytes.
    pub total: i32,
}

/// Rows for up to so many tokens. The numbers as they are stand beside the bytes only where a matrix wants them.
#[derive(Debug, Default)]
pub(super) struct Activations {
    pub columns: usize,
    pub bytes: Vec<i8>,
    pub scales: Vec<Scale>,
    pub floats: Vec<f32>,
}

impl Activations {
    pub fn new(tokens: usize, columns: usize, with_floats: bool) -> Self {
        let values = tokens * columns;
        let floats = if with_floats { vec![0.0; values] } else { Vec::new() };
        Self { columns, bytes: vec![0; values], scales: vec![Scale::default(); values / BLOCK], floats }
    }

    /// Access for threads that write different tokens or blocks.
    pub fn shared(&mut self) -> SharedActivations {
        let floats = if self.floats.is_empty() { std::ptr::null_mut() } else { self.floats.as_mut_ptr() };
        SharedActivations { columns: self.columns, bytes: self.bytes.as_mut_ptr(), scales: self.scales.as_mut_ptr(), floats }
    }
}

/// The same rows without their owner.
#[derive(Clone, Copy)]
pub(super) struct SharedActivations {
    pub columns: usize,
    pub bytes: *mut i8,
    pub scales: *mut Scale,
    /// Null where nobody wants them.
    pub floats: *mut f32,
}

// SAFETY: the threads of a pass write to places of their own, and read what an earlier phase wrote (see `forward`).
unsafe impl Send for SharedActivations {}
// SAFETY: as above.
unsafe impl Sync for SharedActivations {}
