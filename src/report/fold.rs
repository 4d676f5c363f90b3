//! Paragraphs at 80 columns: the one place where lines are broken.

/// A line has no more characters than this.
pub const WIDTH: usize = 80;

/// What becomes of a word that no line has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Long {
    /// It is broken: no line is over [`WIDTH`] and none begins but by folding, whatever a stranger wrote.
    Break,
    /// It stays whole: a path can be copied.
    Keep,
}

/// A stranger's text on a terminal: whatever a record or a file name holds, control characters, line ends among them, and
/// marks that turn the direction of writing are told by their escapes.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns =
            matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || letter.is_control() { told.extend(letter.escape_unicode()) } else { told.push(letter) }
    }
    told
}

/// A paragraph, its first line led by `lead` and every other indented as far. Each line ends.
#[must_use]
pub fn fold(lead: &str, text: &str, long: Long) -> String {
    // A line of a stranger's does not begin where ours do.
    let text = if long == Long::Break || lead.is_empty() { &plain(text) } else { text };
    let indent = lead.chars().count();
    if text.contains('\n') {
        // A message of several lines hangs under its lead, all of it.
        let hang = " ".repeat(indent);
        let lines = text.split('\n').enumerate();
        return lines.map(|(at, line)| fold(if at == 0 { lead } else { &hang }, line, long)).collect();
    }
    let room = WIDTH.saturating_sub(indent).max(1);
    let mut out = String::new();
    let mut line = lead.to_owned();
    let mut length = 0;
    let mut begun = false;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > room {
            end(&mut out, &mut line, indent);
            length = 0;
        } else if begun {
            line.push(' ');
            length += 1;
        }
        while long == Long::Break && length + word.len() > room {
            line.extend(word.drain(..room - length));
            end(&mut out, &mut line, indent);
            length = 0;
        }
        line.extend(&word);
        length += word.len();
        begun = true;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

fn end(out: &mut String, line: &mut String, indent: usize) {
    out.push_str(line.trim_end());
    out.push('\n');
    *line = " ".repeat(indent);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_within_the_width_and_hang_under_the_lead() {
        let text = fold("  rule 4  ", &"word ".repeat(40), Long::Keep);
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("  rule 4  word word"));
        assert!(lines.clone().count() > 1 && lines.all(|line| line.starts_with("          word")));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn spaces_within_a_line_stay() {
        assert_eq!(fold("", "seal   holds       1", Long::Break), "seal   holds       1\n");
        assert_eq!(fold("a ", "", Long::Break), "a\n");
    }

    #[test]
    fn a_strangers_line_does_not_begin_where_ours_do() {
        for (lead, long) in [("", Long::Break), ("  ", Long::Break), ("", Long::Keep)] {
            let text = fold(lead, "one\nPASS, proof grade \u{202e}", long);
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(text.contains("\\u{a}PASS") && text.contains("\\u{202e}"), "{text:?}");
        }
    }

    #[test]
    fn lines_that_are_kept_hang_under_the_lead() {
        assert_eq!(fold("error: ", "one\nPASS\ntwo", Long::Keep), "error: one\n       PASS\n       two\n");
    }

    #[test]
    fn a_long_word_is_broken_or_kept() {
        let word = "x".repeat(200);
        assert_eq!(fold("", &format!("a {word} b"), Long::Keep), format!("a\n{word}\nb\n"));
        let broken = fold("  ", &word, Long::Break);
        assert!(broken.lines().all(|line| line.len() <= WIDTH && line.starts_with("  x")), "{broken}");
        assert_eq!(broken.matches('x').count(), 200);
    }
}
