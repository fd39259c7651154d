//! A terminal's screen as a picture.

use std::fmt::Write;

const CELL_WIDTH: u32 = 9;
const CELL_HEIGHT: u32 = 19;
const GROUND: &str = "#1b1e24";
const INK: &str = "#d8dce3";
/// The sixteen colours of a terminal.
const COLOURS: [&str; 16] = [
    "#3b4048", "#e06c75", "#98c379", "#d5b06b", "#61a0ef", "#c678dd", "#56b6c2", "#abb2bf",
    "#8a919d", "#ff8a93", "#b5e890", "#ffd787", "#8ac2ff", "#e39bf5", "#7fdde8", "#ffffff",
];

/// An SVG of a screen.
pub(super) fn draw(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (u16::from(rows), u16::from(columns));
    let (width, height) =
        (u32::from(columns) * CELL_WIDTH + 16, u32::from(rows) * CELL_HEIGHT + 16);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, Noto Sans Mono CJK JP, monospace\" font-size=\"14\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for y in 0..rows {
        for x in 0..columns {
            let Some(cell) = screen.cell(y, x) else { continue };
            let colour = match cell.fgcolor() {
                vt100::Color::Idx(index) => COLOURS[usize::from(index) % 16],
                _ => INK,
            };
            let (ink, ground) =
                if cell.inverse() { (GROUND, Some(colour)) } else { (colour, None) };
            let (left, top) = (8 + u32::from(x) * CELL_WIDTH, 8 + u32::from(y) * CELL_HEIGHT);
            if let Some(ground) = ground {
                writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{CELL_WIDTH}.5\" \
                     height=\"{CELL_HEIGHT}\" fill=\"{ground}\"/>"
                )
                .unwrap();
            }
            let text = cell.contents();
            if !text.trim().is_empty() {
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
                let dim = if cell.dim() { " opacity=\"0.6\"" } else { "" };
                let base = top + 14;
                writeln!(
                    svg,
                    "<text x=\"{left}\" y=\"{base}\" fill=\"{ink}\"{weight}{dim}>{text}</text>"
                )
                .unwrap();
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}
