//! Recordings, read again: life by life, entry by entry.
//!
//! **Invariant — reading is total**: any bytes give entries, or an error that says where.

use crate::entry::{Entry, VERSION};
use crate::frame::{HEADER, MAGIC, PAYLOAD_BYTES_MAX, is_whole, payload_bytes};
use crate::keeper::files;
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a recording can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk fails.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no recording, or one that was changed.
    #[error("{}: at byte {at}: {wrong}", path.display())]
    Damage {
        /// Where.
        path: PathBuf,
        /// Where in it.
        at: u64,
        /// What.
        wrong: String,
    },
    /// A process writes it.
    #[error("{}: it is still being written; stop the process that is recorded, and try again", path.display())]
    Busy {
        /// Where.
        path: PathBuf,
    },
    /// The first file of a life has gone, or another one.
    #[error("{}: the file before it is missing", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
}

/// The recordings below this folder: for each folder that has any, the files of each life, in order. A life that was
/// killed before it had saved or sent anything may have left nothing, and is none.
///
/// # Errors
/// When a folder can't be read, a file is still being written, or one is missing.
pub fn find(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<Vec<PathBuf>>>, ReadError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |error| ReadError::Disk { path, error }
    };
    let (mut folders, mut found) = (vec![folder.to_owned()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(disk(&folder))? {
            let path = entry.map_err(disk(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        let mut lives: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
        for ((life, part), path) in files(&folder).map_err(disk(&folder))? {
            let parts = lives.entry(life).or_default();
            if parts.len() != part as usize {
                return Err(ReadError::Missing { path });
            }
            let file = File::open(&path).map_err(disk(&path))?;
            if flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
                return Err(ReadError::Busy { path });
            }
            parts.push(path);
        }
        let is_nothing = |parts: &Vec<PathBuf>| {
            let bytes = std::fs::metadata(&parts[0]).map_or(u64::MAX, |file| file.len());
            parts.len() == 1 && bytes == MAGIC.len() as u64
        };
        lives.retain(|_, parts| !is_nothing(parts));
        if !lives.is_empty() {
            found.insert(folder, lives.into_values().collect());
        }
    }
    Ok(found)
}

/// Where bytes come from.
enum Source {
    Files(VecDeque<PathBuf>),
    Memory,
}

/// A life, frame by frame.
pub struct Frames {
    source: Source,
    path: PathBuf,
    file: Option<Box<dyn Read + Send>>,
    at: u64,
    payload: Vec<u8>,
}

impl Frames {
    /// Of a life in these files.
    pub fn of_files(files: &[PathBuf]) -> Frames {
        let source = Source::Files(files.iter().cloned().collect());
        Frames { source, path: PathBuf::new(), file: None, at: 0, payload: Vec::new() }
    }

    /// Of a life that was recorded in memory, to be called by this name.
    pub fn of_memory(name: &str, bytes: Vec<u8>) -> Frames {
        let file: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes));
        let (path, file) = (PathBuf::from(name), Some(file));
        Frames { source: Source::Memory, path, file, at: 0, payload: Vec::new() }
    }

    fn damage<T>(&self, wrong: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::Damage { path: self.path.clone(), at: self.at, wrong: wrong.into() })
    }

    /// Where the last frame began.
    pub fn place(&self) -> (&Path, u64) {
        (&self.path, self.at)
    }

    /// Fills a buffer; false if nothing is left at all.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, ReadError> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return self.damage("it ends in the middle of a frame"),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Disk { path: self.path.clone(), error }),
            }
        }
        Ok(true)
    }

    /// Opens the next file, if there is one.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Source::Files(files) = &mut self.source else { return Ok(false) };
        let Some(path) = files.pop_front() else { return Ok(false) };
        let file = File::open(&path);
        self.path = path;
        match file {
            Ok(file) => self.file = Some(Box::new(BufReader::with_capacity(1 << 20, file))),
            Err(error) => return Err(ReadError::Disk { path: self.path.clone(), error }),
        }
        let mut magic = [0; MAGIC.len()];
        self.at = 0;
        if !self.fill(&mut magic)? || magic != MAGIC {
            return self.damage("this is no recording, or one of another version");
        }
        self.at = MAGIC.len() as u64;
        Ok(true)
    }

    /// The payload of the next frame.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.at += if self.payload.is_empty() { 0 } else { (HEADER + self.payload.len()) as u64 };
        self.payload.clear();
        let mut header = [0; HEADER];
        while !self.fill(&mut header)? {
            if !self.open_next()? {
                return Ok(None);
            }
        }
        let length = payload_bytes(&header).unwrap_or_default();
        if length > PAYLOAD_BYTES_MAX {
            return self.damage("a frame is longer than any");
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length, 0);
        let is_there = length == 0 || self.fill(&mut payload)?;
        self.payload = payload;
        if !is_there {
            return self.damage("it ends in the middle of a frame");
        }
        if !is_whole(&header, &self.payload) {
            return self.damage("the checksum of a frame does not fit: it was changed");
        }
        Ok(Some(&self.payload))
    }
}

/// The entries of a frame.
///
/// # Errors
/// Says what is wrong with them.
pub fn entries<A, M, T, S>(mut payload: &[u8]) -> Result<Vec<Entry<A, M, T, S>>, String>
where
    A: DeserializeOwned,
    M: DeserializeOwned,
    T: DeserializeOwned,
    S: DeserializeOwned,
{
    let mut entries = Vec::new();
    while !payload.is_empty() {
        let (entry, rest) = postcard::take_from_bytes(payload).map_err(|error| {
            format!("entry {} of a frame can't be read: {error}", entries.len())
        })?;
        if let Entry::Life(life) = &entry
            && life.version != VERSION
        {
            let found = life.version;
            return Err(format!("it is of version {found}, and this program reads {VERSION}"));
        }
        entries.push(entry);
        payload = rest;
    }
    Ok(entries)
}

/// What kind of actor a recording is of, by its first frame.
///
/// # Errors
/// When it does not begin with a life.
pub fn kind(payload: &[u8]) -> Result<String, String> {
    // The entry's tag, the version, the kind.
    let head: Result<((u32, u8, String), _), _> = postcard::take_from_bytes(payload);
    match head {
        Ok(((0, VERSION, kind), _)) => Ok(kind),
        Ok(((0, found, _), _)) => {
            Err(format!("it is of version {found}, and this program reads {VERSION}"))
        }
        _ => Err("it does not begin with a life".into()),
    }
}
