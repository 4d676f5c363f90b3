//! `explain`: what a code means and what to do.

use bp::contract::law as contract_law;
use bp::error::{self, Failure};
use bp::pack::law;
use bp::report::{Long, fold};
use bp::run::law as run_law;
use bp::step;
use bp::tensor::law as tensor_law;
use serde_json::json;

use crate::Run;
use crate::output::Output;

pub(crate) fn explain(code: &str, output: &Output) -> Run {
    let name = code.to_ascii_uppercase();
    let error = error::code(&name).map(|code| (code.name, None, code.meaning, code.remedy));
    let law = || law::law(&name).map(|law| (law.code, Some(law.title), law.meaning, law.remedy));
    let run = || run_law::law(&name).map(|law| (law.code, Some(law.title), law.meaning, law.remedy));
    let contract =
        || contract_law::law(&name).map(|law| (law.code, Some(law.title), law.meaning, law.remedy));
    let tensor = || tensor_law::law(&name).map(|law| (law.code, Some(law.title), law.meaning, law.remedy));
    let step = || {
        let remedy =
            "Look at the first place that the report names; `bp rules CODE` has the source of the rule.";
        step::rule::rule(&name).map(|rule| (rule.code, Some(rule.title), rule.applies, remedy))
    };
    let found = error.or_else(law).or_else(run).or_else(contract).or_else(tensor).or_else(step);
    let Some((name, law, meaning, remedy)) = found else {
        let failure = Failure::new(&error::INVALID_FLAG, format!("there is no code {code:?}"));
        return Err(failure.hint("give a code as an error or a finding prints it, for example ENOENT"));
    };
    if output.json {
        output.envelope(
            &json!({ "ok": true, "code": name, "law": law, "meaning": meaning, "remedy": remedy }),
        )?;
        return Ok(0);
    }
    let law = law.map(|law| fold("  law:    ", law, Long::Keep)).unwrap_or_default();
    let meaning = fold("  means:  ", meaning, Long::Keep);
    let remedy = fold("  remedy: ", remedy, Long::Keep);
    output.data(format!("{name}\n{law}{meaning}{remedy}").as_bytes())?;
    Ok(0)
}
