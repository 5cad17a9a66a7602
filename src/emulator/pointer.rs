//! From naga's pointers to places, and the loads and stores through them.

use naga::{Expression, Handle, TypeInner};

use super::lower::{Frame, Lowering, Operand};
use super::program::{Index, Leaf, Op, Pointee, Pointer, Reg, Root};
use super::variables::{scalar_words, words};

impl<'a> Lowering<'a> {
    /// Follows a pointer to where it points.
    pub(super) fn pointer(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<Pointer, String> {
        let function = frame.function;
        match &function.expressions[handle] {
            Expression::GlobalVariable(variable) => {
                let (root, offset) = self.global(*variable);
                let ty = Pointee::Type(self.module.global_variables[*variable].ty);
                Ok(Pointer { root, offset, index: Vec::new(), ty })
            }
            Expression::LocalVariable(variable) => {
                let ty = Pointee::Type(function.local_variables[*variable].ty);
                Ok(Pointer { root: frame.local(*variable), offset: 0, index: Vec::new(), ty })
            }
            Expression::FunctionArgument(at) => match frame.pointer_argument(*at as usize) {
                Some(pointer) => Ok(pointer),
                None => self.fail("this pointer"),
            },
            Expression::AccessIndex { base, index } => {
                let base = self.pointer(frame, *base)?;
                let (offset, _, _, ty) = self.element(&base, *index)?;
                Ok(Pointer { offset: base.offset + offset, ty, ..base })
            }
            Expression::Access { base, index } => {
                let mut base = self.pointer(frame, *base)?;
                let reg = self.scalar(frame, *index)?;
                let (_, stride, len, ty) = self.element(&base, 0)?;
                base.index.push(Index { reg, stride, len });
                Ok(Pointer { ty, ..base })
            }
            _ => self.fail("this pointer"),
        }
    }

    /// Returns element `index` of what a pointer names: its offset, the distance of elements, their number, their type.
    fn element(&self, pointer: &Pointer, index: u32) -> Result<(u32, u32, Option<u32>, Pointee), String> {
        let in_registers = matches!(pointer.root, Root::Registers(_));
        let Pointee::Type(ty) = pointer.ty else { return self.fail("components of scalars") };
        Ok(match *self.inner(ty) {
            TypeInner::Vector { size, scalar } => {
                let stride = if in_registers { words(scalar) } else { u32::from(scalar.width) };
                (index * stride, stride, Some(size as u32), Pointee::Scalar(scalar))
            }
            TypeInner::Array { base, size, stride } => {
                let stride = if in_registers { self.words_of(base)?.len() as u32 } else { stride };
                let len = match size {
                    naga::ArraySize::Constant(count) => Some(count.get()),
                    _ => None,
                };
                (index * stride, stride, len, Pointee::Type(base))
            }
            TypeInner::Struct { ref members, .. } => {
                let member = &members[index as usize];
                let mut offset = member.offset;
                if in_registers {
                    offset = 0;
                    for before in &members[..index as usize] {
                        offset += self.words_of(before.ty)?.len() as u32;
                    }
                }
                (offset, 0, None, Pointee::Type(member.ty))
            }
            _ => return self.fail("elements of this type"),
        })
    }

    /// Returns the words of what a pointer names.
    fn pointee_words(&self, pointer: &Pointer) -> Result<Vec<(u32, u8)>, String> {
        match pointer.ty {
            Pointee::Type(ty) => self.words_of(ty),
            Pointee::Scalar(scalar) => Ok(scalar_words(0, scalar)),
        }
    }

    pub(super) fn load(&mut self, pointer: Pointer, atomic: bool) -> Result<Operand, String> {
        if let Root::Matrix(a) = pointer.root {
            let d = self.matrix();
            self.push(Op::CopyMatrix { d, a });
            return Ok(Operand::Matrix(d));
        }
        let words = self.pointee_words(&pointer)?;
        let first = self.register(words.len() as u32);
        let d: Vec<Reg> = (first..first + words.len() as u32).collect();
        match pointer.root {
            Root::Registers(base) if pointer.index.is_empty() => {
                for (at, &d) in d.iter().enumerate() {
                    self.push(Op::Copy { d, a: base + pointer.offset + at as u32 });
                }
            }
            Root::Registers(_) => self.push(Op::ReadLocal { d: d.clone(), pointer }),
            _ => {
                let atomic = atomic || self.is_atomic(pointer.ty);
                let size = self.size_of(pointer.ty);
                let leaves = words.iter().zip(&d).map(|(&(offset, width), &reg)| Leaf { offset, width, reg }).collect();
                self.push(Op::Load { leaves, pointer, size, atomic });
            }
        }
        Ok(Operand::Registers(d))
    }

    fn is_atomic(&self, ty: Pointee) -> bool {
        matches!(ty, Pointee::Type(ty) if matches!(self.inner(ty), TypeInner::Atomic(_)))
    }

    pub(super) fn store(&mut self, pointer: Pointer, value: &Operand) -> Result<(), String> {
        let a = match (pointer.root, value) {
            (Root::Matrix(d), Operand::Matrix(a)) => {
                self.push(Op::CopyMatrix { d, a: *a });
                return Ok(());
            }
            (_, Operand::Registers(registers)) => registers,
            _ => return self.fail("this store"),
        };
        match pointer.root {
            Root::Registers(base) if pointer.index.is_empty() => {
                for (at, &a) in a.iter().enumerate() {
                    self.push(Op::Assign { d: base + pointer.offset + at as u32, a });
                }
            }
            Root::Registers(_) => self.push(Op::WriteLocal { a: a.clone(), pointer }),
            _ => {
                let atomic = self.is_atomic(pointer.ty);
                let (words, size) = (self.pointee_words(&pointer)?, self.size_of(pointer.ty));
                let leaves = words.iter().zip(a).map(|(&(offset, width), &reg)| Leaf { offset, width, reg }).collect();
                self.push(Op::Store { leaves, pointer, size, atomic });
            }
        }
        Ok(())
    }
}
