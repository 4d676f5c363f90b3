//! `pack suite`: looking at a suite before it is judged.

use bp::pack::suite::Expected;
use serde_json::json;

use super::inputs::{self, Demanded};
use crate::Run;
use crate::cli::PackSuite;
use crate::output::Output;

pub(super) fn suite(command: &PackSuite, output: &Output) -> Run {
    let PackSuite::Check { file } = command;
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
    output.say(&format!("suite {}: {scenarios} scenarios, {inputs} inputs, sha256 {sha256}", suite.name()));
    output.say(match ok {
        true => "Every input can be read. Nothing was judged.",
        false => "Judged as it is, the scenarios of these inputs would count as not as expected.",
    });
    Ok(u8::from(!ok))
}
