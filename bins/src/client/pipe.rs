//! Messages from standard input, one a line, or from arguments.
//!
//! **Invariant — bounded**: reading stops while too much is unacknowledged, and a line is refused
//! as soon as it is longer than a message may be, however long it goes on.

use super::envelope::{Room, Said, TooLong};
use super::{SayError, Speaker, Summary};
use paxos_chat::tuning::TEXT_BYTES_MAX;
use std::io::{self, BufRead, Read};

/// Says all these texts in a room, then waits for all acknowledgements.
///
/// # Errors
/// When one is too long; then none is said.
pub fn run_texts(speaker: &mut Speaker, room: &Room, texts: &[String]) -> Result<Summary, TooLong> {
    let said: Vec<Said> = texts.iter().map(|text| Said::new(room, text.as_str())).collect();
    for said in &said {
        said.encode()?;
    }
    // If the client is at its end, the summary says why.
    let _ = said.iter().try_for_each(|said| speaker.say(said).map(drop));
    Ok(speaker.wait_for_all())
}

/// Says each line of `input` in a room, then waits for all acknowledgements.
///
/// # Errors
/// When a line cannot be said; everything before it was said and waited for.
pub fn run(speaker: &mut Speaker, room: &Room, mut input: impl BufRead) -> io::Result<Summary> {
    let mut number = 0;
    let failed = loop {
        number += 1;
        match next_line(&mut input) {
            Ok(None) => break None,
            Ok(Some(text)) => match speaker.say(&Said::new(room, text)) {
                Ok(_) => {}
                // The summary says why.
                Err(SayError::Over(_)) => break None,
                Err(error) => break Some(io::Error::other(error)),
            },
            Err(error) => break Some(error),
        }
    };
    let summary = speaker.wait_for_all();
    match failed {
        None => Ok(summary),
        Some(error) => Err(io::Error::other(format!("line {number} of the input: {error}"))),
    }
}

/// The next line without its end; `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = TEXT_BYTES_MAX as u64 + 2;
    let length = input.take(limit).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > TEXT_BYTES_MAX {
        return Err(io::Error::other(TooLong { bytes: line.len(), bytes_max: TEXT_BYTES_MAX }));
    }
    let text = String::from_utf8(line);
    text.map(Some).map_err(|_| io::Error::other("it is not UTF-8 text; convert the input first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_as_they_are() {
        let mut input = "a\n\n b\r\nlast".as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["a", "", " b\r", "last"]);
    }

    #[test]
    fn a_line_may_be_as_long_as_a_message_and_no_longer() {
        let fits = "x".repeat(TEXT_BYTES_MAX) + "\n";
        assert_eq!(next_line(&mut fits.as_bytes()).unwrap().unwrap().len(), TEXT_BYTES_MAX);
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        assert!(next_line(&mut endless).is_err());
        assert!(next_line(&mut &b"\xff\n"[..]).is_err());
    }
}
