//! Every shader of every variant through the compilers of other systems: naga's writers, Tint, Chrome's compiler, and
//! AMD's.

use libtest_mimic::Arguments;

#[path = "shaders/naga.rs"]
mod naga_writers;
#[path = "shaders/radv.rs"]
mod radv;
#[path = "shaders/tint.rs"]
mod tint;

fn main() {
    let arguments = Arguments::from_args();
    let tests = naga_writers::tests().into_iter().chain(radv::tests()).chain(tint::tests(&arguments)).collect();
    libtest_mimic::run(&arguments, tests).exit();
}
