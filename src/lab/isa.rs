//! Instructions of AMD's cards, as the driver's disassembler prints them: loops, loads, waits, bytes of the weights.

use std::collections::BTreeMap;
use std::ops::Range;

/// A program of RDNA instructions.
#[derive(Clone, Debug, Default)]
pub struct Program {
    instructions: Vec<IsaInstruction>,
    /// Ranges of instructions that a branch backwards repeats, outer ones before those inside them.
    loops: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
struct IsaInstruction {
    name: String,
    /// Registers, numbers and flags after the name.
    operands: Vec<String>,
    /// Position of the binding in the layout that a load reads; None for other instructions.
    binding: Option<u32>,
}

/// What a loop does in one turn, the loops inside it included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Turn {
    /// Vector instructions.
    pub valu: u64,
    /// Bits of the weights that a lane loads and takes.
    pub weight_bits: u64,
}

/// Instructions between a load and its wait that hide nothing of the time that memory takes.
const AT_ONCE: usize = 8;

/// Position of a weight's codes among the bindings of a product: after the parameters and x.
const WEIGHTS: u32 = 2;

impl Program {
    /// Reads a listing: a label as `BB4:` or an instruction a line, its bytes after a semicolon.
    pub fn parse(listing: &str) -> Program {
        let mut program = Program::default();
        let mut labels = BTreeMap::new();
        // Descriptors that scalar registers hold, by the first register of the four.
        let mut descriptors: BTreeMap<u32, u32> = BTreeMap::new();
        for line in listing.lines() {
            let text = line.split(';').next().unwrap_or_default().trim();
            if let Some(label) = text.strip_suffix(':') {
                labels.insert(label.to_owned(), program.instructions.len());
                continue;
            }
            let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            let operands: Vec<String> = rest.split(',').map(|operand| operand.trim().to_owned()).collect();
            let mut binding = None;
            if let Some(bytes) = bytes_of(name) {
                match name.strip_prefix("s_load_") {
                    // The layout has sixteen bytes for each binding, one after the other.
                    Some(_) => {
                        let first = register(&operands[0]).unwrap_or_default();
                        let offset = operands.get(2).and_then(|text| number(text)).unwrap_or_default() as u32;
                        for at in 0..bytes as u32 / 16 {
                            descriptors.insert(first + at * 4, offset / 16 + at);
                        }
                    }
                    None => {
                        let held = operands[1..].iter().filter(|text| text.starts_with("s["));
                        binding = held.filter_map(|text| descriptors.get(&register(text)?)).next().copied();
                    }
                }
            }
            program.instructions.push(IsaInstruction { name: name.to_owned(), operands, binding });
        }
        program.loops = program.find_loops(&labels);
        program
    }

    fn find_loops(&self, labels: &BTreeMap<String, usize>) -> Vec<Range<usize>> {
        let mut ends: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, instruction) in self.instructions.iter().enumerate().filter(|(_, i)| i.name.contains("branch")) {
            if let Some(&start) = labels.get(&instruction.operands[0]).filter(|start| **start <= at) {
                let end = ends.entry(start).or_default();
                *end = (*end).max(at + 1);
            }
        }
        let mut loops: Vec<Range<usize>> = ends.into_iter().map(|(start, end)| start..end).collect();
        loops.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        loops
    }

    /// Returns the loops directly inside a range.
    fn inner(&self, range: &Range<usize>) -> Vec<&Range<usize>> {
        let inside = |of: &Range<usize>, l: &&Range<usize>| *l != of && of.start <= l.start && l.end <= of.end;
        let within: Vec<_> = self.loops.iter().filter(|l| inside(range, l)).collect();
        within.iter().filter(|l| !within.iter().any(|other| inside(other, l))).copied().collect()
    }

    /// Returns the instructions of a range that are in no loop inside it.
    fn own(&self, range: &Range<usize>) -> impl Iterator<Item = &IsaInstruction> {
        let inner: Vec<Range<usize>> = self.inner(range).into_iter().cloned().collect();
        range.clone().filter(move |at| !inner.iter().any(|l| l.contains(at))).map(|at| &self.instructions[at])
    }

    /// Returns the main loop: the innermost one that loads weights, or the one with the most loads where no loop
    /// does, and around it those loops whose inner one has a fixed number of turns. The whole program where no loop
    /// loads.
    pub fn main_loop(&self) -> Range<usize> {
        let loads = |range: &Range<usize>| {
            let loads: Vec<_> = self.own(range).filter(|i| i.is_load()).collect();
            (loads.iter().map(|load| load.weight_bytes()).sum::<u64>(), loads.len())
        };
        // Of equal ones the last, which is the innermost.
        let Some(main) = self.loops.iter().max_by_key(|range| loads(range)).filter(|range| loads(range).1 > 0) else {
            return 0..self.instructions.len();
        };
        let mut main = main;
        let around = |of: &Range<usize>| self.loops.iter().rfind(|l| self.inner(l).contains(&of));
        while let (Some(_), Some(outer)) = (self.turns(main), around(main)) {
            main = outer;
        }
        main.clone()
    }

    /// Returns what one turn of a loop does. Loops inside it whose number of turns the data decides count as none
    /// where they load no weights; where they do, the result is None. A lane takes at most `most` bits of a load, which
    /// may bring more for its neighbours.
    pub fn turn(&self, range: &Range<usize>, most: u64) -> Option<Turn> {
        let mut total = Turn::default();
        for instruction in self.own(range) {
            total.valu += u64::from(instruction.name.starts_with("v_"));
            total.weight_bits += (instruction.weight_bytes() * 8).min(most);
        }
        for inner in self.inner(range) {
            match (self.turns(inner), self.turn(inner, most)?) {
                (Some(turns), turn) => {
                    total.valu += turns * turn.valu;
                    total.weight_bits += turns * turn.weight_bits;
                }
                (None, turn) if turn.weight_bits > 0 => return None,
                (None, _) => (),
            }
        }
        Some(total)
    }

    /// Returns the number of turns of a loop that counts a scalar register from one number to another.
    fn turns(&self, range: &Range<usize>) -> Option<u64> {
        let own: Vec<&IsaInstruction> = self.own(range).collect();
        let counted = own.iter().filter(|i| i.name.starts_with("s_cmp_")).find_map(|compare| {
            let counter = &compare.operands[0];
            let step = own.iter().find(|i| {
                matches!(i.name.as_str(), "s_add_u32" | "s_add_i32") && i.operands[..2].iter().all(|o| o == counter)
            })?;
            let start = self.instructions[..range.start].iter().rfind(|i| &i.operands[0] == counter)?;
            let start = start.name.starts_with("s_mov").then(|| number(&start.operands[1]))??;
            Some((start, number(&compare.operands[1])?, number(&step.operands[2])?))
        });
        let (start, end, step) = counted.filter(|(start, end, step)| *step > 0 && end > start)?;
        Some(((end - start) as u64).div_ceil(step as u64))
    }

    /// Returns the loads of a range that are in flight when it first waits for one.
    pub fn loads_before_wait(&self, range: &Range<usize>) -> u64 {
        let mut loads = 0;
        for instruction in &self.instructions[range.clone()] {
            loads += u64::from(instruction.is_load());
            if loads > 0 && instruction.waits_for().is_some() {
                break;
            }
        }
        loads
    }

    /// Returns the loads in loops that are waited for at once while no other is in flight.
    pub fn lone_loads(&self) -> u64 {
        let (mut lone, mut in_flight) = (0, 0u64);
        for (at, instruction) in self.instructions.iter().enumerate() {
            if instruction.is_load() {
                in_flight += 1;
                let near =
                    self.instructions[at + 1..].iter().take(AT_ONCE).find(|i| i.is_load() || i.waits_for().is_some());
                let at_once = near.and_then(IsaInstruction::waits_for) == Some(0);
                lone += u64::from(at_once && in_flight == 1 && self.loops.iter().any(|l| l.contains(&at)));
            }
            in_flight = instruction.waits_for().map_or(in_flight, |left| in_flight.min(left));
        }
        lone
    }
}

impl IsaInstruction {
    /// Returns whether this is a load through the vector memory unit.
    fn is_load(&self) -> bool {
        ["buffer_load_", "global_load_", "flat_load_", "scratch_load_"].iter().any(|name| self.name.starts_with(name))
    }

    fn weight_bytes(&self) -> u64 {
        if self.binding == Some(WEIGHTS) { bytes_of(&self.name).unwrap_or_default() } else { 0 }
    }

    /// Returns the number of vector loads that may still be in flight after this wait.
    fn waits_for(&self) -> Option<u64> {
        if self.name != "s_waitcnt" {
            return None;
        }
        let counts = self.operands[0].split_once("vmcnt(")?.1;
        counts.split(')').next()?.parse().ok()
    }
}

/// Returns the bytes that a load of memory gives a lane, by the end of its name; both generations' names.
fn bytes_of(name: &str) -> Option<u64> {
    let (_, width) = name.split_once("_load_")?;
    let width = width.trim_start_matches("d16_").trim_start_matches("hi_");
    Some(match width {
        "u8" | "i8" | "b8" | "ubyte" | "sbyte" => 1,
        "u16" | "i16" | "b16" | "ushort" | "sshort" | "short" => 2,
        "b32" | "dword" => 4,
        "b64" | "dwordx2" => 8,
        "b96" | "dwordx3" => 12,
        "b128" | "dwordx4" => 16,
        "b256" | "dwordx8" => 32,
        "b512" | "dwordx16" => 64,
        _ => return None,
    })
}

/// Returns the first register of `s[8:11]` or `s8`.
fn register(text: &str) -> Option<u32> {
    let text = text.strip_prefix('s')?.trim_start_matches('[');
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop of eight turns, each of which loads sixteen bytes of weights, inside the loop over k.
    const LISTING: &str = "\
BB0:
	s_load_dwordx8 s[8:15], s[2:3], 0x10                   ; f4080301
	s_waitcnt lgkmcnt(0)                                   ; bf89fc07
BB1:
	buffer_load_dwordx4 v[0:3], v9, s[8:11], 0 offen       ; e05c0000
	buffer_load_dword v4, v9, s[8:11], 0 offen offset:16
	v_add_f32_e32 v5, v5, v0
	s_waitcnt vmcnt(0)
	v_mov_b32_e32 v6, 0
	s_mov_b32 s20, 0
BB2:
	s_cmp_ge_u32 s20, 8
	s_cbranch_scc1 BB3
	s_clause 0x0
	buffer_load_b128 v[0:3], v9, s[12:15], 0 offen
	s_nop 0
	s_waitcnt vmcnt(0)
	v_fmac_f32_e32 v5, v0, v1
	v_fmac_f32_e32 v5, v2, v3
	s_add_u32 s20, s20, 1
	s_branch BB2
BB3:
	s_cbranch_scc0 BB1
	buffer_load_dword v4, v9, s[8:11], 0 offen
	s_waitcnt vmcnt(0)
	s_endpgm
";

    #[test]
    fn loops_weights_and_waits_are_found() {
        let program = Program::parse(LISTING);
        assert_eq!(program.loops.len(), 2);
        let main = program.main_loop();
        // The inner loop has a fixed number of turns, so the loop around it is the one over k.
        assert_eq!(main, program.loops[0]);
        assert_eq!(program.turn(&main, u64::MAX), Some(Turn { valu: 2 + 8 * 2, weight_bits: 8 * 128 }));
        assert_eq!(program.turn(&main, 64), Some(Turn { valu: 2 + 8 * 2, weight_bits: 8 * 64 }));
        assert_eq!(program.loads_before_wait(&main), 2);
        // The load after all loops does not count, nor do two that are in flight together.
        assert_eq!(program.lone_loads(), 1);
    }

    #[test]
    fn a_loop_of_unknown_turns_is_not_guessed() {
        let program = Program::parse(&LISTING.replace("s_cmp_ge_u32 s20, 8", "s_cmp_ge_u32 s20, s7"));
        let main = program.main_loop();
        assert_eq!(main, program.loops[1]);
        assert_eq!(program.turn(&main, u64::MAX), Some(Turn { valu: 2, weight_bits: 128 }));
        assert_eq!(program.turn(&program.loops[0], u64::MAX), None);
    }

    #[test]
    fn a_program_without_loops_is_its_own_main_loop() {
        let program = Program::parse("\tbuffer_load_b32 v0, off, s[4:7], 0\n\ts_waitcnt vmcnt(0)\n\ts_endpgm\n");
        assert_eq!((program.main_loop(), program.lone_loads()), (0..3, 0));
        assert_eq!(program.loads_before_wait(&program.main_loop()), 1);
    }
}
