//! Unique states by depth, drawn as bars.

use std::fmt::Write;

const HEIGHT: usize = 260;
const TOP: usize = 56;
const BOTTOM: usize = TOP + HEIGHT;
const LEFT: usize = 92;
const RIGHT: usize = 30;
/// All bars together are about so wide, and each has at least [`BAR_MIN`].
const BARS: usize = 640;
const BAR_MIN: usize = 4;

/// Draws unique states by depth as SVG.
pub(super) fn draw(name: &str, by_depth: &[u64]) -> String {
    let bars = by_depth.len().max(1);
    let bar = (BARS / bars).clamp(BAR_MIN, 40);
    let right = LEFT + bars * bar;
    let width = (right + RIGHT).max(360);
    let total: u64 = by_depth.iter().sum();
    let most = by_depth.iter().copied().max().unwrap_or(1).max(1);
    let top_line = ceiling(most);
    let mut svg = format!(
        "<svg version='1.1' width='{width}' height='{height}' viewBox='0 0 {width} {height}' \
         xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' font-size='11' \
         fill='#1b2733'>\n\
         <rect width='{width}' height='{height}' fill='#fbfbf8'/>\n\
         <text x='{LEFT}' y='22' font-size='15' font-weight='bold'>{name}</text>\n\
         <text x='{LEFT}' y='40'>{} unique states by depth</text>\n",
        thousands(total),
        height = BOTTOM + 48,
    );
    draw_lines(&mut svg, right, top_line);
    draw_bars(&mut svg, by_depth, bar, top_line);
    let (x, y) = (LEFT.midpoint(right), BOTTOM + 36);
    let _ = writeln!(
        svg,
        "<text x='{x}' y='{y}' text-anchor='middle'>steps from the initial state</text>\n</svg>"
    );
    svg
}

/// Draws four lines and the axis, with their values.
fn draw_lines(svg: &mut String, right: usize, top_line: u64) {
    for quarter in 0..=4 {
        let y = BOTTOM - HEIGHT * quarter / 4;
        let value = top_line * quarter as u64 / 4;
        let _ = writeln!(
            svg,
            "<line x1='{LEFT}' x2='{right}' y1='{y}' y2='{y}' stroke='#d4d8dd'/>\
             <text x='{}' y='{}' text-anchor='end'>{}</text>",
            LEFT - 8,
            y + 4,
            thousands(value)
        );
    }
}

/// Draws a bar for each depth.
fn draw_bars(svg: &mut String, by_depth: &[u64], bar: usize, top_line: u64) {
    let every = label_every(by_depth.len(), bar);
    for (depth, count) in by_depth.iter().enumerate() {
        let tall = *count as f64 / top_line as f64 * HEIGHT as f64;
        let (x, y) = (LEFT + depth * bar, BOTTOM as f64 - tall);
        let _ = writeln!(
            svg,
            "<rect x='{x}' y='{y:.1}' width='{}' height='{tall:.1}' fill='#2f6fb5'>\
             <title>depth {depth}: {} states</title></rect>",
            bar - 1,
            thousands(*count)
        );
        if depth % every == 0 {
            let (x, y) = (x + bar / 2, BOTTOM + 16);
            let _ = writeln!(svg, "<text x='{x}' y='{y}' text-anchor='middle'>{depth}</text>");
        }
    }
}

/// A round number that four lines divide, and that nothing exceeds.
fn ceiling(most: u64) -> u64 {
    let mut unit = 4;
    loop {
        for tenths in [10, 15, 20, 25, 30, 40, 50, 75] {
            let top = unit * tenths / 10;
            if top >= most && top % 4 == 0 {
                return top;
            }
        }
        unit *= 10;
    }
}

/// Labels are some 28 pixels apart at least, at multiples of 1, 5, 10, 50 and so on.
fn label_every(bars: usize, bar: usize) -> usize {
    let mut every = 1;
    while every * bar < 28 && every < bars {
        every *= if every.to_string().starts_with('1') { 5 } else { 2 };
    }
    every
}

/// A number with its thousands marked.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_marked() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(123_456), "123,456");
    }

    #[test]
    fn the_scale_is_round_and_high_enough() {
        assert_eq!(ceiling(1), 4);
        assert_eq!(ceiling(41), 60);
        assert_eq!(ceiling(101_000), 120_000);
    }

    #[test]
    fn no_run_is_too_short_or_too_long_to_draw() {
        for depths in [0, 1, 30, 5_000] {
            let svg = draw("any", &vec![3; depths]);
            assert!(svg.ends_with("</svg>\n"), "{depths}");
            assert_eq!(svg.matches("<title>").count(), depths);
        }
    }
}
