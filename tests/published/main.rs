//! Real models, published data and the results of other programs, which a clone of the repository lacks: environment
//! variables name them. Tests whose variables are not set show as ignored, with the reason.

mod checkpoint;
mod choice;
#[path = "../common/compare.rs"]
mod compare;
#[path = "../common/devices.rs"]
mod devices;
mod eval;
#[path = "../common/external.rs"]
mod external;
mod followbench;
mod packed;
#[path = "../common/prompts.rs"]
mod prompts;
mod reply;
mod text;
#[path = "../common/text.rs"]
mod text_checks;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let tests =
        [checkpoint::TESTS, choice::TESTS, eval::TESTS, followbench::TESTS, packed::TESTS, reply::TESTS, text::TESTS];
    libtest_mimic::run(&arguments, tests.into_iter().flatten().map(external::trial).collect()).exit();
}
