//! The house stays in order: who may use whom, who may not touch what, and that nothing lies about unused.
//!
//! The tables come first; they are the place to argue with.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A module of `src/`, and what it may use. `small` stands for all of `SMALL`. A path as deep as `receipt::version`
/// allows that part alone. `bin` may use everything and is not listed.
const ARROWS: &[(&str, &str)] = &[
    // Small values.
    ("digest", ""),
    ("error", ""),
    ("json", ""),
    ("law", ""),
    ("moment", ""),
    ("number", ""),
    ("pointer", ""),
    ("persist", ""),
    ("handle", "digest persist tensor"),
    ("schema", "json pointer receipt::version"),
    // The pipeline, in the order data flows.
    ("receipt", "small"),
    ("engine", "number receipt"),
    ("author", "small receipt engine"),
    ("reconcile", "small receipt engine"),
    ("import", "small receipt engine author"),
    ("verify", "small receipt engine author reconcile import"),
    ("report", "small receipt reconcile verify"),
    // Evidence beside receipts.
    ("tensor", "small"),
    ("step", "small tensor"),
    ("run", "small handle persist tensor"),
    ("annex", "small pack::path"),
    // Packs take reports as bytes and values, and never reach into the rules.
    ("trust", "small persist"),
    ("store", "small persist"),
    ("contract", "small"),
    ("pack", "small handle persist trust run annex contract import verify report tensor step"),
];

/// What `small` stands for.
const SMALL: &str = "digest error json law moment number pointer schema";

/// Words that code (not comments) in a place does not contain, and why.
const ABSENT: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "receipt",
            "engine",
            "reconcile",
            "import",
            "verify",
            "report",
            "number",
            "json",
            "pointer",
            "schema",
            "run",
            "annex",
            "tensor",
            "step",
        ],
        &["std::fs", "fs::", "File::", "cap_std", "std::process", "std::net", "stdin"],
        "judging never opens anything: bytes are arguments",
    ),
    (
        &[
            "receipt",
            "engine",
            "reconcile",
            "import",
            "verify",
            "report",
            "number",
            "json",
            "pack",
            "annex",
            "run",
            "tensor",
            "step",
        ],
        &["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now", "std::env", "getrandom"],
        "time, randomness and the environment are arguments: only bin/ reads them, and trust/ draws keys",
    ),
    (
        &["engine", "reconcile"],
        &["fixture_status", "verification_state", "authoring_state"],
        "the judge cannot read the answer",
    ),
    (&["engine", "reconcile", "number"], &["mul_add"], "it fuses a rounding away"),
    (
        &["store"],
        &["SystemTime", "std::env", "getrandom"],
        "credentials and times are arguments: only bin/ reads where they come from",
    ),
    (
        &[
            "digest",
            "error",
            "json",
            "moment",
            "number",
            "pointer",
            "persist",
            "handle",
            "schema",
            "receipt",
            "engine",
            "author",
            "reconcile",
            "import",
            "verify",
            "report",
            "tensor",
            "step",
            "run",
            "annex",
            "trust",
            "contract",
            "pack",
        ],
        &["ureq", "object_store", "rustls", "tokio", "std::net", "TcpStream", "crate::store"],
        "what dials out is in store/, and bin/ alone asks it to: judging a pack opens no socket",
    ),
];

/// Files that a row of `ABSENT` does not bind for one word, and why.
const EXEMPT: &[(&str, &str, &str)] = &[
    (
        "src/reconcile/rules/claims.rs",
        "fixture_status",
        "what a record claims of itself is weighed there, last",
    ),
    ("src/reconcile/rules/claims.rs", "verification_state", "as above"),
    ("src/reconcile/rules/claims.rs", "authoring_state", "as above"),
    ("src/run/collect.rs", "std::fs", "the one file of the room that reads a directory"),
    ("src/run/collect.rs", "fs::", "as above"),
    ("src/run/collect.rs", "File::", "as above"),
    ("src/run/collect.rs", "cap_std", "as above"),
];

/// Lines that a file in `src/` may have.
const LONGEST: usize = 600;

/// Files that may be longer, how long, and why.
const LONG: &[(&str, usize, &str)] = &[
    ("src/receipt/wire.rs", 800, "one declaration for each block of every version, and nothing else"),
    ("src/pack/law.rs", 800, "one row for each law of a pack, in the order of the checks, and nothing else"),
];

/// A file of the repository, by its path from the root.
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The module of `src/` that the file belongs to: `receipt` for `src/receipt/wire.rs`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (Path::new(&self.path).extension()? == "rs" && !["lib", "bin"].contains(&name)).then_some(name)
    }

    /// How many times `super` leads to the root of the crate.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The lines that are code and not tests, each with its number: a test may use what it likes.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.path.ends_with("tests.rs") || self.path.contains("/tests/");
        let end = if tests { 0 } else { self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len()) };
        let numbered = self.text[..end].lines().enumerate();
        numbered.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }
}

/// The files that git tracks or would track; without git, all that a build does not make.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let paths: Vec<String> = match listed {
        Some(listed) => listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect(),
        None => walk(root, ""),
    };
    let read = |path: String| {
        let bytes = fs::read(root.join(&path)).ok()?;
        Some(File { text: String::from_utf8_lossy(&bytes).into_owned(), path })
    };
    let mut files: Vec<File> = paths.into_iter().filter_map(read).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the repository was read");
    files
}

fn walk(root: &Path, inside: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join(inside)).expect("a directory of the repository can be read");
    let mut paths = Vec::new();
    for entry in entries.map(|entry| entry.expect("an entry can be read")) {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        match entry.file_type().expect("an entry has a type") {
            kind if kind.is_dir() && ![".git", "target", "packs"].contains(&path.as_str()) => {
                paths.extend(walk(root, &path));
            }
            kind if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
    paths
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The places in `text` where `word` begins and is not the tail of a longer one.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word)
        .map(|(place, _)| place)
        .filter(|place| *place == 0 || !is_word(text.as_bytes()[place - 1]))
}

/// The paths that begin after `text`: one, or each of a `{}` group; two names deep.
fn paths_after(text: &str) -> Vec<String> {
    let path = |text: &str| {
        let end = text.bytes().position(|byte| !is_word(byte) && byte != b':').unwrap_or(text.len());
        let names: Vec<&str> = text[..end].split("::").filter(|name| !name.is_empty()).take(2).collect();
        names.join("::")
    };
    let Some(group) = text.strip_prefix('{') else { return vec![path(text)] };
    let (mut depth, mut members, mut start) = (0_usize, Vec::new(), 0);
    for (place, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                members.push(path(group[start..place].trim()));
                start = place + 1;
                if byte == b'}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// Uses of a module that the table does not allow, and modules that are not in it.
fn arrows(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    let row = |module: &str| ARROWS.iter().find(|(name, _)| *name == module);
    for file in files {
        let Some(module) = file.module() else { continue };
        let Some((_, allowed)) = row(module) else {
            faults.push(format!(
                "{}: module `{module}` has no row in ARROWS of tests/tidy.rs: say there what it may use",
                file.path
            ));
            continue;
        };
        let allowed: Vec<&str> = allowed
            .split(' ')
            .flat_map(|name| if name == "small" { SMALL } else { name }.split(' '))
            .chain([module])
            .collect();
        let code: String = file.code().flat_map(|(_, line)| [line, "\n"]).collect();
        let up = "super::".repeat(file.depth());
        let roots = ["crate::", up.as_str()];
        let uses = roots.iter().flat_map(|root| {
            places(&code, root)
                .filter(|place| !code[..*place].ends_with("super::"))
                .flat_map(|place| {
                    let number = code[..place].matches('\n').count() + 1;
                    paths_after(&code[place + root.len()..]).into_iter().map(move |used| (number, used))
                })
                // A name that is no module is a macro or an item of the crate's root.
                .filter(|(_, used)| row(used.split("::").next().unwrap_or_default()).is_some())
                .collect::<Vec<_>>()
        });
        for (number, used) in uses {
            let first = used.split("::").next().unwrap_or_default();
            if !allowed.contains(&first) && !allowed.contains(&used.as_str()) {
                faults.push(format!(
                    "{}:{number}: `{module}` uses `{used}`; it may use: {}",
                    file.path,
                    allowed.join(" ")
                ));
            }
        }
    }
    faults
}

/// Words in code where `ABSENT` says they are not.
fn absent(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let Some(module) = file.module() else { continue };
        for (_, words, why) in ABSENT.iter().filter(|(modules, _, _)| modules.contains(&module)) {
            for word in *words {
                if EXEMPT.iter().any(|(path, exempt, _)| file.path == *path && exempt == word) {
                    continue;
                }
                for (number, _) in file.code().filter(|(_, line)| places(line, word).next().is_some()) {
                    faults.push(format!("{}:{number}: `{word}`: {why}", file.path));
                }
            }
        }
    }
    faults
}

/// Schemas, templates and contracts that no source file and no test names.
fn unused(files: &[File]) -> Vec<String> {
    let code = |file: &&File| {
        Path::new(&file.path).extension().is_some_and(|extension| extension == "rs")
            && (file.path.starts_with("src/") || file.path.starts_with("tests/"))
    };
    let code: Vec<&File> = files.iter().filter(code).collect();
    let kept = |file: &&File| {
        let folder = file.path.split('/').next().unwrap_or_default();
        let name = file.path.rsplit('/').next().unwrap_or_default();
        ["schemas", "templates", "contracts"].contains(&folder) && name != ".gitkeep"
    };
    files
        .iter()
        .filter(kept)
        .filter(|file| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            !code.iter().any(|source| source.text.contains(name))
        })
        .map(|file| format!("{}: no file in src/ or tests/ names it", file.path))
        .collect()
}

/// Files in `src/` that are too long to read in one sitting.
fn long(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("src/")) {
        let limit =
            LONG.iter().find(|(path, _, _)| file.path == *path).map_or(LONGEST, |(_, limit, _)| *limit);
        let lines = file.text.lines().count();
        if lines > limit {
            faults
                .push(format!("{}: {lines} lines, {limit} at most: split it by what it is about", file.path));
        }
    }
    faults
}

/// Paths of the machine that a file was written on.
fn absolute(files: &[File]) -> Vec<String> {
    // In pieces, since this file is read too.
    let machines = [["/wo", "rk/"], ["/tmp/", "wt/"], ["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"]]
        .map(|pieces| pieces.concat());
    let mut faults = Vec::new();
    for file in files {
        for machine in &machines {
            // At the start of a path only: `https://host/home/` and `a/work/` are not of this machine.
            let starts = |place: &usize| {
                *place == 0 || !matches!(file.text.as_bytes()[place - 1], b'.' | b'/' | b'$' | b'}' | b'-')
            };
            for place in places(&file.text, machine).filter(starts) {
                let number = file.text[..place].matches('\n').count() + 1;
                faults.push(format!("{}:{number}: `{machine}` is a path of one machine", file.path));
            }
        }
    }
    faults
}

/// Dependencies without a comment above them.
fn uncommented(files: &[File]) -> Vec<String> {
    let Some(manifest) = files.iter().find(|file| file.path == "Cargo.toml") else {
        return vec!["Cargo.toml: not found".to_owned()];
    };
    let (mut faults, mut table, mut above) = (Vec::new(), String::new(), "");
    for line in manifest.text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut table);
            // `[dependencies.name]` is a dependency as a table.
            if table.contains("dependencies.") && !table.ends_with("dependencies") && !above.starts_with('#')
            {
                faults
                    .push(format!("Cargo.toml: `{table}` has no comment above it that says what it is for"));
            }
        } else if table.ends_with("dependencies")
            && line.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !above.starts_with('#')
        {
            let name = line.split([' ', '=', '.']).next().unwrap_or_default();
            faults.push(format!("Cargo.toml: `{name}` has no comment above it that says what it is for"));
        }
        above = line;
    }
    faults
}

/// Words that promise what no program can.
fn promises(files: &[File]) -> Vec<String> {
    let said = |file: &&File| file.path.starts_with("src/") || file.path.starts_with("templates/");
    let mut faults = Vec::new();
    for file in files.iter().filter(said) {
        let text = file.text.to_lowercase();
        for word in ["compliant", "certified"] {
            if text.contains(word) {
                faults.push(format!("{}: `{word}`: a pack holds evidence; others judge it", file.path));
            }
        }
    }
    faults
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn modules_use_only_what_they_may() {
    none(&arrows(&files()));
}

#[test]
fn no_module_touches_what_is_not_its_business() {
    none(&absent(&files()));
}

#[test]
fn every_schema_template_and_contract_is_used() {
    none(&unused(&files()));
}

#[test]
fn no_source_file_is_too_long() {
    none(&long(&files()));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    none(&absolute(&files()));
}

#[test]
fn every_dependency_says_what_it_is_for() {
    none(&uncommented(&files()));
}

#[test]
fn nothing_promises_what_it_cannot_keep() {
    none(&promises(&files()));
}

#[test]
fn the_tables_name_what_can_exist() {
    let modules: Vec<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let used = ARROWS
        .iter()
        .flat_map(|(_, allowed)| allowed.split(' '))
        .filter(|name| !["", "small"].contains(name));
    for name in
        used.chain(SMALL.split(' ')).chain(ABSENT.iter().flat_map(|(names, _, _)| names.iter().copied()))
    {
        let first = name.split("::").next().unwrap_or_default();
        assert!(modules.contains(&first), "`{name}` has no row in ARROWS");
    }
}

// The checks themselves, on files that break them.

type Check = fn(&[File]) -> Vec<String>;

fn faults(check: Check, path: &str, text: &str) -> usize {
    check(&[File::new(path, text)]).len()
}

#[test]
fn an_arrow_against_the_grain_is_seen() {
    for (path, text, wanted) in [
        ("src/reconcile/rule.rs", "use crate::engine::Step;\nuse crate::pointer::Pointer;", 0),
        ("src/reconcile/rule.rs", "use crate::report::Outcome;", 1),
        ("src/reconcile/rule.rs", "    let x = crate::verify::receipt(bytes);", 1),
        ("src/engine/mod.rs", "use crate::{number::Real, receipt::{step::Step, json}, json::{self}};", 1),
        ("src/engine/mod.rs", "use crate::{\n    number::Real,\n    pack::Pack,\n};", 1),
        ("src/engine/mod.rs", "use super::json::parse;", 1),
        ("src/engine/adam.rs", "use super::super::json::parse;", 1),
        ("src/engine/adam.rs", "use super::json::parse;", 0),
        ("src/engine/adam.rs", "use crate::at; // crate::pack is not used", 0),
        ("src/engine/mod.rs", "//! See [`crate::pack`].", 0),
        ("src/engine/mod.rs", "fn run() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::json;\n}", 0),
        ("src/schema.rs", "use crate::receipt::version::ReceiptVersion;", 0),
        ("src/schema.rs", "use crate::receipt::step::Step;", 1),
        ("src/pack/check.rs", "use crate::reconcile::Rule;", 1),
        ("src/utils.rs", "", 1),
        ("src/bin/bp/main.rs", "use crate::anything;", 0),
        ("src/lib.rs", "pub mod digest;", 0),
    ] {
        assert_eq!(faults(arrows, path, text), wanted, "{path}: {text}");
    }
}

#[test]
fn each_other_fault_is_seen() {
    let long_file = "\n".repeat(LONGEST + 1);
    let machine = ["a /wo", "rk/x"].concat();
    let checks: [(Check, &str, &str, usize); 25] = [
        (absent, "src/reconcile/mod.rs", "use std::fs;", 1),
        (absent, "src/verify/mod.rs", "use std::{fs, io};\nlet x = fs::read(path);", 1),
        (absent, "src/verify/mod.rs", "refs::read(path) // std::fs", 0),
        (absent, "src/engine/mod.rs", "let now = SystemTime::now();", 1),
        (absent, "src/reconcile/rules/form.rs", "step.fixture_status", 1),
        (absent, "src/reconcile/rules/claims.rs", "step.fixture_status", 0),
        (absent, "src/reconcile/rules/claims.rs", "use std::fs;", 1),
        (absent, "src/bin/bp/main.rs", "use std::fs;", 0),
        (absent, "src/pack/check/mod.rs", "let answer = ureq::get(url);", 1),
        (absent, "src/store/client.rs", "let answer = ureq::get(url);", 0),
        (absent, "src/store/settings.rs", "std::env::vars()", 1),
        (unused, "schemas/lost.schema.json", "{}", 1),
        (unused, "contracts/lost.json", "{}", 1),
        (unused, "fixtures/lost.json", "{}", 0),
        (long, "src/json.rs", &long_file, 1),
        (long, "tests/json.rs", &long_file, 0),
        (absolute, "scripts/x.sh", &machine, 1),
        (absolute, "scripts/x.sh", "$HOME/work/x ../work/x", 0),
        (uncommented, "Cargo.toml", "[dependencies]\n# Reads.\na = \"1\"\nb = \"1\"", 1),
        (uncommented, "Cargo.toml", "[dev-dependencies]\na = { version = \"1\" }", 1),
        (uncommented, "Cargo.toml", "# Reads.\n[dependencies.a]\nversion = \"1\"", 0),
        (uncommented, "Cargo.toml", "[dependencies.a]\nversion = \"1\"", 1),
        (promises, "templates/README.md", "This is Compliant.", 1),
        (promises, "src/lib.rs", "certified", 1),
        (promises, "SECURITY.md", "certified", 0),
    ];
    for (check, path, text, wanted) in checks {
        assert_eq!(faults(check, path, text), wanted, "{path}: {}", text.trim());
    }
}
