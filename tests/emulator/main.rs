//! The emulator itself: planted faults that it must find, counters against numbers worked out by
//! hand, uniform loads, cooperative matrices, the table of all counters.

mod barriers;
mod counters;
mod faults;
mod matrices;
mod orders;
mod predictions;
mod sample;
mod table;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let tests = faults::tests().into_iter().chain(counters::tests()).chain(matrices::tests());
    let tests = tests.chain(sample::tests()).chain(table::tests()).chain(barriers::tests()).chain(predictions::tests());
    libtest_mimic::run(&arguments, tests.collect()).exit();
}
