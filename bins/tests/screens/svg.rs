//! Screens of a terminal as a picture, one below the other, each with a caption if there are several.
//!
//! The picture brings its own dark ground, so that it looks the same on light and dark pages. Words are
//! whole, and stretched to the width of their cells whatever font there is.

use std::fmt::Write;

const CELL_WIDTH: usize = 9;
const CELL_HEIGHT: usize = 19;
const MARGIN: usize = 8;
const CAPTION_HEIGHT: usize = 30;
const GROUND: &str = "#1b1e24";
const INK: &str = "#d8dce3";
const CAPTION: &str = "#ffd787";
/// The sixteen colours of a terminal.
const COLOURS: [&str; 16] = [
    "#3b4048", "#e06c75", "#98c379", "#d5b06b", "#61a0ef", "#c678dd", "#56b6c2", "#abb2bf",
    "#8a919d", "#ff8a93", "#b5e890", "#ffd787", "#8ac2ff", "#e39bf5", "#7fdde8", "#ffffff",
];

/// An SVG of screens with their captions, and with a title for those who do not see it.
pub(crate) fn draw(title: &str, screens: &[(&str, vt100::Screen)]) -> String {
    let captions = if screens.len() > 1 { CAPTION_HEIGHT } else { 0 };
    let (mut body, mut top, mut columns) = (String::new(), MARGIN, 0);
    for (caption, screen) in screens {
        if captions > 0 {
            let base = top + 20;
            let caption = escape(caption);
            writeln!(
                body,
                "<text x=\"{MARGIN}\" y=\"{base}\" fill=\"{CAPTION}\" \
                 font-family=\"sans-serif\">{caption}</text>"
            )
            .unwrap();
        }
        top += captions;
        body.push_str(&screen_at(screen, top));
        let size = screen.size();
        columns = columns.max(usize::from(u16::from(size.1)));
        top += usize::from(u16::from(size.0)) * CELL_HEIGHT;
    }
    let (width, height) = (columns * CELL_WIDTH + 2 * MARGIN, top + MARGIN);
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, Noto Sans Mono CJK JP, monospace\" \
         font-size=\"14\">\n<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n{body}</svg>\n"
    )
}

/// How a cell looks: its ink, what is behind it, and its weight.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: &'static str,
    ground: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
}

impl Look {
    fn of(cell: &vt100::Cell) -> Look {
        let colour = match cell.fgcolor() {
            vt100::Color::Idx(index) => COLOURS[usize::from(index) % 16],
            _ => INK,
        };
        let (ink, ground) = if cell.inverse() { (GROUND, Some(colour)) } else { (colour, None) };
        Look { ink, ground, is_bold: cell.bold(), is_dim: cell.dim() }
    }
}

/// Cells of one look that follow one another.
struct Run {
    look: Look,
    from: usize,
    cells: usize,
    text: String,
}

fn screen_at(screen: &vt100::Screen, top: usize) -> String {
    let (rows, columns) = screen.size();
    let mut body = String::new();
    for y in 0..u16::from(rows) {
        let mut runs: Vec<Run> = Vec::new();
        for x in 0..u16::from(columns) {
            let Some(cell) = screen.cell(y, x).filter(|cell| !cell.is_wide_continuation()) else {
                continue;
            };
            let (look, from) = (Look::of(cell), usize::from(x));
            let cells = if cell.is_wide() { 2 } else { 1 };
            let text = if cell.contents().is_empty() { " " } else { cell.contents() };
            // Blanks that follow one another would be seen as one, so words that they part are drawn apart.
            let is_gap = |run: &Run| run.look.ground.is_none() && run.text.ends_with("  ");
            match runs.last_mut() {
                Some(run)
                    if run.look == look
                        && run.from + run.cells == from
                        && (text == " " || !is_gap(run)) =>
                {
                    run.cells += cells;
                    run.text.push_str(text);
                }
                _ => runs.push(Run { look, from, cells, text: text.to_owned() }),
            }
        }
        for run in &runs {
            run.draw(top + usize::from(y) * CELL_HEIGHT, &mut body);
        }
    }
    body
}

impl Run {
    fn draw(&self, top: usize, to: &mut String) {
        let Look { ink, ground, is_bold, is_dim } = self.look;
        let (left, width) = (MARGIN + self.from * CELL_WIDTH, self.cells * CELL_WIDTH);
        if let Some(ground) = ground {
            writeln!(
                to,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{CELL_HEIGHT}\" \
                 fill=\"{ground}\"/>"
            )
            .unwrap();
        }
        // Blanks at the ends need no ink.
        let is_blank = |c: &char| *c == ' ';
        let before = self.text.chars().take_while(is_blank).count();
        let text = self.text.trim_matches(' ');
        if text.is_empty() {
            return;
        }
        let after = self.text.chars().rev().take_while(is_blank).count();
        let (left, width) = (left + before * CELL_WIDTH, width - (before + after) * CELL_WIDTH);
        let base = top + 14;
        let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
        let dim = if is_dim { " opacity=\"0.7\"" } else { "" };
        writeln!(
            to,
            "<text x=\"{left}\" y=\"{base}\" textLength=\"{width}\" \
             lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\"{weight}{dim}>{}</text>",
            escape(text)
        )
        .unwrap();
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
