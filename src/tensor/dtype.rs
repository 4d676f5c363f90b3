//! Types of numbers: how they are stored, and the float64 that each value is exactly.

use std::fmt;

/// How values are stored, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl Dtype {
    /// The type that a safetensors header calls so, where it is read.
    #[must_use]
    pub fn of_safetensors(name: &str) -> Option<Self> {
        [Self::F16, Self::Bf16, Self::F32, Self::F64].into_iter().find(|dtype| dtype.name() == name)
    }

    /// Its name, as a safetensors header spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }

    /// Bytes of a value.
    #[must_use]
    pub const fn width_bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A stored number. Every operation on one is exact.
pub trait Value: Copy {
    /// The bits that it is stored as.
    type Bits: bytemuck::Pod + PartialEq;

    /// The number of these bits, which are in the order of the processor.
    fn of(bits: Self::Bits) -> Self;

    /// The same number.
    fn wide(self) -> f64;

    /// A distance in steps from one finite value of the type to the next.
    type Steps: Copy + Ord + Default + Into<u64>;

    /// How many steps two finite values are apart; none lies between the two zeros.
    fn steps(self, other: Self) -> Self::Steps;

    /// Bits that a file holds, in the order of the processor.
    fn native(bits: Self::Bits) -> Self::Bits;

    /// The smallest number of the type that has its full precision.
    const SMALLEST_NORMAL: f64;
}

/// The place of a number of 32 bits among all others, both zeros at one place.
#[inline]
const fn place(bits: u32) -> i32 {
    let magnitude = (bits & 0x7fff_ffff).cast_signed();
    if bits >> 31 == 0 { magnitude } else { -magnitude }
}

impl Value for f32 {
    type Bits = u32;
    const SMALLEST_NORMAL: f64 = 1.175_494_350_822_287_5e-38;

    #[inline]
    fn of(bits: u32) -> Self {
        Self::from_bits(bits)
    }

    #[inline]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    type Steps = u32;

    #[inline]
    fn steps(self, other: Self) -> u32 {
        place(self.to_bits()).abs_diff(place(other.to_bits()))
    }

    #[inline]
    fn native(bits: u32) -> u32 {
        u32::from_le(bits)
    }
}

impl Value for f64 {
    type Bits = u64;
    const SMALLEST_NORMAL: f64 = Self::MIN_POSITIVE;

    #[inline]
    fn of(bits: u64) -> Self {
        Self::from_bits(bits)
    }

    #[inline]
    fn wide(self) -> f64 {
        self
    }

    type Steps = u64;

    #[inline]
    fn steps(self, other: Self) -> u64 {
        let place = |value: Self| {
            let magnitude = (value.to_bits() & !(1 << 63)).cast_signed();
            if value.is_sign_negative() { -magnitude } else { magnitude }
        };
        place(self).abs_diff(place(other))
    }

    #[inline]
    fn native(bits: u64) -> u64 {
        u64::from_le(bits)
    }
}

/// A binary16.
#[derive(Debug, Clone, Copy)]
pub struct F16(u16);

impl Value for F16 {
    type Bits = u16;
    const SMALLEST_NORMAL: f64 = 6.103_515_625e-5;

    #[inline]
    fn of(bits: u16) -> Self {
        Self(bits)
    }

    /// By one exact multiplication: the fields moved into a binary32 are a number 2^112 too small, subnormals too.
    #[inline]
    fn wide(self) -> f64 {
        let magnitude = u32::from(self.0 & 0x7fff) << 13;
        let finite = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
        let exponent = if magnitude >= 0x0f80_0000 { 0x7f80_0000 | magnitude } else { finite.to_bits() };
        f64::from(f32::from_bits(exponent | (u32::from(self.0 & 0x8000) << 16)))
    }

    type Steps = u32;

    #[inline]
    fn steps(self, other: Self) -> u32 {
        steps_of_half(self.0, other.0)
    }

    #[inline]
    fn native(bits: u16) -> u16 {
        u16::from_le(bits)
    }
}

/// The steps between two numbers of sixteen bits.
#[inline]
fn steps_of_half(one: u16, other: u16) -> u32 {
    // Sixteen bits in the upper half have their places 2^16 apart.
    place(u32::from(one) << 16).abs_diff(place(u32::from(other) << 16)) >> 16
}

/// The upper half of a binary32.
#[derive(Debug, Clone, Copy)]
pub struct Bf16(u16);

impl Value for Bf16 {
    type Bits = u16;
    const SMALLEST_NORMAL: f64 = f32::SMALLEST_NORMAL;

    #[inline]
    fn of(bits: u16) -> Self {
        Self(bits)
    }

    #[inline]
    fn wide(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.0) << 16))
    }

    type Steps = u32;

    #[inline]
    fn steps(self, other: Self) -> u32 {
        steps_of_half(self.0, other.0)
    }

    #[inline]
    fn native(bits: u16) -> u16 {
        u16::from_le(bits)
    }
}

/// A number that is compared with one of another type: no steps are counted.
#[derive(Debug, Clone, Copy)]
pub struct Mixed(f64);

impl Value for Mixed {
    type Bits = u64;
    const SMALLEST_NORMAL: f64 = f32::SMALLEST_NORMAL;

    #[inline]
    fn of(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }

    #[inline]
    fn wide(self) -> f64 {
        self.0
    }

    type Steps = u32;

    #[inline]
    fn steps(self, _: Self) -> u32 {
        0
    }

    #[inline]
    fn native(bits: u64) -> u64 {
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that fields of a width mean, from the standard and by no shift.
    fn meant(bits: u16, fraction_bits: u32, excess: i32) -> f64 {
        let two = |exponent: i32| libm::pow(2.0, f64::from(exponent));
        let exponent = i32::from((bits & 0x7fff) >> fraction_bits);
        let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / f64::from(1 << fraction_bits);
        let all_ones = (1 << (15 - fraction_bits)) - 1;
        let magnitude = match exponent {
            0 => fraction * two(1 - excess),
            ones if ones == all_ones && fraction > 0.0 => f64::NAN,
            ones if ones == all_ones => f64::INFINITY,
            exponent => (1.0 + fraction) * two(exponent - excess),
        };
        if bits & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    #[test]
    fn every_half_is_the_number_that_its_fields_mean() {
        for bits in 0..=u16::MAX {
            for (wide, meant) in
                [(F16::of(bits).wide(), meant(bits, 10, 15)), (Bf16::of(bits).wide(), meant(bits, 7, 127))]
            {
                assert!(
                    wide.to_bits() == meant.to_bits() || (wide.is_nan() && meant.is_nan()),
                    "{bits:#06x}: {wide} {meant}"
                );
            }
        }
    }

    #[test]
    fn steps_are_counted_through_zero_and_past_subnormals() {
        let halves = |a: u16, b: u16| (F16::of(a).steps(F16::of(b)), Bf16::of(a).steps(Bf16::of(b)));
        assert_eq!(halves(0x8000, 0), (0, 0));
        assert_eq!(halves(0x8001, 0x0001), (2, 2));
        assert_eq!(halves(0x03ff, 0x0400), (1, 1));
        assert_eq!(halves(0xfbff, 0x7bff), (2 * 0x7bff, 2 * 0x7bff));
        assert_eq!(f32::from_bits(1).steps(-f32::from_bits(1)), 2);
        assert_eq!(f32::MAX.steps(-f32::MAX), 2 * 0x7f7f_ffff);
        assert_eq!(1.0_f64.steps(1.0 - f64::EPSILON / 2.0), 1);
        assert_eq!((-0.0_f64).steps(0.0), 0);
        assert_eq!(f64::MAX.steps(-f64::MAX), 2 * 0x7fef_ffff_ffff_ffff);
    }
}
