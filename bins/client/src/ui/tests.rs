//! The interface driven by events, and what is seen of it.

use super::app::App;
use super::event::{Effect, Event, Standing};
use super::theme::Theme;
use super::view;
use crate::envelope::Said;
use crate::host;
use crate::meter::Measured;
use crate::post::Post;
use paxos_chat::types::{Ballot, ReplicaId, Seq, SessionId, Slot};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use std::time::Duration;

mod paging;

const SESSION: SessionId = SessionId { slot: Slot(2), index: 0 };

fn post(slot: u64, user: &str, room: &str, text: &str) -> Post {
    let said = Said::new(&room.parse().unwrap(), text);
    let (user, session) = (user.into(), format!("s{user}"));
    let time_ms = 43_200_000 + slot * 60_000;
    Post { slot, index: 0, time_ms, user, session, seq: slot, said }
}

struct Screen {
    app: App,
    terminal: Terminal<TestBackend>,
    theme: Theme,
    effects: Vec<Effect>,
}

impl Screen {
    fn new(columns: u16, rows: u16) -> Screen {
        let app = App::new("ann", "lobby".parse().unwrap(), (columns, rows));
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let theme = Theme { has_colour: true };
        let mut screen = Screen { app, terminal, theme, effects: Vec::new() };
        screen.update(Event::Begun(Slot(0)));
        screen
    }

    /// The log goes on to this slot, and nobody says anything.
    fn pass(&mut self, upto: u64) {
        for slot in self.app.conversation.read_upto.0..upto {
            self.update(Event::Read(Slot(slot), Vec::new()));
        }
    }

    fn update(&mut self, event: Event) {
        let effects = self.app.update(event);
        self.effects.extend(effects);
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.update(Event::Key(KeyEvent::new(code, modifiers)));
    }

    fn press(&mut self, code: KeyCode) {
        self.key(code, KeyModifiers::NONE);
    }

    fn type_line(&mut self, line: &str) {
        for c in line.chars() {
            self.press(KeyCode::Char(c));
        }
        self.press(KeyCode::Enter);
    }

    fn hear(&mut self, slot: u64, user: &str, room: &str, text: &str) {
        self.pass(slot);
        let post = post(slot, user, room, text);
        self.update(Event::Read(Slot(slot), vec![post]));
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
        self.update(Event::Resized(columns, rows));
    }

    fn rows(&mut self) -> Vec<String> {
        self.terminal
            .draw(|frame| {
                let cursor = view::draw(&self.app, self.theme, frame.buffer_mut());
                frame.set_cursor_position(cursor);
            })
            .unwrap();
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area().width);
        let row = |cells: &[ratatui::buffer::Cell]| {
            let (mut row, mut skip) = (String::new(), 0);
            for cell in cells {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                skip = super::text::width(cell.symbol()).saturating_sub(1);
                row.push_str(cell.symbol());
            }
            row.trim_end().to_owned()
        };
        buffer.content().chunks(width).map(row).collect()
    }

    fn text(&mut self) -> String {
        self.rows().join("\n")
    }
}

#[test]
fn the_screen_shows_rooms_messages_the_cluster_and_what_is_typed() {
    let mut screen = Screen::new(60, 9);
    screen.update(Event::Spoken(host::Event::Opened(SESSION)));
    screen.hear(3, "bob", "lobby", "hello");
    screen.type_line("/join ops");
    screen.type_line("/join lobby");
    screen.hear(5, "eve", "ops", "unread");
    let measured = Measured {
        read_rtt: Some(Duration::from_micros(1200)),
        commit_rtt: Some(Duration::from_micros(3400)),
        loss: Some(0.05),
        ballot: Some(Ballot { round: 3, replica: ReplicaId(1) }),
        led: Some((Ballot { round: 3, replica: ReplicaId(1) }, Duration::from_millis(200))),
        silence: Some(Duration::ZERO),
        ..Measured::default()
    };
    screen.update(Event::Measured(Standing { asked: 1, serves: true, measured }));
    assert!(screen.effects.contains(&Effect::ReadCurrent));
    assert!(view::status(&screen.app).starts_with(" may lack messages · "));
    screen.update(Event::Current);
    screen.type_line("first");
    for c in "日本 sec".chars() {
        screen.press(KeyCode::Char(c));
    }
    let rows = screen.rows();
    let name_at_the_end = format!(" #lobby  #ops (1) {}times in UTC  ann", " ".repeat(24));
    assert_eq!(rows[0], name_at_the_end);
    let shown = [
        "  You are ann. Type a line to say it; /help tells more.",
        "   3 12:03 bob: hello",
        "           ann: first … pending",
    ];
    assert_eq!(rows[1..4], ["", "", ""]);
    assert_eq!(rows[4..7], shown);
    let status = " 1 unacknowledged · leader r1 · ballot b3.r1 · rtt 1.2 ms · commit 3.4 ms · loss 5% · slot 6";
    assert_eq!(view::status(&screen.app), status);
    assert!(status.starts_with(&rows[7]), "it is cut: {}", rows[7]);
    assert_eq!(rows[8], "> 日本 sec");
    screen.terminal.backend_mut().assert_cursor_position((10, 8));
}

#[test]
fn who_leads_is_told_with_its_age_and_nobody_is_said_to_who_is_not_heard() {
    let mut screen = Screen::new(80, 9);
    screen.update(Event::Spoken(host::Event::Opened(SESSION)));
    let mut says = |ballot: Option<u32>, led: Option<u64>, silence: u64, expected: &str| {
        let ballot = ballot.map(|round| Ballot { round, replica: ReplicaId(1) });
        let led = ballot.zip(led.map(Duration::from_secs));
        let silence = Some(Duration::from_secs(silence));
        let measured = Measured { ballot, led, silence, ..Measured::default() };
        screen.update(Event::Measured(Standing { asked: 2, serves: true, measured }));
        let status = view::status(&screen.app);
        assert!(status.contains(expected), "{status}");
    };
    says(None, None, 0, " no leader yet · ");
    says(Some(1), None, 0, " no leader yet: r1 stands · ");
    says(Some(1), Some(1), 1, " leader r1 · ");
    says(Some(1), Some(7), 0, " no leader: r1 was heard 7 s ago · ");
    says(Some(1), Some(7), 7, "no answer for 7 s · may lack messages · leader r1 7 s ago · ");
}

#[test]
fn ones_own_message_is_pending_sent_committed_and_in_the_log() {
    let mut screen = Screen::new(70, 8);
    screen.update(Event::Spoken(host::Event::Opened(SESSION)));
    screen.type_line("hi");
    assert_eq!(screen.effects, [Effect::Say(Said::new(&"lobby".parse().unwrap(), "hi"))]);
    assert!(screen.text().contains("ann: hi … pending"));
    let measured = Measured { sent_upto: Seq(1), ..Measured::default() };
    screen.update(Event::Measured(Standing { measured, ..Standing::default() }));
    assert!(screen.text().contains("ann: hi → sent"));
    let (seq, slot) = (Seq(1), Slot(7));
    let confirmed = host::Event::Confirmed { session: SESSION, seq, slot, retries: 0 };
    screen.update(Event::Spoken(confirmed));
    assert!(screen.text().contains("           ann: hi ✓ committed at slot 7"));
    let said = Said::new(&"lobby".parse().unwrap(), "hi");
    let (user, session) = ("ann".into(), SESSION.to_string());
    screen.pass(7);
    let post = Post { slot: 7, index: 0, time_ms: 0, user, session, seq: 1, said };
    screen.update(Event::Read(slot, vec![post]));
    let text = screen.text();
    assert!(text.contains("   7 00:00 ann: hi ✓ committed at slot 7"), "{text}");
    assert_eq!(text.matches("ann: hi").count(), 1);
}

#[test]
fn scrolling_reaches_the_first_message_and_new_ones_move_nothing() {
    let mut screen = Screen::new(40, 10);
    for slot in 0..100 {
        screen.hear(
            slot,
            "bob",
            "lobby",
            &format!("message {slot} of many, and long enough to wrap"),
        );
    }
    assert!(screen.text().contains("message 99"));
    screen.press(KeyCode::PageUp);
    let seen = screen.rows()[1..8].to_vec();
    screen.hear(100, "bob", "lobby", "news");
    assert_eq!(screen.rows()[1..8], seen);
    screen.key(KeyCode::Home, KeyModifiers::CONTROL);
    let text = screen.text();
    assert!(text.contains("You are ann") && text.contains("message 0 of"), "{text}");
    for _ in 0..100 {
        screen.press(KeyCode::PageDown);
    }
    assert!(screen.text().contains("bob: news"));
    assert_eq!(screen.app.scroll, None);
}

#[test]
fn a_search_finds_older_and_older_places_and_marks_them() {
    let mut screen = Screen::new(60, 10);
    for slot in 0..100 {
        let text = if slot % 40 == 10 { "Lunch?" } else { "work" };
        screen.hear(slot, "bob", "lobby", text);
    }
    for slot in [90, 50, 10] {
        screen.type_line(if slot == 90 { "/search lunch" } else { "/search" });
        let rows = screen.rows();
        let row = rows.iter().position(|row| row.contains("Lunch?")).expect("it is seen");
        assert!(rows[row].trim_start().starts_with(&slot.to_string()), "{slot}: {rows:?}");
        let buffer = screen.terminal.backend().buffer();
        let marked =
            (0..60).filter(|x| buffer[(*x, row as u16)].modifier.contains(Modifier::REVERSED));
        assert_eq!(marked.count(), "lunch".len());
    }
    screen.type_line("/search");
    assert!(screen.text().contains("not found further up"));
}

#[test]
fn any_size_is_drawn_and_wide_characters_are_not_cut() {
    let mut screen = Screen::new(30, 8);
    screen.hear(1, "bob", "lobby", "日本語の長い文章はどこかで折り返されなければなりません🙂🙂");
    screen.type_line("a message of my own that is long");
    for (columns, rows) in [(30, 8), (1, 1), (2, 2), (3, 3), (5, 40), (200, 2), (13, 9), (80, 24)] {
        screen.resize(columns, rows);
        screen.rows();
        screen.press(KeyCode::PageUp);
        screen.rows();
    }
    assert!(screen.text().contains("折り返されなければなりません🙂🙂"));
}

#[test]
fn control_sequences_of_others_are_shown_and_not_obeyed() {
    let mut screen = Screen::new(60, 8);
    screen.hear(1, "e\u{1b}[31mve", "lobby", "\u{1b}]0;owned\u{7}\u{202e}x\u{9b}2J");
    let text = screen.text();
    assert!(text.contains(r"e\u{1b}[31mve: ␛]0;owned␇<U+202E>x<U+009B>2J"), "{text}");
    let buffer = screen.terminal.backend().buffer();
    assert!(buffer.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
}

#[test]
fn without_colour_there_is_none_and_with_it_names_differ() {
    let mut screen = Screen::new(60, 8);
    screen.hear(1, "bob", "lobby", "x");
    screen.hear(2, "carol", "lobby", "y");
    let colours = |screen: &mut Screen| {
        screen.rows();
        let cells = screen.terminal.backend().buffer().content().iter();
        let mut colours: Vec<Color> = cells.map(|cell| cell.fg).collect();
        colours.sort_by_key(|colour| format!("{colour:?}"));
        colours.dedup();
        colours
    };
    assert!(colours(&mut screen).len() >= 3);
    screen.theme = Theme { has_colour: false };
    assert_eq!(colours(&mut screen), [Color::Reset]);
}

#[test]
fn who_is_named_is_called_and_every_room_shows_what_is_new() {
    let mut screen = Screen::new(80, 12);
    screen.hear(1, "bob", "lobby", "planning annex 3");
    assert_eq!(screen.effects, []);
    screen.hear(2, "bob", "lobby", "lunch, Ann?");
    assert_eq!(screen.effects, [Effect::Bell]);
    screen.rows();
    let cells = screen.terminal.backend().buffer().content().iter();
    let called: String = cells.filter(|cell| cell.fg == Color::Yellow).map(Cell::symbol).collect();
    assert!(called.ends_with("lunch, Ann?"), "{called}");
    screen.hear(3, "ann", "lobby", "ann names herself");
    screen.hear(4, "bob", "ops", "one");
    screen.hear(5, "bob", "dev", "ann: two");
    screen.hear(6, "bob", "dev", "three");
    assert!(screen.rows()[0].starts_with(" #lobby  #dev (2!)  #ops (1) "), "{}", screen.rows()[0]);
    screen.type_line("/join dev");
    assert!(screen.rows()[0].starts_with(" #lobby  #dev  #ops (1) "), "{}", screen.rows()[0]);
    assert_eq!(screen.effects.iter().filter(|effect| **effect == Effect::Bell).count(), 2);
}

#[test]
fn commands_answer() {
    let mut screen = Screen::new(80, 40);
    screen.hear(1, "bob", "ops", "x");
    screen.type_line("/rooms");
    assert!(screen.text().contains("  #ops  1 unread"));
    screen.type_line("/who");
    assert!(screen.text().contains("Nobody has spoken"));
    screen.type_line("/status");
    assert!(screen.text().contains("replica asked: r0"));
    screen.type_line("/part");
    assert!(screen.text().contains("your only room"));
    assert_eq!(screen.app.input.text(), "/part", "what went wrong can be changed");
    screen.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    screen.type_line("/join ops");
    screen.type_line("/me waves");
    assert!(screen.text().contains("* ann waves … pending"));
    screen.type_line("/part");
    assert_eq!(screen.app.room().name(), "lobby");
    screen.type_line("/quit");
    assert_eq!(screen.effects.last(), Some(&Effect::Quit));
}

#[test]
fn what_cannot_be_said_is_kept_and_told() {
    let mut screen = Screen::new(80, 20);
    let long = "x".repeat(16 * 1024 + 1);
    screen.update(Event::Paste(long.clone()));
    screen.press(KeyCode::Enter);
    assert!(screen.effects.is_empty());
    assert_eq!(screen.app.input.text(), long);
    assert!(screen.text().contains("16385 bytes, and at most 16384"));
    for _ in 0..300 {
        screen.key(KeyCode::Char('u'), KeyModifiers::CONTROL);
        screen.type_line("x");
    }
    assert_eq!(screen.effects.len(), crate::UNACKNOWLEDGED_MAX);
    assert!(screen.text().contains("not acknowledged yet"));
}

#[test]
fn several_lines_are_one_message() {
    let mut screen = Screen::new(40, 12);
    screen.update(Event::Paste("one\r\ntwo".into()));
    screen.key(KeyCode::Enter, KeyModifiers::ALT);
    screen.type_line("three");
    let said = Said::new(&"lobby".parse().unwrap(), "one\ntwo\nthree");
    assert_eq!(screen.effects, [Effect::Say(said)]);
}

#[test]
fn after_an_expired_session_another_is_opened_and_nothing_is_said_again() {
    let mut screen = Screen::new(80, 12);
    screen.update(Event::Spoken(host::Event::Opened(SESSION)));
    screen.type_line("lost?");
    screen.effects.clear();
    screen.update(Event::Spoken(host::Event::Expired { unknown: vec![Seq(1)] }));
    assert_eq!(screen.effects, [Effect::Reopen]);
    let text = screen.text();
    assert!(text.contains("ann: lost? ? outcome unknown"), "{text}");
    assert!(text.contains("none is sent again"), "{text}");
    let reopened = SessionId { slot: Slot(90), index: 0 };
    screen.update(Event::Spoken(host::Event::Opened(reopened)));
    screen.type_line("new");
    let (seq, slot) = (Seq(1), Slot(91));
    let confirmed = host::Event::Confirmed { session: reopened, seq, slot, retries: 0 };
    screen.update(Event::Spoken(confirmed));
    assert!(screen.text().contains("ann: new ✓ committed at slot 91"));
    assert!(screen.text().contains("ann: lost? ? outcome unknown"));
}
