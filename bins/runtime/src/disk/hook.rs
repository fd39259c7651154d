//! A disk that does something around every sync: injected stalls, and measuring.
//!
//! **Invariant**: whatever a hook does, the file's own sync is the one that it is handed.

use super::{Disk, DiskFile};
use std::any::Any;
use std::io;
use std::path::Path;

/// What happens around a sync.
pub trait SyncHook: Clone + 'static {
    /// Calls `sync`, and gives its result.
    ///
    /// # Errors
    /// Those of `sync`.
    fn around(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// A disk whose syncs are hooked.
#[derive(Clone, Debug)]
pub struct HookedDisk<D, H> {
    disk: D,
    hook: H,
}

impl<D, H: SyncHook> HookedDisk<D, H> {
    /// This disk, with that around each sync of a file.
    pub fn new(disk: D, hook: H) -> HookedDisk<D, H> {
        HookedDisk { disk, hook }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HookedFile { file, hook: self.hook.clone() })
    }
}

impl<D: Disk, H: SyncHook> Disk for HookedDisk<D, H> {
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Any>>> {
        self.disk.lock(folder)
    }
}

struct HookedFile<H> {
    file: Box<dyn DiskFile>,
    hook: H,
}

impl<H: SyncHook> DiskFile for HookedFile<H> {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn write_back(&mut self, offset: u64, bytes: u64) {
        self.file.write_back(offset, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = &mut self.file;
        self.hook.around(&mut || file.sync())
    }
}
