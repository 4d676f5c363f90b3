//! The tokens of canonical bytes: a literal, a text without escapes, a number in its one spelling.

use crate::number::POWERS;

/// `Some` where a condition holds: the reader's way to refuse.
pub(super) fn require(holds: bool) -> Option<()> {
    holds.then_some(())
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The bytes that are still to be read. What is no literal and no number in them is a text, and that must be UTF-8.
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the text of a literal, which must follow.
    #[inline]
    pub(super) fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal.as_bytes())?;
        Some(())
    }

    /// Takes the text of a literal if it follows.
    #[inline]
    pub(super) fn follows(&mut self, literal: &str) -> bool {
        self.literal(literal).is_some()
    }

    /// Takes two literals if both follow.
    pub(super) fn follows_both(&mut self, first: &str, second: &str) -> bool {
        let rest = self.rest.strip_prefix(first.as_bytes());
        let rest = rest.and_then(|rest| rest.strip_prefix(second.as_bytes()));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a name as a member's key. A name has nothing to escape.
    #[inline]
    pub(super) fn key(&mut self, name: &str) -> Option<()> {
        let rest = self.rest.strip_prefix(b"\"")?.strip_prefix(name.as_bytes())?;
        self.rest = rest.strip_prefix(b"\":")?;
        Some(())
    }

    /// Takes a text that is known if it follows. What was read as a text once has nothing to escape.
    #[inline]
    pub(super) fn follows_text(&mut self, known: &str) -> bool {
        let rest = self.rest.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(known.as_bytes()));
        let rest = rest.and_then(|rest| rest.strip_prefix(b"\""));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A text in which nothing is escaped, and nothing is that the writer escapes.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let rest = self.rest.strip_prefix(b"\"")?;
        let (text, after) = rest.split_at_checked(plain(rest))?;
        self.rest = after.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// A text that can name something: a letter, then letters, digits and underscores.
    #[inline]
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let text = self.text()?;
        let (first, rest) = text.as_bytes().split_first()?;
        let sound = first.is_ascii_alphabetic()
            && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        sound.then_some(text)
    }

    pub(super) fn truth(&mut self) -> Option<bool> {
        if self.follows("true") {
            return Some(true);
        }
        self.literal("false").map(|()| false)
    }

    /// A whole number below 10^15, as the writer spells it.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(length)?;
        require((1..=15).contains(&length) && (length == 1 || !digits.starts_with(b"0")))?;
        self.rest = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// A number in its canonical text: nine significant digits, at most seven of them before the point, at most twelve
    /// zeros between the point and the first of them, and `0.000000000` for zero.
    ///
    /// Such a text is the one that [`crate::number::canonical`] has for the double nearest to it, for that lies within
    /// 2^-53 of the number, too close for seventeen digits of it to round to other nine. The double is nearest because nine
    /// digits and the power of ten that they are divided by are exact, so the division is the only rounding.
    #[inline]
    pub(super) fn number(&mut self) -> Option<f64> {
        let (negative, bytes) = match self.rest.strip_prefix(b"-") {
            Some(bytes) => (true, bytes),
            None => (false, self.rest),
        };
        // The first of the nine digits, the eight others, how many of them are behind the point, and the length of it all.
        let (first, others, decimals, length) = match bytes {
            [b'0', b'.', leading @ b'1'..=b'9', others @ ..] => (*leading, eight_of(others)?, 9, 11),
            [b'0', b'.', fraction @ ..] => {
                let zeros = fraction.iter().take(13).take_while(|byte| **byte == b'0').count();
                match &fraction[zeros..] {
                    [leading @ b'1'..=b'9', others @ ..] if zeros <= 12 => {
                        (*leading, eight_of(others)?, 9 + zeros, 2 + zeros + 9)
                    }
                    _ if zeros == 9 && !negative => (b'0', eight(b'0'), 0, 11),
                    _ => return None,
                }
            }
            [leading @ b'1'..=b'9', b'.', others @ ..] => (*leading, eight_of(others)?, 8, 10),
            [leading @ b'1'..=b'9', ..] => {
                let spelled: &[u8; 10] = bytes.first_chunk()?;
                let whole = spelled.iter().position(|byte| *byte == b'.')?;
                require(whole <= 7)?;
                let mut digits = [0; 9];
                digits[..whole].copy_from_slice(&spelled[..whole]);
                digits[whole..].copy_from_slice(&spelled[whole + 1..]);
                (*leading, eight_of(&digits[1..])?, 9 - whole, 10)
            }
            _ => return None,
        };
        let digits = nine(first, others)?;
        self.rest = bytes.get(length..)?;
        let magnitude = f64::from(digits) / POWERS[decimals];
        Some(if negative { -magnitude } else { magnitude })
    }
}

/// How many bytes come before the first quotation mark, backslash or control character.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(word) = bytes.get(length..).and_then(eight_of) {
        // The lowest marked byte is the first that is meant; a borrow can mark only bytes above it.
        let is_zero = |word: u64| word.wrapping_sub(eight(1)) & !word;
        let control = word.wrapping_sub(eight(b' ')) & !word;
        let marked = (is_zero(word ^ eight(b'"')) | is_zero(word ^ eight(b'\\')) | control) & eight(0x80);
        if marked != 0 {
            return length + marked.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let tail = bytes[length..].iter();
    length + tail.take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..b' ')).count()
}

/// The first eight bytes as a word, the first of them lowest.
#[inline]
fn eight_of(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// A digit, and eight more in a word, as a number.
#[inline]
fn nine(first: u8, word: u64) -> Option<u32> {
    // Eight digits at a time: each is 0x30 to 0x39, and stays within 0x3f when six are added.
    let are_digits = (word & eight(0xf0)) | ((word.wrapping_add(eight(6)) & eight(0xf0)) >> 4);
    require(are_digits == eight(0x33))?;
    // Pairs, then fours, then all eight, each step in every lane at once.
    let lanes = word & eight(0x0f);
    let pairs = lanes.wrapping_mul(10).wrapping_add(lanes >> 8);
    let mask = 0x0000_00ff_0000_00ff;
    let high = (pairs & mask).wrapping_mul(100 + (1_000_000 << 32));
    let low = (pairs >> 16 & mask).wrapping_mul(1 + (10_000 << 32));
    let eight = u32::try_from(high.wrapping_add(low) >> 32).ok()?;
    Some(u32::from(first - b'0') * 100_000_000 + eight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::number::canonical;
    use crate::number::oracle::Seeded;

    fn number(text: &str) -> Option<f64> {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.number().filter(|_| scanner.is_at_end())
    }

    /// A text is taken exactly where it is the canonical text of the number it parses to, and as that number.
    fn compare(text: &str) {
        let parsed = text.parse::<f64>().ok().filter(|value| {
            let mut own = String::new();
            canonical(*value, &mut own).is_ok() && own == text
        });
        assert_eq!(number(text).map(f64::to_bits), parsed.map(f64::to_bits), "{text}");
    }

    #[test]
    fn every_decade_and_its_edges() {
        for whole in 0..9 {
            for zeros in 0..15 {
                for digits in [
                    "100000000",
                    "100000001",
                    "999999999",
                    "499999999",
                    "123456789",
                    "012345678",
                    "000000000",
                ] {
                    compare(&format!("0.{}{digits}", "0".repeat(zeros)));
                    compare(&format!("-0.{}{digits}", "0".repeat(zeros)));
                    compare(&format!("{}.{}", &digits[..whole], &digits[whole..]));
                    compare(&format!("-{}.{}", &digits[..whole], &digits[whole..]));
                    compare(&format!("{digits}.{}", "0".repeat(zeros)));
                }
            }
        }
        for text in [
            "",
            "-",
            ".",
            "0",
            "-0",
            "0.",
            "1.",
            "1",
            "+1.00000000",
            "1.00000000e0",
            "1e0",
            "00.000000000",
            "NaN",
        ] {
            compare(text);
        }
    }

    #[test]
    fn a_hundred_thousand_canonical_numbers() {
        let mut random = Seeded::new(11);
        for _ in 0..100_000 {
            let mut text = String::new();
            if canonical(random.log_uniform(-13.5, 7.5), &mut text).is_ok() {
                assert!(number(&text).is_some(), "{text}");
                compare(&text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn a_number_with_bytes_changed(value in -1e7..1e7_f64, scale in 0..20_i32, place in 0..14_usize, new in "[-0-9.eE+/: ]{0,2}") {
            let mut text = String::new();
            if canonical(value / libm::pow(10.0, f64::from(scale)), &mut text).is_ok() {
                let place = place.min(text.len());
                let end = (place + 1).min(text.len());
                compare(&format!("{}{new}{}", &text[..place], &text[end..]));
            }
        }

        #[test]
        fn nine_digits_anywhere(text in "-?[0-9]{1,8}\\.[0-9]{1,22}") {
            compare(&text);
        }

        #[test]
        fn a_text_ends_where_the_writer_would_escape(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let found = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')).unwrap_or(text.len());
            prop_assert_eq!(plain(&text), found);
        }
    }
}
