//! Types, constants and variables: what registers and bytes they take.

use naga::{AddressSpace, Expression, GlobalVariable, Handle, Scalar, Type, TypeInner};

use super::lower::{Lowering, Operand};
use super::program::{Binding, Op, Pointee, Reg, Root};

/// Returns the scalar of a type that is one, or whose components are.
pub(super) fn scalar_of(inner: &TypeInner) -> Option<Scalar> {
    match *inner {
        TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) | TypeInner::Vector { scalar, .. } => Some(scalar),
        TypeInner::ValuePointer { scalar, .. } => Some(scalar),
        _ => None,
    }
}

/// Returns the number of words of a scalar.
pub(super) fn words(scalar: Scalar) -> u32 {
    if scalar.width == 8 { 2 } else { 1 }
}

/// Returns the words of a scalar at a byte offset: their offsets and widths.
pub(super) fn scalar_words(at: u32, scalar: Scalar) -> Vec<(u32, u8)> {
    match scalar.width {
        8 => vec![(at, 4), (at + 4, 4)],
        2 => vec![(at, 2)],
        _ => vec![(at, 4)],
    }
}

impl<'a> Lowering<'a> {
    pub fn inner(&self, ty: Handle<Type>) -> &'a TypeInner {
        &self.module.types[ty].inner
    }

    /// Refuses a type.
    pub fn fail_type<T>(&self, ty: &TypeInner) -> Result<T, String> {
        self.fail(match ty {
            TypeInner::Matrix { .. } => "matrices of vectors, such as mat4x4: write their columns as vectors",
            ty if scalar_of(ty) == Some(Scalar::F64) => "f64",
            _ => "values of this type",
        })
    }

    /// Returns the words of a type in their order: offset and width in bytes.
    pub fn words_of(&self, ty: Handle<Type>) -> Result<Vec<(u32, u8)>, String> {
        Ok(match *self.inner(ty) {
            ref ty if scalar_of(ty) == Some(Scalar::F64) => return self.fail_type(ty),
            TypeInner::Scalar(scalar) | TypeInner::Atomic(scalar) => scalar_words(0, scalar),
            TypeInner::Vector { size, scalar } => {
                (0..size as u32).flat_map(|i| scalar_words(i * u32::from(scalar.width), scalar)).collect()
            }
            TypeInner::Array { base, size: naga::ArraySize::Constant(count), stride } => {
                let element = self.words_of(base)?;
                let shifted = |i| element.iter().map(move |&(at, width)| (i * stride + at, width));
                (0..count.get()).flat_map(shifted).collect()
            }
            TypeInner::Struct { ref members, .. } => {
                let mut all = Vec::new();
                for member in members {
                    all.extend(self.words_of(member.ty)?.into_iter().map(|(at, width)| (member.offset + at, width)));
                }
                all
            }
            ref ty => return self.fail_type(ty),
        })
    }

    /// Returns the bytes that a type takes in memory.
    pub fn size_of(&self, pointee: Pointee) -> u32 {
        match pointee {
            Pointee::Type(ty) => self.layouts[ty].size,
            Pointee::Scalar(scalar) => u32::from(scalar.width),
        }
    }

    pub fn is_matrix(&self, ty: Handle<Type>) -> bool {
        matches!(self.inner(ty), TypeInner::CooperativeMatrix { .. })
    }

    /// Returns registers in a row for a value of this type.
    pub fn allocate(&mut self, ty: Handle<Type>) -> Result<Operand, String> {
        if self.is_matrix(ty) {
            return Ok(Operand::Matrix(self.matrix()));
        }
        let count = self.words_of(ty)?.len() as u32;
        let first = self.register(count);
        Ok(Operand::Registers((first..first + count).collect()))
    }

    /// Returns the place of a pointer's value in registers, or in memory.
    pub fn place(&mut self, ty: Handle<Type>) -> Result<Root, String> {
        if self.is_matrix(ty) {
            return Ok(Root::Matrix(self.matrix()));
        }
        let count = self.words_of(ty)?.len() as u32;
        Ok(Root::Registers(self.register(count)))
    }

    /// Gives each global its place, and sets private variables. Returns the bindings and the bytes of workgroup
    /// memory.
    pub fn declare_globals(&mut self) -> Result<(Vec<Binding>, u32), String> {
        let (mut bindings, mut shared) = (Vec::new(), 0u32);
        for (handle, variable) in self.module.global_variables.iter() {
            self.at(self.module.global_variables.get_span(handle));
            let place = match variable.space {
                AddressSpace::Uniform | AddressSpace::Storage { .. } => {
                    let Some(binding) = &variable.binding else { return self.fail("a buffer without binding") };
                    let writable = matches!(variable.space, AddressSpace::Storage { access }
                        if access.contains(naga::StorageAccess::STORE));
                    let name = variable.name.clone().unwrap_or_default();
                    let uniform = variable.space == AddressSpace::Uniform;
                    bindings.push(Binding { number: binding.binding, name, writable, uniform });
                    (Root::Buffer(bindings.len() - 1), 0)
                }
                AddressSpace::WorkGroup => {
                    let layout = self.layouts[variable.ty];
                    shared = layout.alignment.round_up(shared);
                    shared += layout.size;
                    (Root::Shared, shared - layout.size)
                }
                AddressSpace::Private => {
                    let root = self.place(variable.ty)?;
                    let value = match variable.init {
                        Some(init) => Some(self.global_value(init)?),
                        None => None,
                    };
                    self.initialize(root, variable.ty, value)?;
                    (root, 0)
                }
                _ => return self.fail("variables of this address space"),
            };
            self.globals.insert(handle, place);
        }
        Ok((bindings, shared))
    }

    /// Sets a variable to `value`, or to zeros.
    pub fn initialize(&mut self, root: Root, ty: Handle<Type>, value: Option<Operand>) -> Result<(), String> {
        match (root, value) {
            (Root::Matrix(d), Some(Operand::Matrix(a))) => self.push(Op::CopyMatrix { d, a }),
            (Root::Matrix(d), _) => self.push(Op::ZeroMatrix { d }),
            (Root::Registers(base), Some(Operand::Registers(value))) => {
                for (at, a) in value.into_iter().enumerate() {
                    self.push(Op::Copy { d: base + at as u32, a });
                }
            }
            (Root::Registers(base), _) => {
                let a = self.constant(0);
                for at in 0..self.words_of(ty)?.len() as u32 {
                    self.push(Op::Copy { d: base + at, a });
                }
            }
            _ => return self.fail("this initial value"),
        }
        Ok(())
    }

    /// Returns the registers of a literal.
    pub fn literal(&mut self, literal: naga::Literal) -> Result<Vec<Reg>, String> {
        use naga::Literal as L;
        Ok(match literal {
            L::F32(v) => vec![self.constant(v.to_bits())],
            L::F16(v) => vec![self.constant(u32::from(v.to_bits()))],
            L::U32(v) => vec![self.constant(v)],
            L::I32(v) => vec![self.constant(v as u32)],
            L::Bool(v) => vec![self.constant(u32::from(v))],
            L::U64(v) => vec![self.constant(v as u32), self.constant((v >> 32) as u32)],
            L::I64(v) => vec![self.constant(v as u32), self.constant((v >> 32) as u32)],
            L::F64(_) => return self.fail("f64"),
            _ => return self.fail("literals of this type"),
        })
    }

    /// Returns zeros of a type.
    pub fn zeros(&mut self, ty: Handle<Type>) -> Result<Operand, String> {
        if self.is_matrix(ty) {
            let d = self.matrix();
            self.push(Op::ZeroMatrix { d });
            return Ok(Operand::Matrix(d));
        }
        let zero = self.constant(0);
        Ok(Operand::Registers(vec![zero; self.words_of(ty)?.len()]))
    }

    /// Returns the value of a constant expression of the module.
    pub fn global_value(&mut self, handle: Handle<Expression>) -> Result<Operand, String> {
        match &self.module.global_expressions[handle] {
            Expression::Literal(literal) => Ok(Operand::Registers(self.literal(*literal)?)),
            Expression::Constant(constant) => self.global_value(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => self.zeros(*ty),
            Expression::Compose { components, .. } => {
                let mut registers = Vec::new();
                for &component in components {
                    match self.global_value(component)? {
                        Operand::Registers(more) => registers.extend(more),
                        Operand::Matrix(_) => return self.fail("matrices within values"),
                    }
                }
                Ok(Operand::Registers(registers))
            }
            Expression::Splat { size, value } => match self.global_value(*value)? {
                Operand::Registers(one) => Ok(Operand::Registers(one.repeat(*size as usize))),
                Operand::Matrix(_) => self.fail("splats of matrices"),
            },
            _ => self.fail("this constant expression"),
        }
    }

    /// Returns the place of a global variable.
    pub fn global(&self, variable: Handle<GlobalVariable>) -> (Root, u32) {
        self.globals[&variable]
    }
}
