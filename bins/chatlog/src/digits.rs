//! Numbers appended to a text. A line of the log has a dozen, and every replica writes every line, so
//! they do not go through the machinery of format strings.

use itoa::{Buffer, Integer};

/// Appends a number.
pub(super) fn push(number: impl Integer, to: &mut String) {
    to.push_str(Buffer::new().format(number));
}

/// Appends a number with zeros before it, so that it has at least so many digits.
pub(super) fn push_padded(number: u64, digits: usize, to: &mut String) {
    let mut buffer = Buffer::new();
    let text = buffer.format(number);
    for _ in text.len()..digits {
        to.push('0');
    }
    to.push_str(text);
}

/// Appends these bytes in hexadecimal.
pub(super) fn push_hex(bytes: &[u8], to: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        to.push(DIGITS[usize::from(byte >> 4)]);
        to.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn numbers_are_as_format_strings_have_them(number: u64, bytes: Vec<u8>) -> bool {
            let mut text = String::new();
            push(number, &mut text);
            push_padded(number % 100_000, 4, &mut text);
            push_hex(&bytes, &mut text);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text == format!("{number}{:04}{hex}", number % 100_000)
        }
    }
}
