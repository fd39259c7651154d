//! A chat on a terminal, line by line: what one types is said, what others say is shown in order.

use super::tail::Replay;
use super::{Access, Speaker, StopOnDrop, Summary};
use crate::client_host::{Event, ReaderHost};
use crate::driver::{Driver, DriverError, Handle};
use crate::record::RecordWriter;
use paxos_chat::reader::Reader;
use paxos_chat::types::{SessionId, Slot, Value};
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The session of whoever sits here, once it is open.
type OwnSession = Arc<Mutex<Option<SessionId>>>;
type EntrySink = Box<dyn FnMut(Slot, Value) -> io::Result<()> + Send>;

/// Runs a chat until the input ends, then waits for all acknowledgements.
///
/// # Errors
/// When there is no socket or no record, or the input cannot be read.
pub fn run(
    access: &Access,
    user: &str,
    record: impl FnOnce(u64) -> io::Result<Option<RecordWriter>>,
    input: impl BufRead,
) -> io::Result<Summary> {
    let own = OwnSession::default();
    let _reader = start_reader(access, Arc::clone(&own))?;
    let listener = Box::new(move |event, _text: Option<String>| match event {
        Event::Opened(session) => {
            *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
            print_line(&format!("* connected, session {session}"));
        }
        Event::Confirmed { seq, slot, .. } => {
            print_line(&format!("* #{seq} committed at slot {slot}"));
        }
        Event::Expired { .. } => {}
    });
    let mut speaker = Speaker::start(access, user, record, listener)?;
    print_line(&format!("* you are {user}; type a line to say it, Ctrl-D to leave"));
    for line in input.lines() {
        match speaker.say(&line?) {
            Ok(seq) => print_line(&format!("* #{seq} pending")),
            Err(super::SayError::Over(_)) => break,
            Err(error) => print_line(&format!("! {error}")),
        }
    }
    Ok(speaker.wait_for_all())
}

/// Shows what others say, from a thread of its own, until the returned guard goes.
fn start_reader(
    access: &Access,
    own: OwnSession,
) -> io::Result<StopOnDrop<Reader, ReaderHost<EntrySink>>> {
    let socket = access.socket()?;
    let (handle, inbox) = Handle::new(socket.waker());
    let access = access.clone();
    let thread = move || {
        let mut replay = Replay::default();
        let sink: EntrySink = Box::new(move |slot, value| {
            let own = *own.lock().unwrap_or_else(PoisonError::into_inner);
            for post in replay.apply(slot, &value) {
                if own.is_none_or(|own| !post.is_of(own)) {
                    print_line(&post.to_line());
                }
            }
            Ok(())
        });
        let reader = Reader {
            replicas: access.config.nodes(),
            from: Slot(0),
            tuning: access.config.client_tuning(),
        };
        let (id, nodes) = access.nodes();
        let world = access.world(socket);
        let run = || -> Result<(), DriverError> {
            Driver::start(reader, id, nodes, access.codec(), ReaderHost::new(sink), world)?
                .run(&inbox)
        };
        if let Err(error) = run() {
            print_line(&format!("! what others say is not shown any more: {error}"));
        }
    };
    std::thread::Builder::new().name("reader".into()).spawn(thread)?;
    Ok(StopOnDrop(handle))
}

/// Prints a line; a terminal that is gone ends the input too, so there is nothing else to do.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
