//! The disk as durable storage needs it: a small trait, so that tests can inject every fault.
//!
//! **Invariants**
//! - *Nothing is durable before a sync*: what is written counts after [`DiskFile::sync`], and what
//!   is created, renamed or removed after [`Disk::sync_folder`] of its folder.
//! - *A failed sync is final*: the system may have dropped what it could not write and call the
//!   next sync a success, so no caller tries again.
//!
//! **Absent**: formats.
//!
//! **Source**: Rebello et al., *Can Applications Recover from fsync Failures?* (ATC 2020).

#[cfg(target_os = "linux")]
use rustix::fs::{Advice, OFlags};
use std::any::Any;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

pub mod fake;
pub mod hook;
pub mod meter;
pub mod stall;

/// Files and folders. Every error is the system's.
#[allow(clippy::missing_errors_doc, reason = "each fails as the system call of its name does")]
pub trait Disk {
    /// Is there a file or folder of this name?
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// The names in a folder, in order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// An empty file of this name, whatever was there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file, unless there is one, which stays the file that it is.
    ///
    /// # Errors
    /// When the disk fails.
    fn make(&self, path: &Path) -> io::Result<()> {
        if self.exists(path)? { Ok(()) } else { self.create(path).map(drop) }
    }
    /// A file that is there.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file or folder another name, and replaces the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder, and those above it; no error if it is there.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Locks a folder as long as the value lives; `None` while another process has it.
    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Any>>>;
}

/// A file open for reading and writing.
#[allow(clippy::missing_errors_doc, reason = "each fails as the system call of its name does")]
pub trait DiskFile {
    /// Reads some bytes from this offset on, and says how many; none at the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// How long the file is, in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Writes some of the bytes at this offset, and says how many.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file, or extends it by zeros.
    fn set_length(&mut self, length: u64) -> io::Result<()>;
    /// Tells the disk that it may begin with what was written there, so that the next sync waits for
    /// less. A hint: nothing is durable by it, and a disk may do nothing.
    fn write_back(&mut self, _offset: u64, _bytes: u64) {}
    /// Makes the contents durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes all of the bytes.
///
/// # Errors
/// When the disk does not take them; some may have been written.
pub fn write_all_at(file: &mut dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a file under a temporary name, and gives it its own once it is durable: after a crash
/// the old file is there or the new one, never a part of it.
///
/// # Errors
/// When the disk fails.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    replace_by(disk, &path.with_extension(TEMPORARY), path, bytes)
}

/// As [`replace`], under this temporary name, whatever had it before.
///
/// # Errors
/// When the disk fails.
pub fn replace_by(
    disk: &dyn Disk,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.create(temporary)?;
    write_all_at(&mut *file, 0, bytes)?;
    file.sync()?;
    disk.rename(temporary, path)?;
    disk.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

/// The extension of files that have not got their name yet.
pub const TEMPORARY: &str = "tmp";

/// The mode of files: what was said is for those who have it.
pub const OWNER_S_FILE: u32 = 0o600;
/// The mode of folders that are made.
pub const OWNER_S_FOLDER: u32 = 0o700;

/// The machine's disk.
#[derive(Clone, Copy, Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for file in std::fs::read_dir(folder)? {
            names.push(file?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    /// For its owner only. What has the name goes, and a link there is not followed: in a folder that others may
    /// write to it could be theirs.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(OWNER_S_FILE);
        Ok(Box::new(options.open(path)?))
    }

    /// Of two processes that make it at once, neither takes the other's away: it may be what they lock.
    fn make(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(OWNER_S_FILE);
        options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path).map(drop)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(OWNER_S_FOLDER).create(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // A path of one component has the empty path for its folder.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()
    }

    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Any>>> {
        let folder = File::open(folder)?;
        match rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(folder))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    /// Linux begins to write pages that are dirty when they are said not to be needed, and keeps them
    /// in memory until then. What is lost if the system refuses is only time.
    fn write_back(&mut self, offset: u64, bytes: u64) {
        #[cfg(target_os = "linux")]
        if let Some(bytes) = std::num::NonZeroU64::new(bytes) {
            let _ = rustix::fs::fadvise(&*self, offset, Some(bytes), Advice::DontNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
