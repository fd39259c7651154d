//! Characters that cannot be seen, or that move others: what must not reach a screen, a name or a line of output
//! as it is.
//!
//! **Absent**: the chat log, whose lines have one form for each text, as it was fixed with the log's version (see
//! [`crate::chatlog`]).
//!
//! **Source**: Unicode 16, `DerivedCoreProperties.txt`, `Default_Ignorable_Code_Point`; UAX #9 for marks of
//! direction.

/// Controls, separators of lines, marks of direction, and everything that a font may leave out.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Does it only say how what stands before it is drawn? Terminals disagree about the width that it makes.
pub(crate) fn is_modifier(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The same JSON, in which such characters are escaped: outside of strings there are none but white space.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // A printer may break lines.
        if is_hidden(c) && !matches!(c, '\n' | '\r' | '\t') {
            c.encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn json_means_the_same_and_shows_everything(text: String, hidden: Vec<u32>) -> bool {
            let hidden = hidden.iter().filter_map(|c| char::from_u32(c % 0x11_0000));
            let text: String = text.chars().chain(hidden).chain("\u{9b}\u{3164}\u{e0100}\u{7f}".chars()).collect();
            let json = escaped_json(&serde_json::to_string(&text).unwrap());
            !json.chars().any(is_hidden) && serde_json::from_str::<String>(&json).unwrap() == text
        }
    }

    #[test]
    fn what_has_deceived_somebody_is_hidden_and_letters_are_not() {
        for c in ['\u{3164}', '\u{e0100}', '\u{e01ef}', '\u{9b}', '\u{7f}', '\u{202e}', '\u{200d}']
        {
            assert!(is_hidden(c), "{c:?}");
        }
        assert!(!"aß中\u{301}🙂 ".chars().any(is_hidden));
    }
}
