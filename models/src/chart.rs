//! A path as a message sequence chart: a lane an actor, an arrow a delivery, a mark for every
//! time-out, crash, recovery and input.
//!
//! The classes of the elements are those that stateright's Explorer styles; a style of our own
//! makes the picture readable by itself.

use crate::compact::{Action, CompactModel};
use crate::spec::Spec;
use crate::trace::TraceStep;
use stateright::actor::Actor;
use std::fmt::Write;

const LANE_WIDTH: usize = 230;
const ROW_HEIGHT: usize = 34;
const TOP: usize = 46;
const LEFT: usize = 110;

/// Draws the steps of a path as SVG.
pub fn draw<A: Actor, S: Spec<A>>(model: &CompactModel<A, S>, steps: &[TraceStep]) -> String {
    let lanes = model.actors().len();
    let width = LEFT + lanes * LANE_WIDTH + 120;
    let height = TOP + (steps.len() + 2) * ROW_HEIGHT;
    let mut svg = format!(
        "<svg version='1.1' baseProfile='full' width='{width}' height='{height}' \
         viewBox='0 0 {width} {height}' xmlns='http://www.w3.org/2000/svg'>\n{STYLE}{MARKERS}\
         <rect width='{width}' height='{height}' fill='#fbfbf8' />\n"
    );
    for lane in 0..lanes {
        let (x, bottom) = (x(lane), height - ROW_HEIGHT / 2);
        let _ = writeln!(
            svg,
            "<line x1='{x}' y1='{TOP}' x2='{x}' y2='{bottom}' class='svg-actor-timeline lane' />\
             <text x='{x}' y='{}' class='svg-actor-label name'>{}</text>",
            TOP - 16,
            escape(&model.name(lane))
        );
    }
    for (row, step) in steps.iter().enumerate() {
        draw_step(&mut svg, row, step, steps);
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(lane: usize) -> usize {
    LEFT + lane * LANE_WIDTH
}

fn y(row: usize) -> usize {
    TOP + (row + 1) * ROW_HEIGHT
}

fn draw_step(svg: &mut String, row: usize, step: &TraceStep, steps: &[TraceStep]) {
    let (x2, y2) = (x(step.actor), y(row));
    let class = match step.action {
        Action::Deliver(_) => {
            let (x1, y1) = step.sent_at.map_or((x2, TOP), |at| (x(steps[at].actor), y(at)));
            let _ = writeln!(
                svg,
                "<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' marker-end='url(#arrow)' \
                 class='svg-event-line message' />"
            );
            None
        }
        Action::Timeout(..) => Some("time-out"),
        Action::Input(_) => Some("input"),
        Action::Crash(_) => Some("crash"),
        Action::Recover(_) => Some("recovery"),
    };
    if let Some(class) = class {
        let _ =
            writeln!(svg, "<circle cx='{x2}' cy='{y2}' r='8' class='svg-event-shape {class}' />");
    }
    if class == Some("crash") {
        let (l, r, t, b) = (x2 - 6, x2 + 6, y2 - 6, y2 + 6);
        let _ = writeln!(svg, "<path d='M{l} {t}L{r} {b}M{l} {b}L{r} {t}' class='cross' />");
    }
    // The label says what happens without repeating whose lane it is.
    let text = step.text.split_once(": ").map_or(step.text.as_str(), |(_, what)| what);
    // An arrow from the right would cross a label beside its head.
    let from_right = step.sent_at.is_some_and(|at| steps[at].actor > step.actor);
    let _ = writeln!(
        svg,
        "<text x='{}' y='{}' class='svg-event-label label'>{}. {}</text>",
        x2 + 14,
        if from_right { y2 + 15 } else { y2 + 4 },
        row + 1,
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = "<style>\
    .lane{stroke:#9aa4b1;stroke-width:1.5}\
    text.name{font:bold 14px sans-serif;text-anchor:middle;fill:#1b2733}\
    .message{stroke:#2f6fb5;stroke-width:1.4}\
    text.label{font:11px sans-serif;fill:#1b2733;stroke:none}\
    .time-out{fill:#f5c542;stroke:#8a6d00}\
    .input{fill:#8fd18f;stroke:#2d6b2d}\
    .crash{fill:#e05b4f;stroke:#7d1d15}\
    .recovery{fill:#6cc070;stroke:#1f5c22}\
    .cross{stroke:#fff;stroke-width:2;fill:none}\
    </style>\n";

const MARKERS: &str = "<defs><marker id='arrow' markerWidth='12' markerHeight='10' refX='12' \
    refY='5' orient='auto'><polygon points='0 0, 12 5, 0 10' fill='#2f6fb5' /></marker></defs>\n";
