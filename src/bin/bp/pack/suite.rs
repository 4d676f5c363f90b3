//! `pack suite`: looking at a suite before it is judged, and signing what it demands.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bp::digest::Digest;
use bp::error::{self, Failure};
use bp::pack::freeze::Frozen;
use bp::pack::manifest::Judge;
use bp::pack::suite::Expected;
use bp::persist;
use bp::report::{Long, fold};
use serde_json::json;

use super::inputs::{self, Demanded};
use crate::cli::{PackSuite, SuiteFreeze};
use crate::output::Output;
use crate::{Run, clock, source, trust};

pub(super) fn suite(command: &PackSuite, output: &Output) -> Run {
    match command {
        PackSuite::Check { file } => check(file, output),
        PackSuite::Freeze(arguments) => freeze(arguments, output),
    }
}

/// Signs what a suite demands, and what is there of its inputs.
fn freeze(arguments: &SuiteFreeze, output: &Output) -> Run {
    let SuiteFreeze { file, key, out, created_at } = arguments;
    let Demanded { demand, inputs, missing, .. } = inputs::demanded(file, None, 1)?;
    let out = out.clone().unwrap_or_else(|| file.with_extension("freeze.json"));
    let moment = clock::moment(created_at.as_deref())?;
    let (key, said) = trust::signing_key(key.as_deref(), &moment.0)?;
    let mut digests = BTreeMap::new();
    for input in inputs {
        let (_, bytes) = input.read()?;
        digests.insert(input.name, Digest::of(&bytes));
    }
    let frozen = Frozen::of(&demand.suite, &digests, Judge::this(), moment);
    let bytes = frozen.sign(&key).map_err(|error| Failure::of(&error::KEY_ERROR, &error))?;
    persist::create(&out, &bytes, 0o644).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            &error::FILE_EXISTS,
            format!("{}: exists, and a freeze is not replaced", out.display()),
        ),
        _ => source::failure(&out, &error),
    })?;
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "out": source::shown(&out),
            "suite_sha256": frozen.suite_sha256,
            "frozen_at": frozen.frozen_at,
            "key_id": key.id(),
            "inputs": frozen.inputs.len(),
            "not_there_yet": missing.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    output.say(&said.map_or_else(String::new, |said| format!("{said}\n")));
    for (path, _) in &missing {
        output.mark("[WARN]", &format!("{path}: not there yet, so its bytes are not frozen"));
    }
    output.say(&fold(
        "froze ",
        &format!("suite {} as it is in {}", demand.suite.name(), out.display()),
        Long::Keep,
    ));
    output.say(&fold(
        "",
        "It shows that the demands came first as far as your key and your clock are believed.",
        Long::Keep,
    ));
    Ok(0)
}

fn check(file: &Path, output: &Output) -> Run {
    let Demanded { demand, inputs, missing, .. } = inputs::demanded(file, None, 1)?;
    let suite = &demand.suite;
    let ok = missing.is_empty();
    if output.json {
        output.envelope(&json!({
            "ok": ok,
            "suite": suite.name(),
            "sha256": suite.sha256(),
            "scenarios": suite.scenarios().len(),
            "inputs": inputs.len() + missing.len(),
            "missing": missing.iter().map(|(path, reason)| json!({ "path": path, "reason": reason })).collect::<Vec<_>>(),
        }))?;
        return Ok(u8::from(!ok));
    }
    for scenario in suite.scenarios().iter().filter(|_| output.verbose) {
        let expected = match &scenario.expected {
            Expected::MustPass => "must pass".to_owned(),
            Expected::MustFail => "must fail".to_owned(),
            Expected::MustDetect(names) => format!("must detect {}", names.join(" or ")),
            Expected::Informational => "told only".to_owned(),
        };
        output.say(&format!("  {:<40} {:<14} {expected}", scenario.id, scenario.category));
    }
    for (path, reason) in &missing {
        output.say(&format!("[FAIL] {path}: {reason}"));
    }
    let (scenarios, inputs) = (suite.scenarios().len(), inputs.len() + missing.len());
    let sha256 = suite.sha256();
    output.say(&format!("suite {}: {scenarios} scenarios, {inputs} inputs\n  sha256 {sha256}", suite.name()));
    output.say(match ok {
        true => "Every input can be read. Nothing was judged.",
        false => "Judged as it is, the scenarios of these inputs would count as not as expected.",
    });
    Ok(u8::from(!ok))
}
