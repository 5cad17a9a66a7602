//! Control flow: which lanes are active where.

use naga::Barrier;

use super::counters::InstructionClass;
use super::finding::FindingKind;
use super::machine::{Interpreter, Schedule};
use super::mask::Mask;
use super::program::{Code, Node, Reg};

impl Interpreter<'_> {
    /// Runs nodes for the active lanes, of which some may leave by a break, a continue or a return.
    pub(super) fn nodes(&mut self, code: &Code, nodes: &[Node]) {
        for node in nodes {
            if self.active.is_empty() {
                return;
            }
            match node {
                Node::Ops { first, end, id } => {
                    let lanes = self.active.count() as u64;
                    let subgroups = self.active_subgroups();
                    let run = &mut self.runs[*id as usize];
                    run[0] += subgroups;
                    run[1] += lanes;
                    let some = self.active != self.all;
                    for at in *first as usize..*end as usize {
                        if self.settings.profile {
                            let bindings = &self.program.bindings;
                            let op = &code.ops[at];
                            let known = self.dependence.follow(op, &code.operands[at], some, bindings);
                            if let (true, Some(class)) = (known, op.class()) {
                                self.counters.known[class as usize] += subgroups;
                            }
                        }
                        self.op(&code.ops[at], code.lines[at]);
                    }
                }
                Node::Block(nodes) => self.nodes(code, nodes),
                Node::Segment(nodes) => self.segment(code, nodes),
                Node::If { condition, accept, reject, line } => {
                    let chosen = Mask::of(self.register(*condition));
                    let entered = self.active;
                    self.count_branch(*line, self.dependence.is_known(*condition));
                    let outer = self.dependence.enter(*condition, &[accept, reject]);
                    self.active = entered.and(chosen);
                    self.nodes(code, accept);
                    let after = self.active;
                    self.active = entered.without(chosen);
                    self.nodes(code, reject);
                    self.active = self.active.or(after);
                    self.dependence.leave(outer);
                }
                Node::Switch { selector, cases } => self.switch(code, *selector, cases),
                Node::Loop { body, continuing, break_if, line } => {
                    self.run_loop(code, body, continuing, *break_if, *line);
                }
                Node::Break => {
                    let last = self.broken.last_mut().expect("a break within a loop or a switch");
                    *last = last.or(self.active);
                    self.active = Mask::default();
                }
                Node::Continue => {
                    let last = self.continued.last_mut().expect("a continue within a loop");
                    *last = last.or(self.active);
                    self.active = Mask::default();
                }
                Node::Return => self.active = Mask::default(),
                Node::Barrier { kind, line } => self.barrier(*kind, *line),
                Node::Call { function } => {
                    let entered = self.active;
                    let program = self.program;
                    let callee = &program.functions[*function];
                    let outer = self.dependence.enter_scope(1);
                    self.nodes(callee, &callee.nodes);
                    self.dependence.leave_scope(1, outer);
                    self.active = entered;
                }
            }
        }
    }

    /// Runs nodes without a barrier: all lanes in lockstep, or one subgroup after the other.
    fn segment(&mut self, code: &Code, nodes: &[Node]) {
        if self.settings.schedule != Schedule::SubgroupsDown || self.window.len() < self.lanes {
            return self.nodes(code, nodes);
        }
        let (entered, mut after) = (self.active, Mask::default());
        for subgroup in (0..self.subgroups).rev() {
            self.window = self.lanes_of(subgroup);
            self.active = entered.and(Mask::range(self.window.clone()));
            self.nodes(code, nodes);
            after = after.or(self.active);
        }
        self.window = 0..self.lanes;
        self.active = after;
    }

    fn switch(&mut self, code: &Code, selector: Reg, cases: &[(Vec<Option<u32>>, Vec<Node>)]) {
        let values = self.register(selector).to_vec();
        let labelled = |label: u32| {
            let equal: Vec<u32> = values.iter().map(|&v| u32::from(v == label)).collect();
            Mask::of(&equal)
        };
        let mut rest = self.active;
        let mut after = Mask::default();
        self.broken.push(Mask::default());
        let chosen = |mask: Mask, labels: &[Option<u32>]| {
            labels.iter().flatten().fold(Mask::default(), |all, &label| all.or(labelled(label))).and(mask)
        };
        let entered = self.active;
        let bodies: Vec<&[Node]> = cases.iter().map(|(_, nodes)| nodes.as_slice()).collect();
        let outer = self.dependence.enter(selector, &bodies);
        for (labels, _) in cases {
            rest = rest.without(chosen(entered, labels));
        }
        for (labels, body) in cases {
            self.active = chosen(entered, labels);
            if labels.contains(&None) {
                self.active = self.active.or(rest);
            }
            self.nodes(code, body);
            after = after.or(self.active);
        }
        let broken = self.broken.pop().expect("pushed above");
        self.active = after.or(broken);
        self.dependence.leave(outer);
    }

    fn run_loop(&mut self, code: &Code, body: &[Node], continuing: &[Node], break_if: Option<Reg>, line: u32) {
        self.broken.push(Mask::default());
        self.continued.push(Mask::default());
        let outer = self.dependence.enter_scope(0);
        let mut iterations = 0;
        while !self.active.is_empty() {
            self.count_branch(line, self.dependence.is_unrolled());
            self.nodes(code, body);
            let continued = std::mem::take(self.continued.last_mut().expect("pushed above"));
            self.active = self.active.or(continued);
            self.nodes(code, continuing);
            if let Some(condition) = break_if {
                self.dependence.turn(condition);
                let leave = self.active.and(Mask::of(self.register(condition)));
                let last = self.broken.last_mut().expect("pushed above");
                *last = last.or(leave);
                self.active = self.active.without(leave);
            }
            self.dependence.repeat(&outer);
            iterations += 1;
            if iterations > self.settings.loop_bound && !self.active.is_empty() {
                let who = self.first_active();
                let bound = self.settings.loop_bound;
                self.findings
                    .add(FindingKind::EndlessLoop, line, None, || format!("{who} still runs after {bound} iterations"));
                let last = self.broken.last_mut().expect("pushed above");
                *last = last.or(self.active);
                self.active = Mask::default();
            }
        }
        self.continued.pop();
        self.active = self.broken.pop().expect("pushed above");
        self.dependence.leave_scope(0, outer);
    }

    fn barrier(&mut self, kind: Barrier, line: u32) {
        self.time += 1;
        if kind == Barrier::SUB_GROUP {
            for subgroup in 0..self.subgroups {
                if self.partly_active(subgroup, line, "a subgroup barrier") {
                    self.subgroup_barriers[subgroup] = self.time;
                }
            }
            return;
        }
        self.counters.barriers += 1;
        if self.settings.sanitize && self.active != self.all {
            let (here, missing) = (self.first_active(), self.all.without(self.active));
            let missing = self.first_of(missing);
            self.findings.add(FindingKind::DivergentBarrier, line, None, || {
                format!("{here} is at a barrier that {missing} does not reach")
            });
        }
        if kind.contains(Barrier::WORK_GROUP) {
            self.shared_order.barrier = self.time;
        }
        if kind.contains(Barrier::STORAGE) {
            self.buffer_order.barrier = self.time;
        }
    }

    /// Returns whether a subgroup has active lanes, and reports one that has inactive ones, too.
    pub(super) fn partly_active(&mut self, subgroup: usize, line: u32, what: &str) -> bool {
        let width = self.settings.subgroup;
        let lanes = subgroup * width..self.lanes.min((subgroup + 1) * width);
        let here = lanes.clone().filter(|&l| self.active.contains(l)).count();
        if self.settings.sanitize && here > 0 && here < lanes.len() {
            let missing = lanes.clone().find(|&l| !self.active.contains(l)).expect("a lane is missing");
            let who = self.invocation(missing);
            self.findings.add(FindingKind::DivergentSubgroup, line, None, || {
                format!(
                    "{what} is reached by {here} of the {} lanes of subgroup {subgroup}; {who} is elsewhere",
                    lanes.len()
                )
            });
        }
        here > 0
    }

    fn active_subgroups(&self) -> u64 {
        self.active.subgroups(self.lanes, self.settings.subgroup) as u64
    }

    fn count_branch(&mut self, line: u32, known: bool) {
        let (subgroups, lanes) = (self.active_subgroups(), self.active.count() as u64);
        if self.settings.profile && known {
            self.counters.known[InstructionClass::Branch as usize] += subgroups;
        }
        self.counters.count(InstructionClass::Branch, line, subgroups, lanes, self.settings.subgroup as u64);
    }
}
