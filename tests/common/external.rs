//! Tests of files that a clone of the repository lacks: real models, published data, other programs' results.

use std::path::PathBuf;

use libtest_mimic::Trial;

/// A test that runs where environment variables name its files.
pub struct External {
    pub name: &'static str,
    /// The variables.
    pub needs: &'static [&'static str],
    /// Takes the paths they name, in the same order.
    pub run: fn(&[PathBuf]),
}

/// Returns the test as a trial: ignored, with the reason in front of its name, where a variable is not set.
pub fn trial(test: &External) -> Trial {
    let paths: Result<Vec<PathBuf>, String> = test
        .needs
        .iter()
        .map(|name| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set")))
        .collect();
    let (run, missing) = (test.run, paths.as_ref().err().cloned());
    let trial = Trial::test(test.name, move || {
        run(&paths?);
        Ok(())
    });
    match missing {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}
