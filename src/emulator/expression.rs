//! From naga's expressions to operations.

use naga::{Expression, Handle, Scalar, ScalarKind, TypeInner};

use super::counters::InstructionClass;
use super::lanes;
use super::lower::{Frame, Lowering, Operand};
use super::program::{Check, MatrixMemory, Op, Pointee, Reg, Root};
use super::variables::{scalar_of, words};

/// Scalar of conditions.
const BOOL: Scalar = Scalar { kind: ScalarKind::Bool, width: 1 };

impl<'a> Lowering<'a> {
    pub(super) fn type_of(&self, frame: &Frame<'a>, handle: Handle<Expression>) -> &'a TypeInner {
        frame.info[handle].ty.inner_with(&self.module.types)
    }

    pub(super) fn scalar_type(&self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Scalar, String> {
        let ty = self.type_of(frame, handle);
        match scalar_of(ty) {
            Some(scalar) if scalar != Scalar::F64 => Ok(scalar),
            _ => self.fail_type(ty),
        }
    }

    /// Returns the registers of a value that is no cooperative matrix.
    pub(super) fn registers(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<Vec<Reg>, String> {
        match self.value(frame, handle)? {
            Operand::Registers(registers) => Ok(registers),
            Operand::Matrix(_) => self.fail("this use of a cooperative matrix"),
        }
    }

    /// Returns the register of a scalar.
    pub(super) fn scalar(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<Reg, String> {
        Ok(self.registers(frame, handle)?[0])
    }

    pub(super) fn matrix_of(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<usize, String> {
        match self.value(frame, handle)? {
            Operand::Matrix(matrix) => Ok(matrix),
            Operand::Registers(_) => self.fail("this operand of a cooperative matrix"),
        }
    }

    /// Returns a value that was lowered before, or one that needs no operation.
    pub(super) fn value(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<Operand, String> {
        if let Some(value) = frame.values.get(&handle) {
            return Ok(value.clone());
        }
        let value = match &frame.function.expressions[handle] {
            Expression::Literal(literal) => Operand::Registers(self.literal(*literal)?),
            Expression::Constant(constant) => self.global_value(self.module.constants[*constant].init)?,
            Expression::ZeroValue(ty) => self.zeros(*ty)?,
            Expression::FunctionArgument(at) => match frame.argument(*at as usize) {
                Some(value) => value,
                None => return self.fail("a pointer as a value"),
            },
            _ => {
                self.expression(frame, handle)?;
                match frame.values.get(&handle) {
                    Some(value) => return Ok(value.clone()),
                    None => return self.fail("this expression"),
                }
            }
        };
        frame.values.insert(handle, value.clone());
        Ok(value)
    }

    /// Lowers an expression where it is evaluated.
    pub(super) fn expression(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<(), String> {
        // Pointers are followed where they are used.
        if self.type_of(frame, handle).pointer_space().is_some() {
            return Ok(());
        }
        let function = frame.function;
        let value = match &function.expressions[handle] {
            Expression::Load { pointer } => {
                let pointer = self.pointer(frame, *pointer)?;
                self.load(pointer, false)?
            }
            Expression::Compose { components, .. } => {
                let mut all = Vec::new();
                for &component in components {
                    all.extend(self.registers(frame, component)?);
                }
                Operand::Registers(all)
            }
            Expression::Splat { size, value } => {
                Operand::Registers(self.registers(frame, *value)?.repeat(*size as usize))
            }
            Expression::Swizzle { size, vector, pattern } => {
                let per = words(self.scalar_type(frame, *vector)?) as usize;
                let from = self.registers(frame, *vector)?;
                let picked = pattern[..*size as usize].iter();
                Operand::Registers(picked.flat_map(|&c| from[c as usize * per..][..per].to_vec()).collect())
            }
            Expression::AccessIndex { base, index } => {
                let (offset, count) = self.component(frame, *base, *index)?;
                Operand::Registers(self.registers(frame, *base)?[offset..offset + count].to_vec())
            }
            Expression::Access { base, index } => {
                let (_, count) = self.component(frame, *base, 0)?;
                let from = self.registers(frame, *base)?;
                let index = self.scalar(frame, *index)?;
                let first = self.register(count as u32);
                let d: Vec<Reg> = (first..first + count as u32).collect();
                self.push(Op::Pick { d: d.clone(), from, index });
                Operand::Registers(d)
            }
            Expression::Unary { op, expr } => {
                let scalar = self.scalar_type(frame, *expr)?;
                let a = self.registers(frame, *expr)?;
                let Some(op) = (scalar.width != 8).then(|| lanes::unary(*op, scalar)).flatten() else {
                    return self.fail("this operator");
                };
                self.unary(op, &a)
            }
            Expression::Binary { op, left, right } => {
                let scalar = self.scalar_type(frame, *left)?;
                let (a, b) = (self.registers(frame, *left)?, self.registers(frame, *right)?);
                if scalar.width == 8 {
                    let narrow = self.scalar_type(frame, *right)?.width != 8;
                    self.wide(*op, scalar, &a, &b, narrow)?
                } else {
                    let Some(op) = lanes::binary(*op, scalar) else { return self.fail("this operator") };
                    self.binary(op, &a, &b)
                }
            }
            Expression::Select { condition, accept, reject } => {
                let condition = self.registers(frame, *condition)?;
                let (accept, reject) = (self.registers(frame, *accept)?, self.registers(frame, *reject)?);
                let per = accept.len() / condition.len();
                let condition: Vec<Reg> = condition.iter().flat_map(|&c| vec![c; per]).collect();
                let op = lanes::Described { f: lanes::select(), class: InstructionClass::Int, check: Check::None };
                self.ternary(op, &reject, &accept, &condition)
            }
            Expression::Relational { fun, argument } => {
                let a = self.registers(frame, *argument)?;
                let op = match fun {
                    naga::RelationalFunction::All => naga::BinaryOperator::And,
                    naga::RelationalFunction::Any => naga::BinaryOperator::InclusiveOr,
                    _ => return self.fail("this function"),
                };
                let mut all = a[0];
                for &more in &a[1..] {
                    let op = lanes::binary(op, BOOL).expect("an operator on bools");
                    let Operand::Registers(joined) = self.binary(op, &[all], &[more]) else { unreachable!() };
                    all = joined[0];
                }
                Operand::Registers(vec![all])
            }
            Expression::As { expr, kind, convert } => {
                let from = self.scalar_type(frame, *expr)?;
                let a = self.registers(frame, *expr)?;
                self.convert(from, *kind, *convert, a)?
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let mut arguments = vec![*arg];
                arguments.extend([*arg1, *arg2, *arg3].into_iter().flatten());
                self.math(frame, *fun, &arguments)?
            }
            Expression::ArrayLength(pointer) => {
                let pointer = self.pointer(frame, *pointer)?;
                let (Root::Buffer(buffer), Pointee::Type(ty)) = (pointer.root, pointer.ty) else {
                    return self.fail("the length of this array");
                };
                let TypeInner::Array { stride, .. } = *self.inner(ty) else { return self.fail("this length") };
                let d = self.register(1);
                self.push(Op::Length { d, buffer, offset: pointer.offset, stride });
                Operand::Registers(vec![d])
            }
            Expression::CooperativeLoad { role: _, columns, data, .. } => {
                let pointer = self.pointer(frame, data.pointer)?;
                let memory = self.matrix_memory(pointer.ty);
                let stride = self.scalar(frame, data.stride)?;
                let d = self.matrix();
                let (row_major, size) = (data.row_major, *columns as u32);
                self.push(Op::LoadMatrix { d, pointer, stride, row_major, memory, size });
                Operand::Matrix(d)
            }
            Expression::CooperativeMultiplyAdd { a, b, c } => {
                let (handle_a, a, b) = (a, self.matrix_of(frame, *a)?, self.matrix_of(frame, *b)?);
                let c = self.matrix_of(frame, *c)?;
                let d = self.matrix();
                let TypeInner::CooperativeMatrix { columns, .. } = *self.type_of(frame, *handle_a) else {
                    return self.fail("this product");
                };
                self.push(Op::MultiplyMatrix { size: columns as usize, d, a, b, c });
                Operand::Matrix(d)
            }
            // Evaluated where they are used, or by their statements.
            _ => return Ok(()),
        };
        frame.values.insert(handle, value);
        Ok(())
    }

    /// Returns how a matrix lies where a pointer points.
    pub(super) fn matrix_memory(&self, ty: Pointee) -> MatrixMemory {
        let (scalar, unit) = match ty {
            Pointee::Type(ty) => match *self.inner(ty) {
                TypeInner::Vector { size, scalar } => (Some(scalar), size as u32),
                ref inner => (scalar_of(inner), 1),
            },
            Pointee::Scalar(scalar) => (Some(scalar), 1),
        };
        MatrixMemory { half: scalar.is_some_and(|s| s.width == 2), unit }
    }

    /// Returns where component `index` of a composite value begins, and its words.
    fn component(&self, frame: &Frame<'a>, base: Handle<Expression>, index: u32) -> Result<(usize, usize), String> {
        Ok(match *self.type_of(frame, base) {
            TypeInner::Vector { scalar, .. } => ((index * words(scalar)) as usize, words(scalar) as usize),
            TypeInner::Array { base, .. } => {
                let count = self.words_of(base)?.len();
                (index as usize * count, count)
            }
            TypeInner::Struct { ref members, .. } => {
                let mut offset = 0;
                for member in &members[..index as usize] {
                    offset += self.words_of(member.ty)?.len();
                }
                (offset, self.words_of(members[index as usize].ty)?.len())
            }
            _ => return self.fail("components of this value"),
        })
    }

    pub(super) fn unary(&mut self, op: lanes::Described<lanes::Unary>, a: &[Reg]) -> Operand {
        let mut all = Vec::new();
        for &a in a {
            let d = self.register(1);
            self.push(Op::Unary { f: op.f, d, a, class: op.class, check: op.check });
            all.push(d);
        }
        Operand::Registers(all)
    }

    /// Adds an operation for each component; a scalar operand goes with all components of the other.
    pub(super) fn binary(&mut self, op: lanes::Described<lanes::Binary>, a: &[Reg], b: &[Reg]) -> Operand {
        let mut all = Vec::new();
        for at in 0..a.len().max(b.len()) {
            let d = self.register(1);
            let (a, b) = (a[at % a.len()], b[at % b.len()]);
            self.push(Op::Binary { f: op.f, d, a, b, class: op.class, check: op.check });
            all.push(d);
        }
        Operand::Registers(all)
    }

    pub(super) fn ternary(&mut self, op: lanes::Described<lanes::Ternary>, a: &[Reg], b: &[Reg], c: &[Reg]) -> Operand {
        let mut all = Vec::new();
        for at in 0..a.len() {
            let d = self.register(1);
            let (a, b, c) = (a[at], b[at % b.len()], c[at % c.len()]);
            self.push(Op::Ternary { f: op.f, d, a, b, c, class: op.class, check: op.check });
            all.push(d);
        }
        Operand::Registers(all)
    }

    /// Adds a 64-bit operation; `narrow` right operands (of shifts) have 32 bits.
    fn wide(
        &mut self,
        op: naga::BinaryOperator,
        scalar: Scalar,
        a: &[Reg],
        b: &[Reg],
        narrow: bool,
    ) -> Result<Operand, String> {
        let Some((f, compares)) = lanes::wide(op, scalar.kind == ScalarKind::Sint) else {
            return self.fail("this operator on 64 bits");
        };
        let zero = self.constant(0);
        let right: Vec<[Reg; 2]> =
            if narrow { b.iter().map(|&b| [b, zero]).collect() } else { b.chunks(2).map(|b| [b[0], b[1]]).collect() };
        let mut all = Vec::new();
        for (at, a) in a.chunks(2).enumerate() {
            let first = self.register(2);
            let d = [first, first + 1];
            self.push(Op::Wide { f, d, a: [a[0], a[1]], b: right[at % right.len()] });
            all.extend_from_slice(if compares { &d[..1] } else { &d });
        }
        Ok(Operand::Registers(all))
    }

    fn convert(&mut self, from: Scalar, kind: ScalarKind, width: Option<u8>, a: Vec<Reg>) -> Result<Operand, String> {
        let to = width.unwrap_or(from.width);
        let integer = |kind| matches!(kind, ScalarKind::Sint | ScalarKind::Uint);
        match (from.width, to) {
            // Bits as another type: the words stay.
            _ if width.is_none() => Ok(Operand::Registers(a)),
            (8, 8) if integer(kind) => Ok(Operand::Registers(a)),
            (8, 4) if integer(kind) => Ok(Operand::Registers(a.chunks(2).map(|pair| pair[0]).collect())),
            (4 | 1, 8) if integer(from.kind) || from.kind == ScalarKind::Bool => {
                let zero = self.constant(0);
                let mut all = Vec::new();
                for low in a {
                    let high = if from.kind == ScalarKind::Sint {
                        let shift = self.constant(31);
                        let op = lanes::binary(naga::BinaryOperator::ShiftRight, from).expect("an operator on i32");
                        let Operand::Registers(sign) = self.binary(op, &[low], &[shift]) else { unreachable!() };
                        sign[0]
                    } else {
                        zero
                    };
                    all.extend([low, high]);
                }
                Ok(Operand::Registers(all))
            }
            (8, _) | (_, 8) => self.fail("this conversion of 64 bits"),
            _ => match lanes::convert(from, kind, width) {
                Some(op) if op.class == InstructionClass::Move => Ok(Operand::Registers(a)),
                Some(op) => Ok(self.unary(op, &a)),
                None => self.fail("this conversion"),
            },
        }
    }
}
