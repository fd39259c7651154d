//! The line that is being typed: a cursor between graphemes, and the lines typed before.
//!
//! **Invariant**: the cursor is on the border of a grapheme.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// Lines that are remembered.
const HISTORY_MAX: usize = 500;

/// An editor of one message, which may have several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// A byte index in the text.
    cursor: usize,
    history: Vec<String>,
    /// The remembered line shown now, counted from the latest, and what was being typed before.
    recalled: Option<(usize, String)>,
}

impl Input {
    /// What is typed so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Puts a text where the cursor is.
    pub fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        self.settle();
    }

    /// Replaces what is between `start` and the cursor.
    pub fn replace(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
        self.settle();
    }

    /// Takes the line away and remembers it.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.recalled = None;
        if !text.is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
            if self.history.len() > HISTORY_MAX {
                self.history.remove(0);
            }
        }
        text
    }

    /// Shows the line typed before the one shown.
    pub fn recall_older(&mut self) {
        let next = self.recalled.as_ref().map_or(0, |(place, _)| place + 1);
        self.recall(next);
    }

    /// Shows the line typed after the one shown; at last, what was being typed.
    pub fn recall_newer(&mut self) {
        match self.recalled.take() {
            Some((0, typed)) => self.set(typed),
            Some((place, typed)) => {
                self.recalled = Some((place, typed));
                self.recall(place - 1);
            }
            None => {}
        }
    }

    fn recall(&mut self, place: usize) {
        let line = self.history.iter().rev().nth(place).cloned();
        if let Some(line) = line {
            let typed = self.recalled.take().map_or_else(|| self.text.clone(), |(_, typed)| typed);
            self.set(line);
            self.recalled = Some((place, typed));
        }
    }

    /// Removes what is before the cursor: a grapheme.
    pub fn delete_left(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.replace_range(self.cursor..end, "");
    }

    /// Removes the grapheme at the cursor.
    pub fn delete_right(&mut self) {
        let start = self.cursor;
        self.right();
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        self.settle();
    }

    /// Removes the word before the cursor.
    pub fn delete_word(&mut self) {
        let kept = self.before_cursor().trim_end();
        let start = kept
            .rfind(char::is_whitespace)
            .map_or(0, |place| place + kept[place..].chars().next().map_or(0, char::len_utf8));
        self.replace(start, "");
    }

    /// Removes everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.replace(0, "");
    }

    /// Removes everything from the cursor on.
    pub fn delete_to_end(&mut self) {
        self.text.truncate(self.cursor);
    }

    /// Moves the cursor a grapheme to the left.
    pub fn left(&mut self) {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if let Ok(Some(place)) = cursor.prev_boundary(&self.text, 0) {
            self.cursor = place;
        }
    }

    /// Moves the cursor a grapheme to the right.
    pub fn right(&mut self) {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if let Ok(Some(place)) = cursor.next_boundary(&self.text, 0) {
            self.cursor = place;
        }
    }

    /// Moves the cursor to the beginning.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// Moves the cursor to the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// What was inserted may have joined its neighbours: the cursor goes behind what it made.
    fn settle(&mut self) {
        let borders = self.text.grapheme_indices(true).map(|(place, _)| place);
        let end = self.text.len();
        self.cursor = borders.chain([end]).find(|place| *place >= self.cursor).unwrap_or(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    #[test]
    fn the_cursor_moves_by_what_one_sees() {
        let mut input = typed("ae\u{301}日🙂");
        input.left();
        input.left();
        input.delete_left();
        assert_eq!((input.text(), input.before_cursor()), ("a日🙂", "a"));
        input.delete_right();
        input.end();
        input.insert("!");
        assert_eq!(input.text(), "a🙂!");
        input.home();
        input.insert("\u{301}x");
        assert_eq!(input.before_cursor(), "\u{301}x");
    }

    #[test]
    fn words_and_ends_are_removed() {
        let mut input = typed("one two  three");
        input.delete_word();
        assert_eq!(input.text(), "one two  ");
        input.delete_word();
        assert_eq!(input.text(), "one ");
        input.left();
        input.delete_to_end();
        assert_eq!(input.text(), "one");
        input.delete_to_start();
        assert_eq!(input.text(), "");
    }

    #[test]
    fn lines_come_back_and_what_was_typed_is_kept() {
        let mut input = typed("one");
        input.take();
        input.insert("two");
        input.take();
        input.insert("dra");
        input.recall_older();
        assert_eq!(input.text(), "two");
        input.recall_older();
        input.recall_older();
        assert_eq!(input.text(), "one");
        input.recall_newer();
        input.recall_newer();
        assert_eq!(input.text(), "dra");
    }
}
