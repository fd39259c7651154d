//! The line mode: what one types is said, what was said last and what others say is shown in order.
//!
//! **Absent**: everything that needs a screen. The commands are `/join`, `/me`, `/help` and `/quit`.

use super::envelope::{Room, Said};
use super::follow::Follower;
use super::meter::Meter;
use super::post::{Post, posts};
use super::ui::command::{self, Command};
use super::{Access, SayError, Speaker, Summary, tail};
use crate::host::{Event, News};
use crate::record::RecordWriter;
use paxos_chat::types::{Seq, SessionId};
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Messages of before that are shown.
const RECENT: usize = 20;

/// The session of whoever sits here, once it is open.
type OwnSession = Arc<Mutex<Option<SessionId>>>;

/// Runs a chat until the input ends, then waits for all acknowledgements.
///
/// # Errors
/// When there is no socket or no record, or the input cannot be read.
pub fn run(
    access: &Access,
    user: &str,
    mut room: Room,
    record: impl FnOnce(u64) -> io::Result<Option<RecordWriter>>,
    input: impl BufRead,
) -> io::Result<Summary> {
    let own = OwnSession::default();
    let meter = Meter::default();
    let _follower = follow(access, Arc::clone(&own), &meter)?;
    let listener = Box::new(move |event, _text: Option<String>| match event {
        Event::Opened(session) => {
            *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
            print_line(&format!("* connected, session {session}"));
        }
        Event::Confirmed { seq, slot, .. } => {
            print_line(&format!("* #{seq} committed at slot {slot}"));
        }
        Event::Expired { unknown } => {
            let unknown = numbers(&unknown);
            print_line(&format!("! the session has expired; outcome unknown: {unknown}"));
        }
        Event::Failed { why, saved_below } => {
            print_line(&format!("! nothing more is sent: {why}"));
            if let Some(below) = saved_below {
                print_line(&format!("! messages before #{below} are saved; later ones are not"));
            }
        }
    });
    let pending = access.state.as_ref().map(|state| state.interrupted().pending);
    let pending: Vec<Seq> = pending.into_iter().flatten().map(|(seq, _)| seq).collect();
    if !pending.is_empty() {
        print_line(&format!("* said before, and still pending: {}", numbers(&pending)));
    }
    let mut speaker = Speaker::start(access, user, record, listener, &meter)?;
    print_line(&format!("* you are {user}; type a line to say it, /quit or Ctrl-D to leave"));
    for line in input.lines() {
        let said = match command::parse(&line?) {
            Ok(Command::Say(text)) => Said::new(&room, text),
            Ok(Command::Me(text)) => Said { is_action: true, ..Said::new(&room, text) },
            Ok(Command::Join(joined)) => {
                print_line(&format!("* you speak in #{joined}"));
                room = joined;
                continue;
            }
            Ok(Command::Quit) => break,
            Ok(_) => {
                print_line("* /join ROOM, /me DOES, /quit; // says a line that begins with /");
                continue;
            }
            Err(wrong) => {
                print_line(&format!("! {wrong}"));
                continue;
            }
        };
        match speaker.say(&said) {
            Ok(seq) => print_line(&format!("* #{seq} pending")),
            Err(SayError::Over(_)) => break,
            Err(error) => print_line(&format!("! {error}")),
        }
    }
    Ok(speaker.wait_for_all())
}

/// Numbers of messages, for people.
fn numbers(numbers: &[Seq]) -> String {
    match numbers {
        [] => "none".into(),
        numbers => numbers.iter().map(|n| format!("#{n}")).collect::<Vec<_>>().join(", "),
    }
}

/// Shows what was said last, and then what others say.
fn follow(access: &Access, own: OwnSession, meter: &Meter) -> io::Result<Follower> {
    let reader = access.clone();
    // What is said here is told of when it is committed.
    let show = move |posts: Vec<Post>| {
        let own = *own.lock().unwrap_or_else(PoisonError::into_inner);
        for post in posts.iter().filter(|post| own.is_none_or(|own| !post.is_of(own))) {
            print_line(&post.to_line());
        }
    };
    let on_news = move |news| {
        match news {
            News::End(end) => {
                // Nothing else is read before these.
                match tail::last(&reader, end, RECENT, None, || false) {
                    Ok(posts) => show(posts.into()),
                    Err(error) => print_line(&format!("! cannot show earlier messages: {error}")),
                }
            }
            News::Applied(slot, applied) => show(posts(slot, &applied)),
            // Nobody has asked.
            News::Current(_) => {}
        }
        Ok(())
    };
    Follower::start(access, meter, on_news, |error| {
        print_line(&format!("! cannot show new messages: {error}"));
    })
}

/// Prints a line; a terminal that is gone ends the input too, so there is nothing else to do.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
