//! The screen: rooms above, the conversation, what is known of the cluster, and what is typed.
//!
//! **Invariant**: what is drawn is a function of the state and the size of the buffer.

use super::app::{App, Search};
use super::conversation::{Item, RoomLog};
use super::layout::{Role, Row};
use super::replies::{leader, milliseconds, percent};
use super::scroll::Anchor;
use super::theme::Theme;
use crate::envelope::Room;
use paxos_chat_log as chatlog;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

/// Draws the screen; gives the place of the cursor.
pub fn draw(app: &App, theme: Theme, buffer: &mut Buffer) -> Position {
    let area = *buffer.area();
    let input_height = (app.input_height() as u16).min(area.height);
    let above_input = area.height - input_height;
    let cursor = draw_input(app, buffer, above_input, input_height);
    if above_input > 0 {
        draw_status(app, buffer, above_input - 1);
    }
    if above_input > 1 {
        draw_rooms(app, theme, buffer);
        let height = usize::from(above_input - 2);
        let rows = seen_rows(app, height);
        let first = above_input - 1 - rows.len() as u16;
        if first > 1
            && let Some(older) = app.older_hint()
        {
            let style = theme.style(&Role::Aside);
            buffer.set_stringn(2, first - 1, older, usize::from(buffer.area().width), style);
        }
        for (row, y) in rows.iter().zip(first..) {
            draw_row(row, app.search.as_ref(), theme, buffer, y);
        }
    }
    cursor
}

/// The rows that are seen, from the first to the last.
fn seen_rows(app: &App, height: usize) -> Vec<Row> {
    let Some(last) = app.item_count().checked_sub(1) else { return Vec::new() };
    let Anchor { mut item, hidden } = app.scroll.unwrap_or(Anchor { item: last, hidden: 0 });
    let mut rows = app.rows(item);
    rows.truncate(rows.len().saturating_sub(hidden));
    rows.reverse();
    while rows.len() < height && item > 0 {
        item -= 1;
        rows.extend(app.rows(item).into_iter().rev());
    }
    rows.truncate(height);
    rows.reverse();
    rows
}

fn draw_row(row: &Row, search: Option<&Search>, theme: Theme, buffer: &mut Buffer, y: u16) {
    let width = buffer.area().width;
    let mut x = 0;
    for run in row {
        if x >= width {
            break;
        }
        let style = theme.style(&run.role);
        let from = x;
        x = buffer.set_stringn(x, y, &run.text, usize::from(width - x), style).0;
        if let Some(search) = search
            && matches!(run.role, Role::Text | Role::Mention | Role::Author(_))
        {
            highlight(&search.needle, buffer, from..x, y);
        }
    }
}

/// Reverses every place of a row where the text that was looked for is seen.
fn highlight(needle: &str, buffer: &mut Buffer, columns: std::ops::Range<u16>, y: u16) {
    // The text of the cells, and the cell of each of its bytes.
    let (mut text, mut cells) = (String::new(), Vec::new());
    for x in columns {
        let symbol = buffer[(x, y)].symbol().to_lowercase();
        cells.extend(std::iter::repeat_n(x, symbol.len()));
        text.push_str(&symbol);
    }
    for (place, found) in text.match_indices(needle) {
        for x in cells[place..place + found.len()].iter().copied() {
            buffer[(x, y)].set_style(Style::default().add_modifier(Modifier::REVERSED));
        }
    }
}

/// The rooms that one is in, and others in which something is new; the time zone, and who sits here.
fn draw_rooms(app: &App, theme: Theme, buffer: &mut Buffer) {
    let width = buffer.area().width;
    let mut x = 0;
    let mut put = |label: String, style: Style, buffer: &mut Buffer| {
        if x < width {
            x = buffer.set_stringn(x, 0, label, usize::from(width - x), style).0;
        }
    };
    let rooms = app.conversation.rooms();
    for (place, room) in app.joined.iter().enumerate() {
        let (label, style) = room_label(room, rooms.get(room));
        let current = if place == app.current { Modifier::REVERSED } else { Modifier::empty() };
        put(label, style.add_modifier(current), buffer);
    }
    for (room, log) in rooms.iter().filter(|(room, _)| !app.joined.contains(room)) {
        if log.unread > 0 {
            let (label, style) = room_label(room, Some(log));
            put(label, style.add_modifier(Modifier::DIM), buffer);
        }
    }
    let name = chatlog::escaped(&app.user);
    let columns = super::text::width(&name) as u16 + 1;
    if x + columns < width {
        let style = theme.style(&Role::Author(app.user.clone()));
        buffer.set_stringn(width - columns, 0, name, usize::from(columns), style);
    }
    let is_line = |item: &Item| match item {
        Item::Line(line) => Some(line.time_ms),
        Item::Notice(_) => None,
    };
    if let Some(last) = app.conversation.items(app.room()).iter().rev().find_map(is_line) {
        let zone = format!("times in {}", app.clock.zone(last));
        let zone_columns = zone.len() as u16 + 2;
        if x + columns + zone_columns < width {
            let at = width - columns - zone_columns;
            buffer.set_stringn(at, 0, zone, usize::from(zone_columns), theme.style(&Role::Aside));
        }
    }
}

/// A room, with what is unread in it, and a mark if one was named there.
fn room_label(room: &Room, log: Option<&RoomLog>) -> (String, Style) {
    match log {
        Some(log) if log.unread > 0 => {
            let mark = if log.is_called { "!" } else { "" };
            let style = Style::default().add_modifier(Modifier::BOLD);
            (format!(" #{room} ({}{mark}) ", log.unread), style)
        }
        _ => (format!(" #{room} "), Style::default()),
    }
}

/// What is known of the cluster, in one line.
pub fn status(app: &App) -> String {
    let measured = app.standing.measured;
    let asked = app.standing.asked;
    let leader = match (app.is_open, app.standing.serves) {
        (true, _) => leader(&measured),
        (false, true) => format!("connecting to r{asked}"),
        (false, false) => format!("asking r{asked}"),
    };
    // What needs attention comes first, where a narrow screen does not cut it off.
    let mut parts = Vec::new();
    if let Some(silence) = measured.silence.filter(|silence| silence.as_secs() >= 2) {
        parts.push(format!("no answer for {} s", silence.as_secs()));
    }
    if app.freshness.may_lack() {
        parts.push("may lack messages".into());
    }
    if let Some(below) = app.loading.searching {
        parts.push(format!("searching below slot {below}; Esc stops"));
    }
    if let Some(anchor) = app.scroll {
        let more = if app.conversation.is_detached(app.room()) { " and more" } else { "" };
        parts.push(format!("{}{more} below", app.item_count() - 1 - anchor.item));
    }
    match app.conversation.unacknowledged() {
        0 => {}
        count => parts.push(format!("{count} unacknowledged")),
    }
    parts.extend([
        leader,
        format!("ballot {}", measured.ballot.map_or("?".into(), |ballot| ballot.to_string())),
        format!("rtt {}", milliseconds(measured.read_rtt)),
        format!("commit {}", milliseconds(measured.commit_rtt)),
        format!("loss {}", percent(measured.loss)),
        format!("slot {}", app.conversation.read_upto),
    ]);
    format!(" {}", parts.join(" · "))
}

fn draw_status(app: &App, buffer: &mut Buffer, y: u16) {
    let width = buffer.area().width;
    let style = Style::default().add_modifier(Modifier::REVERSED);
    buffer.set_style(Rect::new(0, y, width, 1), style);
    let line = match &app.alert {
        Some(alert) => format!(" ! {}", super::text::neutralise(alert).replace('\n', " ")),
        None => status(app),
    };
    buffer.set_stringn(0, y, line, usize::from(width), style);
}

fn draw_input(app: &App, buffer: &mut Buffer, y: u16, height: u16) -> Position {
    let width = buffer.area().width;
    let (rows, (row, column)) = app.input_rows();
    // The row of the cursor is always seen.
    let first = row.saturating_sub(usize::from(height).saturating_sub(1));
    for (row, offset) in rows[first..].iter().zip(0..height) {
        buffer.set_stringn(0, y + offset, row, usize::from(width), Style::default());
    }
    let x = (column as u16).min(width.saturating_sub(1));
    Position::new(x, (y + (row - first) as u16).min(buffer.area().height.saturating_sub(1)))
}
