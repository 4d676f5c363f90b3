//! What does not belong into a file that is sealed for years and handed on: mail addresses and telephone numbers.

/// A field that holds what should stay out. The value itself is not repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The field.
    pub at: String,
    /// What is seen there.
    pub message: &'static str,
}

/// What a text holds that should stay out.
pub(super) fn personal(text: &str) -> impl Iterator<Item = &'static str> {
    let mail = holds_mail_address(text).then_some(
        "a mail address: names and functions of signatories are the personal data that belongs here",
    );
    let telephone = holds_telephone_number(text).then_some(
        "a telephone number: names and functions of signatories are the personal data that belongs here",
    );
    mail.into_iter().chain(telephone)
}

fn holds_mail_address(text: &str) -> bool {
    text.split(|letter: char| letter.is_whitespace() || "<>()[],;:\"'".contains(letter)).any(|word| {
        word.rsplit_once('@').is_some_and(|(name, host)| {
            let host = host.trim_end_matches('.');
            !name.is_empty()
                && host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && !rest.is_empty())
        })
    })
}

/// A `+` and eight to fifteen digits, or nine to twelve digits that begin with 0, with the separators people use.
fn holds_telephone_number(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (0..letters.len()).any(|start| {
        let before = start.checked_sub(1).map(|place| letters[place]);
        // `1 000 000 000` is one number.
        let after_digit = letters[..start].iter().rev().take(4).find(|letter| **letter != ' ');
        if before.is_some_and(|before| before.is_alphanumeric() || "+.-/".contains(before))
            || after_digit.is_some_and(char::is_ascii_digit)
        {
            return false;
        }
        let international = letters[start] == '+';
        if !international && letters[start] != '0' && letters[start] != '(' {
            return false;
        }
        // No number is longer; the bound keeps the work in line with the text.
        let run = letters[start..]
            .iter()
            .take(40)
            .take_while(|letter| letter.is_ascii_digit() || " +-/().".contains(**letter))
            .count();
        if letters.get(start + run).is_some_and(|after| after.is_alphanumeric()) {
            return false;
        }
        let digits: Vec<char> =
            letters[start..start + run].iter().copied().filter(char::is_ascii_digit).collect();
        match digits.len() {
            8..=15 if international => true,
            9..=12 => digits[0] == '0',
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_and_telephone_numbers_are_seen() {
        for text in [
            "write to a.b@example.org.",
            "<x@y.example>",
            "+43 1 234 5678",
            "call (0123) 456-7890",
            "0301234567",
        ] {
            assert_eq!(personal(text).count(), 1, "{text}");
        }
    }

    #[test]
    fn dates_digests_versions_and_standards_are_not() {
        for text in [
            "2026-01-31",
            "ISO/IEC 42001:2023",
            "0.3.1",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "user @ host",
            "0.123456789012345",
            "1 000 000 000",
        ] {
            assert_eq!(personal(text).count(), 0, "{text}");
        }
    }
}
