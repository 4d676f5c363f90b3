//! The merges of a multi-run: how the adapters of its runs became one.
//!
//! Run k is merged with the scale 1/sqrt(k), and begins with the norm that run k-1 ended with.

use serde_json::{Map, Value};

use crate::run::derive::Draft;
use crate::run::derive::backpropagate::Entry;
use crate::run::docs::{Docs, number};
use crate::run::law;
use crate::run::record::Merge;

/// The scale is one rounding of a square root and one of a quotient, in binary64.
const SCALE_BOUND: f64 = 1e-12;
/// Norms are sums in binary32 of the same tensor; the order of summation may differ between processes.
const NORM_BOUND: f64 = 1e-5;

/// What both histories tell of a merge and must tell alike.
const TOLD_TWICE: &[&str] =
    &["scale_factor", "a_norm_before", "a_norm_after", "b_norm_before", "b_norm_after"];

pub(super) fn read(docs: &Docs<'_>, base: &str, entry: &Entry<'_>, history: &str, draft: &mut Draft) {
    let runs = |path: &&str| docs.object(path).and_then(|object| object.get("run_index")?.as_u64());
    let within = |path: &&str| base.is_empty() || path.starts_with(&format!("{base}/"));
    let Some(path) =
        docs.named("merge_history.json").into_iter().filter(within).max_by_key(|path| runs(path))
    else {
        return;
    };
    let Some(object) = docs.object(path) else { return };
    let square_root = is_square_root(object);
    let least = object.get("config").and_then(|config| number(config.get("min_scale")?)).unwrap_or(0.0);
    let rows =
        object.get("history").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let mut before: Option<(u64, f64)> = None;
    for merge in rows {
        let value = |key: &str| merge.get(key).and_then(number);
        let Some(run_index) = merge.get("run_index").and_then(Value::as_u64).filter(|index| *index > 0)
        else {
            draft.find(&law::RUN_MERGE_CONTRADICTION, path, "a merge without the number of its run");
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "runs are counted in tens")]
        let wanted = (1.0 / (run_index as f64).sqrt()).max(least);
        let scale_factor = value("scale_factor");
        let scale_holds =
            square_root.then(|| scale_factor.is_some_and(|scale| (scale - wanted).abs() <= SCALE_BOUND));
        if scale_holds == Some(false) {
            let stored = scale_factor.map_or("none".to_owned(), |scale| scale.to_string());
            draft.find(
                &law::RUN_MERGE_SCALE,
                path,
                format!("run {run_index}: the scale is {stored}, and should be {wanted}"),
            );
        }
        let (norm_before, norm_after) = (value("a_norm_before"), value("a_norm_after"));
        let chain_holds = match (before, norm_before) {
            (Some((index, ended)), Some(begins)) if index + 1 == run_index => {
                Some((begins - ended).abs() <= NORM_BOUND * ended.abs())
            }
            (Some((index, _)), _) if index + 1 != run_index => Some(false),
            _ => None,
        };
        if chain_holds == Some(false) {
            draft.find(
                &law::RUN_MERGE_CHAIN,
                path,
                format!("run {run_index} does not begin where the one before it ended"),
            );
        }
        before = norm_after.map(|norm| (run_index, norm));
        told_alike(entry, merge, run_index, path, history, draft);
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        draft.merges.push(Merge {
            run_index,
            scale_factor: finite(scale_factor),
            a_norm_before: finite(norm_before),
            a_norm_after: finite(norm_after),
            scale_holds,
            chain_holds,
            path: path.to_owned(),
        });
    }
}

/// Whether the scale is the plain one.
fn is_square_root(object: &Map<String, Value>) -> bool {
    let config = |key: &str| object.get("config").and_then(|config| config.get(key));
    let on = |key: &str| config(key).and_then(Value::as_bool) == Some(true);
    let strategy = object.get("strategy_config").and_then(|strategy| strategy.get("strategy")?.as_str());
    config("scaling_type").and_then(Value::as_str) == Some("sqrt")
        && on("use_time_aware_scaling")
        && !on("use_adaptive_scaling")
        && !on("use_layer_scaling")
        && strategy == Some("qiao_mahdavi")
}

/// The row of the run history tells the merges of its process too.
fn told_alike(
    entry: &Entry<'_>,
    merge: &Map<String, Value>,
    run_index: u64,
    path: &str,
    history: &str,
    draft: &mut Draft,
) {
    let rows = entry.object.get("merge_history").and_then(Value::as_array).into_iter().flatten();
    for row in rows.filter(|row| row.get("run_index").and_then(Value::as_u64) == Some(run_index)) {
        let differs = |key: &&&str| {
            let told = row.get("result").and_then(|result| number(result.get(**key)?));
            let stored = merge.get(**key).and_then(number);
            told.is_some() && told.map(f64::to_bits) != stored.map(f64::to_bits)
        };
        if let Some(key) = TOLD_TWICE.iter().find(differs) {
            draft.find(
                &law::RUN_MERGE_CONTRADICTION,
                path,
                format!("run {run_index}: {key} differs from {history}"),
            );
        }
    }
}
