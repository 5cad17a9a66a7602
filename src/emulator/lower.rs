//! From naga's module to a program: functions, control flow, variables.

use std::collections::HashMap;

use naga::{Block, Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Statement, TypeInner};

use super::dependence::Operands;
use super::program::{Code, Node, Op, Pointer, Reg, Root, ShaderProgram};
use super::segment;

/// Operand of an expression.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A register for each word.
    Registers(Vec<Reg>),
    Matrix(usize),
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Operand(Operand),
    Pointer(Pointer),
}

/// Inputs of an entry point with their registers.
type Builtins = Vec<(naga::BuiltIn, Vec<Reg>)>;

/// A function that was lowered, with the pointers it was given.
pub(super) struct Lowered {
    pub handle: Handle<Function>,
    pub pointers: Vec<Option<Pointer>>,
    pub number: usize,
    pub arguments: Vec<Argument>,
    pub result: Option<Operand>,
}

/// State of the lowering of one function.
pub(super) struct Frame<'a> {
    pub function: &'a Function,
    pub info: &'a naga::valid::FunctionInfo,
    pub values: HashMap<Handle<Expression>, Operand>,
    locals: HashMap<Handle<LocalVariable>, Root>,
    arguments: Vec<Argument>,
    pub result: Option<Operand>,
}

pub(super) struct Lowering<'a> {
    pub module: &'a Module,
    pub info: &'a naga::valid::ModuleInfo,
    text: &'a str,
    pub layouts: naga::proc::Layouter,
    registers: u32,
    matrices: usize,
    runs: u32,
    constants: HashMap<u32, Reg>,
    pub globals: HashMap<Handle<GlobalVariable>, (Root, u32)>,
    /// The function that is lowered.
    pub code: Code,
    pub functions: Vec<Code>,
    pub known: Vec<Lowered>,
    /// Line of the statement or expression that is lowered.
    pub line: u32,
}

/// Lowers the one entry point of a validated module whose overrides are set. `text` is the module's source.
///
/// # Errors
/// The line, and what the emulator cannot run.
pub fn lower(module: &Module, info: &naga::valid::ModuleInfo, text: &str) -> Result<ShaderProgram, (u32, String)> {
    let mut layouts = naga::proc::Layouter::default();
    layouts.update(module.to_ctx()).map_err(|e| (0, e.to_string()))?;
    let mut lowering = Lowering {
        module,
        info,
        text,
        layouts,
        registers: 0,
        matrices: 0,
        runs: 0,
        constants: HashMap::new(),
        globals: HashMap::new(),
        code: Code::default(),
        functions: Vec::new(),
        known: Vec::new(),
        line: 0,
    };
    lowering.program().map_err(|message| (lowering.line, message))
}

impl<'a> Lowering<'a> {
    fn program(&mut self) -> Result<ShaderProgram, String> {
        let module = self.module;
        let (bindings, shared_bytes) = self.declare_globals()?;
        let entry = module.entry_points.first().ok_or("the module has no entry point")?;
        let (builtins, mut frame) = self.entry(&entry.function, self.info.get_entry_point(0))?;
        let nodes = self.body(&mut frame, 0)?;
        let halves = module.types.iter().any(|(_, t)| matches!(t.inner, TypeInner::Scalar(s) if s.width == 2));
        let mut functions = std::mem::take(&mut self.functions);
        let mut main = Code { nodes, ..std::mem::take(&mut self.code) };
        for code in functions.iter_mut().chain([&mut main]) {
            code.operands = code.ops.iter().map(|op| Operands::of(op, self.registers)).collect();
        }
        segment::group(&mut functions, &mut main);
        Ok(ShaderProgram {
            workgroup: entry.workgroup_size,
            registers: self.registers,
            matrices: self.matrices,
            shared_bytes,
            unit: if halves { 2 } else { 4 },
            constants: self.constants.iter().map(|(&word, &reg)| (reg, word)).collect(),
            builtins,
            bindings,
            runs: self.runs,
            functions,
            main,
        })
    }

    pub fn fail<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("the emulator does not run {what}"))
    }

    /// Sets the line that operations belong to from here on.
    pub fn at(&mut self, span: naga::Span) {
        if span.is_defined() {
            self.line = span.location(self.text).line_number;
        }
    }

    pub fn push(&mut self, op: Op) {
        self.code.ops.push(op);
        self.code.lines.push(self.line);
    }

    /// Returns the operations from `first` on as a node.
    pub(super) fn run(&mut self, first: u32) -> Node {
        let end = self.code.ops.len() as u32;
        self.run_to(first, end)
    }

    fn run_to(&mut self, first: u32, end: u32) -> Node {
        self.runs += 1;
        Node::Ops { first, end, id: self.runs - 1 }
    }

    pub fn register(&mut self, words: u32) -> Reg {
        self.registers += words;
        self.registers - words
    }

    pub fn matrix(&mut self) -> usize {
        self.matrices += 1;
        self.matrices - 1
    }

    /// Returns a register that holds `word` in all lanes.
    pub fn constant(&mut self, word: u32) -> Reg {
        if let Some(&reg) = self.constants.get(&word) {
            return reg;
        }
        let reg = self.register(1);
        self.constants.insert(word, reg);
        reg
    }

    fn entry(
        &mut self,
        function: &'a Function,
        info: &'a naga::valid::FunctionInfo,
    ) -> Result<(Builtins, Frame<'a>), String> {
        let mut builtins = Vec::new();
        let mut arguments = Vec::new();
        for argument in &function.arguments {
            let value = self.allocate(argument.ty)?;
            let Operand::Registers(registers) = &value else { return self.fail("matrices as inputs") };
            match (&argument.binding, self.inner(argument.ty)) {
                (Some(naga::Binding::BuiltIn(builtin)), _) => builtins.push((*builtin, registers.clone())),
                (None, TypeInner::Struct { members, .. }) => {
                    let mut at = 0;
                    for member in members {
                        let count = self.words_of(member.ty)?.len();
                        if let Some(naga::Binding::BuiltIn(builtin)) = member.binding {
                            builtins.push((builtin, registers[at..at + count].to_vec()));
                        }
                        at += count;
                    }
                }
                _ => return self.fail("inputs that are no builtins"),
            }
            arguments.push(Argument::Operand(value));
        }
        Ok((builtins, self.frame(function, info, arguments)?))
    }

    pub fn frame(
        &mut self,
        function: &'a Function,
        info: &'a naga::valid::FunctionInfo,
        arguments: Vec<Argument>,
    ) -> Result<Frame<'a>, String> {
        let mut locals = HashMap::new();
        for (handle, variable) in function.local_variables.iter() {
            locals.insert(handle, self.place(variable.ty)?);
        }
        let result = match &function.result {
            Some(result) => Some(self.allocate(result.ty)?),
            None => None,
        };
        Ok(Frame { function, info, values: HashMap::new(), locals, arguments, result })
    }

    /// Lowers the body of a function; operations from `first` on, and the initial values of its variables, come before.
    pub fn body(&mut self, frame: &mut Frame<'a>, first: u32) -> Result<Vec<Node>, String> {
        for (handle, variable) in frame.function.local_variables.iter() {
            let value = match variable.init {
                Some(init) => Some(self.value(frame, init)?),
                None => None,
            };
            self.initialize(frame.locals[&handle], variable.ty, value)?;
        }
        let mut nodes = vec![self.run(first)];
        nodes.extend(self.block(frame, &frame.function.body)?);
        Ok(nodes)
    }

    fn block(&mut self, frame: &mut Frame<'a>, block: &'a Block) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        let mut first = self.code.ops.len() as u32;
        for (statement, span) in block.span_iter() {
            self.at(*span);
            let line = self.line;
            let control = self.statement(frame, statement)?;
            // What nested blocks lowered is theirs.
            if let Some((node, before)) = control {
                if before > first {
                    nodes.push(self.run_to(first, before));
                }
                if let Some(node) = node {
                    nodes.push(node);
                }
                first = self.code.ops.len() as u32;
                self.line = line;
            }
        }
        if self.code.ops.len() as u32 > first {
            nodes.push(self.run(first));
        }
        Ok(nodes)
    }

    /// Lowers a statement. Returns a node where it is control flow, with the number of operations before it.
    fn statement(
        &mut self,
        frame: &mut Frame<'a>,
        statement: &'a Statement,
    ) -> Result<Option<(Option<Node>, u32)>, String> {
        let line = self.line;
        let before = |lowering: &Self| lowering.code.ops.len() as u32;
        Ok(match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.at(frame.function.expressions.get_span(handle));
                    self.expression(frame, handle)?;
                }
                None
            }
            Statement::Block(inner) => {
                let at = before(self);
                Some((Some(Node::Block(self.block(frame, inner)?)), at))
            }
            Statement::If { condition, accept, reject } => {
                let condition = self.scalar(frame, *condition)?;
                let at = before(self);
                let (accept, reject) = (self.block(frame, accept)?, self.block(frame, reject)?);
                Some((Some(Node::If { condition, accept, reject, line }), at))
            }
            Statement::Switch { selector, cases } => {
                let selector = self.scalar(frame, *selector)?;
                let at = before(self);
                let mut lowered = Vec::new();
                for case in cases {
                    let value = match case.value {
                        naga::SwitchValue::I32(v) => Some(v as u32),
                        naga::SwitchValue::U32(v) => Some(v),
                        naga::SwitchValue::Default => None,
                    };
                    if case.fall_through && !case.body.is_empty() {
                        return self.fail("cases that fall through");
                    }
                    lowered.push((value, case.fall_through, self.block(frame, &case.body)?));
                }
                Some((Some(Node::Switch { selector, cases: join_labels(lowered) }), at))
            }
            Statement::Loop { body, continuing, break_if } => {
                let at = before(self);
                let body = self.block(frame, body)?;
                let mut continuing = self.block(frame, continuing)?;
                let first = before(self);
                let break_if = match break_if {
                    Some(condition) => Some(self.scalar(frame, *condition)?),
                    None => None,
                };
                if before(self) > first {
                    continuing.push(self.run(first));
                }
                Some((Some(Node::Loop { body, continuing, break_if, line }), at))
            }
            Statement::Break => Some((Some(Node::Break), before(self))),
            Statement::Continue => Some((Some(Node::Continue), before(self))),
            Statement::Return { value } => {
                if let (Some(value), Some(result)) = (value, frame.result.clone()) {
                    let value = self.value(frame, *value)?;
                    self.assign(&result, &value)?;
                }
                Some((Some(Node::Return), before(self)))
            }
            Statement::ControlBarrier(kind) => Some((Some(Node::Barrier { kind: *kind, line }), before(self))),
            Statement::WorkGroupUniformLoad { pointer, result } => Some(self.uniform_load(frame, *pointer, *result)?),
            Statement::MemoryBarrier(_) => None,
            Statement::Store { pointer, value } => {
                let pointer = self.pointer(frame, *pointer)?;
                let value = self.value(frame, *value)?;
                self.store(pointer, &value)?;
                None
            }
            Statement::Call { function, arguments, result } => {
                let number = self.call(frame, *function, arguments)?;
                let at = before(self);
                let returned = self.known.iter().find(|k| k.number == number).and_then(|k| k.result.clone());
                if let (Some(handle), Some(returned)) = (result, returned) {
                    let ty = self.module.functions[*function].result.as_ref().map(|r| r.ty);
                    let value = self.allocate(ty.expect("a result has a type"))?;
                    self.assign(&value, &returned)?;
                    frame.values.insert(*handle, value);
                }
                // The copies of the result come after the call.
                let copies = self.run(at);
                Some((Some(Node::Block(vec![Node::Call { function: number }, copies])), at))
            }
            _ => {
                self.group_statement(frame, statement)?;
                None
            }
        })
    }

    /// Copies a value in the active lanes.
    pub fn assign(&mut self, d: &Operand, a: &Operand) -> Result<(), String> {
        match (d, a) {
            (Operand::Matrix(d), Operand::Matrix(a)) => self.push(Op::CopyMatrix { d: *d, a: *a }),
            (Operand::Registers(d), Operand::Registers(a)) if d.len() == a.len() => {
                for (&d, &a) in d.iter().zip(a) {
                    self.push(Op::Assign { d, a });
                }
            }
            _ => return self.fail("this copy"),
        }
        Ok(())
    }
}

impl Frame<'_> {
    /// Returns the value of an argument that is no pointer.
    pub fn argument(&self, at: usize) -> Option<Operand> {
        match &self.arguments[at] {
            Argument::Operand(value) => Some(value.clone()),
            Argument::Pointer(_) => None,
        }
    }

    /// Returns the pointer that an argument is.
    pub fn pointer_argument(&self, at: usize) -> Option<Pointer> {
        match &self.arguments[at] {
            Argument::Pointer(pointer) => Some(pointer.clone()),
            Argument::Operand(_) => None,
        }
    }

    /// Returns the place of a variable.
    pub fn local(&self, variable: Handle<LocalVariable>) -> Root {
        self.locals[&variable]
    }
}

/// Gives labels without a body the body of the label after them.
fn join_labels(cases: Vec<(Option<u32>, bool, Vec<Node>)>) -> Vec<(Vec<Option<u32>>, Vec<Node>)> {
    let mut joined: Vec<(Vec<Option<u32>>, Vec<Node>)> = Vec::new();
    let mut labels = Vec::new();
    for (label, falls, body) in cases {
        labels.push(label);
        if !falls {
            joined.push((std::mem::take(&mut labels), body));
        }
    }
    joined
}
