//! Canonical decimal text: nine significant digits, no exponent.
//!
//! A double is first written with 17 significant digits, then rounded on those *decimal* digits to nine, ties
//! to even. The range is [1e-13, 1e7) in magnitude, and zero, which has one text: `0.000000000`.

use std::cmp::Ordering;
use std::fmt::{self, Write};

/// Significant digits of a canonical number.
const DIGITS: usize = 9;

/// Decimal exponents of canonical numbers: 1e-13 and up, below 1e7.
const EXPONENTS: std::ops::Range<i32> = -13..7;

/// A number that has no canonical text: not finite, or outside [1e-13, 1e7) in magnitude and not zero.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{value:e} has no canonical decimal text: its magnitude is not in [1e-13, 1e7) and it is not 0")]
pub struct OutOfRange {
    /// The number.
    pub value: f64,
}

/// Appends the canonical text of `value` to `out`, which an error leaves as it was.
///
/// # Errors
/// [`OutOfRange`] where there is no such text: also for 9999999.996, which would round to 1e7, and for
/// 9.9999999999e-14, although it would round to 1e-13.
pub fn canonical(value: f64, out: &mut String) -> Result<(), OutOfRange> {
    if value == 0.0 {
        out.push_str("0.000000000");
        return Ok(());
    }
    if !value.is_finite() {
        return Err(OutOfRange { value });
    }
    let (digits, exponent) =
        decided(value.abs()).or_else(|| exactly(value.abs())).ok_or(OutOfRange { value })?;
    plain(value < 0.0, digits, exponent, out);
    Ok(())
}

/// Nine digits and the decimal exponent of the first, of a number that is no tie and near none; `None` where it takes
/// exact arithmetic to say.
///
/// The number times a power of ten below 10^22 is one rounding away from what it is, so it is known to 2^-53 of
/// itself, 1.2e-7 units of the ninth digit. Rounding to 17 digits first moves it by 0.5e-8 units. A remainder that is
/// further than both from a half is rounded alike by either road.
#[inline]
fn decided(magnitude: f64) -> Option<([u8; DIGITS], i32)> {
    const NEAR: f64 = 1e-6;
    let binade = binade(magnitude)?;
    let exponent = if magnitude >= binade.upper_from { binade.upper_exponent } else { binade.lower_exponent };
    // 8 less an exponent of -13 to 6.
    let scaled = magnitude * POWERS[usize::try_from(8 - exponent).ok()?];
    if !(1e8..1e9 - 1.0).contains(&scaled) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in 1e8..1e9")]
    let whole = scaled as u32;
    let rest = scaled - f64::from(whole);
    if (rest - 0.5).abs() <= NEAR {
        return None;
    }
    let mut number = whole + u32::from(rest > 0.5);
    let mut digits = [0; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).ok()?;
        number /= 10;
    }
    Some((digits, exponent))
}

/// The same of any number, by exact decimal digits; `None` where it is out of range.
#[cold]
fn exactly(magnitude: f64) -> Option<([u8; DIGITS], i32)> {
    let mut text = Scientific::default();
    write!(text, "{magnitude:.16e}").expect("d.dddddddddddddddde-ddd fits");
    let (mantissa, exponent) = text.split();
    nine(mantissa, exponent)
}

/// Nine digits of `d.dddddddddddddddd` times ten to the `exponent`; `None` where that is out of range.
fn nine(mantissa: &[u8], exponent: i32) -> Option<([u8; DIGITS], i32)> {
    // Before rounding as well as after: a carry cannot lift a number into the range.
    EXPONENTS.contains(&exponent).then_some(())?;
    let (digits, carried) = round(mantissa);
    let exponent = exponent + i32::from(carried);
    EXPONENTS.contains(&exponent).then_some((digits, exponent))
}

/// Appends nine digits, the first of which counts ten to the `exponent`.
fn plain(negative: bool, digits: [u8; DIGITS], exponent: i32, out: &mut String) {
    let digits = std::str::from_utf8(&digits).expect("ASCII digits");
    if negative {
        out.push('-');
    }
    if let Ok(exponent) = usize::try_from(exponent) {
        let (whole, fraction) = digits.split_at(exponent + 1);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
        out.push_str("0.");
        out.push_str(&"000000000000"[..zeros]);
        out.push_str(digits);
    }
}

/// Rounds `d.dddddddddddddddd` to nine digits, ties to even; true where a carry makes it ten times larger.
fn round(mantissa: &[u8]) -> ([u8; DIGITS], bool) {
    let mut digits = [b'0'; DIGITS];
    digits[0] = mantissa[0];
    digits[1..].copy_from_slice(&mantissa[2..=DIGITS]);
    let (guard, rest) = (mantissa[DIGITS + 1], &mantissa[DIGITS + 2..]);
    let odd = digits[DIGITS - 1] % 2 == 1;
    let up = match guard.cmp(&b'5') {
        Ordering::Less => false,
        Ordering::Equal => odd || rest.iter().any(|digit| *digit != b'0'),
        Ordering::Greater => true,
    };
    if !up {
        return (digits, false);
    }
    for digit in digits.iter_mut().rev() {
        if *digit != b'9' {
            *digit += 1;
            return (digits, false);
        }
        *digit = b'0';
    }
    digits[0] = b'1';
    (digits, true)
}

/// A number in scientific notation, on the stack.
#[derive(Default)]
struct Scientific {
    bytes: [u8; 24],
    length: usize,
}

impl Scientific {
    /// The digits with their point, and the exponent.
    fn split(&self) -> (&[u8], i32) {
        let text = std::str::from_utf8(&self.bytes[..self.length]).expect("only text is written");
        let (mantissa, exponent) = text.split_once('e').expect("scientific notation has an exponent");
        (mantissa.as_bytes(), exponent.parse().expect("the exponent of a double is an integer"))
    }
}

impl Write for Scientific {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Powers of ten that a double holds exactly.
pub(crate) const POWERS: [f64; 22] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21,
];

/// The powers of ten that begin a decade of canonical numbers.
const DECADES: [f64; 20] = [
    1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3,
    1e4, 1e5, 1e6,
];

/// The largest number below a decade is written one unit, 1e-9, below it: what lies closer rounds into it.
const NEARLY: f64 = 1.0 - 0.6e-9;

/// Half a unit of the ninth digit, over the decade: 2e-8 of it for the 17 digits, the rest for roundings.
const HALF: f64 = 0.500_000_01e-8;

/// The biased exponents of the doubles that lie in canonical decades whole: 2^-43 is above 1e-13, 2^23 below 1e7.
const BINADES: std::ops::Range<u64> = 1023 - 43..1023 + 23;

/// The decades that the numbers of one binade are in, or are written in: two at most.
#[derive(Clone, Copy)]
struct Binade {
    /// From here on numbers are written in the upper decade.
    upper_from: f64,
    /// Half a unit below that.
    lower: f64,
    /// Half a unit from there on.
    upper: f64,
    /// The decimal exponent below that.
    lower_exponent: i32,
    /// The decimal exponent from there on.
    upper_exponent: i32,
}

/// For each of [`BINADES`].
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "66 binades, 20 decades")]
static TABLE: [Binade; (BINADES.end - BINADES.start) as usize] = {
    let none = Binade { upper_from: 0.0, lower: 0.0, upper: 0.0, lower_exponent: 0, upper_exponent: 0 };
    let mut table = [none; (BINADES.end - BINADES.start) as usize];
    let mut place = 0;
    let mut decade = 0;
    while place < table.len() {
        let above = f64::from_bits((BINADES.start + place as u64 + 1) << 52);
        let lower = decade;
        // The decade of the largest number of the binade.
        while decade + 1 < DECADES.len() && DECADES[decade + 1] * NEARLY < above {
            decade += 1;
        }
        table[place] = Binade {
            upper_from: DECADES[decade] * NEARLY,
            lower: DECADES[lower] * HALF,
            upper: DECADES[decade] * HALF,
            lower_exponent: lower as i32 + EXPONENTS.start,
            upper_exponent: decade as i32 + EXPONENTS.start,
        };
        place += 1;
    }
    table
};

/// The decades of a magnitude, where it is in [`BINADES`].
#[inline]
fn binade(magnitude: f64) -> Option<&'static Binade> {
    let place = (magnitude.to_bits() >> 52).wrapping_sub(BINADES.start);
    usize::try_from(place).ok().and_then(|place| TABLE.get(place))
}

/// How far a number may lie from the double that its canonical text parses to: half a unit in the ninth
/// significant digit, rounded up; 0 for 0.
///
/// It covers, for the canonical text of any number near `value`:
/// - half a unit of the ninth digit, 0.5e-8 of the decade that the text is in. A text that begins a decade
///   stands for numbers on both sides of it, and the larger unit is taken; so it is for a `value` that is not
///   rounded yet and whose text would begin the next decade.
/// - half a unit of the 17th digit, 1e-8 of that again, since rounding goes by way of 17 digits;
/// - the rounding of the text to a double, 2^-53 of the number. As much again is added, which is more than the rounding
///   of the sum: the half unit is at most 5e-8 of the number.
///
/// Outside the canonical range it is 0.5e-8 of the number, which is never less; infinite where it is not finite.
#[inline]
#[must_use]
pub fn half_unit(value: f64) -> f64 {
    let magnitude = value.abs();
    let Some(binade) = binade(magnitude) else { return half_unit_at_the_edge(magnitude) };
    let half = if magnitude >= binade.upper_from { binade.upper } else { binade.lower };
    half + magnitude * f64::EPSILON
}

/// The same of zero, of what is not finite, and of numbers outside [`BINADES`].
#[cold]
fn half_unit_at_the_edge(magnitude: f64) -> f64 {
    if magnitude == 0.0 {
        return 0.0;
    }
    if !magnitude.is_finite() {
        return f64::INFINITY;
    }
    let decade =
        [1e-13, 1e6].into_iter().find(|decade| (decade * NEARLY..decade * 10.0).contains(&magnitude));
    // The last term is for numbers whose radius would underflow.
    decade.unwrap_or(magnitude) * HALF + magnitude * f64::EPSILON + f64::from_bits(1)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use bigdecimal::{BigDecimal, RoundingMode, Zero};

    use super::*;
    use crate::number::oracle::{Seeded, exact};

    fn text(value: f64) -> Option<String> {
        let mut out = String::new();
        canonical(value, &mut out).ok().map(|()| out)
    }

    /// The text by another road: exact decimal expansion, half-even to 17 digits, half-even to nine.
    fn expected(value: f64) -> Option<String> {
        if !value.is_finite() {
            return None;
        }
        let number = exact(value);
        if number.is_zero() {
            return Some("0.000000000".to_owned());
        }
        let (smallest, largest) = (BigDecimal::from_str("1e-13").unwrap(), BigDecimal::from(10_000_000));
        let seventeen = number.with_precision_round(17.try_into().unwrap(), RoundingMode::HalfEven);
        let nine = seventeen.with_precision_round(9.try_into().unwrap(), RoundingMode::HalfEven);
        if seventeen.abs() < smallest || nine.abs() >= largest {
            return None;
        }
        // Integer part, then as many decimals as make nine significant digits.
        let magnitude = nine.abs();
        let digits = |number: &BigDecimal| number.to_string().bytes().filter(u8::is_ascii_digit).count();
        let whole = magnitude.with_scale_round(0, RoundingMode::Down);
        let decimals = if whole.is_zero() {
            let ten = |power: i64| BigDecimal::new(1.into(), -power);
            let first = (1..=13).find(|place| &magnitude * ten(*place) >= ten(0)).unwrap();
            first + 8
        } else {
            9 - i64::try_from(digits(&whole)).unwrap()
        };
        let sign = if value < 0.0 { "-" } else { "" };
        Some(format!("{sign}{}", magnitude.with_scale_round(decimals, RoundingMode::Down).to_plain_string()))
    }

    fn compare(value: f64) {
        assert_eq!(text(value), expected(value), "{value:e} = {:#018x}", value.to_bits());
        assert_eq!(text(-value), expected(-value), "{value:e} negated");
    }

    #[test]
    fn the_examples_of_the_format() {
        for (value, wanted) in [
            (1.0, "1.00000000"),
            (0.5, "0.500000000"),
            (1e-9, "0.00000000100000000"),
            (0.123_456_788_5, "0.123456788"),
            (-0.123_456_789_5, "-0.123456790"),
            (1e-12, "0.00000000000100000000"),
            (-0.0, "0.000000000"),
            (1e-13, "0.000000000000100000000"),
            (9_999_999.99, "9999999.99"),
            (1_234_567.891, "1234567.89"),
            (0.05, "0.0500000000"),
            (100.0, "100.000000"),
        ] {
            assert_eq!(text(value).as_deref(), Some(wanted), "{value}");
        }
    }

    #[test]
    fn ties_are_decided_on_decimal_digits() {
        for (mantissa, exponent, wanted) in [
            (b"9.9999999950000000", 0, Some("10.0000000")),
            (b"9.9999999949999996", 0, Some("9.99999999")),
            (b"1.2345678850000000", -1, Some("0.123456788")),
            (b"1.2345678950000000", -1, Some("0.123456790")),
            (b"1.2345678850000001", -1, Some("0.123456789")),
            (b"9.9999999950000000", 6, None),
            (b"9.9999999950000000", -13, Some("0.00000000000100000000")),
            (b"9.9999999999999999", -14, None),
        ] {
            let mut out = String::new();
            let text = nine(mantissa, exponent).map(|(digits, exponent)| {
                plain(false, digits, exponent, &mut out);
                out.as_str()
            });
            assert_eq!(text, wanted);
        }
        // The double nearest to 9.999999995 lies below it: its 17 digits are no tie.
        assert_eq!(text(9.999_999_995).as_deref(), Some("9.99999999"));
    }

    #[test]
    fn the_short_road_and_the_exact_one_agree() {
        let mut random = Seeded::new(12);
        let mut taken = 0;
        for _ in 0..400_000 {
            let value = random.log_uniform(-12.9, 6.9).abs();
            if let Some(short) = decided(value) {
                taken += 1;
                assert_eq!(Some(short), exactly(value), "{value:e}");
            }
        }
        assert!(taken > 399_900, "{taken} of 400,000 numbers went the short road");
        // Halves of the ninth digit and what lies around them, in every decade.
        for exponent in -13..7 {
            for digits in [100_000_000_u32, 123_456_788, 123_456_789, 499_999_999, 999_999_998] {
                let half: f64 = format!("{digits}.5e{}", exponent - 8).parse().unwrap();
                let around = (0..40).flat_map(|step| {
                    let off = half * f64::from(step) * f64::from(step) * 1e-16;
                    [half - off, half + off]
                });
                for value in around {
                    if let Some(short) = decided(value) {
                        assert_eq!(Some(short), exactly(value), "{value:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_value_and_leaves_no_trace() {
        for value in
            [9.999_999_999_9e-14, 1e7, 9_999_999.996, 5e-324, 1e300, f64::INFINITY, f64::NEG_INFINITY]
        {
            let mut out = "kept".to_owned();
            assert_eq!(canonical(value, &mut out), Err(OutOfRange { value }), "{value:e}");
            assert_eq!(out, "kept");
        }
        assert!(text(f64::NAN).is_none());
        let message = OutOfRange { value: -1e300 }.to_string();
        assert_eq!(
            message,
            "-1e300 has no canonical decimal text: its magnitude is not in [1e-13, 1e7) and it is not 0"
        );
    }

    #[test]
    fn every_edge_of_the_range_agrees_with_exact_arithmetic() {
        let mut edges =
            vec![0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NAN, 9.999_999_999_9e-14];
        for exponent in -320..=308 {
            edges.push(format!("1e{exponent}").parse::<f64>().unwrap());
        }
        for exponent in -15..=8 {
            // Carries through every digit, and ties that round down, up, and into the next decade.
            for mantissa in [
                "9.999999995",
                "9.99999999499999999",
                "9.9999999949999999",
                "9.99999999500000001",
                "1.000000005",
                "1.000000015",
                "1.00000000500000001",
                "1.2345678885",
                "1.2345678895",
                "1.9999999995",
                "5.0000000050000000",
                "4.9999999949999995",
                "9.99999999",
                "9.999999989999999999",
            ] {
                edges.push(format!("{mantissa}e{exponent}").parse::<f64>().unwrap());
            }
        }
        for edge in edges {
            let (mut below, mut above) = (edge, edge);
            compare(edge);
            for _ in 0..8 {
                (below, above) = (below.next_down(), above.next_up());
                compare(below);
                compare(above);
            }
        }
    }

    #[test]
    fn ties_on_seventeen_digits_agree_with_exact_arithmetic() {
        let mut random = Seeded::new(3);
        for _ in 0..20_000 {
            let nine = 100_000_000 + random.next() % 900_000_000;
            let exponent = i64::try_from(random.next() % 22).unwrap() - 22;
            compare(format!("{nine}5e{exponent}").parse::<f64>().unwrap());
        }
    }

    #[test]
    fn a_hundred_thousand_random_doubles_agree_with_exact_arithmetic() {
        let mut random = Seeded::new(1);
        for _ in 0..50_000 {
            compare(f64::from_bits(random.next()));
            compare(random.log_uniform(-13.5, 7.5));
        }
    }

    #[test]
    fn a_number_lies_within_the_half_unit_of_its_text() {
        let mut random = Seeded::new(2);
        let ties =
            ["1.000000005", "9.9999999949999999", "9.999999995", "1.9999999985", "1.00000000500000001"];
        let edges = (-13..7).flat_map(|exponent| {
            ties.iter().map(move |tie| format!("{tie}e{exponent}").parse::<f64>().unwrap())
        });
        let cases: Vec<f64> = edges
            .flat_map(|edge| [edge.next_down().next_down(), edge.next_down(), edge, edge.next_up()])
            .chain((0..20_000).map(|_| random.log_uniform(-13.0, 7.0)))
            .collect();
        for value in cases {
            let Some(text) = text(value) else { continue };
            let stored: f64 = text.parse().unwrap();
            let gap = (exact(stored) - exact(value)).abs();
            assert!(gap <= exact(half_unit(stored)), "{value:e} is stored as {text}");
            assert!(gap <= exact(half_unit(value)), "{value:e}, not rounded yet, is stored as {text}");
            assert!(gap <= exact(half_unit(-stored)), "{value:e} negated");
        }
    }

    #[test]
    fn the_table_of_decades_agrees_with_looking_at_each() {
        let slowly = |magnitude: f64| {
            let decade = DECADES.into_iter().rev().find(|decade| magnitude >= decade * NEARLY);
            let decade = decade.filter(|_| magnitude < 1e7).unwrap_or(magnitude);
            decade * HALF + magnitude * f64::EPSILON + f64::from_bits(1)
        };
        let compare = |value: f64| {
            if value > 0.0 && value.is_finite() {
                assert_eq!(half_unit(value).to_bits(), slowly(value).to_bits(), "{value:e}");
            }
        };
        let edges = DECADES.into_iter().flat_map(|decade| [decade, decade * NEARLY]);
        let binades = (-1074..1024).map(|exponent| libm::exp2(f64::from(exponent)));
        for edge in edges.chain(binades) {
            let (mut below, mut above) = (edge, edge);
            compare(edge);
            for _ in 0..4 {
                (below, above) = (below.next_down(), above.next_up());
                compare(below);
                compare(above);
            }
        }
        let mut random = Seeded::new(4);
        (0..100_000).for_each(|_| compare(random.log_uniform(-16.0, 7.5).abs()));
    }

    #[test]
    fn the_half_unit_is_tight_by_decade_and_never_less() {
        for (value, half) in [
            (1.0, 0.5e-8),
            (9.999_999_99, 0.5e-8),
            (0.999_999_999, 0.5e-9),
            (10.0, 0.5e-7),
            (1e6, 0.5e-2),
            (9_999_999.99, 0.5e-2),
            (1e-13, 0.5e-21),
            (1.5e-5, 0.5e-13),
            (-0.3, 0.5e-9),
        ] {
            let got = half_unit(value);
            assert!(got > half && got < half * (1.0 + 1e-6), "{value}: {got:e} for {half:e}");
        }
        assert!(half_unit(0.999_999_999_9) > 0.5e-8, "its text begins the next decade");
        assert_eq!(half_unit(0.0).to_bits(), 0);
        assert_eq!(half_unit(-0.0).to_bits(), 0);
        assert!(half_unit(5e-324) > 0.0);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(half_unit(value).is_infinite());
        }
        assert!(half_unit(1e300) >= 0.5e292 && half_unit(9e-14) >= 0.5e-22);
    }
}
