//! Text measured as a terminal shows it: a Korean or Chinese character and most emoji take two
//! columns, a combining mark takes none.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// How many columns a character takes by itself.
pub(crate) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The text if it takes no more than `columns`, else its beginning and `…`.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut clipped = head(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        clipped.push('…');
    }
    clipped
}

/// The text and blanks behind it, up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// As much of the text's beginning as takes no more than `columns`.
pub fn head(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += char_width(c);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

/// The text in pieces of no more than `columns` each, though of at least one character.
pub(crate) fn pieces(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut taken = 0;
    for c in text.chars() {
        let wide = char_width(c);
        if taken > 0 && taken + wide > columns {
            pieces.push(String::new());
            taken = 0;
        }
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
        taken += wide;
    }
    pieces
}

/// The text on one line: control characters, line ends among them, are blanks.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!((width("여울"), width("e\u{301}"), width("ab")), (4, 1, 2));
        assert_eq!(pad("여울", 6), "여울  ");
        assert_eq!(clip("한글토픽", 5), "한글…");
        assert_eq!(clip("한글토픽", 8), "한글토픽");
        assert_eq!(head("한글", 3), "한");
        assert_eq!(pieces("한글ab", 3), ["한", "글a", "b"]);
        assert_eq!(pieces("", 3), [""]);
        assert_eq!(pieces("한글", 1), ["한", "글"]);
        assert_eq!(printable("a\nb\u{1b}[2J"), "a b [2J");
    }
}
