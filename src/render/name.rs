//! Names that others chose, made fit for a terminal: nothing in them is obeyed, none is too long.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` with control characters, and those that turn the direction of writing, as escapes.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {
                shown.extend(character.escape_unicode());
            }
            control if control.is_control() => shown.extend(control.escape_unicode()),
            other => shown.push(other),
        }
    }
    shown
}

/// Columns that `text` takes on a terminal.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `text` in at most `most` columns: of a longer one the beginning and the end, which tell names
/// apart, with `…` between them.
pub fn shorten_middle(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let tail_room = room / 2;
    let head = fitting(text.chars(), room - tail_room);
    let mut tail: Vec<char> = fitting(text.chars().rev(), tail_room);
    tail.reverse();
    head.into_iter().chain(['…']).chain(tail).collect()
}

/// The first of `characters` that fit `room` columns.
fn fitting(characters: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

/// `text` in lines of at most `most` columns, broken between words where that is possible; all
/// but the first are indented by two.
pub fn wrap(text: &str, most: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if used > 0 && used + 1 + word.width() > most {
            lines.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        while used + word.width() > most {
            let head: String = fitting(word.chars(), most - used).into_iter().collect();
            word.drain(..head.len());
            lines.push_str(&head);
            lines.push_str("\n  ");
            used = 2;
        }
        used += word.width();
        lines.push_str(&word);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(escape("user:é 漢"), "user:é 漢");
        assert_eq!(escape("a\x1b[31mb\n\t\0\u{7f}\u{9b}"), "a\\u{1b}[31mb\\n\\t\\u{0}\\u{7f}\\u{9b}");
        assert_eq!(escape("\u{202e}txt\\"), "\\u{202e}txt\\\\");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten_middle("short", 5), "short");
        assert_eq!(shorten_middle("abcdefghij", 5), "ab…ij");
        assert_eq!(shorten_middle("abcdefghij", 6), "abc…ij");
        assert_eq!(shorten_middle("漢字漢字漢字", 6), "漢…字");
        for most in 1..12 {
            assert!(columns(&shorten_middle("abc漢字漢字漢字xyz", most)) <= most);
        }
    }

    #[test]
    fn long_lines_are_broken() {
        assert_eq!(wrap("one two three", 7), "one two\n  three\n");
        assert_eq!(wrap("abcdefghij k", 6), "abcdef\n  ghij\n  k\n");
        for line in wrap(&"word ".repeat(50), 20).lines() {
            assert!(columns(line) <= 20, "{line}");
        }
    }
}
