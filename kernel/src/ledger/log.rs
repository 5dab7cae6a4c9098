//! The block log: checksummed records in append-only segments; what is in it and synced is durable, all else is derived from it.
//!
//! A record is `magic, payload length, checksum, kind, section lengths, sections`. Every append is followed by one `fdatasync` before
//! it is acknowledged, so only the last record can be torn by a crash: it is cut off on opening. Records of a batch share one
//! `fdatasync`, and a crash may tear any of them: all but the first say so, and go with it. Damage anywhere else is refused.
use super::error::{LedgerError, Result};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// The last letter is the format's: what a record holds.
const MAGIC: [u8; 8] = *b"zgledgr2";
/// Begins a record that was written while the one before it was not synced.
const MAGIC_CONTINUED: [u8; 8] = *b"zgledg+2";
/// How records of older formats begin.
const MAGICS_OLD: [[u8; 8]; 1] = [*b"zgledgr1"];
const HEADER_BYTES: usize = 8 + 4 + 4;
const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Far above any block, far below what a damaged length could claim.
const PAYLOAD_BYTES_MAX: u32 = 1 << 30;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub segment: u32,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    Block = 1,
    Unwind = 2,
    Edit = 3,
}

/// A record read back: its kind and its sections.
pub struct Record {
    pub kind: RecordKind,
    payload: Vec<u8>,
    sections: Vec<(usize, usize)>,
}

impl Record {
    pub fn section(&self, index: usize) -> Result<&[u8]> {
        let (start, end) = self.sections.get(index).ok_or_else(|| LedgerError::Corrupt(format!("a record lacks section {index}")))?;
        Ok(&self.payload[*start..*end])
    }

    pub fn section_count(&self) -> usize {
        self.sections.len()
    }
}

fn is_magic(bytes: &[u8]) -> bool {
    bytes == MAGIC || bytes == MAGIC_CONTINUED
}

fn frame(kind: RecordKind, sections: &[&[u8]], continued: bool) -> Result<Vec<u8>> {
    let payload_bytes = 2 + 4 * sections.len() + sections.iter().map(|section| section.len()).sum::<usize>();
    let length = u32::try_from(payload_bytes)
        .ok()
        .filter(|length| *length <= PAYLOAD_BYTES_MAX)
        .ok_or_else(|| LedgerError::Decode(format!("a record of {payload_bytes} bytes is above the limit of {PAYLOAD_BYTES_MAX}")))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload_bytes);
    bytes.extend_from_slice(if continued { &MAGIC_CONTINUED } else { &MAGIC });
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.push(kind as u8);
    bytes.push(sections.len() as u8);
    for section in sections {
        bytes.extend_from_slice(&(section.len() as u32).to_le_bytes());
    }
    for section in sections {
        bytes.extend_from_slice(section);
    }
    let checksum = crc32fast::hash(&bytes[HEADER_BYTES..]).to_le_bytes();
    bytes[12..16].copy_from_slice(&checksum);
    Ok(bytes)
}

/// The payload at the start of `bytes`, if a whole valid record begins there.
fn valid_payload(bytes: &[u8]) -> Option<&[u8]> {
    let header = bytes.get(..HEADER_BYTES)?;
    let length = u32::from_le_bytes(header[8..12].try_into().ok()?);
    let checksum = u32::from_le_bytes(header[12..16].try_into().ok()?);
    if !is_magic(&header[..8]) || length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + length as usize)?;
    (crc32fast::hash(payload) == checksum).then_some(payload)
}

fn parse(payload: Vec<u8>) -> Result<Record> {
    let broken = || LedgerError::Corrupt("a record's sections do not fit its length".into());
    let kind = match payload.first() {
        Some(1) => RecordKind::Block,
        Some(2) => RecordKind::Unwind,
        Some(3) => RecordKind::Edit,
        kind => return Err(LedgerError::Corrupt(format!("a record has the unknown kind {kind:?}"))),
    };
    let count = *payload.get(1).ok_or_else(broken)? as usize;
    let mut start = 2 + 4 * count;
    let mut sections = Vec::with_capacity(count);
    for lengths in payload.get(2..start).ok_or_else(broken)?.chunks_exact(4) {
        let length = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]) as usize;
        sections.push((start, start + length));
        start += length;
    }
    if start != payload.len() {
        return Err(broken());
    }
    Ok(Record { kind, payload, sections })
}

enum Segment {
    File(File),
    Memory(RwLock<Vec<u8>>),
}

impl Segment {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(buffer, offset),
            Self::Memory(bytes) => {
                let bytes = bytes.read();
                let part = bytes.get(offset as usize..offset as usize + buffer.len());
                buffer.copy_from_slice(part.ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// When what is appended becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the append returns.
    Now,
    /// With the next append that is durable at once, or with `sync`.
    Later,
}

/// Reads are shared; `append` and `sync` are for one writer at a time.
pub struct BlockLog {
    directory: Option<PathBuf>,
    segments: RwLock<Vec<Arc<Segment>>>,
    /// Where the next record goes.
    end: RwLock<Position>,
    segment_bytes_max: u64,
    /// Whether records of the last segment wait for a sync.
    unsynced: AtomicBool,
    pub bytes_written: AtomicU64,
    pub syncs: AtomicU64,
}

fn segment_path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("blocks-{segment:06}.log"))
}

impl BlockLog {
    pub fn in_memory() -> Self {
        let segments = vec![Arc::new(Segment::Memory(RwLock::new(Vec::new())))];
        Self::new(None, segments, Position { segment: 0, offset: 0 })
    }

    fn new(directory: Option<PathBuf>, segments: Vec<Arc<Segment>>, end: Position) -> Self {
        Self {
            directory,
            segments: RwLock::new(segments),
            end: RwLock::new(end),
            segment_bytes_max: SEGMENT_BYTES_MAX,
            unsynced: AtomicBool::new(false),
            bytes_written: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        }
    }

    /// Open the segments in `directory`, cutting off a torn last record; `from` is the position up to which all is known to be whole.
    pub fn open(directory: &Path, from: Position) -> Result<Self> {
        let mut segments = Vec::new();
        for segment in 0.. {
            let path = segment_path(directory, segment);
            if segment > 0 && !path.exists() {
                break;
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(segment == 0)
                .truncate(false)
                .open(&path)
                .map_err(LedgerError::write("opening the block log"))?;
            segments.push(file);
        }
        sync_directory(directory)?;
        refuse_old_format(&segments[0])?;
        let last = segments.len() as u32 - 1;
        if from.segment > last {
            return Err(LedgerError::Corrupt(format!("block log segment {} is missing", from.segment)));
        }
        for segment in from.segment..last {
            let start = if segment == from.segment { from.offset } else { 0 };
            let (whole, length) = scan(&segments[segment as usize], start)?;
            if whole != length {
                return Err(LedgerError::Corrupt(format!("block log segment {segment} has a damaged record at byte {whole}")));
            }
        }
        let tail = &segments[last as usize];
        let (whole, length) = scan(tail, if last == from.segment { from.offset } else { 0 })?;
        if whole < length {
            refuse_if_more_follows(tail, last, whole, length)?;
            tail.set_len(whole).map_err(LedgerError::write("cutting off a torn record"))?;
            tail.sync_data().map_err(LedgerError::write("cutting off a torn record"))?;
        }
        let segments = segments.into_iter().map(|file| Arc::new(Segment::File(file))).collect();
        Ok(Self::new(Some(directory.to_path_buf()), segments, Position { segment: last, offset: whole }))
    }

    pub fn end(&self) -> Position {
        *self.end.read()
    }

    /// Write a record; returns where it lies. After an error nothing may be appended any more.
    pub fn append(&self, kind: RecordKind, sections: &[&[u8]], durability: Durability) -> Result<Position> {
        if self.end().offset >= self.segment_bytes_max {
            self.sync()?;
            self.start_segment()?;
        }
        let bytes = frame(kind, sections, self.unsynced.load(Ordering::Relaxed))?;
        let position = self.end();
        match &*self.segment(position) {
            Segment::File(file) => {
                file.write_all_at(&bytes, position.offset).map_err(LedgerError::write("writing to the block log"))?;
                self.unsynced.store(true, Ordering::Relaxed);
            }
            Segment::Memory(memory) => memory.write().extend_from_slice(&bytes),
        }
        if durability == Durability::Now {
            self.sync()?;
        }
        self.bytes_written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.end.write().offset += bytes.len() as u64;
        Ok(position)
    }

    /// Make durable what was appended.
    pub fn sync(&self) -> Result<()> {
        if !self.unsynced.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Segment::File(file) = &*self.segment(self.end()) {
            file.sync_data().map_err(LedgerError::write("syncing the block log"))?;
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        self.unsynced.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn segment(&self, position: Position) -> Arc<Segment> {
        self.segments.read()[position.segment as usize].clone()
    }

    fn start_segment(&self) -> Result<()> {
        let mut segments = self.segments.write();
        let next = segments.len() as u32;
        segments.push(Arc::new(match &self.directory {
            Some(directory) => {
                let path = segment_path(directory, next);
                let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
                let file = file.map_err(LedgerError::write("starting a block log segment"))?;
                sync_directory(directory)?;
                Segment::File(file)
            }
            None => Segment::Memory(RwLock::new(Vec::new())),
        }));
        *self.end.write() = Position { segment: next, offset: 0 };
        Ok(())
    }

    /// The record at `position` and the position after it; `None` at the end of the log.
    pub fn read(&self, mut position: Position) -> Result<Option<(Record, Position)>> {
        let end = self.end();
        let segment = loop {
            if position >= end {
                return Ok(None);
            }
            let segments = self.segments.read();
            let segment = segments[position.segment as usize].clone();
            let segment_end = match &*segment {
                Segment::File(file) => file.metadata().map_err(LedgerError::read("reading the block log"))?.len(),
                Segment::Memory(memory) => memory.read().len() as u64,
            };
            if position.offset < segment_end {
                break segment;
            }
            position = Position { segment: position.segment + 1, offset: 0 };
        };
        let mut header = [0; HEADER_BYTES];
        segment.read_at(&mut header, position.offset).map_err(LedgerError::read("reading the block log"))?;
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let damaged = || LedgerError::Corrupt(format!("the record at segment {}, byte {} is damaged", position.segment, position.offset));
        if !is_magic(&header[..8]) || length > PAYLOAD_BYTES_MAX {
            return Err(damaged());
        }
        let mut payload = vec![0; length as usize];
        segment.read_at(&mut payload, position.offset + HEADER_BYTES as u64).map_err(LedgerError::read("reading the block log"))?;
        if crc32fast::hash(&payload) != u32::from_le_bytes([header[12], header[13], header[14], header[15]]) {
            return Err(damaged());
        }
        let next = Position { segment: position.segment, offset: position.offset + HEADER_BYTES as u64 + u64::from(length) };
        Ok(Some((parse(payload)?, next)))
    }
}

/// Make the names in a folder durable.
pub fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|folder| folder.sync_all()).map_err(LedgerError::write("syncing the ledger's folder"))
}

/// A log that an older version wrote would be read wrongly.
fn refuse_old_format(first: &File) -> Result<()> {
    let mut magic = [0; 8];
    match first.read_exact_at(&mut magic, 0) {
        Ok(()) if MAGICS_OLD.contains(&magic) => Err(LedgerError::OldFormat),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(LedgerError::read("reading the block log")(error)),
    }
}

/// End of the last whole record from `start` on, and the segment's length.
fn scan(file: &File, start: u64) -> Result<(u64, u64)> {
    let length = file.metadata().map_err(LedgerError::read("reading the block log"))?.len();
    if start > length {
        return Err(LedgerError::Corrupt(format!("the block log ends at byte {length}, before byte {start} that the tables know of")));
    }
    let mut offset = start;
    while offset < length {
        let mut header = [0; HEADER_BYTES];
        if length - offset < HEADER_BYTES as u64 {
            break;
        }
        file.read_exact_at(&mut header, offset).map_err(LedgerError::read("reading the block log"))?;
        let payload_bytes = u64::from(u32::from_le_bytes([header[8], header[9], header[10], header[11]]));
        let record_bytes = HEADER_BYTES as u64 + payload_bytes;
        if !is_magic(&header[..8]) || record_bytes > length - offset {
            break;
        }
        let mut record = vec![0; record_bytes as usize];
        file.read_exact_at(&mut record, offset).map_err(LedgerError::read("reading the block log"))?;
        if valid_payload(&record).is_none() {
            break;
        }
        offset += record_bytes;
    }
    Ok((offset, length))
}

/// A crash can tear only records that were not synced, the last one and its batch: a whole record behind a damaged one that does not
/// continue its batch means that acknowledged blocks would be lost.
fn refuse_if_more_follows(file: &File, segment: u32, whole: u64, length: u64) -> Result<()> {
    let mut rest = vec![0; (length - whole) as usize];
    file.read_exact_at(&mut rest, whole).map_err(LedgerError::read("reading the block log"))?;
    let follows = memchr::memmem::find_iter(&rest, &MAGIC).any(|at| at > 0 && valid_payload(&rest[at..]).is_some());
    if follows {
        return Err(LedgerError::Corrupt(format!(
            "block log segment {segment} is damaged at byte {whole}, and whole records follow; restore it from a copy"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const START: Position = Position { segment: 0, offset: 0 };

    fn read_all(log: &BlockLog) -> Vec<Vec<u8>> {
        let (mut records, mut at) = (vec![], START);
        while let Some((record, next)) = log.read(at).unwrap() {
            records.push(record.section(0).unwrap().to_vec());
            at = next;
        }
        records
    }

    #[test]
    fn a_torn_last_record_is_cut_off_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let log = BlockLog::open(folder.path(), START).unwrap();
        log.append(RecordKind::Block, &[b"first"], Durability::Now).unwrap();
        let before = log.end().offset;
        log.append(RecordKind::Block, &[b"second", b"part"], Durability::Now).unwrap();
        let after = log.end().offset;
        let path = segment_path(folder.path(), 0);
        let whole = std::fs::read(&path).unwrap();
        for length in before..after {
            std::fs::write(&path, &whole[..length as usize]).unwrap();
            let log = BlockLog::open(folder.path(), START).unwrap();
            assert_eq!(read_all(&log), [b"first"]);
            assert_eq!(log.end().offset, before);
        }
    }

    #[test]
    fn a_log_of_an_older_format_is_refused_as_that() {
        let folder = tempfile::tempdir().unwrap();
        BlockLog::open(folder.path(), START).unwrap().append(RecordKind::Block, &[b"first"], Durability::Now).unwrap();
        let path = segment_path(folder.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..8].copy_from_slice(&MAGICS_OLD[0]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(BlockLog::open(folder.path(), START), Err(LedgerError::OldFormat)));
    }

    #[test]
    fn a_tail_of_zeros_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        BlockLog::open(folder.path(), START).unwrap().append(RecordKind::Block, &[b"first"], Durability::Now).unwrap();
        let path = segment_path(folder.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&[0; 4096]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_all(&BlockLog::open(folder.path(), START).unwrap()), [b"first"]);
    }

    #[test]
    fn damage_before_a_whole_record_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let log = BlockLog::open(folder.path(), START).unwrap();
        log.append(RecordKind::Block, &[b"first"], Durability::Now).unwrap();
        log.append(RecordKind::Block, &[b"second"], Durability::Now).unwrap();
        let path = segment_path(folder.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER_BYTES + 7] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(BlockLog::open(folder.path(), START), Err(LedgerError::Corrupt(_))));
    }

    #[test]
    fn a_torn_batch_is_cut_off_at_its_first_damaged_record() {
        let folder = tempfile::tempdir().unwrap();
        let log = BlockLog::open(folder.path(), START).unwrap();
        log.append(RecordKind::Block, &[b"first"], Durability::Now).unwrap();
        let starts: Vec<u64> = [b"one", b"two", b"six"]
            .map(|text: &[u8; 3]| log.append(RecordKind::Block, &[text], Durability::Later).unwrap().offset)
            .to_vec();
        let path = segment_path(folder.path(), 0);
        let whole = std::fs::read(&path).unwrap();
        for (kept, start) in starts.iter().enumerate() {
            let mut bytes = whole.clone();
            bytes[*start as usize + HEADER_BYTES + 7] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read_all(&BlockLog::open(folder.path(), START).unwrap()).len(), 1 + kept);
        }
        // Once another record was synced behind the batch, all of it was durable, so damage is damage.
        std::fs::write(&path, &whole).unwrap();
        let log = BlockLog::open(folder.path(), START).unwrap();
        log.append(RecordKind::Block, &[b"last"], Durability::Now).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[starts[0] as usize + HEADER_BYTES + 7] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(BlockLog::open(folder.path(), START), Err(LedgerError::Corrupt(_))));
    }

    #[test]
    fn records_are_read_across_segments() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = BlockLog::open(folder.path(), START).unwrap();
        log.segment_bytes_max = 100;
        let records: Vec<Vec<u8>> = (0..20u8).map(|index| vec![index; 30]).collect();
        for record in &records {
            log.append(RecordKind::Edit, &[record], Durability::Now).unwrap();
        }
        assert!(log.end().segment > 3);
        assert_eq!(read_all(&log), records);
        assert_eq!(read_all(&BlockLog::open(folder.path(), START).unwrap()), records);
    }
}
