//! Where the bytes of a model are: mapped from a regular file, or in memory.

use std::{fs::File, path::Path};

use memmap2::{Mmap, MmapOptions};

use crate::inference::{ModelRefused, Refusal};

#[derive(Debug)]
pub(super) enum Source {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Source {
    /// Map a regular file, private and read-only.
    pub fn map(path: &Path) -> Result<Self, ModelRefused> {
        let unreadable = |error: std::io::Error| ModelRefused::new(Refusal::Unreadable, format!("{}: {error}", path.display()));
        let not_a_file = || ModelRefused::new(Refusal::NotAFile, format!("{} is not a regular file", path.display()));
        // Looked at before it is opened, as opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(not_a_file());
        }
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(not_a_file());
        }
        if found.len() == 0 {
            return Err(ModelRefused::new(Refusal::NotGguf, format!("{} is empty", path.display())));
        }
        let too_large = |_| ModelRefused::new(Refusal::TooLarge, format!("{} is larger than this system can map", path.display()));
        let length = usize::try_from(found.len()).map_err(too_large)?;
        // SAFETY: the map is private and read-only. What it cannot keep out is another program that writes over or cuts the file; the
        // former gives other weights, which the model's hash tells, the latter ends the process, as said on `Gguf`.
        let map = unsafe { MmapOptions::new().len(length).map_copy_read_only(&file) }.map_err(unreadable)?;
        Ok(Self::Mapped(map))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }

    pub fn release(&self) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self {
            // SAFETY: pages of a private map that nobody can write come back from the file as they were.
            // It is advice: a system that does not take it keeps the pages.
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}
