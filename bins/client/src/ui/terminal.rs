//! The terminal, the threads, and the clock: everything of the interface that is not pure.
//!
//! **Invariants**
//! - *Bounded*: all events come through one queue of `EVENTS_MAX`; whoever reads the log waits
//!   while it is full.
//! - *No deadlock*: this thread never waits for the reader's thread or the client's thread, which
//!   may wait for this one; it leaves the queue before it waits for acknowledgements at the end.
//! - *The terminal is given back* as it was, at a panic too.

use super::app::App;
use super::clock::Clock;
use super::event::{Effect, Event, Standing};
use super::pager::Pager;
use super::theme::Theme;
use super::view;
use crate::envelope::Room;
use crate::follow::Follower;
use crate::host::News;
use crate::meter::Meter;
use crate::post::posts;
use crate::record::RecordWriter;
use crate::{Access, Speaker, Summary};
use paxos_chat_shell::signals::on_request_to_end;
use paxos_chat_shell::tell;
use ratatui::DefaultTerminal;
use ratatui::backend::{Backend, ClearType};
use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::Print;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use rustix::process::{Signal, getpgid, getsid, kill_current_process_group};
use signal_hook::consts::SIGTSTP;
use signal_hook::iterator::Signals;
use std::io::{self, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Events that may wait.
const EVENTS_MAX: usize = 1024;
/// How often the cluster is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Events that are handled before the screen is drawn again.
const BURST_MAX: usize = 4096;

/// The exit status of a process that was interrupted while it waited.
const INTERRUPTED: i32 = 130;

/// What comes through the queue.
enum Incoming {
    Event(Event),
    /// Somebody has asked the process at this time to stop for a while.
    Suspend(Instant),
    /// The terminal is gone, or somebody asks the process to end.
    End,
}

/// Runs the interface until one leaves, then waits for all acknowledgements.
///
/// # Errors
/// When the terminal, the socket or the record do not work.
pub fn run(
    access: &Access,
    user: &str,
    room: Room,
    record: impl FnOnce(u64) -> io::Result<Option<RecordWriter>>,
) -> io::Result<Summary> {
    let (queue, incoming) = sync_channel(EVENTS_MAX);
    let meter = Meter::default();
    let mut is_recorded = false;
    let recorded = |nonce| {
        let record = record(nonce)?;
        is_recorded = record.is_some();
        Ok(record)
    };
    // Before it is sent again, and so may be acknowledged.
    let resumed = access.state.as_ref().map(|state| (state, state.interrupted().pending));
    let speaker = start_speaker(access, user, recorded, &queue, &meter)?;
    let follower = start_follower(access, &queue, &meter)?;
    let pager = start_pager(access, &queue)?;
    let ending = queue.clone();
    let on_signal = move || {
        // Whoever does not listen any more waits for acknowledgements, and is not to wait.
        if ending.send(Incoming::End).is_err() {
            std::process::exit(INTERRUPTED);
        }
    };
    on_request_to_end(on_signal)?;
    let (stopping, mut stops) = (queue.clone(), Signals::new([SIGTSTP])?);
    let suspend = move || {
        for _ in stops.forever() {
            // Without a screen there is nothing to give back.
            if stopping.send(Incoming::Suspend(Instant::now())).is_err() {
                stop();
            }
        }
    };
    std::thread::Builder::new().name("stops".into()).spawn(suspend)?;

    let mut app = App::new(user, room, (0, 0));
    app.clock = Clock::system();
    if let Some((state, pending)) = resumed {
        app.resume(state.phase(), state.next(), pending);
    }
    let mut terminal = ratatui::try_init()?;
    let result = set_modes().and_then(|()| {
        start_keyboard(queue.clone())?;
        let size = terminal.size()?;
        // Nothing is read yet, so nothing is asked for.
        let _ = app.update(Event::Resized(size.width, size.height));
        let mut shell = Shell {
            access,
            app,
            theme: Theme { has_colour: !is_set("NO_COLOR") },
            queue,
            meter,
            speaker,
            follower,
            pager,
            resumed: Instant::now(),
            is_recorded,
            before: Summary::default(),
        };
        shell.run(&mut terminal, &incoming).map(|()| shell)
    });
    // Nothing waits for this thread any more.
    drop(incoming);
    let _ = reset_modes();
    // One that is gone cannot be given back.
    let _ = ratatui::try_restore();
    let shell = result?;
    let unacknowledged = shell.app.conversation.unacknowledged();
    if unacknowledged > 0 {
        tell!("waiting for {unacknowledged} acknowledgements; Ctrl-C does not wait");
    }
    Ok(sum(&shell.before, shell.speaker.wait_for_all()))
}

/// Is this variable set to anything?
fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn start_speaker(
    access: &Access,
    user: &str,
    record: impl FnOnce(u64) -> io::Result<Option<RecordWriter>>,
    queue: &SyncSender<Incoming>,
    meter: &Meter,
) -> io::Result<Speaker> {
    let queue = queue.clone();
    let listener = Box::new(move |event, _text: Option<String>| {
        // At the end nobody listens any more.
        let _ = queue.send(Incoming::Event(Event::Spoken(event)));
    });
    Speaker::start(access, user, record, listener, meter)
}

fn start_follower(
    access: &Access,
    queue: &SyncSender<Incoming>,
    meter: &Meter,
) -> io::Result<Follower> {
    let (queue, failures) = (queue.clone(), queue.clone());
    let on_news = move |news| {
        let event = match news {
            News::End(end) => Event::Begun(end),
            News::Applied(slot, applied) => Event::Read(slot, posts(slot, &applied)),
            News::Current(_) => Event::Current,
        };
        queue.send(Incoming::Event(event)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    };
    Follower::start(access, meter, on_news, move |error| {
        let why = format!("reading the log stopped: {error}; leave, and start the client again");
        let _ = failures.send(Incoming::Event(Event::Failed(why)));
    })
}

fn start_pager(access: &Access, queue: &SyncSender<Incoming>) -> io::Result<Pager> {
    let queue = queue.clone();
    Pager::start(access, move |event| queue.send(Incoming::Event(event)).is_ok())
}

/// Reads keys from a thread of its own, which ends with the process.
fn start_keyboard(queue: SyncSender<Incoming>) -> io::Result<()> {
    let thread = move || {
        loop {
            let event = match event::read() {
                Ok(event::Event::Key(key)) => Event::Key(key),
                Ok(event::Event::Paste(text)) => Event::Paste(text),
                Ok(event::Event::Resize(columns, rows)) => Event::Resized(columns, rows),
                Ok(_) => continue,
                Err(_) => {
                    let _ = queue.send(Incoming::End);
                    return;
                }
            };
            if queue.send(Incoming::Event(event)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keyboard".into()).spawn(thread).map(drop)
}

struct Shell<'a> {
    access: &'a Access,
    app: App,
    theme: Theme,
    queue: SyncSender<Incoming>,
    meter: Meter,
    speaker: Speaker,
    follower: Follower,
    pager: Pager,
    /// When it came back from its last stop, or began.
    resumed: Instant,
    /// The record is one of a session.
    is_recorded: bool,
    /// What became of everything said in earlier sessions.
    before: Summary,
}

impl Shell<'_> {
    fn run(
        &mut self,
        terminal: &mut DefaultTerminal,
        incoming: &Receiver<Incoming>,
    ) -> io::Result<()> {
        let mut looked = Instant::now();
        self.look();
        loop {
            let drawn = terminal.draw(|frame| {
                let cursor = view::draw(&self.app, self.theme, frame.buffer_mut());
                frame.set_cursor_position(cursor);
            });
            if drawn.is_err() {
                // It is gone: somebody has hung up.
                return Ok(());
            }
            let left = LOOK_INTERVAL.saturating_sub(looked.elapsed());
            let mut next = match incoming.recv_timeout(left) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut handled = 0;
            while let Some(event) = next {
                let event = match event {
                    Incoming::Event(event) => event,
                    // It has stopped since, on its way back to a terminal that was not its own yet.
                    Incoming::Suspend(asked) if asked < self.resumed => break,
                    // A terminal that went away meanwhile is the end, as below.
                    Incoming::Suspend(_) if self.suspend(terminal).is_err() => return Ok(()),
                    Incoming::Suspend(_) => break,
                    Incoming::End => return Ok(()),
                };
                for effect in self.app.update(event) {
                    match effect {
                        Effect::Quit => return Ok(()),
                        Effect::Redraw if draw_anew(terminal).is_err() => return Ok(()),
                        Effect::Suspend if self.suspend(terminal).is_err() => return Ok(()),
                        Effect::Redraw | Effect::Suspend => {}
                        effect => self.perform(effect),
                    }
                }
                handled += 1;
                next = if handled < BURST_MAX { incoming.try_recv().ok() } else { None };
            }
            if looked.elapsed() >= LOOK_INTERVAL {
                looked = Instant::now();
                self.look();
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        let failed = match effect {
            Effect::Say(said) => self.speaker.say(&said).err().map(|error| error.to_string()),
            Effect::Reopen => self.reopen().err().map(|error| error.to_string()),
            Effect::Ask(ask) => {
                self.pager.ask(ask);
                None
            }
            Effect::ReadCurrent => {
                self.follower.read_current();
                None
            }
            Effect::Bell => {
                // One that is gone is noticed when the screen is drawn.
                let _ = execute!(stdout(), Print("\u{7}"));
                None
            }
            Effect::Redraw | Effect::Suspend | Effect::Quit => None,
        };
        if let Some(why) = failed {
            self.update(Event::Failed(why));
        }
    }

    /// Has the interface hear of something, and does what it wants done, which is not to leave or to stop.
    fn update(&mut self, event: Event) {
        self.app.update(event).into_iter().for_each(|effect| self.perform(effect));
    }

    /// Gives the terminal back, stops as a job of its shell, and takes the terminal again when it goes on.
    fn suspend(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        // Nobody could have the first job of a terminal go on.
        if getsid(None).ok() == getpgid(None).ok() {
            self.update(Event::Failed("there is no shell to go back to".into()));
            return Ok(());
        }
        reset_modes()?;
        ratatui::try_restore()?;
        stop();
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        set_modes()?;
        self.resumed = Instant::now();
        let size = terminal.size()?;
        self.update(Event::Resized(size.width, size.height));
        draw_anew(terminal)
    }

    /// Opens another session after one has expired.
    fn reopen(&mut self) -> io::Result<()> {
        if self.is_recorded {
            return Err(io::Error::other("the record ends with its session; leave and come back"));
        }
        self.meter.restart();
        // The old one has saved its last before the new one begins.
        self.speaker.stop();
        self.before = sum(&self.before, self.speaker.wait_for_all());
        if let Some(state) = &self.access.state {
            state.conclude(false).map_err(io::Error::other)?;
        }
        let user = self.app.user.clone();
        self.speaker = start_speaker(self.access, &user, |_| Ok(None), &self.queue, &self.meter)?;
        Ok(())
    }

    /// Asks the client's thread how things stand; the answer is an event.
    fn look(&self) {
        let (queue, meter) = (self.queue.clone(), self.meter.clone());
        self.speaker.look(move |client| {
            let standing = Standing {
                asked: client.target as u64,
                serves: client.hopeful,
                measured: meter.measured(),
            };
            // A full queue has other news; the next look comes soon.
            let _ = queue.try_send(Incoming::Event(Event::Measured(standing)));
        });
    }
}

/// Stops the whole job, as the terminal's own Ctrl-Z does: its shell waits for all of it.
fn stop() {
    // It can only fail for want of permission, and these are processes of one's own.
    let _ = kill_current_process_group(Signal::STOP);
}

/// A wheel would otherwise press Up and Down, and so type an earlier line.
fn set_modes() -> io::Result<()> {
    execute!(stdout(), EnableBracketedPaste, Print("\x1b[?1007s\x1b[?1007l"))
}

/// The modes that there were before.
fn reset_modes() -> io::Result<()> {
    execute!(stdout(), Print("\x1b[?1007r"), DisableBracketedPaste)
}

/// Has the next picture drawn as a whole. `Terminal::clear` would ask the terminal where its cursor is, and the
/// keyboard's thread would get the answer.
fn draw_anew(terminal: &mut DefaultTerminal) -> io::Result<()> {
    terminal.backend_mut().clear_region(ClearType::All)?;
    terminal.swap_buffers();
    Ok(())
}

fn sum(before: &Summary, last: Summary) -> Summary {
    Summary {
        first: last.first,
        end: last.end,
        unsaid: last.unsaid,
        submitted: before.submitted + last.submitted,
        acknowledged: before.acknowledged + last.acknowledged,
        retries: before.retries + last.retries,
        failure: last.failure.or_else(|| before.failure.clone()),
    }
}
