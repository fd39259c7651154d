//! The process that takes a recording from a pipe to the disk: a child of the one that is recorded, which it outlives.
//!
//! **Invariants**
//! - *One life a file*, or several files of one, in a folder that has one process' lives; a later life has a higher
//!   number.
//! - *A file is locked while it is written.*
//! - *Bounded*: when the folder has as much as it may, the oldest lives go; when there are none, the recording ends.
//!
//! **Absent**: what is recorded. Frames are bytes here.

use crate::frame::{HEADER, MAGIC, PAYLOAD_BYTES_MAX, payload_bytes};
use crate::sink::Pipe;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The argument that makes a program a keeper; then come the folder, and the most that it may hold, in bytes.
pub const ARGUMENT: &str = "--keep-recording";
/// Bytes of a file, and at most one frame more.
const FILE_BYTES: u64 = 64 << 20;
/// Bytes after which the system is told that nobody is going to read what was written. It then has a few pages to use again
/// and again, and leaves to the service what else it would have filled.
const CACHED_BYTES: u64 = 4 << 20;
/// Bytes that are asked for a pipe: what Linux gives anybody.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;
/// How long a pipe fills before it is emptied, unless it was nearly full: whoever writes to it does not wake the keeper,
/// which would take the processor from it.
const REST: Duration = Duration::from_millis(20);
/// Bytes that come in that time, or else it does not rest.
const RESTFUL_BYTES: usize = 128 << 10;
/// The extension of its files.
const EXTENSION: &str = "rec";

/// Begins the recording of one life in this folder, which may hold so many bytes, by a child of this process that runs the
/// same program.
///
/// # Errors
/// When there is no folder, pipe or child.
pub fn begin(folder: &Path, bytes_max: u64) -> io::Result<Pipe> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    #[cfg(target_os = "linux")]
    // A smaller one is as good, but for bursts.
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES);
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    let keeper = Command::new(std::env::current_exe()?)
        .arg(ARGUMENT)
        .arg(folder)
        .arg(bytes_max.to_string())
        .stdin(Stdio::from(reader))
        .stdout(Stdio::null())
        // What stops its parent does not stop it.
        .process_group(0)
        .spawn()?;
    Ok(Pipe::new(File::from(writer), keeper))
}

/// Is this program to be a keeper? Then it is one, until its recording has ended, and this is how that went.
pub fn is_asked() -> Option<io::Result<()>> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let (folder, bytes_max) = (arguments.next(), arguments.next());
    let run = |folder: OsString, bytes_max: OsString| {
        let bytes_max = bytes_max.to_str().and_then(|max| max.parse().ok());
        let bytes_max = bytes_max.ok_or(io::ErrorKind::InvalidInput)?;
        keep(Path::new(&folder), bytes_max, &mut io::stdin().lock())
    };
    Some(
        folder
            .zip(bytes_max)
            .map_or(Err(io::ErrorKind::InvalidInput.into()), |(f, max)| run(f, max)),
    )
}

/// A file of a recording: the number of its life, and its own in that.
pub(crate) fn name(life: u32, part: u32) -> String {
    format!("{life:06}-{part:04}.{EXTENSION}")
}

/// What a file's name says.
pub(crate) fn parse_name(name: &str) -> Option<(u32, u32)> {
    let (life, part) = name.strip_suffix(EXTENSION)?.strip_suffix('.')?.split_once('-')?;
    Some((life.parse().ok()?, part.parse().ok()?))
}

/// The files of a folder.
pub(crate) fn files(folder: &Path) -> io::Result<BTreeMap<(u32, u32), PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(number) = name.and_then(parse_name) {
            found.insert(number, path);
        }
    }
    Ok(found)
}

/// Writes a life.
struct Writer<'a> {
    folder: &'a Path,
    life: u32,
    part: u32,
    file: File,
    written: u64,
    /// When the system was told last that nobody reads it.
    forgotten: u64,
    /// Of the whole folder.
    bytes: u64,
    bytes_max: u64,
}

impl<'a> Writer<'a> {
    fn begin(folder: &'a Path, bytes_max: u64) -> io::Result<Writer<'a>> {
        let known = files(folder)?;
        let bytes =
            known.values().map(|path| Ok(path.metadata()?.len())).sum::<io::Result<u64>>()?;
        let mut life = known.keys().next_back().map_or(1, |(life, _)| life + 1);
        // Another keeper may begin at this moment.
        let file = loop {
            match make(&folder.join(name(life, 0))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => life += 1,
                made => break made?,
            }
        };
        let written = MAGIC.len() as u64;
        let bytes = bytes + written;
        Ok(Writer { folder, life, part: 0, file, written, forgotten: 0, bytes, bytes_max })
    }

    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.written > FILE_BYTES {
            self.part += 1;
            self.file = make(&self.folder.join(name(self.life, self.part)))?;
            self.written = MAGIC.len() as u64;
            self.forgotten = 0;
            self.bytes += self.written;
        }
        self.file.write_all(frames)?;
        self.written += frames.len() as u64;
        if self.written - self.forgotten >= CACHED_BYTES {
            self.forgotten = self.written;
            let_go(&self.file);
        }
        self.bytes += frames.len() as u64;
        while self.bytes > self.bytes_max {
            self.forget_oldest()?;
        }
        Ok(())
    }

    fn forget_oldest(&mut self) -> io::Result<()> {
        let known = files(self.folder)?;
        let oldest = known.keys().map(|(life, _)| *life).find(|life| *life < self.life);
        let Some(oldest) = oldest else {
            let mib = self.bytes_max >> 20;
            return Err(io::Error::other(format!("it has reached its limit of {mib} MiB")));
        };
        // A part of a life is of no use.
        for (_, path) in known.iter().filter(|((life, _), _)| *life == oldest) {
            self.bytes -= path.metadata()?.len().min(self.bytes);
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// Lets the system forget of a file what is on the disk already, and take the rest there.
fn let_go(file: &File) {
    // It is no more than advice.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// A new file, which is locked.
fn make(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.write_all(&MAGIC)?;
    Ok(file)
}

/// Takes a recording to the disk, until it ends. What is left of a frame that was not written whole is left out.
fn keep(folder: &Path, bytes_max: u64, recording: &mut impl Read) -> io::Result<()> {
    let mut writer = Writer::begin(folder, bytes_max)?;
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * buffer.len(), 0);
        }
        let read = match recording.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += read;
        let whole = whole_frames(&buffer[..filled])?;
        writer.append(&buffer[..whole])?;
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if read < RESTFUL_BYTES {
            std::thread::sleep(REST);
        }
    }
}

/// How many of these bytes are whole frames.
fn whole_frames(bytes: &[u8]) -> io::Result<usize> {
    let mut at = 0;
    while let Some(length) = payload_bytes(&bytes[at..]) {
        if length > PAYLOAD_BYTES_MAX {
            return Err(io::Error::other("a frame is longer than any"));
        }
        if bytes.len() - at < HEADER + length {
            break;
        }
        at += HEADER + length;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_full_forgets_whole_lives_and_then_the_recording_ends() {
        let folder = tempfile::tempdir().unwrap();
        for (life, part) in [(1, 0), (1, 1), (2, 0)] {
            std::fs::write(folder.path().join(name(life, part)), [0; 100]).unwrap();
        }
        let mut writer = Writer::begin(folder.path(), 350).unwrap();
        let there = || files(folder.path()).unwrap().into_keys().collect::<Vec<_>>();
        writer.append(&[0; 40]).unwrap();
        assert_eq!(there(), [(1, 0), (1, 1), (2, 0), (3, 0)]);
        writer.append(&[0; 40]).unwrap();
        assert_eq!(there(), [(2, 0), (3, 0)]);
        writer.append(&[0; 200]).unwrap();
        assert_eq!(there(), [(3, 0)]);
        let ended = writer.append(&[0; 100]).unwrap_err().to_string();
        assert!(ended.contains("its limit of"), "{ended}");
    }
}
