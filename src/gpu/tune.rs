//! Tuning: the candidates of a kernel under the clock, on a model's own steps, and the winner against the reference.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Gpu;
use super::tuning::{self, Candidate};
use crate::error::Result;
use crate::plan::{Backend, Case, Element, Kernel, Plan, ProgramId, Step, Trial, Variant, trial};

/// Share of the first candidate's time that another must stay below to win: clocks are not exact.
const GAIN: f64 = 0.97;
/// Rounds of samples. One round is over before a candidate has its second sample.
const ROUNDS: usize = 4;
/// Seconds of a sample, where one pass takes less.
const SAMPLE_S: f64 = 0.002;
/// Operations and bytes of a pass, so that no submission comes near a driver's watchdog; a single step may have more.
const PASS_COST: u64 = 4_000_000_000;
/// Most dispatches of a sample.
const MOST_DISPATCHES: usize = 2048;

/// Steps of one shape.
pub struct StepShape {
    /// `1x4864x896 BITS=4`: rows, columns, columns of the input, constants of the step.
    pub name: String,
    /// Steps of a pass that have it.
    pub count: usize,
    consts: Vec<(&'static str, u32)>,
    /// As many of these steps as are timed together. They read weights of several layers, so that no cache keeps those.
    plan: Plan,
}

/// A kernel in a model: its steps by their shapes.
pub struct KernelUse {
    pub kernel: &'static Kernel,
    pub shapes: Vec<StepShape>,
}

impl KernelUse {
    /// Gathers the kernels of a plan, in the order of their first steps.
    pub fn of(plan: &Plan) -> Vec<KernelUse> {
        let mut uses: Vec<KernelUse> = Vec::new();
        for step in &plan.steps {
            let at = uses.iter().position(|of| std::ptr::eq(of.kernel, step.kernel)).unwrap_or(uses.len());
            if at == uses.len() {
                uses.push(KernelUse { kernel: step.kernel, shapes: Vec::new() });
            }
            uses[at].add(step, plan);
        }
        uses
    }

    fn add(&mut self, step: &Step, whole: &Plan) {
        let name = shape(step);
        let at = self.shapes.iter().position(|shape| shape.name == name).unwrap_or(self.shapes.len());
        if at == self.shapes.len() {
            let mut plan = Plan::new();
            plan.scratch.clone_from(&whole.scratch);
            self.shapes.push(StepShape { name, count: 0, consts: step.consts.clone(), plan });
        }
        let shape = &mut self.shapes[at];
        shape.count += 1;
        let steps = (PASS_COST / (step.flops + step.bytes).max(1)).clamp(1, 64);
        if shape.count as u64 <= steps {
            shape.plan.steps.push(step.clone());
        }
    }

    /// Names the shapes, each with its number of steps.
    pub fn names(&self) -> Vec<String> {
        self.shapes.iter().map(|shape| format!("{} of {}", shape.count, shape.name)).collect()
    }

    /// Returns the small cases of a variant, but for those of shader files that the model does not take, unless there are
    /// no others.
    fn cases(&self, variant: &Variant) -> Vec<&'static Case> {
        let taken = |only| self.shapes.iter().any(|shape| shape.consts.contains(&only));
        let others: Vec<_> = variant.wgsl.iter().filter_map(|file| file.only).filter(|only| !taken(*only)).collect();
        let runs = |case: &&&Case| {
            let steps = Trial::new(case).0.plan.steps;
            !steps.iter().any(|step| step.consts.iter().any(|constant| others.contains(constant)))
        };
        let all: Vec<&Case> = self.kernel.cases.iter().filter(|case| !case.bench).collect();
        let some: Vec<&Case> = all.iter().filter(runs).copied().collect();
        if some.is_empty() { all } else { some }
    }
}

fn shape(step: &Step) -> String {
    let numbers = step.inputs().iter().find(|tensor| tensor.element == Element::F32);
    // The inputs of some products are packed.
    let of_product = step.weights().map(|weights| weights as usize / step.cells[1]);
    let cols = of_product.or(numbers.map(|tensor| tensor.cols)).unwrap_or(0);
    let consts: String = step.consts.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{}x{}x{cols}{consts}", step.cells[0], step.cells[1])
}

/// A candidate's time, or what was wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateResult {
    pub name: String,
    /// Seconds of all steps of a pass. None: not timed, for there was no other candidate, no time left, or another kernel to be like.
    pub seconds: Option<f64>,
    pub fault: Option<String>,
}

/// Choice of the candidate that runs a kernel of a model on an adapter, and its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelChoice {
    pub kernel: String,
    /// Names of the shapes.
    pub shapes: Vec<String>,
    /// In the order of the lists.
    pub candidates: Vec<CandidateResult>,
    /// Name of the candidate that runs.
    pub winner: String,
    /// Name of the one that ran before: kept from earlier tuning, or the first of the lists.
    pub earlier: String,
    /// Cases in which the winner agrees with the reference; 0 where no candidate does.
    pub cases: usize,
}

impl KernelChoice {
    /// Returns a line for each candidate at fault.
    pub fn notices(&self) -> Vec<String> {
        let instead = match self.cases {
            0 => format!("no variant is right, {} runs; see `qwgpu doctor`", self.winner),
            _ => format!("{} runs instead", self.winner),
        };
        let faults = self.candidates.iter().filter_map(|tried| Some((&tried.name, tried.fault.as_ref()?)));
        faults.map(|(name, fault)| format!("{}: variant {name} is at fault: {fault}; {instead}", self.kernel)).collect()
    }
}

/// Returns the candidates in the order in which they are tried, from their times: the first of the lists, unless
/// another is clearly faster; then by time, and those without one as listed.
pub fn ranking(seconds: &[Option<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..seconds.len()).collect();
    order.sort_by(|&a, &b| {
        let time = |at: usize| seconds[at].map_or(f64::INFINITY, |s| if at == 0 { s * GAIN } else { s });
        time(a).total_cmp(&time(b))
    });
    order
}

/// A candidate on trial: what was found, and its programs with the least seconds of a run of each, by shape.
struct OnTrial {
    candidate: Candidate,
    result: CandidateResult,
    programs: Vec<(ProgramId, f64)>,
}

impl Gpu {
    /// Returns the candidates for a kernel of a model. A constant that all its steps have anyway makes none.
    pub fn candidates(&self, of: &KernelUse) -> Vec<Candidate> {
        let differs = |candidate: &Candidate| {
            let own = tuning::consts(of.kernel, candidate.variant, self.facts.class, self.subgroup_max());
            let changed = |shape: &StepShape| {
                let own = own.clone().specialized(&shape.consts);
                own.clone().specialized(candidate.constant.as_slice()) != own
            };
            candidate.constant.is_none() || of.shapes.iter().any(changed)
        };
        tuning::candidates(of.kernel, self.facts.class, self.usable()).into_iter().filter(differs).collect()
    }

    /// Chooses what runs a kernel of a model: times its candidates until `budget` is spent, compares the winner with the
    /// reference, and takes the next one where it is wrong.
    pub fn tune(&mut self, of: &KernelUse, budget: Duration) -> KernelChoice {
        let on_trial = |candidate: Candidate| {
            let result = CandidateResult { name: candidate.to_string(), seconds: None, fault: None };
            OnTrial { candidate, result, programs: Vec::new() }
        };
        let mut all: Vec<OnTrial> = self.candidates(of).into_iter().map(on_trial).collect();
        if all.len() > 1 && !tuning::ALIKE.contains(&of.kernel.name) {
            self.time_candidates(of, &mut all, budget);
        }
        // Where none is right: the last variant needs nothing, and its own constants come first.
        let last = all.iter().rposition(|tried| tried.candidate.constant.is_none()).unwrap_or(0);
        let (mut winner, mut cases) = (last, 0);
        for at in ranking(&all.iter().map(|tried| tried.result.seconds).collect::<Vec<_>>()) {
            if cases == 0 && all[at].result.fault.is_none() {
                self.choose(of.kernel, all[at].candidate);
                match self.check_cases(of, all[at].candidate.variant) {
                    Ok(passed) => (winner, cases) = (at, passed),
                    Err(fault) => all[at].result.fault = Some(fault),
                }
            }
        }
        self.choose(of.kernel, all[winner].candidate);
        KernelChoice {
            kernel: of.kernel.name.into(),
            shapes: of.names(),
            winner: all[winner].result.name.clone(),
            earlier: all[0].result.name.clone(),
            candidates: all.into_iter().map(|tried| tried.result).collect(),
            cases,
        }
    }

    /// Times candidates by turns, in rounds. Those that fail get a fault, those for which no time is left nothing.
    fn time_candidates(&mut self, of: &KernelUse, all: &mut [OnTrial], budget: Duration) {
        let start = Instant::now();
        for tried in all.iter_mut().take_while(|_| start.elapsed() < budget) {
            self.choose(of.kernel, tried.candidate);
            for shape in &of.shapes {
                match self.prepare(&shape.plan, false) {
                    Ok(program) => tried.programs.push((program, f64::INFINITY)),
                    Err(error) => tried.result.fault = Some(error.to_string()),
                }
            }
        }
        for _ in (0..ROUNDS).take_while(|round| *round == 0 || start.elapsed() < budget) {
            for tried in all.iter_mut().filter(|tried| !tried.programs.is_empty() && tried.result.fault.is_none()) {
                let sampled = self.sample(of, &mut tried.programs);
                tried.result.fault = sampled.as_ref().err().map(ToString::to_string);
                tried.result.seconds = sampled.ok();
            }
        }
        all.iter().flat_map(|tried| &tried.programs).for_each(|(program, _)| self.release(*program));
    }

    /// Takes one more sample of each shape. Returns the seconds of a whole pass by the least of all samples.
    fn sample(&mut self, of: &KernelUse, programs: &mut [(ProgramId, f64)]) -> Result<f64> {
        let mut whole = 0.0;
        for (shape, (program, least)) in of.shapes.iter().zip(programs) {
            let steps = shape.plan.steps.len();
            // The first sample is one pass, which wakes the device.
            let runs = (SAMPLE_S / *least).ceil().clamp(1.0, (MOST_DISPATCHES / steps).max(1) as f64);
            *least = least.min(self.time(*program, runs as usize)? / runs);
            whole += *least * shape.count as f64 / steps as f64;
        }
        Ok(whole)
    }

    /// Compares the chosen candidate with the reference. Returns the number of cases, or what is wrong in the first that
    /// differs.
    fn check_cases(&mut self, of: &KernelUse, variant: &Variant) -> Result<usize, String> {
        of.cases(variant).into_iter().try_fold(0, |passed, case| {
            let checked = trial::check(of.kernel, case, self).map_err(|error| error.to_string())?;
            checked.fault.map_or(Ok(passed + 1), |fault| Err(format!("{}: {fault}", case.name)))
        })
    }
}
