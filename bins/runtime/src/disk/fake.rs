//! A disk in memory that loses what was not synced, and fails when it is told to.
//!
//! **Invariants**
//! - *After a power cut, of each write that was not synced any sectors may be there*, whatever
//!   their order; names that were not synced are there up to some moment.
//! - *After a failed sync the writes are readable, and never become durable*, as Linux has it.
//! - *Everything is drawn from a seed*, so a failure repeats.
//!
//! **Absent**: real files, and bits that flip by themselves; a test flips them.

use super::{Disk, DiskFile};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with EIO and has no effect; of a sync, the writes are lost.
    Io,
    /// It fails with ENOSPC and has no effect.
    NoSpace,
    /// A write takes half of the bytes, and says so.
    Short,
    /// The power goes while it is under way: it and all later ones fail until
    /// [`FakeDisk::restart`].
    PowerCut,
}

/// An operation on the disk, as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes were written to this file.
    Write(PathBuf),
    /// This file was synced.
    Sync(PathBuf),
    /// This file was removed.
    Remove(PathBuf),
    /// A name of this folder was changed otherwise, or the folder was synced.
    Names(PathBuf),
}

/// Called after each operation that took place.
pub type Observer = Box<dyn Fn(&Operation)>;

#[derive(Default)]
struct Content {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

type Names = BTreeMap<PathBuf, usize>;

enum Naming {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Naming {
    fn folder(&self) -> PathBuf {
        let (Naming::Link(path, _) | Naming::Rename(_, path) | Naming::Remove(path)) = self;
        path.parent().unwrap_or(Path::new("")).to_owned()
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Naming::Link(path, content) => drop(names.insert(path.clone(), *content)),
            Naming::Remove(path) => drop(names.remove(path)),
            Naming::Rename(from, to) => {
                let moved: Vec<PathBuf> =
                    names.keys().filter(|path| path.starts_with(from)).cloned().collect();
                for path in moved {
                    let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
                    let new = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    if let Some(content) = names.remove(&path) {
                        names.insert(new, content);
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Inner {
    contents: Vec<Content>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<Naming>,
    operations: u64,
    failed: u64,
    bytes_read: u64,
    faults: BTreeMap<u64, Fault>,
    is_full: bool,
    is_off: bool,
    observer: Option<Observer>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct FakeDisk(Rc<RefCell<Inner>>);

impl FakeDisk {
    /// Makes the operation of this number fail; [`FakeDisk::operations`] tells the next number.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.0.borrow_mut().faults.insert(operation, fault);
    }

    /// How many operations that change something were begun.
    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// How many of them failed, while it had power.
    pub fn failed(&self) -> u64 {
        self.0.borrow().failed
    }

    /// From now on whatever takes room fails with ENOSPC, or no longer.
    pub fn set_full(&self, is_full: bool) {
        self.0.borrow_mut().is_full = is_full;
    }

    /// Forgets what it shows and does not hold: what a failed sync has left readable, as the system does when it needs the
    /// memory.
    pub fn evict(&self) {
        for content in &mut self.0.borrow_mut().contents {
            content.current.clone_from(&content.durable);
            content.pending.iter().for_each(|change| change.apply(&mut content.current));
        }
    }

    /// From now on, nothing is to go wrong.
    pub fn heal(&self) {
        let mut inner = self.0.borrow_mut();
        inner.faults.clear();
        inner.is_full = false;
    }

    /// Has its power gone, and not come back?
    pub fn is_off(&self) -> bool {
        self.0.borrow().is_off
    }

    /// How many bytes were read, of all files.
    pub fn bytes_read(&self) -> u64 {
        self.0.borrow().bytes_read
    }

    /// Calls this after each operation that took place.
    pub fn observe(&self, observer: Observer) {
        self.0.borrow_mut().observer = Some(observer);
    }

    /// What the disk holds after a power cut, drawn from the seed.
    pub fn restart(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut inner = self.0.borrow_mut();
        let kept = rng.random_range(0..=inner.pending_names.len());
        let pending = std::mem::take(&mut inner.pending_names);
        for naming in &pending[..kept] {
            naming.apply(&mut inner.durable_names);
        }
        inner.names = inner.durable_names.clone();
        for content in &mut inner.contents {
            for change in std::mem::take(&mut content.pending) {
                change.apply_partly(&mut content.durable, &mut rng);
            }
            content.current = content.durable.clone();
        }
        inner.is_off = false;
        inner.faults.clear();
    }

    /// Replaces the bytes of a file, as a disk that decays or a person would.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.0.borrow_mut();
        let Some(&content) = inner.names.get(path) else { return };
        let content = &mut inner.contents[content];
        change(&mut content.current);
        content.durable = content.current.clone();
        content.pending.clear();
    }

    /// Removes a file at once, as a person would.
    pub fn lose(&self, path: &Path) {
        let mut inner = self.0.borrow_mut();
        inner.names.remove(path);
        inner.durable_names.remove(path);
    }

    /// Begins an operation; the fault it has to have, if it can have one at all.
    fn begin(&self) -> io::Result<Option<Fault>> {
        let mut inner = self.0.borrow_mut();
        if inner.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let number = inner.operations;
        inner.operations += 1;
        let fault = inner.faults.get(&number).copied();
        let error = match fault {
            Some(Fault::Io) => io::Error::other("EIO"),
            Some(Fault::NoSpace) => io::ErrorKind::StorageFull.into(),
            _ => return Ok(fault),
        };
        inner.failed += 1;
        Err(error)
    }

    /// Begins an operation that takes room.
    fn begin_growing(&self) -> io::Result<Option<Fault>> {
        {
            let mut inner = self.0.borrow_mut();
            if inner.is_full && !inner.is_off {
                (inner.operations, inner.failed) = (inner.operations + 1, inner.failed + 1);
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.begin()
    }

    fn end(&self, fault: Option<Fault>, operation: &Operation) -> io::Result<()> {
        if fault == Some(Fault::PowerCut) {
            self.0.borrow_mut().is_off = true;
            return Err(io::Error::other("the power went"));
        }
        if let Some(observer) = &self.0.borrow().observer {
            observer(operation);
        }
        Ok(())
    }

    fn name(&self, naming: Naming) -> io::Result<()> {
        let fault = match &naming {
            Naming::Link(..) => self.begin_growing()?,
            Naming::Rename(..) | Naming::Remove(_) => self.begin()?,
        };
        let operation = match &naming {
            Naming::Remove(path) => Operation::Remove(path.clone()),
            Naming::Link(..) | Naming::Rename(..) => Operation::Names(naming.folder()),
        };
        {
            let mut inner = self.0.borrow_mut();
            naming.apply(&mut inner.names);
            inner.pending_names.push(naming);
        }
        self.end(fault, &operation)
    }

    fn content(&self, path: &Path) -> io::Result<usize> {
        let inner = self.0.borrow();
        inner.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write(at, new) => {
                let end = at + new.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(new);
            }
        }
    }

    /// Any of the sectors of a write; a change of length as a whole.
    fn apply_partly(&self, bytes: &mut Vec<u8>, rng: &mut StdRng) {
        match self {
            Change::Length(_) if rng.random() => self.apply(bytes),
            Change::Length(_) => {}
            Change::Write(at, new) => {
                let (mut from, end) = (*at, at + new.len());
                while from < end {
                    let next = ((from / SECTOR + 1) * SECTOR).min(end);
                    if rng.random() {
                        Change::Write(from, new[from - at..next - at].to_vec()).apply(bytes);
                    }
                    from = next;
                }
            }
        }
    }
}

impl Disk for FakeDisk {
    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.0.borrow().names.keys().any(|name| name.starts_with(path)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let inner = self.0.borrow();
        let here = inner.names.keys().filter(|path| path.parent() == Some(folder));
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
        Ok(here.filter_map(name).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let content = self.content(path)?;
        let bytes = self.0.borrow().contents[content].current.clone();
        self.0.borrow_mut().bytes_read += bytes.len() as u64;
        Ok(bytes)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = self.0.borrow().contents.len();
        self.0.borrow_mut().contents.push(Content::default());
        self.name(Naming::Link(path.to_owned(), content))?;
        Ok(Box::new(FakeFile { disk: self.clone(), content, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = self.content(path)?;
        Ok(Box::new(FakeFile { disk: self.clone(), content, path: path.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.name(Naming::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.content(path)?;
        self.name(Naming::Remove(path.to_owned()))
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let fault = self.begin()?;
        if fault != Some(Fault::PowerCut) {
            let mut inner = self.0.borrow_mut();
            for naming in std::mem::take(&mut inner.pending_names) {
                if naming.folder() == folder {
                    naming.apply(&mut inner.durable_names);
                } else {
                    inner.pending_names.push(naming);
                }
            }
        }
        self.end(fault, &Operation::Names(folder.to_owned()))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Any>>> {
        Ok(Some(Box::new(())))
    }
}

struct FakeFile {
    disk: FakeDisk,
    content: usize,
    path: PathBuf,
}

impl FakeFile {
    /// The name that it has now.
    fn path(&self) -> PathBuf {
        let inner = self.disk.0.borrow();
        let named = inner.names.iter().find(|(_, content)| **content == self.content);
        named.map_or_else(|| self.path.clone(), |(path, _)| path.clone())
    }

    fn change(&self, change: Change) {
        let mut inner = self.disk.0.borrow_mut();
        let content = &mut inner.contents[self.content];
        change.apply(&mut content.current);
        content.pending.push(change);
    }
}

impl DiskFile for FakeFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.disk.0.borrow_mut();
        let current = &inner.contents[self.content].current;
        let rest = current.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        bytes[..read].copy_from_slice(&rest[..read]);
        inner.bytes_read += read as u64;
        Ok(read)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.borrow().contents[self.content].current.len() as u64)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let fault = if offset + bytes.len() as u64 > self.length()? {
            self.disk.begin_growing()?
        } else {
            self.disk.begin()?
        };
        let short = fault == Some(Fault::Short) && bytes.len() > 1;
        let taken = if short { bytes.len() / 2 } else { bytes.len() };
        self.change(Change::Write(offset as usize, bytes[..taken].to_vec()));
        self.disk.end(fault, &Operation::Write(self.path()))?;
        Ok(taken)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let fault = self.disk.begin()?;
        self.change(Change::Length(length as usize));
        self.disk.end(fault, &Operation::Write(self.path()))
    }

    fn sync(&mut self) -> io::Result<()> {
        let begun = self.disk.begin();
        {
            let mut inner = self.disk.0.borrow_mut();
            let is_off = inner.is_off;
            let content = &mut inner.contents[self.content];
            match &begun {
                Ok(Some(Fault::PowerCut)) => {}
                Ok(_) => {
                    for change in std::mem::take(&mut content.pending) {
                        change.apply(&mut content.durable);
                    }
                }
                Err(_) if is_off => {}
                Err(_) => content.pending.clear(),
            }
        }
        self.disk.end(begun?, &Operation::Sync(self.path()))
    }
}
