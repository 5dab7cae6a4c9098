//! Weights as the kernels read them: sixteen rows side by side, so that each has a lane of its own.

use memmap2::MmapMut;

use super::halves::from_half;
use super::lanes::LANES;
use crate::inference::gguf::{Tensor, TensorKind};
use crate::inference::{ModelRefused, Refusal};

/// Values that share a scale.
pub(super) const BLOCK: usize = 32;
/// Rows of a group.
pub(super) const GROUP: usize = LANES;
/// What every group begins at a multiple of.
const ALIGNMENT: usize = 64;

/// What stands in a group: its blocks one after another, as memory is fastest when it is read in order. Before the values of a block are
/// sixteen scales of f16, then as many minima; forms without minima have the scales of two blocks there, and then the values of both. Four
/// values of each row follow each other, then those of the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 4 bits: value times scale plus minimum. The low halves of four bytes are values 4i to 4i + 3, the high ones 16 more.
    NibblesWithMinimum,
    /// 4 bits, 8 too large.
    Nibbles,
    /// 8 bits, 128 too large, because processors multiply bytes without a sign by bytes with one.
    Whole,
    /// f16, no scales; sixteen values of a column follow each other.
    Halves,
    /// f32, likewise.
    Floats,
}

impl Form {
    pub fn of(kind: TensorKind) -> Self {
        match kind {
            TensorKind::Q4_1 => Self::NibblesWithMinimum,
            TensorKind::Q4_0 => Self::Nibbles,
            TensorKind::Q8_0 => Self::Whole,
            TensorKind::F16 => Self::Halves,
            TensorKind::F32 => Self::Floats,
        }
    }

    /// Blocks that share a head.
    const fn together(self) -> usize {
        match self {
            Self::NibblesWithMinimum | Self::Halves | Self::Floats => 1,
            Self::Nibbles | Self::Whole => 2,
        }
    }

    const fn head_bytes(self) -> usize {
        match self {
            Self::NibblesWithMinimum | Self::Nibbles | Self::Whole => ALIGNMENT,
            Self::Halves | Self::Floats => 0,
        }
    }

    /// Where the scales and the values of a block are in its group.
    #[inline(always)]
    pub const fn places(self, block: usize) -> (usize, usize) {
        let (together, inside) = (block / self.together(), block % self.together());
        let start = together * (self.head_bytes() + self.body_bytes() * self.together());
        (start + inside * 2 * GROUP, start + self.head_bytes() + inside * self.body_bytes())
    }

    /// Bytes of the values of a block in sixteen rows.
    const fn body_bytes(self) -> usize {
        match self {
            Self::NibblesWithMinimum | Self::Nibbles => BLOCK * GROUP / 2,
            Self::Whole => BLOCK * GROUP,
            Self::Halves => BLOCK * GROUP * 2,
            Self::Floats => BLOCK * GROUP * 4,
        }
    }
}

/// A matrix whose packed weights lie in an `Arena`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub form: Form,
    pub rows: usize,
    /// Blocks in a row.
    pub blocks: usize,
    data: *const u8,
}

// SAFETY: the weights are written once, before the matrix is handed out, and live as long as their arena, which the model keeps.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl Matrix {
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP)
    }

    /// Whether it is multiplied with numbers as they are, not with rounded ones.
    pub fn takes_floats(&self) -> bool {
        matches!(self.form, Form::Halves | Form::Floats)
    }

    const fn group_bytes(form: Form, blocks: usize) -> usize {
        (form.head_bytes() + form.body_bytes() * form.together()) * blocks.div_ceil(form.together())
    }

    /// Bytes that a tensor takes when it is packed.
    pub fn packed_bytes(tensor: &Tensor<'_>) -> Result<usize, ModelRefused> {
        let (columns, rows) = measures(tensor)?;
        Ok(Self::group_bytes(Form::of(tensor.kind), columns / BLOCK) * rows.div_ceil(GROUP))
    }

    /// Pack a tensor into a part of an arena.
    pub fn pack(tensor: &Tensor<'_>, to: &mut [u8]) -> Result<Self, ModelRefused> {
        let (columns, rows) = measures(tensor)?;
        let (form, blocks) = (Form::of(tensor.kind), columns / BLOCK);
        let row_bytes = tensor.bytes.len() / rows;
        let packed = Self { form, rows, blocks, data: to.as_ptr() };
        let groups = tensor.bytes.chunks(row_bytes * GROUP).zip(to.chunks_exact_mut(Self::group_bytes(form, blocks)));
        for (from, group) in groups {
            for (lane, row) in from.chunks_exact(row_bytes).enumerate() {
                pack_row(form, lane, row, group);
            }
        }
        Ok(packed)
    }

    /// Where a group begins.
    pub fn group(&self, group: usize) -> *const u8 {
        assert!(group < self.groups());
        // SAFETY: the arena holds that many groups.
        unsafe { self.data.add(group * Self::group_bytes(self.form, self.blocks)) }
    }
}

/// Columns and rows.
fn measures(tensor: &Tensor<'_>) -> Result<(usize, usize), ModelRefused> {
    let (columns, rows) = (tensor.dims.first().copied().unwrap_or(0) as usize, tensor.dims.get(1).copied().unwrap_or(1) as usize);
    if columns == 0 || !columns.is_multiple_of(BLOCK) || rows == 0 {
        let what = format!("tensor {} has rows of {columns} values, not of a multiple of {BLOCK}", tensor.name);
        return Err(ModelRefused::new(Refusal::Architecture, what));
    }
    Ok((columns, rows))
}

fn pack_row(form: Form, lane: usize, row: &[u8], group: &mut [u8]) {
    let scales = match form {
        Form::NibblesWithMinimum => 2,
        Form::Nibbles | Form::Whole => 1,
        Form::Halves => return pack_values::<2>(lane, row, group),
        Form::Floats => return pack_values::<4>(lane, row, group),
    };
    let block_bytes = scales * 2 + form.body_bytes() / GROUP;
    for (index, block) in row.chunks_exact(block_bytes).enumerate() {
        let (head, values) = block.split_at(scales * 2);
        let (head_at, body_at) = form.places(index);
        for (place, scale) in head.chunks_exact(2).enumerate() {
            let at = head_at + place * 2 * GROUP + lane * 2;
            group[at..at + 2].copy_from_slice(scale);
        }
        for (place, four) in values.chunks_exact(4).enumerate() {
            let at = body_at + place * 4 * GROUP + lane * 4;
            group[at..at + 4].copy_from_slice(four);
            if form == Form::Whole {
                group[at..at + 4].iter_mut().for_each(|byte| *byte ^= 0x80);
            }
        }
    }
}

fn pack_values<const BYTES: usize>(lane: usize, row: &[u8], bodies: &mut [u8]) {
    for (column, value) in row.chunks_exact(BYTES).enumerate() {
        let at = (column * GROUP + lane) * BYTES;
        bodies[at..at + BYTES].copy_from_slice(value);
    }
}

/// The numbers that a row of a tensor stands for.
pub(super) fn unpacked_row(tensor: &Tensor<'_>, row: usize, to: &mut [f32]) {
    let row_bytes = to.len() / tensor.kind.block_values() * tensor.kind.block_bytes();
    let bytes = &tensor.bytes[row * row_bytes..(row + 1) * row_bytes];
    let half = |bytes: &[u8]| from_half(u16::from_le_bytes([bytes[0], bytes[1]]));
    match tensor.kind {
        TensorKind::F32 => {
            let (values, _) = bytes.as_chunks();
            to.iter_mut().zip(values).for_each(|(to, bytes)| *to = f32::from_le_bytes(*bytes));
        }
        TensorKind::F16 => to.iter_mut().zip(bytes.chunks_exact(2)).for_each(|(to, bytes)| *to = half(bytes)),
        TensorKind::Q8_0 => {
            for (to, block) in to.chunks_exact_mut(BLOCK).zip(bytes.chunks_exact(34)) {
                let scale = half(block);
                to.iter_mut().zip(&block[2..]).for_each(|(to, byte)| *to = scale * f32::from(*byte as i8));
            }
        }
        TensorKind::Q4_0 | TensorKind::Q4_1 => {
            let head = tensor.kind.block_bytes() - BLOCK / 2;
            for (to, block) in to.chunks_exact_mut(BLOCK).zip(bytes.chunks_exact(head + BLOCK / 2)) {
                let scale = half(block);
                let minimum = if head == 4 { half(&block[2..]) } else { scale * -8.0 };
                for (index, byte) in block[head..].iter().enumerate() {
                    to[index] = scale * f32::from(byte & 15) + minimum;
                    to[index + BLOCK / 2] = scale * f32::from(byte >> 4) + minimum;
                }
            }
        }
    }
}

/// Memory for all packed weights of a model.
pub(super) struct Arena {
    memory: MmapMut,
    used: usize,
}

impl Arena {
    pub fn new(bytes: usize) -> Result<Self, ModelRefused> {
        let refused =
            |error: std::io::Error| ModelRefused::new(Refusal::TooLarge, format!("no memory for {bytes} bytes of weights: {error}"));
        let memory = MmapMut::map_anon(bytes.max(1)).map_err(refused)?;
        // Large pages are a favour that the system may not do.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage);
        Ok(Self { memory, used: 0 })
    }

    /// What tensors of these sizes take together.
    pub fn bytes_of(sizes: impl Iterator<Item = usize>) -> usize {
        sizes.map(|size| size.next_multiple_of(ALIGNMENT)).sum()
    }

    /// The next `bytes` bytes.
    pub fn take(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.used;
        self.used += bytes.next_multiple_of(ALIGNMENT);
        &mut self.memory[start..start + bytes]
    }
}
