//! What a file says about itself, by name: metadata and places of tensors.

use super::cursor::{Cursor, Span};
use super::layout::{Placed, text_of};
use super::value::{Raw, Value};
use super::{ModelRefused, Refusal, Tensor};

const MAGIC: [u8; 4] = *b"GGUF";
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
const ALIGNMENT_KEY: &str = "general.alignment";
const ALIGNMENT: u64 = 32;
/// Far beyond real files, which have some 40 keys and some 1,000 tensors: the directory never takes more than 12 MB.
const KEYS_MAX: u64 = 1 << 16;
const TENSORS_MAX: u64 = 1 << 16;
/// The format's limit of keys.
const KEY_BYTES_MAX: usize = (1 << 16) - 1;
/// Fewest bytes of an entry: length, a letter, type, a byte; length, a letter, dimensions, one of them, kind, place.
const ENTRY_BYTES_MIN: usize = 8 + 1 + 4 + 1;
const PLACED_BYTES_MIN: usize = 8 + 1 + 4 + 8 + 4 + 8;

/// Both lists stand in the order of their names' bytes.
#[derive(Debug)]
pub(super) struct Directory {
    pub version: u32,
    entries: Vec<(Span, Raw)>,
    tensors: Vec<Placed>,
    data_start: usize,
}

impl Directory {
    pub fn read(file: &[u8]) -> Result<Self, ModelRefused> {
        let mut cursor = Cursor::new(file);
        let version = version_of(&mut cursor)?;
        let tensor_count = bounded(cursor.u64()?, TENSORS_MAX, "tensors")?;
        let key_count = bounded(cursor.u64()?, KEYS_MAX, "keys")?;
        let entries = entries_of(&mut cursor, file, key_count)?;
        let tensors = tensors_of(&mut cursor, file, tensor_count)?;
        let mut directory = Self { version, entries, tensors, data_start: 0 };
        let alignment = directory.alignment(file)?;
        let after = cursor.place() as u64;
        // The padding is not there when nothing follows it.
        let data_start = after.next_multiple_of(alignment).min(file.len() as u64);
        directory.data_start = usize::try_from(data_start).unwrap_or(file.len());
        directory.check_places(file, alignment)?;
        Ok(directory)
    }

    fn alignment(&self, file: &[u8]) -> Result<u64, ModelRefused> {
        match self.value(file, ALIGNMENT_KEY) {
            None => Ok(ALIGNMENT),
            Some(Value::Unsigned(bytes)) if bytes.is_power_of_two() && bytes <= 1 << 30 => Ok(bytes),
            Some(_) => Err(ModelRefused::new(Refusal::Malformed, format!("{ALIGNMENT_KEY} is not a power of two"))),
        }
    }

    /// Tensors stand inside the file, aligned, and none over another.
    fn check_places(&self, file: &[u8], alignment: u64) -> Result<(), ModelRefused> {
        let there = (file.len() - self.data_start) as u64;
        let mut order: Vec<&Placed> = self.tensors.iter().collect();
        order.sort_unstable_by_key(|placed| placed.start);
        let mut free_from = 0;
        for placed in order {
            let refused = |refusal, what: String| {
                let name = String::from_utf8_lossy(placed.name.of(file));
                ModelRefused::new(refusal, format!("tensor {name} {what}"))
            };
            if !placed.start.is_multiple_of(alignment) {
                return Err(refused(Refusal::Malformed, format!("begins at {}, which is not aligned to {alignment}", placed.start)));
            }
            if placed.start < free_from {
                return Err(refused(Refusal::Malformed, "stands over another".to_owned()));
            }
            match placed.start.checked_add(placed.length) {
                Some(end) if end <= there => free_from = end,
                _ => {
                    let what = format!("takes {} bytes from {} on, and the file has {there}", placed.length, placed.start);
                    return Err(refused(Refusal::Truncated, what));
                }
            }
        }
        Ok(())
    }

    pub fn value<'a>(&self, file: &'a [u8], key: &str) -> Option<Value<'a>> {
        let found = self.entries.binary_search_by(|(name, _)| name.of(file).cmp(key.as_bytes())).ok()?;
        Some(self.entries[found].1.value(file))
    }

    pub fn keys<'a>(&'a self, file: &'a [u8]) -> impl Iterator<Item = &'a str> {
        self.entries.iter().filter_map(|(name, _)| std::str::from_utf8(name.of(file)).ok())
    }

    pub fn tensor<'a>(&'a self, file: &'a [u8], name: &str) -> Option<Tensor<'a>> {
        let found = self.tensors.binary_search_by(|placed| placed.name.of(file).cmp(name.as_bytes())).ok()?;
        self.seen(file, &self.tensors[found])
    }

    pub fn tensors<'a>(&'a self, file: &'a [u8]) -> impl Iterator<Item = Tensor<'a>> {
        self.tensors.iter().filter_map(|placed| self.seen(file, placed))
    }

    fn seen<'a>(&self, file: &'a [u8], placed: &'a Placed) -> Option<Tensor<'a>> {
        let start = self.data_start.checked_add(usize::try_from(placed.start).ok()?)?;
        let bytes = file.get(start..)?.get(..usize::try_from(placed.length).ok()?)?;
        let name = std::str::from_utf8(placed.name.of(file)).ok()?;
        Some(Tensor { name, kind: placed.kind, dims: placed.dims(), bytes })
    }
}

fn version_of(cursor: &mut Cursor<'_>) -> Result<u32, ModelRefused> {
    let refused = |refusal, what: String| Err(ModelRefused::new(refusal, what));
    match cursor.take() {
        Ok(magic) if magic == MAGIC => {}
        _ => return refused(Refusal::NotGguf, "the file does not begin with GGUF".to_owned()),
    }
    match cursor.u32()? {
        version if VERSIONS.contains(&version) => Ok(version),
        version if VERSIONS.contains(&version.swap_bytes()) => refused(Refusal::Version, "the file is big-endian".to_owned()),
        version => refused(Refusal::Version, format!("the file has version {version} of GGUF")),
    }
}

fn bounded(count: u64, count_max: u64, what: &str) -> Result<usize, ModelRefused> {
    if count > count_max {
        return Err(ModelRefused::new(Refusal::Malformed, format!("the file claims {count} {what}, above {count_max}")));
    }
    Ok(count as usize)
}

fn entries_of(cursor: &mut Cursor<'_>, file: &[u8], count: usize) -> Result<Vec<(Span, Raw)>, ModelRefused> {
    let mut entries = Vec::with_capacity(count.min(cursor.left() / ENTRY_BYTES_MIN));
    for _ in 0..count {
        let name = cursor.text()?;
        text_of(name.of(file), KEY_BYTES_MAX)?;
        entries.push((name, Raw::typed(cursor)?));
    }
    entries.sort_unstable_by_key(|(name, _)| name.of(file));
    refuse_twins(entries.iter().map(|(name, _)| name.of(file)), "key")?;
    Ok(entries)
}

fn tensors_of(cursor: &mut Cursor<'_>, file: &[u8], count: usize) -> Result<Vec<Placed>, ModelRefused> {
    let mut tensors = Vec::with_capacity(count.min(cursor.left() / PLACED_BYTES_MIN));
    for _ in 0..count {
        tensors.push(Placed::read(cursor, file)?);
    }
    tensors.sort_unstable_by_key(|placed| placed.name.of(file));
    refuse_twins(tensors.iter().map(|placed| placed.name.of(file)), "tensor")?;
    Ok(tensors)
}

/// Names in their order, so that equal ones stand side by side.
fn refuse_twins<'a>(names: impl Iterator<Item = &'a [u8]> + Clone, what: &str) -> Result<(), ModelRefused> {
    match names.clone().zip(names.skip(1)).find(|(one, next)| one == next) {
        None => Ok(()),
        Some((twin, _)) => {
            Err(ModelRefused::new(Refusal::Malformed, format!("two have the name {} ({what})", String::from_utf8_lossy(twin))))
        }
    }
}
