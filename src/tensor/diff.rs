//! Two captures, stage by stage in the order of the forward pass: each within its bound, and where they begin to differ.

use std::collections::BTreeSet;

use bytemuck::Zeroable as _;

use super::capture::{Opened, Tensor, blocks};
use super::compare::{Bound, Comparison, Verdict};
use super::dtype::{Bf16, Dtype, F16, Mixed, Value};
use super::index::Index;
use super::law::{APRT_INCOMPARABLE, Fault, Refusal};
use super::stage::Place;
use super::{Bytes, Capture, Folder};

/// Values of each side that are read at a time: together they stay in a cache.
const BLOCK: usize = 1 << 14;

/// Where a bound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Whoever asked.
    Asked,
    /// The index of the capture that is judged, with its reason.
    IndexA(String),
    /// The index of the capture that it is held against, with its reason.
    IndexB(String),
    /// Both: the tighter parts of the two, with both reasons.
    Indexes([String; 2]),
    /// The stage: numbers of experts are equal, or they are not.
    Stage,
}

/// A stage of both captures.
#[derive(Debug, Clone)]
pub struct Row {
    /// The stage.
    pub place: Place,
    /// The types of its values, in either capture.
    pub dtypes: [Dtype; 2],
    /// Its bound, and where that comes from.
    pub bound: Option<(Bound, Origin)>,
    /// How far its values are apart.
    pub compared: Comparison,
}

/// What comparing two captures came to.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The stages that both have, in the order of the forward pass.
    pub rows: Vec<Row>,
    /// Stages that one of the two alone has.
    pub alone: [Vec<Place>; 2],
    /// What the files do not state, so that it was not compared.
    pub unstated: BTreeSet<&'static str>,
}

impl Diff {
    /// What it comes to. A stage that only one of the two has was not compared, so nothing passes with one.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = self.rows.iter().map(|row| row.compared.verdict()).max().unwrap_or(Verdict::NotJudged);
        let whole = self.alone.iter().all(Vec::is_empty);
        if whole { worst } else { worst.max(Verdict::NotJudged) }
    }

    /// The first stage, in the order of the forward pass, that is beyond its bound.
    #[must_use]
    pub fn first_failing(&self) -> Option<Place> {
        self.rows.iter().find(|row| row.compared.verdict() == Verdict::Fail).map(|row| row.place)
    }

    /// The first stage, in the order of the forward pass, of which a bit differs.
    #[must_use]
    pub fn first_differing(&self) -> Option<Place> {
        self.rows.iter().find(|row| row.compared.unequal > 0).map(|row| row.place)
    }
}

fn incomparable(said: impl Into<String>) -> Fault {
    Refusal::new(&APRT_INCOMPARABLE, said).into()
}

/// Holds the stages of `a` against those of `b`. A bound that is asked for stands for all stages; else each has that of the
/// indexes, the tighter parts where both state one.
///
/// # Errors
/// [`Fault`]: stages that cannot be compared, none that both have, a file that cannot be read.
pub fn diff<A: Folder, B: Folder>(
    a: &Capture<A>,
    b: &Capture<B>,
    asked: Option<Bound>,
) -> Result<Diff, Fault> {
    let mut unstated = BTreeSet::new();
    match (a.index(), b.index()) {
        (Some(one), Some(other)) => same(one, other)?,
        _ => drop(unstated.insert("prompt")),
    }
    let (mut rows, mut alone) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (place, tensor) in a.stages() {
        let Some(other) = b.stage(place) else {
            alone[0].push(place);
            continue;
        };
        comparable(place, [tensor, other], &mut unstated)?;
        let bound = bound(place, [tensor, other], asked);
        let compared = match (a.open(place)?, b.open(place)?) {
            (Some(left), Some(right)) => compare(&left, &right, bound.as_ref().map(|(bound, _)| *bound))?,
            _ => return Err(incomparable(place.to_string())),
        };
        rows.push(Row { place, dtypes: [tensor.dtype, other.dtype], bound, compared });
    }
    alone[1].extend(b.stages().map(|(place, _)| place).filter(|place| a.stage(*place).is_none()));
    if rows.is_empty() {
        let told = |places: &[Place]| places.first().map(ToString::to_string).unwrap_or_default();
        let said = format!("no stage is in both: {} against {}", told(&alone[0]), told(&alone[1]));
        return Err(incomparable(said));
    }
    Ok(Diff { rows, alone, unstated })
}

/// Whether two indexes are about one prompt in models of one shape.
fn same(one: &Index, other: &Index) -> Result<(), Fault> {
    if one.prompt.sha256 != other.prompt.sha256 {
        return Err(incomparable("the two are of different prompts"));
    }
    if !one.dims.agrees(&other.dims) {
        return Err(incomparable("the two are of models or prompts of different dimensions"));
    }
    Ok(())
}

/// Whether the values of two tensors stand at the same positions, as far as they state that.
fn comparable(place: Place, pair: [&Tensor; 2], unstated: &mut BTreeSet<&'static str>) -> Result<(), Fault> {
    let [one, other] = pair;
    if one.values != other.values {
        return Err(incomparable(format!("{place}: {} values against {}", one.values, other.values)));
    }
    let shapes =
        pair.map(|tensor| tensor.form.as_ref().map(|form| form.shape.as_slice()).or(tensor.shape.as_deref()));
    match shapes {
        [Some(one), Some(other)] if one != other => {
            return Err(incomparable(format!("{place}: {one:?} against {other:?}")));
        }
        [Some(_), Some(_)] => {}
        _ => drop(unstated.insert("shape")),
    }
    match (&one.form, &other.form) {
        (Some(one), Some(other)) if one.axis_order != other.axis_order => {
            Err(incomparable(format!("{place}: the order of the axes differs")))
        }
        (Some(one), Some(other)) if one.token_scope != other.token_scope => {
            Err(incomparable(format!("{place}: all tokens against the last one")))
        }
        (Some(_), Some(_)) => Ok(()),
        _ => {
            unstated.extend(["axis order", "token scope"]);
            Ok(())
        }
    }
}

fn bound(place: Place, pair: [&Tensor; 2], asked: Option<Bound>) -> Option<(Bound, Origin)> {
    if place.stage.is_index() {
        return Some((Bound::EXACT, Origin::Stage));
    }
    if let Some(bound) = asked {
        return Some((bound, Origin::Asked));
    }
    let [one, other] = pair.map(|tensor| tensor.bound.clone());
    match (one, other) {
        (Some((bound, reason)), None) => Some((bound, Origin::IndexA(reason))),
        (None, Some((bound, reason))) => Some((bound, Origin::IndexB(reason))),
        (Some((one, a)), Some((other, b))) => Some((one.tighter(other), Origin::Indexes([a, b]))),
        (None, None) => None,
    }
}

impl Origin {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Asked => "--tol",
            Self::IndexA(_) => "index of a",
            Self::IndexB(_) => "index of b",
            Self::Indexes(_) => "both indexes",
            Self::Stage => "stage",
        }
    }

    /// The reasons that indexes state.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::IndexA(reason) | Self::IndexB(reason) => std::slice::from_ref(reason),
            Self::Indexes(reasons) => reasons,
            Self::Asked | Self::Stage => &[],
        }
    }
}

/// All values of two tensors that have as many.
fn compare<A: Bytes, B: Bytes>(
    a: &Opened<'_, A>,
    b: &Opened<'_, B>,
    bound: Option<Bound>,
) -> Result<Comparison, Fault> {
    match (a.tensor.dtype, b.tensor.dtype) {
        (Dtype::F16, Dtype::F16) => compare_as::<F16, _, _>(a, b, bound),
        (Dtype::Bf16, Dtype::Bf16) => compare_as::<Bf16, _, _>(a, b, bound),
        (Dtype::F32, Dtype::F32) => compare_as::<f32, _, _>(a, b, bound),
        (Dtype::F64, Dtype::F64) => compare_as::<f64, _, _>(a, b, bound),
        _ => mixed(a, b, bound),
    }
}

fn compare_as<V: Value, A: Bytes, B: Bytes>(
    a: &Opened<'_, A>,
    b: &Opened<'_, B>,
    bound: Option<Bound>,
) -> Result<Comparison, Fault> {
    let mut compared = Comparison::new(bound);
    let mut buffers = [vec![V::Bits::zeroed(); BLOCK], vec![V::Bits::zeroed(); BLOCK]];
    for (from, count) in blocks(a.tensor.values, BLOCK) {
        let [left, right] = &mut buffers;
        a.bits::<V>(from, &mut left[..count])?;
        b.bits::<V>(from, &mut right[..count])?;
        compared.push::<V>(&left[..count], &right[..count]);
    }
    Ok(compared)
}

/// Values of two types, each as the float64 that it is.
fn mixed<A: Bytes, B: Bytes>(
    a: &Opened<'_, A>,
    b: &Opened<'_, B>,
    bound: Option<Bound>,
) -> Result<Comparison, Fault> {
    let mut compared = Comparison::new(bound);
    let mut buffers = [vec![0.0; BLOCK], vec![0.0; BLOCK]];
    for (from, count) in blocks(a.tensor.values, BLOCK) {
        let [left, right] = &mut buffers;
        a.wide(from, &mut left[..count])?;
        b.wide(from, &mut right[..count])?;
        let bits = |values: &[f64]| -> Vec<u64> { values.iter().map(|value| value.to_bits()).collect() };
        compared.push::<Mixed>(&bits(&left[..count]), &bits(&right[..count]));
    }
    Ok(compared)
}
