//! `tensor`: captured stages of a forward pass.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use bp::error::{self, Failure};
use bp::handle::{At, Files};
use bp::report::{Long, fold};
use bp::tensor::capture::{Capture, Folder, index_of};
use bp::tensor::compare::{Bound, Verdict};
use bp::tensor::diff::diff;
use bp::tensor::forward::{Weights, check};
use bp::tensor::told::{self, CheckDocument, DiffDocument, Side, WeightsRow};
use bp::tensor::{Fault, digest};
use serde_json::json;

use crate::Run;
use crate::cli::Tensor;
use crate::output::Output;
use crate::source;

pub(crate) fn tensor(command: &Tensor, output: &Output) -> Run {
    match command {
        Tensor::Show { capture } => show(capture, output),
        Tensor::Diff { a, b, tol } => compared(a, b, *tol, output),
        Tensor::Check { capture, weights } => checked(capture, weights.as_deref(), output),
    }
}

/// One file, with the folder above it where that names a layer.
fn alone(path: &Path) -> Files {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let file = name(path).unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    match name(parent).filter(|folder| folder.starts_with("layer-")) {
        Some(folder) => {
            let root = parent.parent().unwrap_or(Path::new("")).to_owned();
            Files::named(root, vec![format!("{folder}/{file}")])
        }
        None => Files::named(parent.to_owned(), vec![file]),
    }
}

/// A capture, from a folder, an index or a file.
pub(crate) fn open(path: &Path) -> Result<Capture<Files>, Failure> {
    let failed = |error: io::Error| source::failure(path, &error);
    let refused = |root: &Path, fault| failure(path, root, &fault);
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        let files = Files::below(path).map_err(failed)?;
        let root = files.root().to_owned();
        let Some(own) = index_of(files.names()).map(str::to_owned) else {
            return Capture::bare(files).map_err(|fault| refused(&root, fault));
        };
        let bytes = source::whole(&root.join(&own))?;
        return Capture::indexed(files, Some(&own), &bytes).map_err(|fault| refused(&root, fault));
    }
    if path.extension().is_some_and(|extension| extension == "json") {
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let files = Files::below(parent).map_err(failed)?;
        let own = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let bytes = source::whole(path)?;
        return Capture::indexed(files, own.as_deref(), &bytes).map_err(|fault| refused(parent, fault));
    }
    let files = alone(path);
    let root = files.root().to_owned();
    let kinds = ["bin", "npy", "safetensors"];
    if !path.extension().is_some_and(|extension| kinds.iter().any(|kind| extension == *kind)) {
        let message = format!("{}: a capture ends in .bin, .npy, .safetensors or .json", path.display());
        return Err(Failure::new(&error::TENSOR_REFUSED, message));
    }
    Capture::bare(files).map_err(|fault| refused(&root, fault))
}

/// Why a capture is not judged. `path` is what was named, `root` the folder that its files are named from.
fn failure(path: &Path, root: &Path, fault: &Fault) -> Failure {
    match fault {
        Fault::Refused(refusal) => {
            Failure::new(&error::TENSOR_REFUSED, format!("{}: {refusal}", path.display()))
        }
        Fault::Io { file, source } => source::failure(&root.join(file), source),
    }
}

fn show(path: &Path, output: &Output) -> Run {
    let capture = open(path)?;
    if output.json {
        let stage = |(place, tensor): (bp::tensor::Place, &bp::tensor::capture::Tensor)| {
            let shape = tensor.form.as_ref().map(|form| &form.shape).or(tensor.shape.as_ref());
            json!({
                "stage": place.to_string(), "dtype": tensor.dtype.name(), "values": tensor.values,
                "shape": shape, "file": tensor.file,
            })
        };
        let stages: Vec<_> = capture.stages().map(stage).collect();
        output.envelope(&json!({ "ok": true, "stages": stages }))?;
        return Ok(0);
    }
    let mut text = String::new();
    for (place, tensor) in capture.stages() {
        let _ = write!(text, "{place}  {}  {} values", tensor.dtype, tensor.values);
        if let Some(shape) = tensor.form.as_ref().map(|form| &form.shape).or(tensor.shape.as_ref()) {
            let _ = write!(text, "  {shape:?}");
        }
        text.push('\n');
    }
    output.data(text.as_bytes())?;
    Ok(0)
}

fn text(lines: &[(String, String)]) -> String {
    lines.iter().map(|(head, words)| fold(head, words, Long::Keep)).collect()
}

fn compared(path: &Path, other: &Path, tol: Option<Bound>, output: &Output) -> Run {
    let (a, b) = (open(path)?, open(other)?);
    let found = diff(&a, &b, tol).map_err(|fault| failure(path, path, &fault))?;
    let status = match found.verdict() {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::NotJudged => 2,
    };
    if output.json {
        let document = DiffDocument::of(Side::of(&a), Side::of(&b), &found);
        output.envelope(&json!({ "ok": status == 0, "diff": document }))?;
    } else {
        output.data(text(&told::diff_lines(&found, output.verbose)).as_bytes())?;
    }
    Ok(status)
}

fn checked(path: &Path, weights: Option<&Path>, output: &Output) -> Run {
    let capture = open(path)?;
    let (weights, row) = match weights {
        None => (None, None),
        Some(file) => {
            let failed = |error: io::Error| source::failure(file, &error);
            let bytes = At::path(file).map_err(failed)?;
            let sha256 = digest(&bytes).map_err(failed)?;
            let of_the_index = capture.index().map(|index| index.model.sha256 == sha256);
            let read = Weights::read(&source::shown(file), bytes);
            let weights = read.map_err(|fault| failure(file, Path::new(""), &fault))?;
            (Some(weights), Some(WeightsRow { sha256, of_the_index }))
        }
    };
    let found = check(&capture, weights.as_ref()).map_err(|fault| failure(path, path, &fault))?;
    let document = CheckDocument::of(&capture, row, &found);
    let status = match told::verdict(&found) {
        "pass" => 0,
        "fail" => 1,
        _ => 2,
    };
    if output.json {
        output.envelope(&json!({ "ok": status == 0, "check": document }))?;
    } else {
        output.data(text(&told::check_lines(&document)).as_bytes())?;
    }
    Ok(status)
}
