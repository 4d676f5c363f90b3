//! Bounds against exact arithmetic: they hold at the corners of the operands' intervals, and they are tight.

use bigdecimal::{BigDecimal, Signed, Zero};
use proptest::prelude::*;

use super::*;
use crate::number::oracle::{self, Seeded, exact};

const CASES: usize = 20_000;

/// The least and the largest that a bounded number can mean, and its value, exactly.
fn corners(number: Bounded) -> [BigDecimal; 3] {
    let (value, bound) = (exact(number.value), exact(number.bound));
    [&value - &bound, value.clone(), value + bound]
}

/// Doubles that lie in the interval: the outermost two that are finite, the value, and one in between.
fn doubles(number: Bounded, random: &mut Seeded) -> [f64; 4] {
    let inside = |double: f64, inward: f64| {
        let mut double = double.clamp(f64::MIN, f64::MAX);
        while (exact(double) - exact(number.value)).abs() > exact(number.bound) {
            double = if inward > 0.0 { double.next_up() } else { double.next_down() };
        }
        double
    };
    [
        inside(number.value - number.bound, 1.0),
        number.value,
        inside(number.value + number.bound, -1.0),
        inside(number.value + number.bound * (random.unit() - 0.5), -number.value),
    ]
}

/// Values over the canonical range and beyond, with no bound, a rounding, or anything up to several values.
fn case(random: &mut Seeded) -> Bounded {
    let value = match random.next() % 48 {
        0 => 0.0,
        1 => 1.0,
        2 => random.log_uniform(-300.0, 300.0),
        3 | 4 => -1.0 + random.unit() * 1e-7,
        _ => random.log_uniform(-13.0, 7.0),
    };
    let value = if random.next().is_multiple_of(4) { value * 0.5 } else { value };
    let bound = match random.next() % 8 {
        0 | 1 => 0.0,
        2..=4 => crate::number::half_unit(value),
        5 => value.abs() * random.log_uniform(-16.0, 0.5).abs(),
        6 => value.abs() * (1.0 - random.log_uniform(-16.0, 0.0).abs()),
        _ => random.log_uniform(-20.0, 1.0).abs(),
    };
    Bounded::new(value, bound)
}

fn holds(result: Bounded, number: &BigDecimal) -> bool {
    (exact(result.value) - number).abs() <= exact(result.bound)
}

fn sound(result: Bounded, value: f64) {
    assert_eq!(result.value.to_bits(), value.to_bits(), "the value is the one of plain doubles");
    assert!(result.bound >= 0.0, "{result:?}");
    assert!(result.value.is_finite() || result.bound.is_infinite(), "{result:?}");
}

/// Checks one sum, difference, product or quotient; true where something is known of the result.
fn binary(operation: char, a: Bounded, b: Bounded, random: &mut Seeded) -> bool {
    let plain = |a: f64, b: f64| match operation {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ => a / b,
    };
    let result = match operation {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ => a / b,
    };
    sound(result, plain(a.value, b.value));
    if !result.is_known() {
        return false;
    }
    for x in &corners(a) {
        for y in &corners(b) {
            let held = match operation {
                '+' => holds(result, &(x + y)),
                '-' => holds(result, &(x - y)),
                '*' => holds(result, &(x * y)),
                // |v - x/y| <= bound where |v y - x| <= bound |y|
                _ => !y.is_zero() && (exact(result.value) * y - x).abs() <= exact(result.bound) * y.abs(),
            };
            assert!(held, "{a:?} {operation} {b:?} = {result:?}, for {x} and {y}");
        }
    }
    // Exact comparisons are slow, and the corners above are the harder half.
    if !random.next().is_multiple_of(4) {
        return true;
    }
    for x in doubles(a, random) {
        for y in doubles(b, random) {
            let other = plain(x, y);
            // What overflows cannot be stated, and is only possible where the interval reaches that far.
            let beyond = other.is_infinite() && result.value.abs() + result.bound > f64::MAX * (1.0 - 1e-15);
            assert!(
                beyond || holds(result, &exact(other)),
                "{a:?} {operation} {b:?} = {result:?}, but {other} for {x} and {y}"
            );
        }
    }
    true
}

#[test]
fn sums_differences_products_and_quotients_hold_at_every_corner() {
    let mut random = Seeded::new(11);
    for operation in ['+', '-', '*', '/'] {
        let known = (0..CASES / 4)
            .filter(|_| {
                let (a, b) = (case(&mut random), case(&mut random));
                binary(operation, a, b, &mut random)
            })
            .count();
        assert!(known > CASES / 8, "{operation}: something is known of {known} results only");
    }
}

#[test]
fn differences_of_nearly_equal_numbers_hold() {
    let mut random = Seeded::new(12);
    for _ in 0..2_000 {
        let a = random.log_uniform(-13.0, 7.0);
        let b = a * (1.0 + random.log_uniform(-16.0, -6.0));
        assert!(binary('-', Bounded::stored(a), Bounded::stored(b), &mut random));
        assert!(binary('-', Bounded::exact(a), Bounded::exact(b), &mut random));
    }
}

#[test]
fn products_and_quotients_hold_where_they_underflow() {
    let mut random = Seeded::new(13);
    for _ in 0..1_000 {
        let (a, b) = (random.log_uniform(-170.0, -150.0), random.log_uniform(-170.0, -150.0));
        let (a, b) = (Bounded::new(a, a.abs() * 1e-9), Bounded::new(b, 0.0));
        assert!(binary('*', a, b, &mut random));
        assert!(binary('*', Bounded::exact(a.value), b, &mut random));
        let large = Bounded::exact(1.0 / b.value);
        assert!(binary('/', a * a, large, &mut random) || !(a * a).is_known());
        assert!(binary('/', Bounded::exact(a.value * 1e-150), large, &mut random));
        let tiny = Bounded::new(f64::from_bits(random.next() % 1_000 + 1), f64::from_bits(random.next() % 3));
        binary(
            '/',
            tiny,
            Bounded::new(f64::from_bits(random.next() % 1_000 + 1), f64::from_bits(1)),
            &mut random,
        );
        binary('*', tiny, Bounded::new(random.unit(), random.unit()), &mut random);
        binary('+', tiny, tiny, &mut random);
    }
}

#[test]
fn exponentials_hold_at_every_corner() {
    let mut random = Seeded::new(14);
    let mut known = 0;
    for index in 0..CASES {
        let a = match index % 4 {
            0 => Bounded::stored(random.log_uniform(-13.0, 2.8)),
            1 => Bounded::exact(random.log_uniform(-6.0, 2.0)),
            2 => Bounded::new(random.log_uniform(-2.0, 2.0), random.log_uniform(-16.0, 1.0).abs()),
            _ => Bounded::new(-700.0 - 60.0 * random.unit(), random.log_uniform(-16.0, 0.0).abs()),
        };
        let result = a.exp();
        sound(result, libm::exp(a.value));
        if !result.is_known() {
            continue;
        }
        known += 1;
        for x in &corners(a) {
            assert!(holds(result, &oracle::exp(x)), "exp {a:?} = {result:?}, for {x}");
        }
        for x in doubles(a, &mut random) {
            assert!(holds(result, &exact(libm::exp(x))), "exp {a:?} = {result:?}, for {x}");
        }
    }
    assert!(known > CASES * 9 / 10, "{known}");
}

#[test]
fn logarithms_hold_at_every_corner() {
    let mut random = Seeded::new(15);
    let mut known = 0;
    for index in 0..CASES {
        let value = match index % 4 {
            0 => random.unit() + f64::MIN_POSITIVE,
            1 => 1.0 + random.log_uniform(-15.0, -1.0),
            2 => random.log_uniform(-13.0, 7.0).abs(),
            _ => random.log_uniform(-300.0, 300.0).abs(),
        };
        let a = match random.next() % 4 {
            0 => Bounded::exact(value),
            1 => Bounded::stored(value),
            2 => Bounded::new(value, value * random.unit()),
            _ => Bounded::new(value, value * (1.0 - random.log_uniform(-15.0, -1.0).abs())),
        };
        let result = a.ln();
        sound(result, libm::log(value));
        if !result.is_known() {
            continue;
        }
        known += 1;
        // ln x lies within the bound where x lies between the exponentials of its ends.
        let [low, _, high] = corners(result).map(|end| oracle::exp(&end));
        for x in corners(a) {
            assert!(low <= x && x <= high, "ln {a:?} = {result:?}, for {x}");
        }
        for x in doubles(a, &mut random) {
            assert!(holds(result, &exact(libm::log(x))), "ln {a:?} = {result:?}, for {x}");
        }
    }
    assert!(known > CASES * 9 / 10, "{known}");
}

/// A base to the power, by multiplication alone: exact, so long as the product is short enough to be.
fn product(base: &BigDecimal, exponent: u64) -> BigDecimal {
    (0..exponent).fold(BigDecimal::from(1), |product, _| product * base)
}

#[test]
fn powers_hold_at_every_corner() {
    let mut random = Seeded::new(18);
    let mut known = 0;
    // Each case multiplies numbers of a thousand digits.
    for index in 0..CASES / 20 {
        let value = match index % 4 {
            0 => 1.0 - random.log_uniform(-9.0, -0.1).abs(),
            1 => [0.9, 0.999, 0.95, 0.8, 0.5][index / 4 % 5],
            2 => random.log_uniform(-6.0, 2.0).abs(),
            _ => random.unit() + f64::MIN_POSITIVE,
        };
        let a = match random.next() % 4 {
            0 => Bounded::exact(value),
            1 => Bounded::stored(value),
            2 => Bounded::new(value, value * random.log_uniform(-16.0, -2.0).abs()),
            _ => Bounded::new(value, value * (1.0 - random.log_uniform(-15.0, -1.0).abs())),
        };
        let exponent = 1 + random.next() % 24;
        let result = a.power(exponent);
        #[expect(clippy::cast_precision_loss, reason = "a small exponent")]
        sound(result, libm::pow(a.value, exponent as f64));
        if !result.is_known() {
            continue;
        }
        known += 1;
        for x in &corners(a) {
            assert!(holds(result, &product(x, exponent)), "{a:?}^{exponent} = {result:?}, for {x}");
        }
        for x in doubles(a, &mut random) {
            #[expect(clippy::cast_precision_loss, reason = "a small exponent")]
            let other = libm::pow(x, exponent as f64);
            assert!(holds(result, &exact(other)), "{a:?}^{exponent} = {result:?}, for {x}");
        }
    }
    assert!(known > CASES / 20 * 9 / 10, "{known}");
}

/// Adam's late steps: by the laws of exponents, from powers that are exact to 400 bits.
#[test]
fn high_powers_hold() {
    for value in [0.9, 0.999, 0.9999, 0.95] {
        for exponent in [100_u64, 1000, 2001, 5000] {
            for a in [Bounded::exact(value), Bounded::stored(value)] {
                let result = a.power(exponent);
                for x in corners(a) {
                    // Squarings at 120 digits; the error of each step is far below the bound that is tested.
                    let (mut power, mut square, mut rest) = (BigDecimal::from(1), x.clone(), exponent);
                    while rest > 0 {
                        if rest % 2 == 1 {
                            power = (&power * &square).with_prec(120);
                        }
                        square = (&square * &square).with_prec(120);
                        rest /= 2;
                    }
                    assert!(holds(result, &power), "{a:?}^{exponent} = {result:?}, for {x}");
                }
                // Tight: exact bases are off by a rounding, stored ones by the exponent's part of theirs.
                let part = a.bound / a.value * f64::from(u32::try_from(exponent).unwrap());
                assert!(
                    result.bound <= result.value * (2.0 * part + 1e-15) + 1e-300,
                    "{a:?}^{exponent} = {result:?}"
                );
            }
        }
    }
}

#[test]
fn square_roots_hold_at_every_corner() {
    let mut random = Seeded::new(16);
    let mut known = 0;
    for _ in 0..CASES {
        let a = case(&mut random).abs();
        let result = a.sqrt();
        sound(result, libm::sqrt(a.value));
        known += usize::from(result.is_known());
        if !result.is_known() {
            continue;
        }
        let [low, _, high] = corners(result);
        for x in corners(a).into_iter().filter(|x| !x.is_negative()) {
            let held = (low.is_negative() || &low * &low <= x) && x <= &high * &high;
            assert!(held, "sqrt {a:?} = {result:?}, for {x}");
        }
        for x in doubles(a, &mut random).into_iter().filter(|x| *x >= 0.0) {
            assert!(holds(result, &exact(libm::sqrt(x))), "sqrt {a:?} = {result:?}, for {x}");
        }
    }
    assert!(known == CASES, "{known}");
}

#[test]
fn maxima_magnitudes_and_negatives_hold_at_every_corner() {
    let mut random = Seeded::new(17);
    for index in 0..CASES {
        let (a, b) = (case(&mut random), case(&mut random));
        let b = if index.is_multiple_of(2) {
            b
        } else {
            Bounded::new(a.value + b.bound * random.unit(), b.bound)
        };
        let result = a.max(b);
        sound(result, Real::max(a.value, b.value));
        for x in &corners(a) {
            for y in &corners(b) {
                assert!(holds(result, x.max(y)), "max {a:?} {b:?} = {result:?}, for {x} and {y}");
            }
            assert!(holds(a.abs(), &x.abs()) && holds(-a, &-x), "{a:?}");
        }
        assert!(result.bound <= a.bound.max(b.bound) * (1.0 + 1e-12), "{a:?} {b:?} = {result:?}");
    }
}

/// How many units in the last place of its value a bound is wide.
fn ulps(number: Bounded) -> f64 {
    number.bound / (number.value.abs().next_up() - number.value.abs())
}

#[test]
fn bounds_of_exact_operands_are_a_few_units_in_the_last_place() {
    let mut random = Seeded::new(18);
    for _ in 0..CASES {
        let (x, y) = (random.log_uniform(-13.0, 7.0), random.log_uniform(-13.0, 7.0));
        let (a, b) = (Bounded::exact(x), Bounded::exact(y));
        for result in
            [a + b, a - b, a * b, a / b, a.abs().sqrt(), a.abs().ln(), Bounded::exact(-x.abs() % 700.0).exp()]
        {
            assert!(ulps(result) <= 8.0, "{x} {y}: {result:?}, {} ulps", ulps(result));
        }
    }
}

#[test]
fn bounds_are_within_a_hair_of_what_the_operands_can_do() {
    let (a, b) = (Bounded::new(3.0, 1e-6), Bounded::new(2.0, 1e-6));
    let tight = |got: Bounded, wanted: f64| {
        assert!(got.bound >= wanted && got.bound <= wanted * (1.0 + 1e-8), "{got:?}: {wanted:e}");
    };
    tight(a + b, 2e-6);
    tight(a - b, 2e-6);
    tight(a * b, 5e-6 + 1e-12);
    tight(a / b, (1e-6 + 1.5e-6) / (2.0 - 1e-6));
    tight(a.exp(), libm::exp(3.0) * libm::expm1(1e-6));
    tight(b.ln(), -libm::log1p(-0.5e-6));
    tight(Bounded::new(4.0, 1e-6).sqrt(), 1e-6 / (2.0 + libm::sqrt(4.0 - 1e-6)));
    assert_eq!(a.max(b), a);
    assert_eq!(b.max(a), a);
}

#[test]
fn nothing_is_known_of_what_has_no_bound() {
    let about = Bounded::new;
    for (what, result) in [
        ("a quotient by what may be zero", about(1.0, 0.0) / about(1e-9, 1e-9)),
        ("a quotient by zero", about(1.0, 0.0) / about(0.0, 0.0)),
        ("zero by what may be zero", about(0.0, 0.0) / about(1.0, 2.0)),
        ("the logarithm of what may be zero", about(1e-9, 1e-9).ln()),
        ("the logarithm of what is negative", about(-1.0, 0.0).ln()),
        ("the root of what is negative", about(-1e-9, 1e-8).sqrt()),
        ("an overflow", about(1e300, 0.0) * about(1e300, 0.0)),
        ("what may overflow", about(f64::MAX, 0.0) + about(0.0, 1e300)),
        ("an exponential that overflows", about(710.0, 0.0).exp()),
        ("an exponential that may overflow", about(700.0, 20.0).exp()),
        ("zero times the unknown", about(0.0, 0.0) * about(1.0, f64::INFINITY)),
        ("the greater of zero and the unknown", about(0.0, 0.0).max(about(-1.0, f64::INFINITY))),
        ("the greater of zero and what is not a number", about(0.0, 0.0).max(about(f64::NAN, 0.0))),
        ("the step of what is not a number", about(f64::NAN, 0.0).step()),
        ("a negative bound", about(1.0, -1e-9)),
        ("a bound that is not a number", about(1.0, f64::NAN)),
        ("infinity", about(f64::INFINITY, 0.0)),
        ("a difference of infinities", about(f64::INFINITY, 0.0) - about(f64::INFINITY, 0.0)),
    ] {
        assert!(result.bound.is_infinite(), "{what}: {result:?}");
    }
    let nan = Bounded::exact(f64::NAN);
    let one = Bounded::exact(1.0);
    for result in
        [nan + one, one - nan, nan * Bounded::exact(0.0), one / nan, nan.exp(), nan.ln(), nan.sqrt(), -nan]
    {
        assert!(result.value.is_nan() && result.bound.is_infinite() && !result.encloses(0.0), "{result:?}");
    }
}

#[test]
fn nan_loses() {
    assert!(Bounded::new(1.0, 0.5).encloses(1.5));
    assert!(!Bounded::new(1.0, 0.5).encloses(1.6));
    assert!(!Bounded::new(1.0, f64::INFINITY).encloses(f64::NAN));
    assert!(!Bounded::exact(f64::NAN).encloses(f64::NAN));
    assert!(!Bounded::exact(f64::INFINITY).encloses(f64::INFINITY));
}

#[test]
fn a_zero_that_is_exact_stays_exact() {
    let (zero, some) = (Bounded::exact(0.0), Bounded::stored(0.3));
    for result in
        [zero * some, some * zero, zero / some, zero + zero, zero.sqrt(), zero.max(-some), zero.step()]
    {
        assert_eq!(result, zero);
    }
    assert_eq!(some + zero * some, some + zero);
    assert_eq!(Bounded::exact(1.0).ln(), zero);
}

#[test]
fn a_step_is_decided_where_the_interval_stays_on_one_side() {
    for (value, bound, wanted) in [
        (1e-9, 0.5e-9, (1.0, 0.0)),
        (1e-9, 1e-9, (1.0, 1.0)),
        (1e-9, 2e-9, (1.0, 1.0)),
        (0.0, 0.0, (0.0, 0.0)),
        (0.0, 1e-9, (0.0, 1.0)),
        (-1e-9, 1e-9, (0.0, 0.0)),
        (-1e-9, 2e-9, (0.0, 1.0)),
    ] {
        assert_eq!(Bounded::new(value, bound).step(), Bounded::new(wanted.0, wanted.1), "{value} {bound}");
    }
}

/// A small net's worth of arithmetic, in any kind of number.
fn sigmoid_step<R: Real>(numbers: [R; 4]) -> R {
    let [x, weight, bias, target] = numbers;
    let one = R::exact(1.0);
    let out = one / (one + (-(x * weight + bias)).exp());
    let signal = (target - out) * (out * (one - out));
    weight + R::exact(0.5) * signal * x
}

#[test]
fn one_engine_runs_in_both_and_the_bound_holds_who_knew_every_digit() {
    let mut random = Seeded::new(19);
    for _ in 0..CASES {
        let full = [(); 4].map(|()| random.log_uniform(-3.0, 0.5));
        let rounded = full.map(|number| {
            let mut text = String::new();
            crate::number::canonical(number, &mut text).unwrap();
            text.parse::<f64>().unwrap()
        });
        let derived = sigmoid_step(rounded.map(Bounded::stored));
        assert_eq!(derived.value.to_bits(), sigmoid_step(rounded).to_bits());
        assert!(derived.encloses(sigmoid_step(full)), "{full:?}: {derived:?}");
        assert!(derived.bound < 1e-7 * (1.0 + derived.value.abs()), "{full:?}: {derived:?}");
        assert!(sigmoid_step(full.map(Bounded::exact)).bound < 1e-14 * (1.0 + derived.value.abs()));
    }
}

#[test]
fn an_interval_that_reaches_beyond_the_doubles_holds() {
    let (a, b) = (3_113_236_061_399_891.0, -1.622_499_292_620_758_7e308);
    let mut random = Seeded::new(20);
    for _ in 0..100 {
        for operation in ['+', '-', '*', '/'] {
            binary(operation, Bounded::exact(a), Bounded::new(b, b.abs() * 0.94), &mut random);
            binary(operation, Bounded::new(b, b.abs() * 0.94), Bounded::exact(a), &mut random);
            binary(operation, Bounded::exact(b), Bounded::exact(b), &mut random);
        }
    }
}

proptest! {
    #[test]
    fn any_two_doubles_with_any_bounds(a: f64, b: f64, width in 0.0..2.0_f64, part in -18.0..0.0_f64, seed: u64) {
        let mut random = Seeded::new(seed);
        let part = libm::pow(10.0, part);
        for (a, b) in [
            (Bounded::new(a, a.abs() * part), Bounded::new(b, b.abs() * part)),
            (Bounded::new(a, width), Bounded::exact(b)),
            (Bounded::exact(a), Bounded::new(b, b.abs() * width)),
        ] {
            for operation in ['+', '-', '*', '/'] {
                binary(operation, a, b, &mut random);
            }
            for (result, value) in [
                (a.exp(), libm::exp(a.value)),
                (a.ln(), libm::log(a.value)),
                (a.sqrt(), libm::sqrt(a.value)),
                (a.max(b), Real::max(a.value, b.value)),
                (a.step(), a.value.step()),
                (a.abs(), a.value.abs()),
            ] {
                sound(result, value);
            }
        }
    }
}
