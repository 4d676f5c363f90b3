//! `tensor`: stage files of a forward pass.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use bp::error::{self, Failure};
use bp::handle::At;
use bp::tensor::Bytes as _;
use bp::tensor::aprt::{HEADER_BYTES, Header, Refusal, Stage};
use bp::tensor::compare::{Bound, Comparison, Verdict};
use serde_json::json;

use crate::Run;
use crate::cli::Tensor;
use crate::output::Output;
use crate::source;

/// What a stage file does not say, so that no comparison of two can be about it.
const NOT_COMPARED: &str =
    "not compared: shape, order of axes and tokens, which a stage file does not state\n";
/// Bytes that are read at a time.
const BLOCK: usize = 1 << 18;

/// A stage file, opened.
struct Captured {
    file: At,
    stage: Stage,
    header: Header,
}

pub(crate) fn tensor(command: &Tensor, output: &Output) -> Run {
    match command {
        Tensor::Show { file } => show(file, output),
        Tensor::Diff { a, b, tol } => diff(a, b, *tol, output),
    }
}

fn open(path: &Path) -> Result<Captured, Failure> {
    let failed = |error| source::failure(path, &error);
    let refused =
        |refusal: Refusal| Failure::new(&error::TENSOR_REFUSED, format!("{}: {refusal}", path.display()));
    let file = File::open(path).and_then(At::new).map_err(failed)?;
    let size_bytes = file.size_bytes();
    let mut first = [0; HEADER_BYTES];
    let first = &mut first[..usize::try_from(size_bytes).unwrap_or(HEADER_BYTES).min(HEADER_BYTES)];
    file.read_at(0, first).map_err(failed)?;
    let header = Header::read(size_bytes, first).map_err(refused)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let stage = Stage::named(&name).map_err(refused)?;
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    header.lies(stage, folder).map_err(refused)?;
    Ok(Captured { file, stage, header })
}

fn show(path: &Path, output: &Output) -> Run {
    let Captured { stage, header, .. } = open(path)?;
    if output.json {
        output.envelope(&json!({
            "ok": true, "stage": stage.name(), "layer": header.layer.to_string(), "values": header.values,
        }))?;
    } else {
        output.data(format!("{}  {}  {} values\n", stage.name(), header.layer, header.values).as_bytes())?;
    }
    Ok(0)
}

fn diff(path: &Path, other: &Path, tol: Option<Bound>, output: &Output) -> Run {
    let (a, b) = (open(path)?, open(other)?);
    if (a.stage, a.header) != (b.stage, b.header) {
        let told = |side: &Captured| {
            format!("{} {}, {} values", side.stage.name(), side.header.layer, side.header.values)
        };
        let message = format!("APRT_INCOMPARABLE: {} against {}", told(&a), told(&b));
        return Err(Failure::new(&error::TENSOR_REFUSED, message));
    }
    // Numbers of experts are the same or they are not.
    let index = a.stage.is_index();
    let compared =
        compare((path, &a.file), (other, &b.file), if index { Bound::new(0.0, 0.0) } else { tol })?;
    let (word, status) = match compared.verdict() {
        Verdict::Pass => ("pass", 0),
        Verdict::Fail => ("fail", 1),
        Verdict::NotJudged => ("not_judged", 2),
    };
    let (cosine, ratio) = if index { (None, None) } else { (compared.cosine(), compared.norm_ratio()) };
    if output.json {
        let top: Vec<_> = compared
            .top()
            .iter()
            .map(|at| json!({ "index": at.index, "a": at.a, "b": at.b, "abs_diff": at.abs }))
            .collect();
        output.envelope(&json!({
            "ok": status == 0, "verdict": word, "stage": a.stage.name(), "layer": a.header.layer.to_string(),
            "values": compared.count, "identical": compared.unequal == 0, "over": compared.over,
            "class_mismatches": compared.mismatched, "non_finite": compared.non_finite,
            "max_abs_diff": compared.max_abs, "max_rel_diff": compared.max_rel, "max_ulp": compared.max_ulp,
            "rms_diff": compared.rms(), "cosine_sim": cosine, "norm_ratio": ratio, "top_diffs": top,
            "not_compared": ["shape", "axis order", "token scope"],
        }))?;
        return Ok(status);
    }
    let mut text = format!(
        "{} {}: {} values, {} with other bits, {} beyond the bound, {} of another class\n\
         max abs {:e}, max rel {:e}, max ulp {}\n",
        a.stage.name(),
        a.header.layer,
        compared.count,
        compared.unequal,
        compared.over,
        compared.mismatched,
        compared.max_abs,
        compared.max_rel,
        compared.max_ulp,
    );
    for at in compared.top() {
        let _ = writeln!(text, "  [{}]  {:e}  {:e}", at.index, at.a, at.b);
    }
    text.push_str(NOT_COMPARED);
    text += match compared.verdict() {
        Verdict::Pass => "within the bound\n",
        Verdict::Fail => "FAILED\n",
        Verdict::NotJudged => "NOT JUDGED: no bound was given (--tol ABS,REL)\n",
    };
    output.data(text.as_bytes())?;
    Ok(status)
}

fn compare(a: (&Path, &At), b: (&Path, &At), bound: Option<Bound>) -> Result<Comparison, Failure> {
    let mut compared = Comparison::new(bound);
    let (mut left, mut right) = (vec![0; BLOCK], vec![0; BLOCK]);
    let (mut at, size_bytes) = (HEADER_BYTES as u64, a.1.size_bytes());
    while at < size_bytes {
        let length = usize::try_from(size_bytes - at).unwrap_or(BLOCK).min(BLOCK);
        for ((path, file), buffer) in [(a, &mut left), (b, &mut right)] {
            file.read_at(at, &mut buffer[..length]).map_err(|error| source::failure(path, &error))?;
        }
        for (a, b) in left[..length].as_chunks::<4>().0.iter().zip(right[..length].as_chunks::<4>().0) {
            compared.push(f32::from_le_bytes(*a), f32::from_le_bytes(*b));
        }
        at += length as u64;
    }
    Ok(compared)
}
