//! Messages from standard input, one a line, or from arguments.
//!
//! **Invariant — bounded**: reading stops while too much is unacknowledged, and a line is refused
//! as soon as it is longer than a message may be, however long it goes on.

use super::envelope::{Room, Said, TooLong};
use super::{SayError, Speaker, Summary, Unsaid};
use paxos_chat::tuning::BODY_BYTES_MAX;
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
    let taken = said.iter().take_while(|said| speaker.say(said).is_ok()).count();
    let mut summary = speaker.wait_for_all();
    if taken < said.len() {
        summary.unsaid = Unsaid::Messages((said.len() - taken) as u64);
    }
    Ok(summary)
}

/// Says each line of `input` in a room, then waits for all acknowledgements. A line that cannot be said ends it;
/// the summary says which.
pub fn run(speaker: &mut Speaker, room: &Room, mut input: impl BufRead) -> Summary {
    let mut line = 0;
    let why = loop {
        line += 1;
        let said =
            next_line(&mut input).map(|text| text.map(|text| speaker.say(&Said::new(room, text))));
        match said {
            Ok(None) => return speaker.wait_for_all(),
            Ok(Some(Ok(_))) => {}
            // The summary says why.
            Ok(Some(Err(SayError::Over(_)))) => break None,
            Ok(Some(Err(SayError::TooLong(error)))) => break Some(error.to_string()),
            Err(error) => break Some(error.to_string()),
        }
    };
    let mut summary = speaker.wait_for_all();
    summary.unsaid = Unsaid::FromLine(line);
    if let Some(why) = why {
        summary.failure.get_or_insert(format!("line {line} of the input: {why}"));
    }
    summary
}

/// The next line without its end; `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = BODY_BYTES_MAX as u64 + 2;
    let length = input.take(limit).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > BODY_BYTES_MAX {
        return Err(io::Error::other(TooLong { bytes: line.len(), bytes_max: BODY_BYTES_MAX }));
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
        let fits = "x".repeat(BODY_BYTES_MAX) + "\n";
        assert_eq!(next_line(&mut fits.as_bytes()).unwrap().unwrap().len(), BODY_BYTES_MAX);
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        assert!(next_line(&mut endless).is_err());
        assert!(next_line(&mut &b"\xff\n"[..]).is_err());
    }
}
