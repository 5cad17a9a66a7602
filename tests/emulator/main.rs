//! The emulator itself: planted faults that it must find, counters against numbers worked out by
//! hand, cooperative matrices, the table of all counters.

mod counters;
mod faults;
mod matrices;
mod sample;
mod table;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let tests = faults::tests().into_iter().chain(counters::tests()).chain(matrices::tests());
    let tests = tests.chain(sample::tests()).chain(table::tests());
    libtest_mimic::run(&arguments, tests.collect()).exit();
}
