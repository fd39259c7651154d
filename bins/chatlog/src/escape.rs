//! Reversible escaping: any text within one line, with nothing in it that a terminal would act on.
//!
//! **Invariant**: each text has one escaped form in each [`Form`], without control characters, tabs, quotes or
//! characters that the form does not show.

use super::form::Form;
use crate::hidden::Before;

/// Appends the escaped form of a text.
pub(super) fn escape(text: &str, form: Form, to: &mut String) {
    let (mut rest, mut before) = (text, Before::default());
    while !rest.is_empty() {
        // Most text is plain, and is copied as a whole.
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let (run, special) = rest.split_at(plain);
        to.push_str(run);
        if let Some(last) = run.chars().next_back() {
            before = Before::seen(last);
        }
        let mut special = special.chars();
        if let Some(c) = special.next() {
            let is_hidden = form.hides(&mut before, c, special.clone().next());
            escape_one(c, is_hidden, to);
        }
        rest = special.as_str();
    }
}

/// Is this byte a character that stands for itself?
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escape_one(c: char, is_hidden: bool, to: &mut String) {
    match c {
        '\\' => to.push_str("\\\\"),
        '"' => to.push_str("\\\""),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        c if is_hidden => to.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => to.push(c),
    }
}

/// The text of an escaped form, if it is one. Accepts more than `escape` writes; the caller
/// compares.
pub(super) fn unescape(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match rest.next()? {
            '\\' => '\\',
            '"' => '"',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                rest = after.chars();
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hidden::{characters, is_hidden};
    use quickcheck::{Arbitrary, Gen, quickcheck};

    /// A text of which every other character is one that may be hidden, or stands beside one.
    #[derive(Clone, Debug)]
    struct Odd(String);

    impl Arbitrary for Odd {
        fn arbitrary(g: &mut Gen) -> Self {
            const SOME: &str = "\u{200c}\u{200d}\u{fe00}\u{fe0f}\u{e0100}\u{3164}\u{202e}\u{9b}\u{7f}\t\"\\1👨❤葛مaक्ष";
            let some: Vec<char> = SOME.chars().collect();
            let pick = |g: &mut Gen| *g.choose(&some).unwrap();
            let any = |g: &mut Gen| if bool::arbitrary(g) { char::arbitrary(g) } else { pick(g) };
            Odd((0..usize::arbitrary(g) % 20).map(|_| any(g)).collect())
        }
    }

    fn escaped(text: &str, form: Form) -> String {
        let mut escaped = String::new();
        escape(text, form, &mut escaped);
        escaped
    }

    quickcheck! {
        fn any_text_reads_back_from_one_line(text: Odd) -> bool {
            [Form::V2, Form::V3].into_iter().all(|form| {
                let escaped = escaped(&text.0, form);
                unescape(&escaped).as_ref() == Some(&text.0) && !escaped.contains(['\n', '\t', '\u{1b}'])
            })
        }

        fn nothing_in_it_is_hidden(text: Odd) -> bool {
            !characters(&escaped(&text.0, Form::V3)).any(|(_, is_hidden)| is_hidden)
        }

        fn plain_is_what_needs_no_escape(byte: u8) -> bool {
            let mut escaped = String::new();
            escape_one(char::from(byte), is_hidden(char::from(byte)), &mut escaped);
            is_plain(byte) == (byte.is_ascii() && escaped.as_bytes() == [byte])
        }

        fn any_text_is_read_or_refused(text: Odd) -> bool {
            unescape(&text.0);
            true
        }
    }

    #[test]
    fn terminal_sequences_are_neutralised() {
        for form in [Form::V2, Form::V3] {
            let escaped = escaped("a\u{1b}[2J\"\\\u{202e}\n", form);
            assert_eq!(escaped, r#"a\u{1b}[2J\"\\\u{202e}\n"#);
        }
    }

    #[test]
    fn the_newest_form_shows_what_joins_and_hides_what_hides() {
        let of = |text| [Form::V2, Form::V3].map(|form| escaped(text, form));
        assert_eq!(of("👨\u{200d}👩"), ["👨\\u{200d}👩", "👨\u{200d}👩"]);
        assert_eq!(of("a\u{3164}"), ["a\u{3164}", "a\\u{3164}"]);
        assert_eq!(of("1\u{fe0f}a\u{fe0f}"), ["1\u{fe0f}a\u{fe0f}", "1\u{fe0f}a\\u{fe0f}"]);
    }
}
