//! From statements that concern several lanes to operations: atomics, subgroups, cooperative matrices.

use naga::{
    Barrier, BinaryOperator, Expression, GatherMode, Handle, MathFunction, Scalar, ScalarKind, Statement,
    SubgroupOperation as S,
};

use super::lanes::{self, Binary};
use super::lower::{Frame, Lowering, Operand};
use super::program::{Gather, Node, Op, Reg, Root};

impl<'a> Lowering<'a> {
    /// Lowers `workgroupUniformLoad`: a load between two barriers. Returns it with the number of operations before it.
    pub(super) fn uniform_load(
        &mut self,
        frame: &mut Frame<'a>,
        pointer: Handle<Expression>,
        result: Handle<Expression>,
    ) -> Result<(Option<Node>, u32), String> {
        let (first, line) = (self.code.ops.len() as u32, self.line);
        let pointer = self.pointer(frame, pointer)?;
        let value = self.load(pointer, false)?;
        frame.values.insert(result, value);
        let barrier = || Node::Barrier { kind: Barrier::WORK_GROUP, line };
        Ok((Some(Node::Block(vec![barrier(), self.run(first), barrier()])), first))
    }

    pub(super) fn group_statement(&mut self, frame: &mut Frame<'a>, statement: &'a Statement) -> Result<(), String> {
        match statement {
            Statement::Atomic { pointer, fun, value, result } => {
                let scalar = self.scalar_type(frame, *value)?;
                if scalar.width != 4 || scalar.kind == ScalarKind::Float {
                    return self.fail("atomics of this type");
                }
                let pointer = self.pointer(frame, *pointer)?;
                let value = self.scalar(frame, *value)?;
                let compare = match fun {
                    naga::AtomicFunction::Exchange { compare: Some(compare) } => Some(self.scalar(frame, *compare)?),
                    _ => None,
                };
                let count = if compare.is_some() { 2 } else { 1 };
                let first = self.register(count);
                let d: Vec<Reg> = (first..first + count).collect();
                if let Some(result) = result {
                    frame.values.insert(*result, Operand::Registers(d.clone()));
                }
                let signed = scalar.kind == ScalarKind::Sint;
                self.push(Op::Atomic { f: *fun, signed, value, compare, d, pointer });
            }
            Statement::SubgroupBallot { result, predicate } => {
                let predicate = match predicate {
                    Some(predicate) => Some(self.scalar(frame, *predicate)?),
                    None => None,
                };
                let first = self.register(4);
                let d: Vec<Reg> = (first..first + 4).collect();
                frame.values.insert(*result, Operand::Registers(d.clone()));
                self.push(Op::Ballot { d, predicate });
            }
            Statement::SubgroupGather { mode, argument, result } => {
                let mode = match *mode {
                    GatherMode::BroadcastFirst => Gather::First,
                    GatherMode::Broadcast(lane) | GatherMode::Shuffle(lane) => Gather::Lane(self.scalar(frame, lane)?),
                    GatherMode::ShuffleDown(by) => Gather::Down(self.scalar(frame, by)?),
                    GatherMode::ShuffleUp(by) => Gather::Up(self.scalar(frame, by)?),
                    GatherMode::ShuffleXor(by) => Gather::Xor(self.scalar(frame, by)?),
                    GatherMode::QuadBroadcast(lane) => Gather::QuadLane(self.scalar(frame, lane)?),
                    GatherMode::QuadSwap(direction) => Gather::QuadSwap(direction as u32 + 1),
                };
                let mut all = Vec::new();
                for a in self.registers(frame, *argument)? {
                    let d = self.register(1);
                    self.push(Op::Gather { d, a, mode });
                    all.push(d);
                }
                frame.values.insert(*result, Operand::Registers(all));
            }
            Statement::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                let scalar = self.scalar_type(frame, *argument)?;
                let Some((f, identity)) = collective(*op, scalar) else { return self.fail("this subgroup operation") };
                let mut all = Vec::new();
                for a in self.registers(frame, *argument)? {
                    let d = self.register(1);
                    self.push(Op::Collective { d, a, f, identity, kind: *collective_op });
                    all.push(d);
                }
                frame.values.insert(*result, Operand::Registers(all));
            }
            Statement::CooperativeStore { target, data } => {
                let a = self.matrix_of(frame, *target)?;
                let pointer = self.pointer(frame, data.pointer)?;
                if matches!(pointer.root, Root::Registers(_) | Root::Matrix(_)) {
                    return self.fail("stores of cooperative matrices to variables");
                }
                let memory = self.matrix_memory(pointer.ty);
                let stride = self.scalar(frame, data.stride)?;
                let naga::TypeInner::CooperativeMatrix { columns, .. } = *self.type_of(frame, *target) else {
                    return self.fail("this store of a cooperative matrix");
                };
                let size = columns as u32;
                self.push(Op::StoreMatrix { a, pointer, stride, row_major: data.row_major, memory, size });
            }
            _ => return self.fail("this statement"),
        }
        Ok(())
    }
}

/// Returns a subgroup operation on two lanes, and its value for no lane.
fn collective(op: S, scalar: Scalar) -> Option<(Binary, u32)> {
    if scalar.width == 8 {
        return None;
    }
    let float = scalar.kind == ScalarKind::Float;
    let one = match (float, scalar.width) {
        (true, 2) => 0x3c00,
        (true, _) => 1f32.to_bits(),
        _ => 1,
    };
    let (least, most) = match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 2) => (0xfc00, 0x7c00),
        (ScalarKind::Float, _) => (f32::NEG_INFINITY.to_bits(), f32::INFINITY.to_bits()),
        (ScalarKind::Sint, _) => (i32::MIN as u32, i32::MAX as u32),
        _ => (0, u32::MAX),
    };
    let operator = |op, identity| lanes::binary(op, scalar).map(|d| (d.f, identity));
    match op {
        S::All => operator(BinaryOperator::LogicalAnd, 1),
        S::Any => operator(BinaryOperator::LogicalOr, 0),
        S::Add => operator(BinaryOperator::Add, 0),
        S::Mul => operator(BinaryOperator::Multiply, one),
        S::And => operator(BinaryOperator::And, u32::MAX),
        S::Or => operator(BinaryOperator::InclusiveOr, 0),
        S::Xor => operator(BinaryOperator::ExclusiveOr, 0),
        S::Min => lanes::math2(MathFunction::Min, scalar).map(|d| (d.f, most)),
        S::Max => lanes::math2(MathFunction::Max, scalar).map(|d| (d.f, least)),
    }
}
