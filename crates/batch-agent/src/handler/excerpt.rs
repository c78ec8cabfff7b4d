//! The beginning of a text that somebody else wrote, fit to be kept and shown.

/// The most bytes of a handler's text that are kept (D4).
pub(crate) const LONGEST_EXCERPT: usize = 500;

/// The first [`LONGEST_EXCERPT`] bytes of an answer as text: cut between two characters, without
/// characters that would move a terminal's cursor, break a line or turn the direction of writing.
#[cfg(feature = "http")]
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // A character that the limit cuts is read whole first: it has four bytes at most.
    let beginning = &bytes[..bytes.len().min(LONGEST_EXCERPT + 3)];
    shortened(&String::from_utf8_lossy(beginning), LONGEST_EXCERPT)
}

/// The first `most` bytes of a text, made as harmless.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let kept = &text[..text.floor_char_boundary(most)];
    kept.chars().map(harmless).collect::<String>().trim().to_owned()
}

fn harmless(character: char) -> char {
    let turns_direction = matches!(character,
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let breaks_line = matches!(character, '\u{2028}' | '\u{2029}');
    if character.is_control() || turns_direction || breaks_line { ' ' } else { character }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_ends_between_two_characters_and_within_the_limit() {
        let text = format!("{}é…", "a".repeat(LONGEST_EXCERPT - 1));
        assert_eq!(excerpt(text.as_bytes()), "a".repeat(LONGEST_EXCERPT - 1));
        let whole = format!("{}é", "a".repeat(LONGEST_EXCERPT - 2));
        assert_eq!(excerpt(whole.as_bytes()), whole);
        assert!(excerpt(&[0xff; 2_000]).len() <= LONGEST_EXCERPT, "no UTF-8");
    }

    #[test]
    fn an_excerpt_has_no_character_that_does_something() {
        let hostile = "a\u{1b}[2Jb\r\nc\0d\u{202e}e\u{9b}f\u{2028}g";
        assert_eq!(excerpt(hostile.as_bytes()), "a [2Jb  c d e f g");
        assert_eq!(excerpt(b"  \n no such account\n"), "no such account");
        assert_eq!(excerpt(b""), "");
    }
}
