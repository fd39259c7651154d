//! What programs print, and what dead output means: one rule for all of them.
//!
//! **Invariants**
//! - *Nothing here panics*, whatever has become of standard output or standard error; and nothing else in this
//!   project prints, which a lint forbids.
//! - *Whoever stops reading ends a tool quietly*: `check | head -1` ends with [`CLOSED_PIPE`], as a shell shows
//!   for any tool that a closed pipe ends.
//! - *Results that cannot be written are told, and are a failure*: [`CANNOT_WRITE`].
//! - *Errors are written if that is possible*: nothing is left to complain to, and no status depends on it.
//! - *A replica serves on*, whoever reads what it prints: it only [`note`]s, and waits for nobody
//!   ([`wait_for_nobody`]).

mod printer;

use printer::Printer;
use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit status when nobody reads the results any more: 128 and the number of SIGPIPE.
pub const CLOSED_PIPE: i32 = 141;
/// The exit status when results cannot be written: `EX_IOERR` of sysexits.
pub const CANNOT_WRITE: u8 = 74;
/// The exit status when a thread has panicked, as Rust's own for the main thread.
const PANICKED: i32 = 101;

/// Prints a line of results; as `println!`, but ends the program if it can't.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::output::line(format_args!($($arg)*)) };
}

/// Prints a line to standard error; as `eprintln!`, but nobody need read it.
#[macro_export]
macro_rules! tell {
    ($($arg:tt)*) => { $crate::output::remark(format_args!($($arg)*)) };
}

/// Standard output is for a file that was asked for there, and results go to standard error.
static IS_GIVEN_AWAY: AtomicBool = AtomicBool::new(false);

/// From now on, standard output takes what [`content`] writes and nothing else; [`line`] writes to standard error.
pub fn give_away_stdout() {
    IS_GIVEN_AWAY.store(true, Ordering::Relaxed);
}

/// Writes what would otherwise be in a file.
pub fn content(text: &str) {
    let mut out = std::io::stdout().lock();
    or_end(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints a line of results.
pub fn line(text: Arguments<'_>) {
    if IS_GIVEN_AWAY.load(Ordering::Relaxed) {
        return remark(text);
    }
    let mut out = std::io::stdout().lock();
    or_end(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints results as they are.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    or_end(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Takes results from whoever writes them piece by piece, and never fails: it ends the program instead.
#[derive(Debug)]
pub struct Results;

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        or_end(std::io::stdout().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        or_end(std::io::stdout().flush());
        Ok(())
    }
}

/// The printers of a process that waits for nobody.
static PRINTERS: OnceLock<Printers> = OnceLock::new();

struct Printers {
    out: Printer,
    err: Printer,
}

/// From now on [`note`] and [`tell!`](crate::tell) do not wait for whoever reads, for longer than a moment.
///
/// # Errors
/// When there are no threads for that.
pub fn wait_for_nobody() -> std::io::Result<()> {
    let out = Printer::start("stdout", std::io::stdout)?;
    let err = Printer::start("stderr", std::io::stderr)?;
    let _ = PRINTERS.set(Printers { out, err });
    Ok(())
}

/// Prints a line that nobody need read.
pub fn note(text: &str) {
    prompt(&format!("{text}\n"));
}

/// Prints a text that nobody need read, and leaves the cursor behind it.
pub fn prompt(text: &str) {
    if let Some(printers) = PRINTERS.get() {
        return printers.out.print(text.to_owned());
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a line to standard error.
pub fn remark(text: Arguments<'_>) {
    let text = harmless(&format!("{text}\n"));
    if let Some(printers) = PRINTERS.get() {
        return printers.err.print(text);
    }
    // In one piece, as far as the system allows: other processes may write there, too.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A text with nothing in it that a terminal would act on, whatever a person, or a file, has put into it.
fn harmless(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().fold(String::with_capacity(text.len()), |mut harmless, c| {
        if is_harmful(c) {
            harmless.extend(c.escape_default());
        } else {
            harmless.push(c);
        }
        harmless
    })
}

/// Ends the program if results could not be written.
pub fn or_end(written: std::io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(CLOSED_PIPE);
    }
    tell!(
        "the results cannot be written to standard output: {error}; free some space, or send them \
         elsewhere"
    );
    std::process::exit(CANNOT_WRITE.into());
}

/// The arguments of this program; ends it, if they ask for help or are wrong.
pub fn arguments<P: clap::Parser>() -> P {
    P::try_parse().unwrap_or_else(|error| {
        let is_harmful = |arg: &OsString| arg.to_string_lossy().chars().any(char::is_control);
        if error.use_stderr() && std::env::args_os().any(|arg| is_harmful(&arg)) {
            // What was typed is in it, and colours would pass its controls on.
            tell!("{}", error.render().to_string().trim_end());
        } else {
            let printed = error.print();
            if !error.use_stderr() {
                or_end(printed);
            }
        }
        std::process::exit(error.exit_code())
    })
}

/// From now on a thread that panics ends its process, which has said why as far as it could: whoever waits for
/// what it was to do would wait for ever.
pub fn end_on_panic() {
    let tells = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if PRINTERS.get().is_some() {
            remark(format_args!("{panic}"));
        } else {
            tells(panic);
        }
        std::process::exit(PANICKED);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_does_nothing_to_a_terminal() {
        assert_eq!(
            harmless("x\u{1b}[31m\u{9b}2J\r\u{7}\n\té"),
            "x\\u{1b}[31m\\u{9b}2J\\r\\u{7}\n\té"
        );
    }
}
