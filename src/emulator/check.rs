//! Checks of arithmetic: NaN and infinities from finite operands, divisions by zero, shifts that are too wide.

use super::finding::FindingKind;
use super::lanes::{f, h};
use super::machine::Interpreter;
use super::program::{Check, Reg};

impl Interpreter<'_> {
    /// Reports what a check finds in the active lanes.
    pub(super) fn check(&mut self, check: Check, line: u32, d: Reg, operands: &[Reg]) {
        if check == Check::None || !self.settings.sanitize {
            return;
        }
        let infinite = |bits: u32| bits & 0x7f80_0000 == 0x7f80_0000;
        let infinite_half = |bits: u32| bits & 0x7c00 == 0x7c00;
        let last = *operands.last().expect("an operand");
        let suspect: Vec<usize> = match check {
            Check::Finite => lanes_where(self.register(d), infinite),
            Check::FiniteHalf | Check::F16 => {
                lanes_where(self.register(d), |b| infinite_half(b) || infinite_half(b >> 16))
            }
            Check::Divisor => lanes_where(self.register(last), |b| b == 0),
            Check::Shift(width) => lanes_where(self.register(last), |b| b >= width),
            Check::None => Vec::new(),
        };
        for lane in suspect {
            if !self.active.contains(lane) {
                continue;
            }
            let operand = |reg: &Reg| self.register(*reg)[lane];
            let (kind, message): (FindingKind, String) = match check {
                Check::Divisor => (FindingKind::DivisionByZero, "divides by 0".into()),
                Check::Shift(width) => (FindingKind::WideShift, format!("shifts {width} bits by {}", operand(&last))),
                Check::FiniteHalf if operands.iter().any(|r| infinite_half(operand(r))) => continue,
                Check::Finite | Check::F16 if operands.iter().any(|r| infinite(operand(r))) => continue,
                Check::F16 => {
                    let values: Vec<f32> = operands.iter().map(|r| f(operand(r))).collect();
                    (FindingKind::F16Overflow, format!("rounds {values:?} to an infinite f16"))
                }
                Check::FiniteHalf => {
                    let values: Vec<f32> = operands.iter().map(|r| h(operand(r))).collect();
                    (FindingKind::NotFinite, format!("makes {} of {values:?}", h(operand(&d))))
                }
                _ => {
                    let values: Vec<f32> = operands.iter().map(|r| f(operand(r))).collect();
                    (FindingKind::NotFinite, format!("makes {} of {values:?}", f(operand(&d))))
                }
            };
            let who = self.invocation(lane);
            self.findings.add(kind, line, None, || format!("{who} {message}"));
        }
    }
}

fn lanes_where(values: &[u32], f: impl Fn(u32) -> bool) -> Vec<usize> {
    if !values.iter().any(|&v| f(v)) {
        return Vec::new();
    }
    values.iter().enumerate().filter(|(_, v)| f(**v)).map(|(lane, _)| lane).collect()
}
