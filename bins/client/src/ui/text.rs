//! Text made fit for a terminal: neutralised, measured, and broken into rows.
//!
//! **Invariants**
//! - *Nothing acts on the terminal*: no control character, no mark of direction and no character
//!   that cannot be seen is left.
//! - *A row is never wider than it may be*, in columns of the terminal, as long as that is at least
//!   as wide as its widest character.

use paxos_chat_log::hidden::{characters, is_pictograph};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a tab takes.
const TAB: &str = "    ";

/// A text that shows every character that would act on a terminal. Lines stay lines.
pub fn neutralise(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (c, is_hidden) in characters(text) {
        match c {
            '\n' => shown.push(c),
            '\t' => shown.push_str(TAB),
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('?')),
            '\u{7f}' => shown.push('\u{2421}'),
            c if is_hidden => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            // Terminals disagree about the width of what these join or change; without them,
            // characters stand beside one another, and each has the width that it always has.
            '\u{200d}' if shown.ends_with(is_pictograph) => {}
            '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {}
            c => shown.push(c),
        }
    }
    shown
}

/// The columns that a text takes.
pub fn width(text: &str) -> usize {
    // Each by itself, as it is put on the screen.
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Breaks a neutralised text into rows of at most `columns`, between words where that is possible.
/// The first row begins `indent` columns further right.
pub fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut rows = Rows::new(columns.max(2), indent);
    for line in text.split('\n') {
        line.split_word_bounds().for_each(|word| rows.put_word(word));
        rows.end_row();
    }
    rows.ended
}

/// Breaks a text that is being typed into rows of at most `columns`, wherever they are full: so its
/// beginning has the same rows as the whole.
pub fn chop(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Rows::new(columns, 0);
    for line in neutralise(text).split('\n') {
        rows.put(line);
        rows.end_row();
    }
    rows.ended
}

/// Rows as they are filled.
struct Rows {
    columns: usize,
    ended: Vec<String>,
    row: String,
    /// Columns that are free in the present row.
    left: usize,
}

impl Rows {
    fn new(columns: usize, indent: usize) -> Rows {
        let left = columns.saturating_sub(indent);
        Rows { columns, ended: Vec::new(), row: String::new(), left }
    }

    fn end_row(&mut self) {
        self.ended.push(std::mem::take(&mut self.row));
        self.left = self.columns;
    }

    /// Puts a text, broken wherever a row is full.
    fn put(&mut self, text: &str) {
        for grapheme in text.graphemes(true) {
            let wide = UnicodeWidthStr::width(grapheme);
            if wide > self.left {
                self.end_row();
            }
            self.left = self.left.saturating_sub(wide);
            self.row.push_str(grapheme);
        }
    }

    /// Puts a word, which is broken only if it is longer than a row.
    fn put_word(&mut self, word: &str) {
        let wide = width(word);
        let is_fresh = self.row.is_empty() && self.left == self.columns;
        if wide > self.left && word.chars().all(char::is_whitespace) {
            // White space at the end of a row is not seen.
            return self.end_row();
        }
        if wide > self.left && wide <= self.columns && !is_fresh {
            self.end_row();
        }
        self.put(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn no_row_is_too_wide(text: String, columns: u8, indent: u8) -> bool {
            let columns = usize::from(columns % 60) + 8;
            let indent = usize::from(indent) % columns;
            let rows = wrap(&neutralise(&text), columns, indent);
            rows.iter().zip(0..).all(|(row, number)| {
                width(row) + if number == 0 { indent } else { 0 } <= columns
            })
        }

        fn nothing_acts_on_a_terminal(text: String) -> bool {
            !characters(&neutralise(&text)).any(|(c, is_hidden)| c != '\n' && is_hidden)
        }
    }

    #[test]
    fn control_sequences_are_shown() {
        assert_eq!(neutralise("a\u{1b}[2J\u{7}\u{9b}31m"), "a␛[2J␇<U+009B>31m");
        assert_eq!(neutralise("\u{202e}evil"), "<U+202E>evil");
        assert_eq!(neutralise("👨\u{200d}👩"), "👨👩");
        assert_eq!(neutralise("❤\u{fe0f}\u{200d}🔥"), "❤🔥");
        for joined in ["می\u{200c}خواهم", "क्\u{200d}ष"] {
            assert_eq!(neutralise(joined), joined);
        }
        assert_eq!(neutralise("a\u{200d}\u{fe0f}b"), "a<U+200D><U+FE0F>b");
    }

    #[test]
    fn rows_break_between_words_and_within_long_ones() {
        assert_eq!(wrap("one two three", 8, 0), ["one two ", "three"]);
        assert_eq!(wrap("one two", 8, 5), ["one", "two"]);
        assert_eq!(wrap("a\n\nb", 8, 0), ["a", "", "b"]);
        assert_eq!(wrap("日本語", 5, 0), ["日本", "語"]);
        assert_eq!(wrap("abcdefghij", 4, 2), ["ab", "cdef", "ghij"]);
        assert_eq!(wrap("", 8, 3), [""]);
    }
}
