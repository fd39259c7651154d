//! The line that is being typed: a cursor between graphemes, and the lines typed before.
//!
//! **Invariants**
//! - *The cursor is on the border of a grapheme.*
//! - *What a key has removed or replaced comes back by undoing*, as far as it is remembered.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// Lines that are remembered.
const HISTORY_MAX: usize = 500;
/// Changes that can be undone.
const UNDO_MAX: usize = 200;
/// Bytes of what is kept for that.
const UNDO_BYTES_MAX: usize = 1 << 20;

/// An editor of one message, which may have several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// A byte index in the text.
    cursor: usize,
    history: Vec<String>,
    /// The remembered line shown now, counted from the latest, and what was being typed before.
    recalled: Option<(usize, String)>,
    /// What was removed last, a word or more.
    killed: String,
    /// The text and the cursor before each change, the latest last.
    undone: Vec<(String, usize)>,
    /// The last change was one of letters typed one after another, which are undone together.
    is_typing: bool,
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

    /// Remembers how it is before it is changed; what was recalled is a draft of its own from then on.
    fn change(&mut self, is_typing: bool) {
        if let Some((_, typed)) = self.recalled.take() {
            let end = typed.len();
            self.remember(typed, end);
            self.is_typing = false;
        }
        if !(is_typing && self.is_typing) {
            self.remember(self.text.clone(), self.cursor);
        }
        self.is_typing = is_typing;
    }

    fn remember(&mut self, text: String, cursor: usize) {
        self.undone.push((text, cursor));
        let mut bytes: usize = self.undone.iter().map(|(text, _)| text.len()).sum();
        while self.undone.len() > UNDO_MAX || bytes > UNDO_BYTES_MAX {
            bytes -= self.undone.remove(0).0.len();
        }
    }

    /// Takes back the last change.
    pub fn undo(&mut self) {
        if let Some((text, cursor)) = self.undone.pop() {
            (self.text, self.cursor) = (text, cursor);
        }
        (self.is_typing, self.recalled) = (false, None);
    }

    /// Puts a text where the cursor is.
    pub fn insert(&mut self, text: &str) {
        // Word by word.
        self.change(text.chars().all(char::is_alphanumeric));
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        self.settle();
    }

    /// Replaces what is between `start` and the cursor.
    pub fn replace(&mut self, start: usize, text: &str) {
        self.change(false);
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
        self.settle();
    }

    /// Takes the line away and remembers it.
    pub fn take(&mut self) -> String {
        self.change(false);
        let text = std::mem::take(&mut self.text);
        self.cursor = 0;
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
        if self.cursor == 0 {
            return;
        }
        self.change(false);
        let end = self.cursor;
        self.left();
        self.text.replace_range(self.cursor..end, "");
    }

    /// Removes the grapheme at the cursor.
    pub fn delete_right(&mut self) {
        if self.cursor == self.text.len() {
            return;
        }
        self.change(false);
        let start = self.cursor;
        self.right();
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        self.settle();
    }

    /// Removes what is before the cursor back to white space.
    pub fn delete_word(&mut self) {
        let kept = self.before_cursor().trim_end();
        let start = kept
            .rfind(char::is_whitespace)
            .map_or(0, |place| place + kept[place..].chars().next().map_or(0, char::len_utf8));
        self.kill(start, self.cursor);
    }

    /// Removes the word before the cursor, or the rest of it.
    pub fn delete_word_left(&mut self) {
        let end = self.cursor;
        self.word_left();
        self.kill(self.cursor, end);
    }

    /// Removes the word behind the cursor, or the rest of it.
    pub fn delete_word_right(&mut self) {
        let start = self.cursor;
        self.word_right();
        self.kill(start, self.cursor);
    }

    /// Removes everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.kill(0, self.cursor);
    }

    /// Removes everything from the cursor on.
    pub fn delete_to_end(&mut self) {
        self.kill(self.cursor, self.text.len());
    }

    /// Removes this part, which can be put back.
    fn kill(&mut self, start: usize, end: usize) {
        if start < end {
            self.cursor = end;
            self.killed = self.text[start..end].to_owned();
            self.replace(start, "");
        }
    }

    /// Puts back what was removed last, a word or more, where the cursor is.
    pub fn put_back(&mut self) {
        if !self.killed.is_empty() {
            self.replace(self.cursor, &self.killed.clone());
        }
    }

    /// Moves the cursor to the beginning of the word before it.
    pub fn word_left(&mut self) {
        let letters = self.before_cursor().trim_end_matches(|c: char| !c.is_alphanumeric());
        self.cursor = letters.trim_end_matches(char::is_alphanumeric).len();
        self.settle();
    }

    /// Moves the cursor to the end of the word behind it.
    pub fn word_right(&mut self) {
        let behind = &self.text[self.cursor..];
        let letters = behind.trim_start_matches(|c: char| !c.is_alphanumeric());
        let rest = letters.trim_start_matches(char::is_alphanumeric);
        self.cursor = self.text.len() - rest.len();
        self.settle();
    }

    /// Moves the cursor up within the draft; false if it is in its first line.
    pub fn line_up(&mut self) -> bool {
        let Some(end) = self.before_cursor().rfind('\n') else { return false };
        let column = self.text[end + 1..self.cursor].graphemes(true).count();
        let start = self.text[..end].rfind('\n').map_or(0, |place| place + 1);
        self.cursor = self.place_in(start, end, column);
        true
    }

    /// Moves the cursor down within the draft; false if it is in its last line.
    pub fn line_down(&mut self) -> bool {
        let Some(end) = self.text[self.cursor..].find('\n') else { return false };
        let line = self.before_cursor().rfind('\n').map_or(0, |place| place + 1);
        let column = self.text[line..self.cursor].graphemes(true).count();
        let start = self.cursor + end + 1;
        let end = self.text[start..].find('\n').map_or(self.text.len(), |end| start + end);
        self.cursor = self.place_in(start, end, column);
        true
    }

    /// The place of this column in a line, or its end.
    fn place_in(&self, start: usize, end: usize, column: usize) -> usize {
        let mut places = self.text[start..end].grapheme_indices(true);
        places.nth(column).map_or(end, |(place, _)| start + place)
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

    /// Shows a text that is not one's own typing.
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
    fn words_are_walked_removed_and_put_back() {
        let mut input = typed("one, two-three");
        input.word_left();
        assert_eq!(input.before_cursor(), "one, two-");
        input.delete_word_left();
        assert_eq!((input.text(), input.before_cursor()), ("one, three", "one, "));
        input.word_left();
        input.delete_word_right();
        assert_eq!(input.text(), ", three");
        input.word_right();
        input.put_back();
        assert_eq!(input.text(), ", threeone");
        input.home();
        input.delete_to_start();
        input.put_back();
        assert_eq!(input.text(), "one, threeone", "nothing was removed, so nothing is forgotten");
    }

    #[test]
    fn changes_are_taken_back_word_by_word() {
        let mut input = Input::default();
        "to do it".chars().for_each(|c| input.insert(&c.to_string()));
        input.delete_to_start();
        let mut seen = Vec::new();
        while !input.text().is_empty() || seen.is_empty() {
            input.undo();
            seen.push(input.text().to_owned());
        }
        assert_eq!(seen, ["to do it", "to do ", "to do", "to ", "to", ""]);
        input.undo();
        assert_eq!(input.text(), "");
    }

    #[test]
    fn up_and_down_move_within_a_draft_of_several_lines() {
        let mut input = typed("first\nab\nthird");
        assert!(input.line_up());
        assert_eq!(input.before_cursor(), "first\nab");
        assert!(input.line_up());
        assert_eq!(input.before_cursor(), "fi");
        assert!(!input.line_up());
        assert!(input.line_down() && input.line_down());
        assert_eq!(input.before_cursor(), "first\nab\nth");
        assert!(!input.line_down());
    }

    #[test]
    fn a_draft_comes_back_from_under_a_recalled_line_that_was_changed() {
        for key in ["x", "!"] {
            let mut input = typed("two");
            input.take();
            input.insert("dra");
            input.recall_older();
            input.insert(key);
            input.undo();
            assert_eq!(input.text(), "two");
            input.undo();
            assert_eq!(input.text(), "dra");
        }
    }

    #[test]
    fn what_can_be_undone_is_bounded() {
        let mut input = typed(&"x".repeat(UNDO_BYTES_MAX / 3));
        (0..UNDO_MAX).for_each(|_| input.insert(" "));
        let bytes: usize = input.undone.iter().map(|(text, _)| text.len()).sum();
        assert!(bytes <= UNDO_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn a_recalled_line_that_was_changed_is_a_draft_of_its_own() {
        let mut input = typed("one");
        input.take();
        input.recall_older();
        input.insert("!");
        input.recall_older();
        assert_eq!(input.text(), "one");
        input.recall_newer();
        assert_eq!(input.text(), "one!");
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
