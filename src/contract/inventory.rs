//! Which tests there are and how each ended, from what `cargo test` prints.
//!
//! `cargo test -- --list` gives the inventory and `cargo test` the results, each with standard error and output in one
//! stream: cargo names a target, and the test program that it starts then writes its lines.

use std::collections::BTreeMap;

use super::document::Test;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was left out.
    Ignored,
}

/// The tests of a package, and how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tests {
    listed: BTreeMap<Test, usize>,
    ended: BTreeMap<Test, Vec<Ended>>,
}

impl Tests {
    /// Reads what `cargo test -- --list` and `cargo test` printed.
    #[must_use]
    pub fn read(inventory: &str, results: &str) -> Self {
        let mut tests = Self::default();
        for (target, line) in placed(inventory) {
            if let Some(path) = line.strip_suffix(": test") {
                let test = Test { target, path: path.to_owned() };
                *tests.listed.entry(test).or_default() += 1;
            }
        }
        for (target, line) in placed(results) {
            if let Some((path, ended)) = result(line) {
                tests.ended.entry(Test { target, path: path.to_owned() }).or_default().push(ended);
            }
        }
        tests
    }

    /// Notes a test and how it ended.
    pub fn note(&mut self, test: Test, ended: Ended) {
        *self.listed.entry(test.clone()).or_default() += 1;
        self.ended.entry(test).or_default().push(ended);
    }

    /// How many tests of this name the inventory has.
    #[must_use]
    pub fn listed(&self, test: &Test) -> usize {
        self.listed.get(test).copied().unwrap_or_default()
    }

    /// How each run of a test ended.
    #[must_use]
    pub fn ended(&self, test: &Test) -> &[Ended] {
        self.ended.get(test).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether there is a test in the inventory, and a result.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        !self.listed.is_empty() && !self.ended.is_empty()
    }
}

/// The lines of each target, with its name.
fn placed(text: &str) -> impl Iterator<Item = (String, &str)> {
    let mut target = None;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(started) = line.strip_prefix("Running ") {
            target = named(started);
            return None;
        }
        if line.starts_with("Doc-tests ") {
            target = Some("doc".to_owned());
            return None;
        }
        Some((target.clone()?, line))
    })
}

/// The target of `unittests src/lib.rs (target/debug/deps/...)`.
fn named(started: &str) -> Option<String> {
    let source = started.split(" (").next()?;
    let stem = |path: &str| path.strip_suffix(".rs").map(str::to_owned);
    if let Some(source) = source.strip_prefix("unittests ") {
        if source == "src/lib.rs" {
            return Some("lib".to_owned());
        }
        let name = source.strip_prefix("src/bin/")?.split('/').next()?;
        return Some(format!("bin:{}", name.trim_end_matches(".rs")));
    }
    stem(source.strip_prefix("tests/")?).map(|name| format!("test:{name}"))
}

/// The path and the end of `test PATH ... ok`.
fn result(line: &str) -> Option<(&str, Ended)> {
    let (path, ended) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let ended = match ended {
        "ok" => Ended::Passed,
        "FAILED" => Ended::Failed,
        _ if ended == "ignored" || ended.starts_with("ignored,") => Ended::Ignored,
        _ => return None,
    };
    Some((path.strip_suffix(" - should panic").unwrap_or(path), ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(target: &str, path: &str) -> Test {
        Test { target: target.into(), path: path.into() }
    }

    #[test]
    fn targets_paths_and_ends_are_read() {
        let inventory = "    Finished `test` profile\n     Running unittests src/lib.rs (target/debug/deps/bp-1)\n\
            a::tests::x: test\n\n1 test, 0 benchmarks\n     Running unittests src/bin/bp/main.rs (t/bp-2)\n\
            a::tests::x: test\n     Running tests/pack.rs (t/pack-3)\nx: test\ny: test\nz: test\n   Doc-tests bp\n";
        let results = "     Running unittests src/lib.rs (t/bp-1)\n\nrunning 1 test\ntest a::tests::x ... ok\n\n\
            test result: ok. 1 passed; 0 failed\n     Running tests/pack.rs (t/pack-3)\ntest x ... FAILED\n\
            test y ... ignored, needs a network\ntest z - should panic ... ok\ntest z - should panic ... ok\n";
        let tests = Tests::read(inventory, results);
        assert!(tests.is_measured());
        assert_eq!(tests.listed(&test("lib", "a::tests::x")), 1);
        assert_eq!(tests.ended(&test("lib", "a::tests::x")), [Ended::Passed]);
        assert_eq!(tests.listed(&test("bin:bp", "a::tests::x")), 1);
        assert_eq!(tests.ended(&test("bin:bp", "a::tests::x")), []);
        assert_eq!(tests.ended(&test("test:pack", "x")), [Ended::Failed]);
        assert_eq!(tests.ended(&test("test:pack", "y")), [Ended::Ignored]);
        assert_eq!(tests.ended(&test("test:pack", "z")), [Ended::Passed, Ended::Passed]);
        assert_eq!(tests.listed(&test("test:pack", "a::tests::x")), 0);
    }

    #[test]
    fn a_run_of_no_tests_measures_nothing() {
        let empty = "     Running tests/pack.rs (t/pack-3)\nrunning 0 tests\ntest result: ok. 0 passed\n";
        assert!(!Tests::read(empty, empty).is_measured());
        assert!(!Tests::read("x: test", "test x ... ok").is_measured(), "of no target");
    }
}
