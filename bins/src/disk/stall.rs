//! A disk whose next sync can be made to take long: an injected fault, such as a drive that is busy
//! with itself.

use super::{Disk, DiskFile};
use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Makes syncs stall, from any thread. Clones act on the same disk.
#[derive(Clone, Debug, Default)]
pub struct Stall(Arc<AtomicU64>);

impl Stall {
    /// The next sync takes so much longer.
    pub fn next_sync(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }

    fn wait(&self) {
        let millis = self.0.swap(0, Ordering::Relaxed);
        if millis > 0 {
            std::thread::sleep(Duration::from_millis(millis));
        }
    }
}

/// A disk that stalls when it is told to.
#[derive(Clone, Debug)]
pub struct StallingDisk<D> {
    disk: D,
    stall: Stall,
}

impl<D> StallingDisk<D> {
    /// This disk, stalled as that says.
    pub fn new(disk: D, stall: Stall) -> StallingDisk<D> {
        StallingDisk { disk, stall }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(StallingFile { file, stall: self.stall.clone() })
    }
}

impl<D: Disk> Disk for StallingDisk<D> {
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

struct StallingFile {
    file: Box<dyn DiskFile>,
    stall: Stall,
}

impl DiskFile for StallingFile {
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

    fn sync(&mut self) -> io::Result<()> {
        self.stall.wait();
        self.file.sync()
    }
}
