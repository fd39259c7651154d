//! Where a process puts what it records.
//!
//! **Invariant — none waits**: a sink that can't take more at once says so, and then it is over.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::rc::Rc;

/// Takes frames.
pub trait Sink {
    /// Takes a frame.
    ///
    /// # Errors
    /// When it does not, and takes none any more.
    fn take(&mut self, frame: &[u8]) -> io::Result<()>;

    /// There is no more; waits until all of it is where it should be.
    fn close(&mut self) {}
}

/// Keeps frames in memory, for whoever has a clone of it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    /// What was taken so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl Sink for Memory {
    fn take(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().extend_from_slice(frame);
        Ok(())
    }
}

/// Bytes that may wait while a pipe is full: those of a burst.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

/// A pipe to the process that keeps the recording.
///
/// What is in a pipe outlives whoever wrote it. So a process that is killed loses nothing of its recording but what waited
/// here because the pipe was full.
#[derive(Debug)]
pub struct Pipe {
    pipe: Option<File>,
    waiting: VecDeque<u8>,
    keeper: std::process::Child,
}

impl Pipe {
    /// A pipe that never blocks its writer, to this process.
    pub(crate) fn new(pipe: File, keeper: std::process::Child) -> Pipe {
        Pipe { pipe: Some(pipe), waiting: VecDeque::new(), keeper }
    }

    /// Writes what the pipe has room for; how much that was.
    fn write(pipe: &mut File, mut bytes: &[u8]) -> io::Result<usize> {
        let all = bytes.len();
        while !bytes.is_empty() {
            match pipe.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Err(io::Error::other("the process that writes it down has ended"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all - bytes.len())
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        while !self.waiting.is_empty() {
            let written = Pipe::write(pipe, self.waiting.as_slices().0)?;
            self.waiting.drain(..written);
            if written == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Sink for Pipe {
    fn take(&mut self, frame: &[u8]) -> io::Result<()> {
        self.write_waiting()?;
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let written = if self.waiting.is_empty() { Pipe::write(pipe, frame)? } else { 0 };
        let rest = &frame[written..];
        if self.waiting.len() + rest.len() > QUEUE_BYTES_MAX {
            let mib = QUEUE_BYTES_MAX >> 20;
            return Err(io::Error::other(format!(
                "its disk takes it slower than it comes, and more than {mib} MiB of it would wait"
            )));
        }
        self.waiting.extend(rest);
        Ok(())
    }

    /// The keeper ends once it has everything.
    fn close(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            // From here on, waiting harms nobody.
            let (first, second) = self.waiting.as_slices();
            let blocks = rustix::fs::fcntl_setfl(&*pipe, rustix::fs::OFlags::empty());
            if blocks.is_ok() && pipe.write_all(first).is_ok() {
                // What is not written is missed by whoever reads it.
                let _ = pipe.write_all(second);
            }
        }
        self.pipe = None;
        let _ = self.keeper.wait();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.close();
    }
}
