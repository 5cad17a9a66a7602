//! The `qwgpu` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none_or(|v| v.is_empty()) {
        // Without it a library below the Vulkan loader prints an error of its own, ahead of our first line.
        // SAFETY: no other thread has started.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/nonexistent") }
    }
    qwgpu::cli::main()
}
