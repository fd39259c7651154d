//! `cluster watch`: the table of `cluster status`, again and again, with rates; on a terminal in place,
//! otherwise a line for each replica each time.

use super::ask::Operator;
use super::handover::leader_of;
use super::table::{Health, Table, Tint};
use crate::status::Status;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::crossterm;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Moves of the leadership that are remembered on the screen.
const MOVES_MAX: usize = 8;

/// How long one waits for a key at least.
const KEYS_MIN: Duration = Duration::from_millis(1);

/// What to watch.
#[derive(Clone, Copy, Debug)]
pub struct WatchOptions {
    /// Time between two looks.
    pub interval: Duration,
    /// How often to look; for ever if it is not given.
    pub count: Option<u64>,
}

/// What was seen last, and what has changed since the look before.
#[derive(Default)]
struct View {
    statuses: Vec<Option<Status>>,
    rates: Vec<Option<f64>>,
    at: Option<Instant>,
    leader: Option<(u8, u32)>,
    moves: Vec<String>,
}

impl View {
    fn look(&mut self, operator: &mut Operator) -> io::Result<()> {
        let statuses = operator.statuses()?;
        self.see(statuses, Instant::now());
        Ok(())
    }

    fn see(&mut self, statuses: Vec<Option<Status>>, now: Instant) {
        let elapsed = self.at.map(|at| now.saturating_duration_since(at).as_secs_f64());
        let rate = |(id, status): (usize, &Option<Status>)| {
            let before = self.statuses.get(id)?.as_ref()?;
            // A replica that has restarted may resume below.
            let slots = status.as_ref()?.applied_upto.saturating_sub(before.applied_upto);
            elapsed.filter(|elapsed| *elapsed > 0.0).map(|elapsed| slots as f64 / elapsed)
        };
        self.rates = statuses.iter().enumerate().map(rate).collect();
        if let Some(leader) = leader_of(&statuses) {
            let new = (leader.replica, leader.round);
            if let Some((before, _)) = self.leader.filter(|before| *before != new) {
                self.moves.push(format!("{} leads after r{before}", leader.ballot));
                if self.moves.len() > MOVES_MAX {
                    self.moves.remove(0);
                }
            }
            self.leader = Some(new);
        }
        (self.statuses, self.at) = (statuses, Some(now));
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for row in self.table(usize::MAX).rows.concat() {
            text += row.trim_start();
            text.push('\n');
        }
        text
    }

    fn table(&self, width: usize) -> Table {
        Table::new(&self.statuses, Some(&self.rates), width)
    }

    fn screen(&self, width: usize) -> Text<'static> {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let Table { head, rows } = self.table(width);
        let mut lines = vec![Line::styled(head, bold)];
        for (row, status) in rows.into_iter().zip(&self.statuses) {
            let style = match Tint::of(status.as_ref()) {
                Tint::Silent => Style::new().fg(Color::Red),
                Tint::Leads => Style::new().fg(Color::Green),
                Tint::Plain => Style::new(),
            };
            lines.extend(row.into_iter().map(|line| Line::styled(line, style)));
        }
        let (text, colour) = match Health::of(&self.statuses) {
            Health::Well => ("all replicas answer, and one leads", Color::Green),
            Health::Serves => ("it serves; some replicas do not answer", Color::Yellow),
            Health::Down => ("no leader, or no majority, answers", Color::Red),
        };
        lines.push(Line::default());
        lines.push(Line::styled(text, Style::new().fg(colour)));
        lines.extend(self.moves.iter().map(|moved| Line::from(moved.clone())));
        lines.push(Line::styled("q leaves", Style::new().add_modifier(Modifier::DIM)));
        Text::from(lines)
    }
}

/// Prints lines.
///
/// # Errors
/// When the own socket fails. A closed output is the end, and no error.
pub fn in_lines(
    operator: &mut Operator,
    options: WatchOptions,
    mut out: impl Write,
) -> io::Result<()> {
    let mut view = View::default();
    let mut left = options.count;
    if writeln!(out, "{}", view.table(usize::MAX).head.trim_start()).is_err() {
        return Ok(());
    }
    loop {
        let started = Instant::now();
        view.look(operator)?;
        if out.write_all(view.lines().as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) {
            return Ok(());
        }
        std::thread::sleep(options.interval.saturating_sub(started.elapsed()));
    }
}

/// Draws on the terminal until `q`, Escape or Ctrl-C is pressed.
///
/// # Errors
/// When the own socket or the terminal fail.
pub fn on_terminal(operator: &mut Operator, options: WatchOptions) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut watch = || -> io::Result<()> {
        let mut view = View::default();
        let mut left = options.count;
        loop {
            let started = Instant::now();
            view.look(operator)?;
            terminal.draw(|frame| {
                let screen = view.screen(usize::from(frame.area().width));
                frame.render_widget(Paragraph::new(screen), frame.area());
            })?;
            left = left.map(|left| left.saturating_sub(1));
            if left == Some(0) || wants_to_leave(started + options.interval)? {
                return Ok(());
            }
        }
    };
    let result = watch();
    ratatui::try_restore()?;
    result
}

/// Takes keys until then; and looks for them at all, however long the cluster took to answer, which crossterm
/// does not do when it is given no time.
fn wants_to_leave(until: Instant) -> io::Result<bool> {
    while event::poll(until.saturating_duration_since(Instant::now()).max(KEYS_MIN))? {
        if let Event::Key(key) = event::read()? {
            let interrupts =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if interrupts || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    fn status(replica: u8, role: Role, round: u32, applied_upto: u64) -> Option<Status> {
        let ballot = format!("b{round}.r{replica}");
        Some(Status { replica, role, round, applied_upto, ballot, ..Status::default() })
    }

    #[test]
    fn rates_and_moves_are_what_has_changed_between_two_looks() {
        let (mut view, now) = (View::default(), Instant::now());
        view.see(vec![status(0, Role::Leading, 1, 100), status(1, Role::Follower, 1, 90)], now);
        assert_eq!((&view.rates, view.moves.len()), (&vec![None, None], 0));
        let later = now + Duration::from_secs(2);
        view.see(vec![None, status(1, Role::Leading, 2, 190)], later);
        assert_eq!(view.rates, [None, Some(50.0)]);
        assert_eq!(view.moves, ["b2.r1 leads after r0"]);
        let screen = view.screen(200).to_string();
        assert!(screen.contains("does not answer") && screen.contains("no majority"), "{screen}");
        assert_eq!(view.lines().lines().count(), 2);
    }
}
