//! Keys and values of the tokens that were computed, in pages that sequences with the same beginning share.

use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::MmapMut;

use super::attention::PAGE;
use super::lanes::LANES;
use crate::inference::LlamaShape;

/// How a page is divided: for each layer and head first the keys, then the values.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLayout {
    layers: usize,
    heads: usize,
    head_size: usize,
}

impl PageLayout {
    pub fn of(shape: &LlamaShape) -> Self {
        Self { layers: shape.layers, heads: shape.kv_heads, head_size: shape.head_size }
    }

    /// Numbers of f16 in a page.
    pub fn numbers(&self) -> usize {
        self.layers * self.heads * self.head_size * PAGE * 2
    }

    pub fn bytes(&self) -> usize {
        self.numbers() * 2
    }

    pub fn keys_at(&self, layer: usize, head: usize) -> usize {
        (layer * self.heads + head) * self.head_size * PAGE * 2
    }

    pub fn values_at(&self, layer: usize, head: usize) -> usize {
        self.keys_at(layer, head) + self.head_size * PAGE
    }

    /// Where a value of a key stands, counted from `keys_at`.
    pub fn key_place(&self, position: usize, index: usize) -> usize {
        let inside = position % PAGE;
        (inside / LANES * self.head_size + index) * LANES + inside % LANES
    }

    /// Where the first value of a value stands, counted from `values_at`.
    pub fn value_place(&self, position: usize) -> usize {
        position % PAGE * self.head_size
    }
}

/// 64 positions of one sequence, or of several that begin alike. What is in it is written once; then it may be shared.
pub(super) struct Page {
    numbers: NonNull<u16>,
    memory: MmapMut,
}

// SAFETY: threads write to a page only in a pass, each to places of its own, which nobody reads in that phase (see `forward`).
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    pub fn new(layout: &PageLayout) -> std::io::Result<Arc<Self>> {
        let mut memory = MmapMut::map_anon(layout.bytes())?;
        let numbers = NonNull::new(memory.as_mut_ptr().cast()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Arc::new(Self { numbers, memory }))
    }

    /// A page that begins as this one does and that goes its own way.
    pub fn copied(&self) -> std::io::Result<Arc<Self>> {
        let mut memory = MmapMut::map_anon(self.memory.len())?;
        // SAFETY: both are of this length, and nobody writes to this page between two passes.
        unsafe { std::ptr::copy_nonoverlapping(self.numbers.as_ptr().cast::<u8>(), memory.as_mut_ptr(), self.memory.len()) };
        let numbers = NonNull::new(memory.as_mut_ptr().cast()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Arc::new(Self { numbers, memory }))
    }

    pub fn numbers(&self) -> *mut u16 {
        self.numbers.as_ptr()
    }
}

/// The tokens of a sequence and what was computed of them: `pages` holds the first `computed` positions, and place for more.
#[derive(Default)]
pub(super) struct History {
    pub tokens: Vec<u32>,
    pub computed: usize,
    pub pages: Vec<Arc<Page>>,
}

impl History {
    /// Positions that this history and a prompt have in common. The prompt's last token has to be computed: its logits are wanted.
    pub fn shared_with(&self, prompt: &[u32]) -> usize {
        let alike = self.tokens[..self.computed].iter().zip(prompt).take_while(|(own, other)| own == other).count();
        alike.min(prompt.len().saturating_sub(1))
    }

    /// The history of a prompt that has the first `shared` positions in common with this one: full pages are shared, the last is copied.
    pub fn begun_with(&self, prompt: Vec<u32>, shared: usize) -> std::io::Result<Self> {
        let mut pages = self.pages[..shared / PAGE].to_vec();
        if !shared.is_multiple_of(PAGE) {
            pages.push(self.pages[shared / PAGE].copied()?);
        }
        Ok(Self { tokens: prompt, computed: shared, pages })
    }

    /// Make place for `positions` positions.
    pub fn grow(&mut self, layout: &PageLayout, positions: usize) -> std::io::Result<()> {
        while self.pages.len() * PAGE < positions {
            self.pages.push(Page::new(layout)?);
        }
        Ok(())
    }

    /// Keep only the pages that hold something.
    pub fn shrink(&mut self) {
        self.pages.truncate(self.computed.div_ceil(PAGE));
        self.tokens.truncate(self.computed);
    }
}
