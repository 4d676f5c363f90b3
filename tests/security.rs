//! SECURITY.md says what is: each test that it names exists, and each limit is the code's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The table under the heading, each row as its cells.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells =
        rows.map(|row| row.split(" | ").map(|cell| cell.trim_start_matches("| ").to_owned()).collect());
    cells.skip(1).collect()
}

/// What stands between backticks, in order.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// `1 << 30`, `200_000` and products of such, as a number.
fn evaluated(expression: &str) -> u64 {
    let expression = expression.split_once(" as ").map_or(expression, |(number, _)| number);
    if let Some((left, right)) = expression.split_once("<<") {
        return evaluated(left.trim()) << evaluated(right.trim());
    }
    if let Some((left, right)) = expression.split_once('*') {
        return evaluated(left.trim()) * evaluated(right.trim());
    }
    expression.trim_matches(['(', ')']).replace('_', "").parse().unwrap()
}

/// The value of a constant, or of a field in the one `Default`, of a source file.
fn in_code(source: &str, name: &str) -> u64 {
    let constant = source.lines().find_map(|line| {
        let (head, value) = line.trim().strip_suffix(';')?.split_once(" = ")?;
        head.contains(&format!("const {name}: ")).then(|| value.to_owned())
    });
    let field = || {
        let values = source.split("impl Default for Limits").nth(1)?.split("\n}").next()?;
        let line = values.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")))?;
        Some(line.trim_end_matches(',').to_owned())
    };
    evaluated(&constant.or_else(field).unwrap_or_else(|| panic!("{name} is not there")))
}

/// `64 MiB`, `1000`.
fn in_words(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let shift = ["", "KiB", "MiB", "GiB", "TiB"].iter().position(|known| *known == unit).unwrap();
    number.parse::<u64>().unwrap() << (10 * shift)
}

/// Whether a function of this name is there, and marked as a test.
fn is_a_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}() {{")) else { return false };
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("#[test]")
}

#[test]
fn every_test_that_is_named_exists() {
    let document = read("SECURITY.md");
    let promises = rows(&document, "What is promised, whatever the system does");
    assert!(promises.len() > 20, "{promises:?}");
    for row in &promises {
        assert!(quoted(row.last().unwrap()).len() == 2, "a line without its test: {row:?}");
    }
    let words = quoted(&document);
    let mut named = 0;
    for pair in words.windows(2) {
        let [file, test] = pair else { continue };
        let is_test =
            file.strip_prefix("tests/").is_some_and(|file| !file.contains('/')) && !test.contains('/');
        if is_test
            && test
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        {
            assert!(is_a_test(&read(file), test), "{file} has no test {test}");
            named += 1;
        }
    }
    assert!(named >= promises.len(), "{named}");
}

#[test]
fn every_limit_is_that_of_the_code() {
    let limits = rows(&read("SECURITY.md"), "Limits");
    assert!(limits.len() > 30, "{}", limits.len());
    for row in &limits {
        let [_, most, place] = row.as_slice() else { panic!("{row:?}") };
        let [file, name] = quoted(place)[..] else { panic!("{row:?}") };
        assert_eq!(in_words(most), in_code(&read(file), name), "{row:?}");
    }
}

/// A limit on the length of what comes from outside is in the table.
#[test]
fn no_limit_is_missing() {
    let named: Vec<(String, String)> = rows(&read("SECURITY.md"), "Limits")
        .iter()
        .map(|row| (quoted(&row[2])[0].to_owned(), quoted(&row[2])[1].to_owned()))
        .collect();
    let mut missing = Vec::new();
    let mut folders = vec!["src".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
                continue;
            }
            for line in read(&path).lines() {
                let Some((_, rest)) = line.split_once("const MAX_") else { continue };
                let name = format!("MAX_{}", rest.split(':').next().unwrap());
                let is_named = named.iter().any(|(file, known)| (file, known) == (&path, &name));
                if name.ends_with("BYTES")
                    && !is_named
                    && !ELSEWHERE.contains(&(path.as_str(), name.as_str()))
                {
                    missing.push(format!("{path} {name}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// Lengths that bound what `bp` writes itself, or that the format has.
const ELSEWHERE: [(&str, &str); 5] = [
    ("src/pack/archive/header.rs", "MAX_SIZE_BYTES"),
    ("src/pack/plan/input.rs", "MAX_STEM_BYTES"),
    ("src/pack/plan/input.rs", "MAX_NUMBER_BYTES"),
    ("src/bin/bp/signoff.rs", "MAX_ATTACHED_BYTES"),
    ("src/store/client.rs", "MAX_UNASKED_BYTES"),
];
