//! Characters that cannot be seen, or that move others: what must not reach a screen, a name, a log or a line of
//! output as it is.
//!
//! A joiner stays where it may join two characters, and a selector of variants behind one that it may vary: there they
//! are seen in what they do, if they do anything; the rule goes by whole blocks. Nowhere else.
//!
//! **Invariant — fixed**: the form of a chat log follows from this file (see [`crate`]), so a change of what is
//! hidden needs another version of the log.
//!
//! **Source**: Unicode 16, `DerivedCoreProperties.txt`, `Default_Ignorable_Code_Point`; UAX #9 for marks of
//! direction; UAX #31 and UTS #51 for joiners, `StandardizedVariants.txt`, `emoji-variation-sequences.txt` and UTS #37
//! for variants, each by whole blocks.

/// Controls, separators of lines, marks of direction, and everything that a font may leave out.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // These are not to be left out, and draw nothing by themselves.
            | '\u{2800}' | '\u{13430}'..='\u{1343f}' | '\u{16fe4}' | '\u{1d159}')
}

/// The characters of a text in their order, each with whether it is hidden where it stands.
pub fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut following = text.chars();
    let mut before = Before::default();
    text.chars().map(move |c| {
        following.next();
        (c, before.hides(c, following.clone().next()))
    })
}

/// What stands before a character and is not hidden.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    seen: Option<char>,
    is_varied: bool,
}

impl Before {
    /// Behind a character that is not hidden.
    pub fn seen(c: char) -> Before {
        Before { seen: Some(c), is_varied: false }
    }

    /// Is the next character hidden, before that one? It stands before the next.
    pub fn hides(&mut self, c: char, after: Option<char>) -> bool {
        let Before { seen, is_varied } = *self;
        if !is_hidden(c) {
            *self = Before::seen(c);
            return false;
        }
        let varies = !is_varied && seen.is_some_and(|seen| varies(seen, c));
        let joins = seen.zip(after).is_some_and(|(seen, after)| joins(seen, c, after));
        *self = if varies { Before { is_varied: true, ..*self } } else { Before::default() };
        !varies && !joins
    }
}

/// Does this select a variant of what stands before it?
fn varies(seen: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}'..='\u{fe0f}' => is_pictograph(seen) || matches!(seen, '0'..='9' | '#' | '*'),
        '\u{fe00}'..='\u{fe0d}' => {
            is_ideograph(seen)
                || matches!(seen,
                    '\u{1000}'..='\u{109f}' | '\u{2190}'..='\u{2bff}' | '\u{3001}'..='\u{3002}'
                    | '\u{a840}'..='\u{a87f}' | '\u{ff01}'..='\u{ff1f}' | '\u{10ac0}'..='\u{10aff}'
                    | '\u{13000}'..='\u{1342f}')
        }
        '\u{e0100}'..='\u{e01ef}' => is_ideograph(seen),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(seen, '\u{1820}'..='\u{18aa}'),
        _ => false,
    }
}

/// Does this join what stands on both sides of it, or keep them apart?
fn joins(seen: char, joiner: char, after: char) -> bool {
    let are_letters =
        joining_script(seen).is_some() && joining_script(seen) == joining_script(after);
    match joiner {
        '\u{200d}' => are_letters || (is_pictograph(seen) && is_pictograph(after)),
        '\u{200c}' => are_letters,
        _ => false,
    }
}

/// Is it drawn as a picture, so that its width with others is a matter of the terminal?
pub fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2100}'..='\u{2bff}' | '\u{3030}'
        | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}'
        | '\u{1fc00}'..='\u{1fffd}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// The script of a letter whose form depends on its neighbours: a number for each.
fn joining_script(c: char) -> Option<u32> {
    match c {
        // Arabic, Syriac, N'Ko, Mandaic, and their supplements.
        '\u{620}'..='\u{8ff}' => Some(0),
        // Devanagari to Sinhala: a block each.
        '\u{900}'..='\u{dff}' => Some(u32::from(c) >> 7),
        '\u{1000}'..='\u{109f}' => Some(1),
        '\u{1780}'..='\u{17ff}' => Some(2),
        '\u{1800}'..='\u{18aa}' => Some(3),
        _ => None,
    }
}

/// The same JSON, in which such characters are escaped, wherever they stand: outside of strings there are none but
/// white space.
pub fn escaped_json(json: &str) -> String {
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
        for c in [
            '\u{2800}',
            '\u{1d159}',
            '\u{13430}',
            '\u{3164}',
            '\u{e0100}',
            '\u{e01ef}',
            '\u{9b}',
            '\u{7f}',
            '\u{202e}',
            '\u{200d}',
        ] {
            assert!(is_hidden(c), "{c:?}");
        }
        assert!(!"aß中\u{301}🙂 ".chars().any(is_hidden));
    }

    /// Hidden characters of a text that are hidden where they stand.
    fn hidden(text: &str) -> String {
        characters(text).filter_map(|(c, is_hidden)| is_hidden.then_some(c)).collect()
    }

    #[test]
    fn joiners_and_selectors_stay_where_they_do_something_and_nowhere_else() {
        for stays in [
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}🚀",
            "1\u{fe0f}\u{20e3}",
            "⚖\u{fe0e}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "葛\u{e0100}",
            "\u{1820}\u{180b}",
        ] {
            assert_eq!(hidden(stays), "", "{stays:?}");
        }
        for goes in [
            "a\u{200d}b",
            "a\u{fe0f}",
            "я\u{e0100}",
            "🙂\u{fe0f}\u{fe0f}",
            "🙂\u{e0100}",
            "👨\u{200d}",
            "\u{200d}👨",
            "👨\u{200d}a",
            "👨\u{200d}\u{200d}👩",
            "م\u{200c}a",
            "م\u{200c}क",
            "a\u{e0100}\u{e0101}",
            "葛\u{e0100}\u{e0101}",
            "🙂\u{200c}🙂",
            "\u{fe0f}",
            "🙂\u{200b}\u{fe0f}",
        ] {
            assert_ne!(hidden(goes), "", "{goes:?}");
        }
    }

    /// The form of chat logs depends on it.
    #[test]
    fn what_is_hidden_is_what_it_was_when_version_3_of_the_log_was_fixed() {
        let mut hasher = blake3::Hasher::new();
        let neighbours = ['a', '0', '🙂', '葛', 'م', 'क', '\u{1820}', '\u{1000}', '\u{3002}'];
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            hasher.update(&[u8::from(is_hidden(c)), u8::from(joining_script(c).is_some())]);
            hasher.update(&[u8::from(is_pictograph(c)), u8::from(is_ideograph(c))]);
            for before in neighbours {
                for after in neighbours {
                    hasher.update(&[u8::from(Before::seen(before).hides(c, Some(after)))]);
                }
            }
        }
        let digest = hasher.finalize().to_hex();
        assert_eq!(&digest[..16], "d916f69bdd308106", "raise the version of the chat log");
    }
}
