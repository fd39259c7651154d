//! Programs that record what they do run once more, as the process that takes the recording to the disk.

use crate::tell;
use actor_recording::keeper;
use std::process::ExitCode;

/// Is this program to keep a recording? Then it does, and this is its exit status.
pub fn keep(program: &str) -> Option<ExitCode> {
    keeper::is_asked().map(|kept| match kept {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("{program}: the recording ends here: {error}");
            ExitCode::FAILURE
        }
    })
}
