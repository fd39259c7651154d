//! What commands answer: lists, and places in the conversation.

use super::app::App;
use super::command::COMMANDS;
use super::keys::KEYS;
use crate::envelope::Room;
use crate::meter::{FRESH, Measured};
use paxos_chat::types::{Slot, Timestamp};
use paxos_chat_log as chatlog;
use std::time::Duration;

/// Who leads, as was told last: a replica that hears its leader tells so whenever it is asked for entries.
pub(super) fn leader(measured: &Measured) -> String {
    let is_cut_off = measured.silence.is_some_and(|silence| silence >= FRESH);
    match (measured.led, measured.ballot) {
        (Some((led, ago)), _) if ago < FRESH => format!("leader {}", led.replica),
        // Whatever has become of it.
        (Some((led, ago)), _) if is_cut_off => {
            format!("leader {} {} s ago", led.replica, ago.as_secs())
        }
        (Some((led, ago)), _) => {
            format!("no leader: {} was heard {} s ago", led.replica, ago.as_secs())
        }
        (None, Some(ballot)) => format!("no leader yet: {} stands", ballot.replica),
        (None, None) => "no leader yet".into(),
    }
}

/// A duration in milliseconds, for people.
pub(super) fn milliseconds(duration: Option<Duration>) -> String {
    duration.map_or("–".into(), |duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3))
}

/// A share in percent, for people.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{:.0}%", share * 100.0))
}

impl App {
    pub(super) fn tell_help(&mut self) {
        for (name, args, does) in COMMANDS {
            self.tell(format!("{:<18} {does}", format!("{name} {args}")));
        }
        self.tell(format!("{:<18} say a line that begins with /", "//..."));
        for (key, does) in KEYS {
            self.tell(format!("{key:<18} {does}"));
        }
    }

    pub(super) fn tell_rooms(&mut self) {
        let rooms: Vec<String> = self
            .conversation
            .rooms()
            .iter()
            .map(|(room, log)| {
                let unread = log.unread;
                if self.joined.contains(room) {
                    format!(
                        "* #{room}  {} messages{}, {unread} unread",
                        log.lines(),
                        self.since(room)
                    )
                } else {
                    format!("  #{room}  {unread} unread")
                }
            })
            .collect();
        for room in rooms {
            self.tell(room);
        }
    }

    pub(super) fn tell_who(&mut self) {
        let log = self.conversation.room_mut(&self.joined[self.current].clone());
        let authors = log.authors.iter();
        let who: Vec<String> = authors
            .map(|(user, last)| {
                let (user, time) = (chatlog::escaped(user), chatlog::time(Timestamp(*last)));
                format!("{user}  spoke last at {time}")
            })
            .collect();
        if who.is_empty() {
            let room = self.room();
            self.tell(format!("Nobody has spoken in this room{}.", self.since(room)));
        }
        for line in who {
            self.tell(line);
        }
    }

    /// What is told of rooms and people is of what the screen has read of the log.
    fn since(&self, room: &Room) -> String {
        match self.conversation.loaded(room) {
            None => " as far as is known; the log has not been read yet".into(),
            Some(loaded) if self.conversation.is_detached(room) => {
                format!(" from slot {} to {}", loaded.start, loaded.end)
            }
            Some(loaded) if loaded.start > Slot(0) => format!(" since slot {}", loaded.start),
            Some(_) => String::new(),
        }
    }

    pub(super) fn tell_status(&mut self) {
        let standing = self.standing.clone();
        let measured = standing.measured;
        let asked = standing.asked;
        let serves = if standing.serves { "has answered" } else { "has not answered yet" };
        let silence = measured
            .silence
            .map_or("nothing yet".into(), |silence| format!("{:.1} s ago", silence.as_secs_f64()));
        let lines = [
            format!("replica asked: r{asked}, which {serves}"),
            leader(&measured),
            match measured.ballot {
                Some(ballot) => format!("ballot: {ballot}"),
                None => "ballot: no replica has told it yet".to_owned(),
            },
            format!("round trip of a read: {}", milliseconds(measured.read_rtt)),
            format!("a message until it is committed: {}", milliseconds(measured.commit_rtt)),
            format!("loss, there and back: {} of the last reads", percent(measured.loss)),
            format!("messages sent again: {}", measured.retries),
            format!("heard from a replica: {silence}"),
            format!("the log is read up to slot {}", self.conversation.read_upto),
            format!("unacknowledged: {}", self.conversation.unacknowledged()),
        ];
        for line in lines {
            self.tell(line);
        }
    }
}
