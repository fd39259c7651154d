//! The file of the next segment, which is filled with zeros while the present one fills with frames:
//! whoever changes to it then waits for the little that is left, and not for all of it.
//!
//! **Invariants**
//! - *It has a temporary name until it is a segment*: whole, with its header, and synced. A crash
//!   before that leaves a file that nobody reads, and that the next start removes.
//! - *Nothing of what the file held before is left*: every byte behind the header is written as zero.
//!
//! **Absent**: what a header says.

use super::segment;
use actor_runtime::disk::{Disk, DiskFile, write_all_at};
use std::io;
use std::path::{Path, PathBuf};

/// How much is written at once, in bytes; less where segments are short.
const STEP_BYTES: usize = 1 << 16;

/// A segment's file before it is one.
pub(super) struct Blank {
    file: Box<dyn DiskFile>,
    temporary: PathBuf,
    /// Zeros were written up to here.
    upto: usize,
    length: usize,
}

impl Blank {
    /// Begins the file of the segment of this number, in a spare one if there is one: what that
    /// occupies on the disk is used again.
    pub(super) fn begin(
        disk: &dyn Disk,
        folder: &Path,
        number: u64,
        length: usize,
        spare: Option<PathBuf>,
    ) -> io::Result<Blank> {
        let (file, temporary) = match spare {
            Some(spare) => {
                let mut file = disk.open(&spare)?;
                if file.length()? != length as u64 {
                    file.set_length(length as u64)?;
                }
                (file, spare)
            }
            None => {
                let temporary = segment::spare(folder, number);
                (disk.create(&temporary)?, temporary)
            }
        };
        Ok(Blank { file, temporary, upto: 0, length })
    }

    /// How long the segment will be, in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Writes zeros, about as far as the segment before has frames.
    pub(super) fn keep_up(&mut self, frames_end: usize) -> io::Result<()> {
        let step = STEP_BYTES.min(self.length / 4).max(1);
        while self.upto + step <= frames_end.min(self.length) {
            self.write(step)?;
        }
        Ok(())
    }

    /// Writes so many zeros, at most [`STEP_BYTES`].
    fn write(&mut self, bytes: usize) -> io::Result<()> {
        static ZEROS: [u8; STEP_BYTES] = [0; STEP_BYTES];
        let at = self.upto as u64;
        write_all_at(&mut *self.file, at, &ZEROS[..bytes])?;
        self.file.write_back(at, bytes as u64);
        self.upto += bytes;
        Ok(())
    }

    /// Makes it a segment with this header and this name.
    pub(super) fn finish(
        mut self,
        disk: &dyn Disk,
        path: &Path,
        header: &[u8],
    ) -> io::Result<Box<dyn DiskFile>> {
        while self.upto < self.length {
            self.write(STEP_BYTES.min(self.length - self.upto))?;
        }
        write_all_at(&mut *self.file, 0, header)?;
        self.file.sync()?;
        disk.rename(&self.temporary, path)?;
        disk.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        Ok(self.file)
    }
}
