//! From naga's builtin functions to operations.

use naga::{Expression, Handle, MathFunction, Scalar};

use super::counters::InstructionClass;
use super::lanes;
use super::lower::{Frame, Lowering, Operand};
use super::program::{Check, Reg};

impl<'a> Lowering<'a> {
    pub(super) fn math(
        &mut self,
        frame: &mut Frame<'a>,
        fun: MathFunction,
        arguments: &[Handle<Expression>],
    ) -> Result<Operand, String> {
        let scalar = self.scalar_type(frame, arguments[0])?;
        let mut operands = Vec::new();
        for &argument in arguments {
            operands.push(self.registers(frame, argument)?);
        }
        if scalar.width == 8 {
            return self.fail("this function of 64 bits");
        }
        match fun {
            MathFunction::Dot => return self.dot(scalar, &operands[0], &operands[1]),
            MathFunction::Unpack2x16float | MathFunction::Unpack4xI8 | MathFunction::Unpack4xU8 => {
                let (count, class) = match fun {
                    MathFunction::Unpack2x16float => (2, InstructionClass::Widen),
                    _ => (4, InstructionClass::Convert),
                };
                let mut all = Vec::new();
                for at in 0..count {
                    let f = lanes::unpack(fun, at).expect("a component of an unpacking function");
                    let op = lanes::Described { f, class, check: Check::None };
                    let Operand::Registers(one) = self.unary(op, &operands[0]) else { unreachable!() };
                    all.extend(one);
                }
                return Ok(Operand::Registers(all));
            }
            MathFunction::Pack2x16float => {
                let op =
                    lanes::Described { f: lanes::pack_half(), class: InstructionClass::Convert, check: Check::F16 };
                return Ok(self.binary(op, &operands[0][..1], &operands[0][1..]));
            }
            MathFunction::Pack4xI8 | MathFunction::Pack4xU8 => {
                let mut word = self.constant(0);
                for &byte in operands[0].iter().rev() {
                    let op = lanes::Described {
                        f: lanes::pack_byte(),
                        class: InstructionClass::Convert,
                        check: Check::None,
                    };
                    let Operand::Registers(more) = self.binary(op, &[word], &[byte]) else { unreachable!() };
                    word = more[0];
                }
                return Ok(Operand::Registers(vec![word]));
            }
            MathFunction::InsertBits => {
                let [stay, come] = lanes::inserts();
                let Operand::Registers(stay) = self.ternary(stay, &operands[0], &operands[2], &operands[3]) else {
                    unreachable!()
                };
                let Operand::Registers(come) = self.ternary(come, &operands[1], &operands[2], &operands[3]) else {
                    unreachable!()
                };
                let or = lanes::binary(naga::BinaryOperator::InclusiveOr, scalar).expect("an operation of integers");
                return Ok(self.binary(or, &stay, &come));
            }
            MathFunction::Length | MathFunction::Normalize => {
                let Operand::Registers(square) = self.dot(scalar, &operands[0], &operands[0])? else { unreachable!() };
                let root = if fun == MathFunction::Length { MathFunction::Sqrt } else { MathFunction::InverseSqrt };
                let op = lanes::math1(root, scalar).expect("a root of a float");
                let Operand::Registers(root) = self.unary(op, &square) else { unreachable!() };
                if fun == MathFunction::Length {
                    return Ok(Operand::Registers(root));
                }
                let times = lanes::binary(naga::BinaryOperator::Multiply, scalar).expect("a product of floats");
                return Ok(self.binary(times, &operands[0], &root));
            }
            _ => {}
        }
        let lowered = match operands.len() {
            1 => lanes::math1(fun, scalar).map(|op| self.unary(op, &operands[0])),
            2 => lanes::math2(fun, scalar).map(|op| self.binary(op, &operands[0], &operands[1])),
            3 => lanes::math3(fun, scalar).map(|op| self.ternary(op, &operands[0], &operands[1], &operands[2])),
            _ => None,
        };
        match lowered {
            Some(value) => Ok(value),
            None => self.fail(&format!("the function {fun:?}")),
        }
    }

    /// Adds the products and sums of a dot product, from the first component on.
    fn dot(&mut self, scalar: Scalar, a: &[Reg], b: &[Reg]) -> Result<Operand, String> {
        let mut sum: Option<Reg> = None;
        for (&a, &b) in a.iter().zip(b) {
            let times = lanes::binary(naga::BinaryOperator::Multiply, scalar).expect("a product");
            let Operand::Registers(product) = self.binary(times, &[a], &[b]) else { unreachable!() };
            sum = Some(match sum {
                None => product[0],
                Some(sum) => {
                    let plus = lanes::binary(naga::BinaryOperator::Add, scalar).expect("a sum");
                    let Operand::Registers(sum) = self.binary(plus, &[sum], &product) else { unreachable!() };
                    sum[0]
                }
            });
        }
        Ok(Operand::Registers(sum.into_iter().collect()))
    }
}
