//! Arithmetic on the lanes of registers.

use naga::{BinaryOperator as B, MathFunction as M, Scalar, ScalarKind as K, UnaryOperator as U};

use super::bits::{extract, extract_signed, place};
use super::counters::InstructionClass as Class;
use super::program::Check;

/// Returns the check of a float operation's result.
fn finite(width: u8) -> Check {
    if width == 2 { Check::FiniteHalf } else { Check::Finite }
}

/// Function of one operand, over the lanes of a register.
pub type Unary = fn(&mut [u32], &[u32]);
/// Function of two operands.
pub type Binary = fn(&mut [u32], &[u32], &[u32]);
/// Function of three operands.
pub type Ternary = fn(&mut [u32], &[u32], &[u32], &[u32]);
/// Function of two 64-bit integers.
pub type Wide = fn(u64, u64) -> u64;

/// Operation with its class and what must be checked of its operands.
pub struct Described<F> {
    pub f: F,
    pub class: Class,
    pub check: Check,
}

fn described<F>(f: F, class: Class, check: Check) -> Option<Described<F>> {
    Some(Described { f, class, check })
}

pub fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

/// Returns an f16 as f32.
pub fn h(bits: u32) -> f32 {
    half::f16::from_bits(bits as u16).to_f32()
}

/// Returns the bits of an f32 rounded to f16.
pub fn to_half(value: f32) -> u32 {
    u32::from(half::f16::from_f32(value).to_bits())
}

macro_rules! one {
    ($g:expr) => {
        |d: &mut [u32], a: &[u32]| {
            for (d, &a) in d.iter_mut().zip(a) {
                *d = $g(a);
            }
        }
    };
}

macro_rules! two {
    ($g:expr) => {
        |d: &mut [u32], a: &[u32], b: &[u32]| {
            for ((d, &a), &b) in d.iter_mut().zip(a).zip(b) {
                *d = $g(a, b);
            }
        }
    };
}

macro_rules! three {
    ($g:expr) => {
        |d: &mut [u32], a: &[u32], b: &[u32], c: &[u32]| {
            for (((d, &a), &b), &c) in d.iter_mut().zip(a).zip(b).zip(c) {
                *d = $g(a, b, c);
            }
        }
    };
}

/// Gives the f32 and the f16 form of a float operation.
macro_rules! float1 {
    ($width:expr, $g:expr) => {
        if $width == 2 { one!(|a| to_half($g(h(a)))) as Unary } else { one!(|a| f32::to_bits($g(f(a)))) as Unary }
    };
}

macro_rules! float2 {
    ($width:expr, $g:expr) => {
        if $width == 2 {
            two!(|a, b| to_half($g(h(a), h(b)))) as Binary
        } else {
            two!(|a, b| f32::to_bits($g(f(a), f(b)))) as Binary
        }
    };
}

macro_rules! float3 {
    ($width:expr, $g:expr) => {
        if $width == 2 {
            three!(|a, b, c| to_half($g(h(a), h(b), h(c)))) as Ternary
        } else {
            three!(|a, b, c| f32::to_bits($g(f(a), f(b), f(c)))) as Ternary
        }
    };
}

macro_rules! compare {
    ($scalar:expr, $op:tt) => {
        match $scalar.kind {
            K::Float if $scalar.width == 2 => two!(|a, b| u32::from(h(a) $op h(b))) as Binary,
            K::Float => two!(|a, b| u32::from(f(a) $op f(b))) as Binary,
            K::Sint => two!(|a, b| u32::from((a as i32) $op (b as i32))) as Binary,
            _ => two!(|a: u32, b: u32| u32::from(a $op b)) as Binary,
        }
    };
}

/// Returns a binary operator on scalars of at most 32 bits. None: WGSL has no such operator on this type.
pub fn binary(op: B, scalar: Scalar) -> Option<Described<Binary>> {
    let width = scalar.width;
    match scalar.kind {
        K::Float => {
            let class = Class::Float;
            match op {
                B::Add => return described(float2!(width, |a, b| a + b), class, finite(width)),
                B::Subtract => return described(float2!(width, |a, b| a - b), class, finite(width)),
                B::Multiply => return described(float2!(width, |a, b| a * b), class, finite(width)),
                B::Divide => return described(float2!(width, |a, b| a / b), Class::Special, finite(width)),
                B::Modulo => {
                    return described(float2!(width, |a: f32, b: f32| a % b), Class::Special, finite(width));
                }
                _ => {}
            }
        }
        K::Sint | K::Uint => {
            let signed = scalar.kind == K::Sint;
            let f: Option<(Binary, Check)> = match op {
                B::Add => Some((two!(u32::wrapping_add), Check::None)),
                B::Subtract => Some((two!(u32::wrapping_sub), Check::None)),
                B::Multiply => Some((two!(u32::wrapping_mul), Check::None)),
                B::Divide if signed => Some((two!(|a, b| divide(a as i32, b as i32) as u32), Check::Divisor)),
                B::Divide => Some((two!(|a: u32, b| a.checked_div(b).unwrap_or(a)), Check::Divisor)),
                B::Modulo if signed => Some((two!(|a, b| modulo(a as i32, b as i32) as u32), Check::Divisor)),
                B::Modulo => Some((two!(|a: u32, b| a.checked_rem(b).unwrap_or(0)), Check::Divisor)),
                B::ShiftLeft => Some((two!(|a: u32, b: u32| a.wrapping_shl(b)), Check::Shift(32))),
                B::ShiftRight if signed => {
                    Some((two!(|a: u32, b: u32| (a as i32).wrapping_shr(b) as u32), Check::Shift(32)))
                }
                B::ShiftRight => Some((two!(|a: u32, b: u32| a.wrapping_shr(b)), Check::Shift(32))),
                _ => None,
            };
            if let Some((f, check)) = f {
                return described(f, Class::Int, check);
            }
        }
        _ => {}
    }
    let f: Binary = match op {
        B::And | B::LogicalAnd => two!(|a: u32, b: u32| a & b),
        B::InclusiveOr | B::LogicalOr => two!(|a: u32, b: u32| a | b),
        B::ExclusiveOr => two!(|a: u32, b: u32| a ^ b),
        B::Equal => compare!(scalar, ==),
        B::NotEqual => compare!(scalar, !=),
        B::Less => compare!(scalar, <),
        B::LessEqual => compare!(scalar, <=),
        B::Greater => compare!(scalar, >),
        B::GreaterEqual => compare!(scalar, >=),
        _ => return None,
    };
    let class = if scalar.kind == K::Float { Class::Float } else { Class::Int };
    described(f, class, Check::None)
}

// WGSL defines both where a processor would trap.
fn divide(a: i32, b: i32) -> i32 {
    a.checked_div(b).unwrap_or(a)
}

fn modulo(a: i32, b: i32) -> i32 {
    a.checked_rem(b).unwrap_or(0)
}

/// Returns a binary operator on 64-bit integers, and whether its result is one register.
pub fn wide(op: B, signed: bool) -> Option<(Wide, bool)> {
    Some(match op {
        B::Add => (u64::wrapping_add, false),
        B::Subtract => (u64::wrapping_sub, false),
        B::Multiply => (u64::wrapping_mul, false),
        B::Divide if !signed => (|a, b| a.checked_div(b).unwrap_or(a), false),
        B::Modulo if !signed => (|a, b| a.checked_rem(b).unwrap_or(0), false),
        B::And => (|a, b| a & b, false),
        B::InclusiveOr => (|a, b| a | b, false),
        B::ExclusiveOr => (|a, b| a ^ b, false),
        B::ShiftLeft => (|a, b| a.wrapping_shl(b as u32), false),
        B::ShiftRight if signed => (|a, b| (a as i64).wrapping_shr(b as u32) as u64, false),
        B::ShiftRight => (|a, b| a.wrapping_shr(b as u32), false),
        B::Equal => (|a, b| u64::from(a == b), true),
        B::NotEqual => (|a, b| u64::from(a != b), true),
        B::Less if signed => (|a, b| u64::from((a as i64) < b as i64), true),
        B::Less => (|a, b| u64::from(a < b), true),
        B::LessEqual if !signed => (|a, b| u64::from(a <= b), true),
        B::Greater if !signed => (|a, b| u64::from(a > b), true),
        B::GreaterEqual if !signed => (|a, b| u64::from(a >= b), true),
        _ => return None,
    })
}

/// Returns a unary operator.
pub fn unary(op: U, scalar: Scalar) -> Option<Described<Unary>> {
    match (op, scalar.kind) {
        (U::Negate, K::Float) => described(float1!(scalar.width, |a: f32| -a), Class::Float, Check::None),
        (U::Negate, _) => described(one!(|a: u32| a.wrapping_neg()), Class::Int, Check::None),
        (U::LogicalNot, _) => described(one!(|a| a ^ 1), Class::Int, Check::None),
        (U::BitwiseNot, _) => described(one!(|a: u32| !a), Class::Int, Check::None),
    }
}

/// Returns a conversion between scalars of at most 32 bits; `bits` reinterprets them.
pub fn convert(from: Scalar, to: K, width: Option<u8>) -> Option<Described<Unary>> {
    let Some(width) = width else { return described(one!(|a| a), Class::Move, Check::None) };
    let class = Class::Convert;
    let from_half = from.kind == K::Float && from.width == 2;
    let (f, check): (Unary, Check) = match (from.kind, to) {
        (K::Float, K::Float) => match (from_half, width) {
            (true, 4) => (one!(|a| h(a).to_bits()), Check::None),
            (false, 2) => (one!(|a| to_half(f(a))), Check::F16),
            _ => (one!(|a| a), Check::None),
        },
        // Rust's conversions saturate, as WGSL's do.
        (K::Float, K::Sint) if from_half => (one!(|a| h(a) as i32 as u32), Check::None),
        (K::Float, K::Sint) => (one!(|a| f(a) as i32 as u32), Check::None),
        (K::Float, K::Uint) if from_half => (one!(|a| h(a) as u32), Check::None),
        (K::Float, K::Uint) => (one!(|a| f(a) as u32), Check::None),
        (K::Sint, K::Float) if width == 2 => (one!(|a| to_half(a as i32 as f32)), Check::None),
        (K::Sint, K::Float) => (one!(|a| (a as i32 as f32).to_bits()), Check::None),
        (K::Uint | K::Bool, K::Float) if width == 2 => (one!(|a| to_half(a as f32)), Check::None),
        (K::Uint | K::Bool, K::Float) => (one!(|a| (a as f32).to_bits()), Check::None),
        (K::Float, K::Bool) => (one!(|a: u32| u32::from(a << 1 != 0)), Check::None),
        (_, K::Bool) => (one!(|a| u32::from(a != 0)), Check::None),
        _ => return described(one!(|a| a), Class::Move, Check::None),
    };
    described(f, class, check)
}

/// Returns a function of one scalar.
pub fn math1(fun: M, scalar: Scalar) -> Option<Described<Unary>> {
    let width = scalar.width;
    if scalar.kind == K::Float {
        let simple = |f| described(f, Class::Float, Check::None);
        let special = |f| described(f, Class::Special, finite(width));
        return match fun {
            M::Abs => simple(float1!(width, f32::abs)),
            M::Ceil => simple(float1!(width, f32::ceil)),
            M::Floor => simple(float1!(width, f32::floor)),
            M::Round => simple(float1!(width, f32::round_ties_even)),
            M::Trunc => simple(float1!(width, f32::trunc)),
            M::Fract => simple(float1!(width, |a: f32| a - a.floor())),
            M::Saturate => simple(float1!(width, |a: f32| a.clamp(0.0, 1.0))),
            M::Sign => simple(float1!(width, |a: f32| if a == 0.0 { 0.0 } else { a.signum() })),
            M::QuantizeToF16 => simple(one!(|a| h(to_half(f(a))).to_bits())),
            M::Exp => special(float1!(width, f32::exp)),
            M::Exp2 => special(float1!(width, f32::exp2)),
            M::Log => special(float1!(width, f32::ln)),
            M::Log2 => special(float1!(width, f32::log2)),
            M::Sqrt => special(float1!(width, f32::sqrt)),
            M::InverseSqrt => special(float1!(width, |a: f32| 1.0 / a.sqrt())),
            M::Sin => special(float1!(width, f32::sin)),
            M::Cos => special(float1!(width, f32::cos)),
            M::Tan => special(float1!(width, f32::tan)),
            M::Tanh => special(float1!(width, f32::tanh)),
            M::Sinh => special(float1!(width, f32::sinh)),
            M::Cosh => special(float1!(width, f32::cosh)),
            M::Atan => special(float1!(width, f32::atan)),
            M::Asin => special(float1!(width, f32::asin)),
            M::Acos => special(float1!(width, f32::acos)),
            _ => None,
        };
    }
    let signed = scalar.kind == K::Sint;
    let f: Unary = match fun {
        M::Abs if signed => one!(|a| (a as i32).wrapping_abs() as u32),
        M::Abs => one!(|a| a),
        M::Sign => one!(|a| (a as i32).signum() as u32),
        M::CountOneBits => one!(u32::count_ones),
        M::CountLeadingZeros => one!(u32::leading_zeros),
        M::CountTrailingZeros => one!(u32::trailing_zeros),
        M::ReverseBits => one!(u32::reverse_bits),
        M::FirstTrailingBit => one!(|a: u32| if a == 0 { u32::MAX } else { a.trailing_zeros() }),
        M::FirstLeadingBit if signed => {
            one!(|a: u32| 31u32.wrapping_sub((if (a as i32) < 0 { !a } else { a }).leading_zeros()))
        }
        M::FirstLeadingBit => one!(|a: u32| 31u32.wrapping_sub(a.leading_zeros())),
        _ => return None,
    };
    described(f, Class::Int, Check::None)
}

/// Returns a function of two scalars.
pub fn math2(fun: M, scalar: Scalar) -> Option<Described<Binary>> {
    let width = scalar.width;
    match (fun, scalar.kind) {
        (M::Min, K::Float) => described(float2!(width, f32::min), Class::Float, Check::None),
        (M::Max, K::Float) => described(float2!(width, f32::max), Class::Float, Check::None),
        (M::Pow, K::Float) => described(float2!(width, f32::powf), Class::Special, finite(width)),
        (M::Atan2, K::Float) => described(float2!(width, f32::atan2), Class::Special, finite(width)),
        (M::Step, K::Float) => {
            described(float2!(width, |a, b| if a <= b { 1.0 } else { 0.0 }), Class::Float, Check::None)
        }
        (M::Min, K::Sint) => described(two!(|a, b| (a as i32).min(b as i32) as u32), Class::Int, Check::None),
        (M::Max, K::Sint) => described(two!(|a, b| (a as i32).max(b as i32) as u32), Class::Int, Check::None),
        (M::Min, K::Uint) => described(two!(|a: u32, b| a.min(b)), Class::Int, Check::None),
        (M::Max, K::Uint) => described(two!(|a: u32, b| a.max(b)), Class::Int, Check::None),
        (M::Dot4I8Packed, _) => described(two!(dot_i8), Class::Matrix, Check::None),
        (M::Dot4U8Packed, _) => described(two!(dot_u8), Class::Matrix, Check::None),
        _ => None,
    }
}

fn dot_i8(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    a.iter().zip(b).map(|(&a, b)| i32::from(a as i8) * i32::from(b as i8)).sum::<i32>() as u32
}

fn dot_u8(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    a.iter().zip(b).map(|(&a, b)| u32::from(a) * u32::from(b)).sum()
}

/// Returns a function of three scalars; the last two of extractBits are its offset and count.
pub fn math3(fun: M, scalar: Scalar) -> Option<Described<Ternary>> {
    let width = scalar.width;
    match (fun, scalar.kind) {
        (M::Fma, K::Float) => described(float3!(width, |a: f32, b, c| a.mul_add(b, c)), Class::Float, finite(width)),
        (M::Mix, K::Float) => {
            described(float3!(width, |a: f32, b: f32, t: f32| a * (1.0 - t) + b * t), Class::Float, finite(width))
        }
        (M::SmoothStep, K::Float) => {
            let f = float3!(width, |low: f32, high: f32, x: f32| {
                let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
                t * t * (3.0 - 2.0 * t)
            });
            described(f, Class::Special, finite(width))
        }
        (M::Clamp, K::Float) => {
            described(float3!(width, |a: f32, low, high| a.max(low).min(high)), Class::Float, Check::None)
        }
        (M::Clamp, K::Sint) => {
            described(three!(|a, l, u| (a as i32).max(l as i32).min(u as i32) as u32), Class::Int, Check::None)
        }
        (M::Clamp, _) => described(three!(|a: u32, l, u| a.max(l).min(u)), Class::Int, Check::None),
        (M::ExtractBits, K::Sint) => described(three!(extract_signed), Class::Int, Check::None),
        (M::ExtractBits, _) => described(three!(extract), Class::Int, Check::None),
        _ => None,
    }
}

/// Returns the halves of insertBits, each of a word, an offset and a count: the bits that stay, and those that come.
pub fn inserts() -> [Described<Ternary>; 2] {
    let stay = three!(|a: u32, offset, count| a & !place(u32::MAX, offset, count));
    [stay, three!(place)].map(|f: Ternary| Described { f, class: Class::Int, check: Check::None })
}

/// Returns a choice; the operands are what is rejected, what is accepted, and the condition.
pub fn select() -> Ternary {
    three!(|reject, accept, condition| if condition != 0 { accept } else { reject })
}

/// Returns component `at` of an unpacking builtin.
pub fn unpack(fun: M, at: usize) -> Option<Unary> {
    Some(match (fun, at) {
        (M::Unpack2x16float, 0) => one!(|a| h(a & 0xffff).to_bits()),
        (M::Unpack2x16float, _) => one!(|a| h(a >> 16).to_bits()),
        (M::Unpack4xI8, 0) => one!(|a| a as i8 as i32 as u32),
        (M::Unpack4xI8, 1) => one!(|a| (a >> 8) as i8 as i32 as u32),
        (M::Unpack4xI8, 2) => one!(|a| (a >> 16) as i8 as i32 as u32),
        (M::Unpack4xI8, _) => one!(|a| (a >> 24) as i8 as i32 as u32),
        (M::Unpack4xU8, 0) => one!(|a| a & 255),
        (M::Unpack4xU8, 1) => one!(|a: u32| a >> 8 & 255),
        (M::Unpack4xU8, 2) => one!(|a: u32| a >> 16 & 255),
        (M::Unpack4xU8, _) => one!(|a: u32| a >> 24),
        _ => return None,
    })
}

/// Returns `low | high << 16` of two f32 as f16.
pub fn pack_half() -> Binary {
    two!(|low, high| to_half(f(low)) | to_half(f(high)) << 16)
}

/// Returns `a & 255 | b << 8`, by which four bytes are packed from the last to the first.
pub fn pack_byte() -> Binary {
    two!(|rest: u32, byte| rest << 8 | byte & 255)
}
