//! Messages from standard input, one a line, or from arguments.
//!
//! **Invariant — bounded**: reading stops while too much is unacknowledged, and a line is refused
//! as soon as it is longer than a message may be, however long it goes on.

use super::envelope::{Room, Said, TooLong};
use super::{SayError, Speaker, Summary, Unsaid};
use clap::{Args, ValueEnum};
use paxos_chat_shell::tell;
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

/// What becomes of a line that is longer than a message may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Long {
    /// Nothing more is said.
    #[default]
    Stop,
    /// It is said in several messages.
    Split,
    /// It is left out, and that is told.
    Skip,
}

/// What becomes of a line that is not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Invalid {
    /// Nothing more is said.
    #[default]
    Stop,
    /// What is no text in it is replaced by U+FFFD.
    Replace,
    /// It is left out, and that is told.
    Skip,
}

/// What becomes of lines that are no messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct Policy {
    /// What becomes of a line that is longer than a message may be.
    #[arg(long, value_enum, default_value_t, conflicts_with = "text")]
    pub long: Long,
    /// What becomes of a line that is not UTF-8.
    #[arg(long, value_enum, default_value_t, conflicts_with = "text")]
    pub invalid: Invalid,
}

/// Says each line of `input` in a room, then waits for all acknowledgements. A line that cannot be said ends it, unless
/// the policy says otherwise; the summary says which.
pub fn run(speaker: &mut Speaker, room: &Room, policy: Policy, input: impl BufRead) -> Summary {
    let mut say = |said: &Said| speaker.say(said).map(drop);
    let ended = say_lines(&mut say, room, policy, input);
    let mut summary = speaker.wait_for_all();
    if let Err((line, why)) = ended {
        summary.unsaid = Unsaid::FromLine(line);
        if let Some(why) = why {
            summary.failure.get_or_insert(format!("line {line} of the input: {why}"));
        }
    }
    summary
}

/// Says each line; or tells at which this ended, and why, if the summary does not say it.
fn say_lines(
    say: &mut dyn FnMut(&Said) -> Result<(), SayError>,
    room: &Room,
    policy: Policy,
    mut input: impl BufRead,
) -> Result<(), (u64, Option<String>)> {
    let limit = Said::new(room, "").bytes_max();
    let too_long = format!(
        "it has more than {limit} bytes: split it into several, or give --long split or --long skip"
    );
    let mut line = 0;
    loop {
        line += 1;
        let at = |why: String| (line, Some(why));
        let next = next_piece(&mut input, limit, Vec::new()).map_err(|e| at(e.to_string()))?;
        let Some(mut piece) = next else { return Ok(()) };
        if !piece.ends_line && policy.long == Long::Stop {
            return Err(at(too_long));
        }
        if !piece.ends_line && policy.long == Long::Skip {
            piece.skip_rest(&mut input).map_err(|e| at(e.to_string()))?;
            tell!("client: line {line} of the input is left out: it has more than {limit} bytes");
            continue;
        }
        // The beginning of this line was said.
        let mut is_begun = false;
        loop {
            let text = match String::from_utf8(std::mem::take(&mut piece.text)) {
                Ok(text) => text,
                Err(error) if policy.invalid == Invalid::Replace => {
                    String::from_utf8_lossy(error.as_bytes()).into_owned()
                }
                Err(_) if policy.invalid == Invalid::Skip => {
                    piece.skip_rest(&mut input).map_err(|e| at(e.to_string()))?;
                    let which = if is_begun { "the rest of " } else { "" };
                    tell!(
                        "client: {which}line {line} of the input is left out: it is not UTF-8 text"
                    );
                    break;
                }
                Err(_) => {
                    let why = "it is not UTF-8 text: convert the input first, or give --invalid replace or --invalid \
                               skip";
                    return Err(at(partly(is_begun, why)));
                }
            };
            match say_text(say, room, policy.long, &text) {
                Ok(()) => is_begun = true,
                // The summary says why.
                Err(SayError::Over(_)) if !is_begun => return Err((line, None)),
                Err(SayError::Over(why)) => return Err(at(partly(is_begun, &why))),
                // It has become longer by what was replaced, or by its envelope.
                Err(SayError::TooLong(why)) if policy.long == Long::Skip => {
                    tell!("client: line {line} of the input is left out: {why}");
                }
                Err(SayError::TooLong(why)) => return Err(at(why.to_string())),
            }
            if piece.ends_line {
                break;
            }
            let next = next_piece(&mut input, limit, piece.rest).map_err(|e| at(e.to_string()))?;
            let Some(next) = next else { break };
            piece = next;
        }
    }
}

/// Why a line was not said to its end.
fn partly(is_begun: bool, why: &str) -> String {
    let begun = if is_begun { "its beginning was said, and the rest was not: " } else { "" };
    format!("{begun}{why}")
}

/// Says a text, in several messages if it may be split.
fn say_text(
    say: &mut dyn FnMut(&Said) -> Result<(), SayError>,
    room: &Room,
    long: Long,
    text: &str,
) -> Result<(), SayError> {
    let mut rest = text;
    loop {
        let said = Said::new(room, rest);
        let bytes_max = said.bytes_max();
        if rest.len() <= bytes_max || long != Long::Split {
            return say(&said);
        }
        let cut = (0..=bytes_max).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
        say(&Said::new(room, &rest[..cut]))?;
        rest = &rest[cut..];
    }
}

/// A line without its end, or as much of it as a message takes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Piece {
    text: Vec<u8>,
    /// What was read of the line beyond it, its end included.
    rest: Vec<u8>,
    ends_line: bool,
}

impl Piece {
    /// Reads to the end of the line, and keeps nothing of it.
    fn skip_rest(&self, input: &mut impl BufRead) -> io::Result<()> {
        if self.ends_line || self.rest.ends_with(b"\n") {
            return Ok(());
        }
        input.skip_until(b'\n').map(drop)
    }
}

/// What comes next of a line of which this much was read; at most so many bytes, cut between two characters. `None` at the
/// end of the input.
fn next_piece(input: &mut impl BufRead, limit: usize, read: Vec<u8>) -> io::Result<Option<Piece>> {
    let mut text = read;
    if text.last() != Some(&b'\n') {
        // The two bytes beyond may be the end of the line.
        let left = (limit + 2).saturating_sub(text.len());
        input.take(left as u64).read_until(b'\n', &mut text)?;
    }
    if text.is_empty() {
        return Ok(None);
    }
    let end = if text.ends_with(b"\r\n") { 2 } else { usize::from(text.ends_with(b"\n")) };
    if text.len() - end <= limit {
        text.truncate(text.len() - end);
        return Ok(Some(Piece { text, rest: Vec::new(), ends_line: true }));
    }
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    let cut = (limit.saturating_sub(3)..=limit).rev().find(|at| !continues(text[*at]));
    let rest = text.split_off(cut.unwrap_or(limit));
    Ok(Some(Piece { text, rest, ends_line: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use paxos_chat::tuning::BODY_BYTES_MAX;

    /// What is said of this input, and at which line it ended.
    fn said(input: &[u8], room: &str, policy: Policy) -> (Vec<String>, Option<u64>) {
        let mut texts = Vec::new();
        let mut say = |said: &Said| {
            said.encode()?;
            texts.push(said.text.clone());
            Ok(())
        };
        let ended = say_lines(&mut say, &room.parse().unwrap(), policy, input);
        (texts, ended.err().map(|(line, why)| why.map(|_| line).unwrap()))
    }

    fn policy(long: Long, invalid: Invalid) -> Policy {
        Policy { long, invalid }
    }

    #[test]
    fn lines_arrive_as_they_are_without_their_ends() {
        let input = b"a\n\n b\r\nc\r\r\nlast\r";
        let expected = ["a", "", " b", "c\r", "last\r"].map(String::from).to_vec();
        assert_eq!(said(input, "lobby", Policy::default()), (expected, None));
        assert_eq!(said(b"", "lobby", Policy::default()), (Vec::new(), None));
    }

    #[test]
    fn a_line_may_be_as_long_as_a_message_and_no_longer() {
        for end in ["", "\n", "\r\n"] {
            let fits = "x".repeat(BODY_BYTES_MAX) + end;
            assert_eq!(said(fits.as_bytes(), "lobby", Policy::default()).1, None, "{end:?}");
            let long = "y\n".to_owned() + &"x".repeat(BODY_BYTES_MAX + 1) + end;
            let (texts, ended) = said(long.as_bytes(), "lobby", Policy::default());
            assert_eq!((texts.len(), ended), (1, Some(2)), "{end:?}");
        }
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        assert!(!next_piece(&mut endless, 9, Vec::new()).unwrap().unwrap().ends_line);
    }

    #[test]
    fn a_long_line_is_split_between_characters_and_nothing_is_lost() {
        // Of two and three bytes, so that every place within a character comes up.
        for more in [1, 2, 3, 4, BODY_BYTES_MAX, 2 * BODY_BYTES_MAX] {
            for room in ["lobby", "ops"] {
                let line = "éの".repeat((BODY_BYTES_MAX + more) / 5 + 1);
                let input = format!("{line}\nnext\n");
                let (texts, ended) =
                    said(input.as_bytes(), room, policy(Long::Split, Invalid::Stop));
                assert_eq!((texts.concat(), ended), (format!("{line}next"), None));
                assert_eq!(texts.last().map(String::as_str), Some("next"));
            }
        }
    }

    #[test]
    fn what_is_no_message_is_left_out_or_replaced_and_the_rest_is_said() {
        let long = [b"a\n".to_vec(), vec![b'x'; 3 * BODY_BYTES_MAX], b"\nb\n".to_vec()].concat();
        let (texts, ended) = said(&long, "ops", policy(Long::Skip, Invalid::Stop));
        assert_eq!((texts, ended), (vec!["a".into(), "b".into()], None));
        let wrong = b"a\n\xff!\nb\n";
        assert_eq!(said(wrong, "lobby", Policy::default()), (vec!["a".into()], Some(2)));
        let begun = [vec![b'x'; BODY_BYTES_MAX], b"\xff\n".to_vec()].concat();
        let mut say = |_: &Said| Ok(());
        let split = policy(Long::Split, Invalid::Stop);
        let ended = say_lines(&mut say, &Room::default(), split, &begun[..]).unwrap_err();
        assert!(ended.1.unwrap().starts_with("its beginning was said, and the rest was not"));
        let (texts, _) = said(wrong, "lobby", policy(Long::Stop, Invalid::Skip));
        assert_eq!(texts, ["a", "b"]);
        let (texts, _) = said(wrong, "lobby", policy(Long::Stop, Invalid::Replace));
        assert_eq!(texts, ["a", "\u{fffd}!", "b"]);
        // It grows by what is replaced.
        let wrong = [vec![0xff; BODY_BYTES_MAX], b"\nb".to_vec()].concat();
        assert_eq!(said(&wrong, "lobby", policy(Long::Stop, Invalid::Replace)).1, Some(1));
        let (texts, ended) = said(&wrong, "lobby", policy(Long::Split, Invalid::Replace));
        assert_eq!((texts.concat().chars().count(), ended), (BODY_BYTES_MAX + 1, None));
    }
}
