//! Time of a dispatch on a card: that of the limit which binds, and the cost of its launch.

use serde::Serialize;

use super::cards::Card;
use crate::emulator::{Counters, InstructionClass};
use crate::gpu::Class;

/// What a dispatch waits for most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Memory of the card, at the rate of a copy.
    Bandwidth,
    /// First cache: the lines that requests touch.
    L1,
    /// Workgroup memory and conflicts of its banks.
    WorkgroupMemory,
    /// Instructions of lanes.
    Valu,
    /// Cooperative matrices.
    Matrix,
    /// Loads that are used while under way, where too few workgroups run to hide that.
    Latency,
    /// Dispatch and barrier.
    Launch,
}

/// Clocks of an operation between the lanes of a subgroup, in those of an addition: a few shuffles.
const SUBGROUP_COST: f64 = 4.0;

/// Returns the seconds of a step by the counters of its dispatches, and what binds the longest of them. The second
/// dispatch of a step reads what the first has just written. See `time` for what the first moves.
pub fn step_time(card: &Card, dispatches: &[Counters], moves: (f64, bool)) -> (f64, Limit) {
    let of = |(number, counters)| time(card, counters, if number == 0 { moves } else { (0.0, false) });
    let times: Vec<(f64, Limit)> = dispatches.iter().enumerate().map(of).collect();
    let longest = times.iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("a step has a dispatch");
    (times.iter().map(|(seconds, _)| seconds).sum(), longest.1)
}

/// Returns the seconds that the multiplications of a product by tiles would take at the card's rate for them, or, if that is
/// longer, what they load from workgroup memory and store there. None for other steps, whose dispatches neither
/// use cooperative matrices nor multiply packed bytes.
pub fn tile_time(card: &Card, dispatches: &[Counters]) -> Option<f64> {
    let of = |count: fn(&Counters) -> u64| dispatches.iter().map(count).sum::<u64>() as f64;
    let rate = card.cores.0 * card.clock_ghz.0 * 1e9;
    let multiply_adds = of(|counters| counters.multiply_adds);
    let packed = of(|counters| counters.instructions[InstructionClass::Matrix as usize]);
    let multiply = if multiply_adds > 0.0 {
        2.0 * multiply_adds / (card.matrix_tflops.0 * 1e12)
    } else {
        packed * card.subgroup.0 as f64 / (card.int_lanes.0 * rate)
    };
    let tiles = 128.0 * of(|counters| counters.shared.fewest_lines) / (card.shared_bytes.0 * rate);
    (packed > 0.0 && of(|counters| counters.barriers) > 0.0).then_some(multiply.max(tiles))
}

/// Returns the seconds of a dispatch that must move `bytes` once, and what binds it. Where it `streams`, its input comes
/// from memory, and else from what other steps just wrote.
///
/// On a GPU the limits overlap, and the largest is the time. A software driver runs one after the other on the CPU, and
/// moves each lane's bytes on its own, so that there the limits of the cores add up.
fn time(card: &Card, counters: &Counters, (bytes, streams): (f64, bool)) -> (f64, Limit) {
    let software = card.class == Class::Software;
    let clock = card.clock_ghz.0 * 1e9;
    let workgroups = counters.workgroups.max(1) as f64;
    // The core with the most workgroups is the last to end.
    let turns = (workgroups / card.cores.0).ceil();
    let of_core = |amount: f64| amount / workgroups * turns;
    let width = card.subgroup.0 as f64;
    let cost = |class: InstructionClass| match class {
        InstructionClass::Float => card.float_cost.0,
        InstructionClass::Convert => card.convert_cost.0,
        // NVIDIA's cards add zero; AMD's and Apple's multiply by an f16 as it is, which is not counted on.
        InstructionClass::Widen => 1.0,
        InstructionClass::Special => card.special_cost.0,
        InstructionClass::Subgroup => SUBGROUP_COST,
        // Cooperative matrices count by themselves; what a product of packed bytes is added to takes the instruction of both.
        InstructionClass::Matrix | InstructionClass::Move => 0.0,
        _ => 1.0,
    };
    let unknown = |class| (counters.instructions[class as usize] - counters.known[class as usize]) as f64;
    let instructions: f64 = InstructionClass::ALL.iter().map(|&class| cost(class) * unknown(class)).sum();
    // Compilers keep what uniform buffers hold in registers.
    let instructions = instructions - counters.uniform.loads as f64;
    let integers = unknown(InstructionClass::Int) * width / card.int_lanes.0;
    let moved = |requests: &crate::emulator::Requests, lines: u64| {
        if software { requests.lane_bytes as f64 } else { 128.0 * lines as f64 }
    };
    let l1 = moved(&counters.buffers, counters.buffers.lines);
    let shared = moved(&counters.shared, counters.shared.fewest_lines + counters.bank_conflicts);
    let matrix = 2.0 * counters.multiply_adds as f64;
    let invocations = (counters.invocations as f64 / workgroups).max(1.0);
    let at_once = card.cores.0 * (card.resident.0 / invocations).floor().max(1.0);
    // A compiler's loads in flight lie between one at a time, as written, and all that do not need each other.
    let chain = counters.dependent_loads as f64;
    let waits = chain + (counters.waits as f64 / workgroups - chain).max(0.0) / card.in_flight.0;
    // What the step before wrote, or the same workgroup read, comes from a cache.
    let again = if streams { counters.rereads as f64 / counters.buffers.sectors.max(1) as f64 } else { 1.0 };
    let latency = card.latency_ns.0 * (1.0 - again) + card.cache_ns.0 * again;
    let rounds = (workgroups / at_once).ceil();
    let limits = [
        (Limit::Bandwidth, bytes / (card.copy_gb_s.0 * 1e9)),
        (Limit::L1, of_core(l1) / (card.l1_bytes.0 * clock)),
        (Limit::WorkgroupMemory, of_core(shared) / (card.shared_bytes.0 * clock)),
        (Limit::Valu, of_core(instructions * width / card.lanes.0).max(of_core(integers)) / clock),
        (
            Limit::Matrix,
            if matrix > 0.0 { of_core(matrix) * card.cores.0 / (card.matrix_tflops.0 * 1e12) } else { 0.0 },
        ),
        (Limit::Latency, rounds * waits * latency * 1e-9),
    ];
    let launch = (card.dispatch_us.0 + card.barrier_us.0) * 1e-6;
    let (limit, most) = limits.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are limits");
    let cores: f64 = limits[1..].iter().map(|(_, seconds)| seconds).sum();
    let work = if software { most.max(cores) } else { most };
    (launch + work, if launch > work { Limit::Launch } else { limit })
}
