//! Reversible escaping: any text within one line, with nothing in it that a terminal would act on.
//!
//! **Invariant**: each text has one escaped form, without control characters, tabs, quotes or
//! characters that are invisible or change the direction of others.

/// Appends the escaped form of a text.
pub(super) fn escape(text: &str, to: &mut String) {
    let mut rest = text;
    while !rest.is_empty() {
        // Most text is plain, and is copied as a whole.
        let plain = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let (run, special) = rest.split_at(plain);
        to.push_str(run);
        let mut special = special.chars();
        if let Some(c) = special.next() {
            escape_one(c, to);
        }
        rest = special.as_str();
    }
}

/// Is this byte a character that stands for itself?
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escape_one(c: char, to: &mut String) {
    match c {
        '\\' => to.push_str("\\\\"),
        '"' => to.push_str("\\\""),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        c if is_hidden(c) => to.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => to.push(c),
    }
}

/// Controls, separators of lines, marks of direction and characters without width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
    use quickcheck::quickcheck;

    quickcheck! {
        fn any_text_reads_back_from_one_line(text: String) -> bool {
            let mut escaped = String::new();
            escape(&text, &mut escaped);
            unescape(&escaped).as_ref() == Some(&text) && !escaped.chars().any(is_hidden)
        }

        fn plain_is_what_needs_no_escape(byte: u8) -> bool {
            let mut escaped = String::new();
            escape_one(char::from(byte), &mut escaped);
            is_plain(byte) == (byte.is_ascii() && escaped.as_bytes() == [byte])
        }

        fn any_text_is_read_or_refused(text: String) -> bool {
            unescape(&text);
            true
        }
    }

    #[test]
    fn terminal_sequences_are_neutralised() {
        let mut escaped = String::new();
        escape("a\u{1b}[2J\"\\\u{202e}\n", &mut escaped);
        assert_eq!(escaped, r#"a\u{1b}[2J\"\\\u{202e}\n"#);
    }
}
