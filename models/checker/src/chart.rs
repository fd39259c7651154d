//! A path as a message sequence chart: a lane an actor, an arrow a delivery, a dashed line that ends
//! in a cross for what was sent and not delivered, and a mark for every time-out, crash, recovery
//! and input. A lane is dashed while its actor is down.
//!
//! Labels lie above all lines, on a ground of their own, so that they can be read wherever lines
//! cross them. Long ones are cut; a viewer shows the whole text as a tool tip.
//!
//! The classes `svg-...` are those that stateright's Explorer styles. The chart's own style is
//! confined to it, because Explorer puts it into its page.

use crate::trace::{Kind, TraceStep};
use std::collections::BTreeSet;
use std::fmt::Write;

const LANE_WIDTH: usize = 210;
/// The distance of two events.
const ROW_HEIGHT: usize = 36;
/// The distance of two lines of small print below an event.
const NOTE_HEIGHT: usize = 17;
const TOP: usize = 46;
const LEFT: usize = 90;
/// How far a dashed line reaches from its lane.
const STUB: usize = 40;
/// The width of a letter of a label, generously.
const LETTER: usize = 7;
/// Longer labels are cut.
const LABEL_MAX: usize = 72;
const LEGEND_HEIGHT: usize = 92;
const LEGEND_WIDTH: usize = 720;

/// Draws the steps of a path of the actors of these names as SVG.
pub fn draw(names: Vec<String>, steps: &[TraceStep]) -> String {
    Chart::new(names, steps).draw()
}

/// What is drawn below and what above.
struct Chart<'a> {
    names: Vec<String>,
    steps: &'a [TraceStep],
    /// What each step is the first to send, and no step delivers, for it may come later: receivers and message.
    waiting: Vec<Vec<(Vec<usize>, &'a str)>>,
    /// The height at which each step happens.
    heights: Vec<usize>,
    bottom: usize,
    /// The rightmost end of a label.
    right: usize,
    lines: String,
    marks: String,
    labels: String,
}

impl<'a> Chart<'a> {
    fn new(names: Vec<String>, steps: &'a [TraceStep]) -> Self {
        let mut heights = Vec::new();
        let mut y = TOP;
        let waiting = undelivered(&names, steps);
        for (step, waiting) in steps.iter().zip(&waiting) {
            y += ROW_HEIGHT;
            heights.push(y);
            y += below_head(step, steps) + (waiting.len() + step.reports.len()) * NOTE_HEIGHT;
        }
        Chart {
            right: LEFT + names.len().saturating_sub(1) * LANE_WIDTH + LEFT,
            names,
            steps,
            waiting,
            heights,
            bottom: y + ROW_HEIGHT,
            lines: String::new(),
            marks: String::new(),
            labels: String::new(),
        }
    }

    fn draw(mut self) -> String {
        for row in 0..self.steps.len() {
            self.event(row);
            self.notes(row);
        }
        for lane in 0..self.names.len() {
            self.lane(lane);
        }
        let (width, height) = (self.right.max(LEGEND_WIDTH) + 20, self.bottom + LEGEND_HEIGHT);
        format!(
            "<svg version='1.1' baseProfile='full' class='sequence' width='{width}' \
             height='{height}' viewBox='0 0 {width} {height}' \
             xmlns='http://www.w3.org/2000/svg'>\n{STYLE}{MARKERS}\
             <rect width='{width}' height='{height}' fill='#fbfbf8' />\n{}{}{}{}</svg>\n",
            self.lines,
            self.marks,
            self.labels,
            legend(self.bottom + 40)
        )
    }

    /// A lane: its name above and below, and a line that is dashed while the actor is down.
    fn lane(&mut self, lane: usize) {
        let x = x(lane);
        let mut from = TOP;
        let mut class = "up";
        let mut ends: Vec<(usize, &str)> = Vec::new();
        for (step, y) in self.steps.iter().zip(&self.heights) {
            match step.kind {
                Kind::Crash if step.actor == lane => ends.push((*y, "down")),
                Kind::Recovery if step.actor == lane => ends.push((*y, "up")),
                _ => {}
            }
        }
        ends.push((self.bottom, "up"));
        let mut lines = String::new();
        for (to, next) in ends {
            let _ = writeln!(
                lines,
                "<line x1='{x}' y1='{from}' x2='{x}' y2='{to}' \
                 class='svg-actor-timeline lane {class}' />"
            );
            (from, class) = (to, next);
        }
        // Lanes are below everything else.
        self.lines.insert_str(0, &lines);
        let name = escape(&self.names[lane]);
        for y in [TOP - 16, self.bottom + 16] {
            let _ = writeln!(
                self.labels,
                "<text x='{x}' y='{y}' class='svg-actor-label name'>{name}</text>"
            );
        }
    }

    /// A delivery as an arrow, anything else as a mark; and what it is.
    fn event(&mut self, row: usize) {
        let step = &self.steps[row];
        let (x2, y2) = (x(step.actor), self.heights[row]);
        let class = match step.kind {
            Kind::Delivery => {
                self.arrow(step, x2, y2);
                None
            }
            Kind::Timeout => Some("time-out"),
            Kind::Input => Some("input"),
            Kind::Crash => Some("crash"),
            Kind::Recovery => Some("recovery"),
        };
        if let Some(class) = class {
            self.marks.push_str(&mark(x2, y2, class));
        }
        // The label says what happens without repeating whose lane it is.
        let text = step.text.split_once(": ").map_or(step.text.as_str(), |(_, what)| what);
        let y = y2 + 4 + below_head(step, self.steps);
        self.label(x2 + 13, y, "svg-event-label label", &format!("{}. {text}", row + 1));
    }

    fn arrow(&mut self, step: &TraceStep, x2: usize, y2: usize) {
        let from = step.sent_at.map(|at| (x(self.steps[at].actor), self.heights[at]));
        let (x1, y1) = from.unwrap_or((x2, TOP));
        let _ = writeln!(
            self.lines,
            "<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' marker-end='url(#arrow)' \
             class='svg-event-line message' />"
        );
    }

    /// Below an event: what it sends in vain, and what it tells its driver.
    fn notes(&mut self, row: usize) {
        let step = &self.steps[row];
        let (lane, event) = (x(step.actor), self.heights[row]);
        let mut y = event + 4 + below_head(step, self.steps);
        for (to, message) in std::mem::take(&mut self.waiting[row]) {
            y += NOTE_HEIGHT;
            let is_right = to.iter().any(|receiver| *receiver > step.actor);
            if is_right {
                self.stub(lane, event, lane + STUB, y - 4);
            }
            if to.iter().any(|receiver| *receiver < step.actor) {
                self.stub(lane, event, lane - STUB, y - 4);
            }
            let to = to.iter().map(|receiver| &*self.names[*receiver]);
            let text = format!("not delivered to {}: {message}", enumerate(to));
            self.label(lane + if is_right { STUB + 9 } else { 13 }, y, "note waiting", &text);
        }
        for report in &step.reports {
            y += NOTE_HEIGHT;
            self.label(lane + 13, y, "note report", &format!("reports {report}"));
        }
    }

    fn stub(&mut self, x1: usize, y1: usize, x2: usize, y2: usize) {
        let _ = writeln!(self.lines, "{}", dropped(x1, y1, x2, y2));
    }

    fn label(&mut self, x: usize, y: usize, class: &str, text: &str) {
        let shown: String = if text.chars().count() > LABEL_MAX {
            text.chars().take(LABEL_MAX - 1).chain(['…']).collect()
        } else {
            text.into()
        };
        self.right = self.right.max(x + shown.chars().count() * LETTER);
        let whole = if shown == text { String::new() } else { title(text) };
        let shown = escape(&shown);
        let _ =
            writeln!(self.labels, "<text x='{x}' y='{y}' class='{class}'>{shown}{whole}</text>");
    }
}

/// For each step, what it is the first to send and no step delivers, for it may come later: receivers and message.
fn undelivered<'a>(names: &[String], steps: &'a [TraceStep]) -> Vec<Vec<(Vec<usize>, &'a str)>> {
    // Sender, receiver and message of what was delivered or is told already.
    let mut told: BTreeSet<(usize, usize, &str)> =
        steps.iter().filter_map(|step| delivered(names, step, steps)).collect();
    let lane_of = |name: &String| names.iter().position(|other| other == name);
    let mut undelivered = Vec::new();
    for step in steps {
        let mut waiting = Vec::new();
        for (to, message) in &step.sends {
            let to = to.iter().filter_map(lane_of);
            let to: Vec<usize> =
                to.filter(|to| told.insert((step.actor, *to, message.as_str()))).collect();
            if !to.is_empty() {
                waiting.push((to, message.as_str()));
            }
        }
        undelivered.push(waiting);
    }
    undelivered
}

/// Sender, receiver and message of a delivery, as the step that sent it wrote them.
fn delivered<'a>(
    names: &[String],
    step: &TraceStep,
    steps: &'a [TraceStep],
) -> Option<(usize, usize, &'a str)> {
    let from = &steps[step.sent_at?];
    let (_, text) = step.text.split_once(": ")?;
    let to_it = from.sends.iter().filter(|(to, _)| to.contains(&names[step.actor]));
    let messages = to_it.map(|(_, message)| message.as_str());
    let message = messages.filter(|message| text.starts_with(message)).max_by_key(|m| m.len())?;
    Some((from.actor, step.actor, message))
}

fn x(lane: usize) -> usize {
    LEFT + lane * LANE_WIDTH
}

/// How far a label is lowered, so that it does not cover the head of an arrow from its side.
fn below_head(step: &TraceStep, steps: &[TraceStep]) -> usize {
    if step.sent_at.is_some_and(|at| steps[at].actor > step.actor) { 12 } else { 0 }
}

/// `replica 1, 2, client ann` for `replica 1`, `replica 2` and `client ann`.
fn enumerate<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut kind = None;
    for name in names {
        let parts = name.rsplit_once(' ');
        let same = kind.is_some() && parts.map(|(kind, _)| kind) == kind;
        text.push_str(if text.is_empty() { "" } else { ", " });
        text.push_str(if same { parts.map_or(name, |(_, which)| which) } else { name });
        kind = parts.map(|(kind, _)| kind);
    }
    text
}

fn title(text: &str) -> String {
    format!("<title>{}</title>", escape(text))
}

/// A dashed line that ends in a cross.
fn dropped(x1: usize, y1: usize, x2: usize, y2: usize) -> String {
    let (l, r, t, b) = (x2 - 4, x2 + 4, y2 - 4, y2 + 4);
    format!(
        "<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' class='dropped' />\
         <path d='M{l} {t}L{r} {b}M{l} {b}L{r} {t}' class='dropped-end' />"
    )
}

fn mark(x: usize, y: usize, class: &str) -> String {
    let mut svg = format!("<circle cx='{x}' cy='{y}' r='8' class='svg-event-shape {class}' />");
    if class == "crash" {
        let (l, r, t, b) = (x - 5, x + 5, y - 5, y + 5);
        svg.push_str(&format!("<path d='M{l} {t}L{r} {b}M{l} {b}L{r} {t}' class='cross' />"));
    }
    svg.push('\n');
    svg
}

/// What the signs mean, in two rows.
fn legend(y: usize) -> String {
    let mut svg = String::new();
    let text = |x: usize, y: usize, what: &str| {
        format!("<text x='{x}' y='{}' class='label'>{what}</text>\n", y + 4)
    };
    let (first, second) = (y + 8, y + 30);
    svg.push_str(&format!(
        "<line x1='20' y1='{first}' x2='56' y2='{first}' marker-end='url(#arrow)' \
         class='message' />"
    ));
    svg.push_str(&text(66, first, "delivered"));
    svg.push_str(&dropped(160, first, 196, first));
    svg.push_str(&text(208, first, "sent, and not delivered up to the end of this path"));
    svg.push_str(&format!(
        "<line x1='520' y1='{first}' x2='556' y2='{first}' class='lane down' />"
    ));
    svg.push_str(&text(566, first, "the process is down"));
    let marks = [("time-out", 20), ("input", 160), ("crash", 340), ("recovery", 440)];
    let words = ["time-out", "asked by a person", "crash", "recovery"];
    for ((class, x), what) in marks.into_iter().zip(words) {
        svg.push_str(&mark(x + 8, second, class));
        svg.push_str(&text(x + 24, second, what));
    }
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "<style>\
    .sequence .lane{stroke:#9aa4b1;stroke-width:1.5}\
    .sequence .lane.down{stroke-dasharray:2 6;stroke:#e05b4f}\
    .sequence text{stroke:#fbfbf8;stroke-width:4px;stroke-linejoin:round;paint-order:stroke;\
    fill:#1b2733}\
    .sequence text.name{font:bold 14px sans-serif;text-anchor:middle}\
    .sequence text.label{font:11px sans-serif}\
    .sequence text.note{font:italic 10.5px sans-serif}\
    .sequence text.waiting{fill:#a04038}\
    .sequence text.report{fill:#2d6b2d}\
    .sequence .message{stroke:#2f6fb5;stroke-width:1.4}\
    .sequence .dropped{stroke:#c4746c;stroke-width:1.2;stroke-dasharray:4 3}\
    .sequence .dropped-end{stroke:#c0392b;stroke-width:1.8;fill:none}\
    .sequence .time-out{fill:#f5c542;stroke:#8a6d00}\
    .sequence .input{fill:#8fb8e8;stroke:#1f4f86}\
    .sequence .crash{fill:#e05b4f;stroke:#7d1d15}\
    .sequence .recovery{fill:#6cc070;stroke:#1f5c22}\
    .sequence .cross{stroke:#fff;stroke-width:2;fill:none}\
    </style>\n";

const MARKERS: &str = "<defs><marker id='arrow' markerWidth='12' markerHeight='10' refX='12' \
    refY='5' orient='auto'><polygon points='0 0, 12 5, 0 10' fill='#2f6fb5' /></marker></defs>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_kind_name_it_once() {
        let names = ["replica 1", "replica 2", "client ann", "reader"];
        assert_eq!(enumerate(names.into_iter()), "replica 1, 2, client ann, reader");
    }
}
