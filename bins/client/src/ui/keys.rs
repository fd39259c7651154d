//! What each key does.

use super::app::App;
use super::command::{self, Command};
use super::complete::complete;
use super::event::Effect;
use crate::envelope::{Room, Said};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Keys for the help.
pub const KEYS: [(&str, &str); 12] = [
    ("Enter", "say it"),
    ("Alt-Enter, Ctrl-J", "a new line in the message"),
    ("Tab", "complete a command, a room or a name"),
    ("Up, Down", "another line of the message; then what you typed before"),
    ("PageUp, PageDown", "scroll; Ctrl-Home and Ctrl-End go to the first and last message"),
    ("Ctrl-N, Ctrl-P", "the next room, the previous one; Alt-1 to Alt-9 by number"),
    (
        "Ctrl-A, E",
        "to the beginning, to the end, as Home and End; Alt-B, F by words, as Ctrl-Left and Right",
    ),
    (
        "Ctrl-W, Alt-Backspace, D",
        "remove a word; Ctrl-U, K everything before the cursor, behind it",
    ),
    ("Ctrl-Y, Ctrl-_", "put back what was removed so; undo"),
    ("Ctrl-Z", "back to the shell; fg comes back"),
    ("Esc", "back to the end; forget the search"),
    ("Ctrl-L, Ctrl-D", "draw anew; leave"),
];

impl App {
    pub(super) fn on_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.alert = None;
        if key.code == KeyCode::Tab {
            let rooms: Vec<String> =
                self.conversation.rooms().keys().map(Room::to_string).collect();
            let users: Vec<String> = self.conversation.users().map(str::to_owned).collect();
            self.completion = complete(&mut self.input, self.completion.take(), &rooms, &users);
            return;
        }
        self.completion = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.on_control(key.code);
        } else if key.modifiers.contains(KeyModifiers::ALT) {
            self.on_alt(key.code);
        } else {
            self.on_plain(key.code);
        }
    }

    fn on_control(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char('a') => self.input.home(),
            KeyCode::Char('e') => self.input.end(),
            KeyCode::Char('u') => self.input.delete_to_start(),
            KeyCode::Char('k') => self.input.delete_to_end(),
            KeyCode::Char('w') => self.input.delete_word(),
            KeyCode::Char('y') => self.input.put_back(),
            // What terminals send for Ctrl-_, and for Ctrl-/.
            KeyCode::Char('_' | '7' | '/') => self.input.undo(),
            // What some terminals send for Backspace.
            KeyCode::Char('h') => self.input.delete_left(),
            KeyCode::Backspace => self.input.delete_word_left(),
            KeyCode::Left => self.input.word_left(),
            KeyCode::Right => self.input.word_right(),
            KeyCode::Char('z') => self.effects.push(Effect::Suspend),
            KeyCode::Char('j') => self.input.insert("\n"),
            KeyCode::Char('l') => self.effects.push(Effect::Redraw),
            KeyCode::Char('n') => self.turn_to((self.current + 1) % self.joined.len()),
            KeyCode::Char('p') => {
                self.turn_to((self.current + self.joined.len() - 1) % self.joined.len());
            }
            KeyCode::Char('c') if !self.input.text().is_empty() => drop(self.input.take()),
            KeyCode::Char('d') if !self.input.text().is_empty() => self.input.delete_right(),
            KeyCode::Char('c' | 'd') => self.effects.push(Effect::Quit),
            KeyCode::Home => self.go_to_top(),
            KeyCode::End => self.go_to_end(),
            _ => {}
        }
    }

    fn on_alt(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.input.insert("\n"),
            KeyCode::Char('b') | KeyCode::Left => self.input.word_left(),
            KeyCode::Char('f') | KeyCode::Right => self.input.word_right(),
            KeyCode::Char('d') => self.input.delete_word_right(),
            KeyCode::Backspace => self.input.delete_word_left(),
            KeyCode::Char(digit @ '1'..='9') => self.turn_to(digit as usize - '1' as usize),
            _ => {}
        }
    }

    fn on_plain(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(c) => self.input.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Enter => self.on_enter(),
            KeyCode::Backspace => self.input.delete_left(),
            KeyCode::Delete => self.input.delete_right(),
            KeyCode::Left => self.input.left(),
            KeyCode::Right => self.input.right(),
            KeyCode::Home => self.input.home(),
            KeyCode::End => self.input.end(),
            KeyCode::Up if self.input.line_up() => {}
            KeyCode::Up => self.input.recall_older(),
            KeyCode::Down if self.input.line_down() => {}
            KeyCode::Down => self.input.recall_newer(),
            KeyCode::PageUp => {
                self.reach_on();
                self.scroll_up(self.height().saturating_sub(1).max(1));
            }
            KeyCode::PageDown => {
                self.reach_on();
                self.scroll_down(self.height().saturating_sub(1).max(1));
            }
            KeyCode::Esc => {
                self.stop_search();
                self.search = None;
                self.go_to_end();
            }
            _ => {}
        }
    }

    fn on_enter(&mut self) {
        // An empty line says nothing here; a pipe can say it.
        if self.input.text().is_empty() {
            self.go_to_end();
            return;
        }
        let line = self.input.take();
        if let Err(wrong) = command::parse(&line).and_then(|command| self.obey(command)) {
            self.alert = Some(wrong);
            // What could not be said is not lost.
            self.input.insert(&line);
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), String> {
        if !matches!(command, Command::Search(_)) {
            self.go_to_end();
        }
        match command {
            Command::Say(text) => self.say(Said::new(&self.room().clone(), text))?,
            Command::Me(text) => {
                self.say(Said { is_action: true, ..Said::new(&self.room().clone(), text) })?;
            }
            Command::Join(room) => {
                let place = self.joined.iter().position(|joined| *joined == room);
                let place = place.unwrap_or_else(|| {
                    self.joined.push(room);
                    self.joined.len() - 1
                });
                self.turn_to(place);
            }
            Command::Part(room) => self.part(room)?,
            Command::Search(text) => self.find(text)?,
            Command::Rooms => self.tell_rooms(),
            Command::Who => self.tell_who(),
            Command::Status => self.tell_status(),
            Command::Help => self.tell_help(),
            Command::Quit => self.effects.push(Effect::Quit),
        }
        Ok(())
    }

    fn part(&mut self, room: Option<Room>) -> Result<(), String> {
        let room = room.unwrap_or_else(|| self.room().clone());
        let place = self.joined.iter().position(|joined| *joined == room);
        let place = place.ok_or_else(|| format!("you are not in #{room}"))?;
        if self.joined.len() == 1 {
            return Err("this is your only room: /join another one first, or /quit".into());
        }
        self.joined.remove(place);
        self.conversation.leave(&room);
        let current = if place < self.current { self.current - 1 } else { self.current };
        self.turn_to(current.min(self.joined.len() - 1));
        Ok(())
    }
}
