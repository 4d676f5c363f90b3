//! Gradients of linear modules that are shown: products of what went in and what came back.
//!
//! For a micro-batch: input `X [N, in]`, output `Y [N, out]`, its gradient `dY [N, out]`, weight `W [out, in]` and its
//! gradient `dW [out, in]`. With signs `s` over a block of columns, `dW s = dY^T (X s)` is checked row by row (Freivalds),
//! within `gamma(n) = n u / (1 - n u)` of sums of absolute values. A block of one column is an entry by itself.
//!
//! Small weights, and those of low-rank adapters, are compared entry by entry. Larger ones by blocks of several widths,
//! each under several draws of signs, and at places that are drawn. A change of one entry that is larger than the bound of
//! its block is seen under any signs; changes that cancel under one draw, under `k` of them with probability `2^-k`.

use sha2::{Digest as _, Sha256};

use super::adapter;
use super::count::Count;
use super::drawn::Drawn;
use super::judge::{Report, Row, State, Statistical};
use super::matrix::{BLOCK, File, Matrix, read};
use super::output;
use super::payload::{self, Role};
use super::product::{Engine, bf16};
use super::record::{Param, Record, Refusal};
use super::rule;
use super::wire::{Dtype, Linear, Lora};
use crate::digest::Digest;
use crate::tensor::{self, Bytes, Stretch};

/// Weights of no more values than this are compared entry by entry.
const ENTRIES: u64 = 1 << 18;

/// Adapters of no higher rank than this are, whatever their size.
const RANK: u64 = 256;

/// Widths of the blocks of columns that other weights are compared by, and how often signs are drawn for each.
const BLOCKS: [(usize, u64); 3] = [(usize::MAX, 8), (32, 4), (8, 2)];

/// Entries of a weight's gradient that are compared by themselves, for each micro-batch.
const SPOTS: usize = 1024;

/// Sums that are held at a time.
const SUMS: usize = 1 << 17;

/// The tensors of one micro-batch.
pub(super) struct Micro {
    pub(super) x: Matrix,
    pub(super) y: Matrix,
    pub(super) dy: Matrix,
    dw: Matrix,
    /// The gradient of an adapter's output, before it is scaled.
    pub(super) out: Option<Matrix>,
}

/// A module with its tensors.
pub(super) struct Shown<'a> {
    pub(super) module: &'a Linear,
    param: &'a Param,
    pub(super) weight: Matrix,
    pub(super) micros: Vec<Micro>,
}

impl Shown<'_> {
    /// Whether its gradient is compared entry by entry.
    fn is_small(&self) -> bool {
        let Matrix { rows, columns, .. } = self.weight;
        rows * columns <= ENTRIES || (self.module.lora.is_some() && rows.min(columns) <= RANK)
    }
}

/// Judges the modules that a record shows. `beacon` is what was drawn after the step was committed to.
///
/// # Errors
/// [`Refusal`] where a payload breaks its format, does not fit the record or cannot be read.
pub fn judge(
    record: &Record,
    report: &Report,
    main: &(impl Bytes + ?Sized),
    linear: &(impl Bytes + ?Sized),
    beacon: Option<&[u8]>,
    statistical: Statistical,
) -> Result<Vec<Row>, Refusal> {
    let Some(stated) = &record.linear_payload else { return Ok(Vec::new()) };
    let layout = payload::layout(&stated.file, linear)?;
    let mut file = File { name: &stated.file, bytes: linear, layout, used: 0 };
    let shown = shown(record, &mut file)?;
    if file.used != file.layout.places.len() {
        let more = file.layout.places.len() - file.used;
        return Err(file.refused(format!("{more} tensors belong to no module of the record")));
    }
    let digest = tensor::digest(linear).map_err(|source| file.failed(source))?;
    let [mut link, mut acc, mut y, mut dw, mut dy, mut stat] =
        [&rule::LIN_LINK, &rule::LIN_ACC, &rule::LIN_Y, &rule::LIN_DW, &rule::LIN_DY, &rule::LIN_STAT]
            .map(Count::new);
    link.equal(digest == stated.sha256, || {
        "the modules' payload has another SHA-256 than the record states".to_owned()
    });
    for of in &shown {
        let engine = Engine::new(of.module, record.arith);
        let drawn = Drawn::new(record, digest, beacon.unwrap_or_default(), &of.module.module);
        weight(of, report, &file, &mut link)?;
        accumulate(record, of, &file, main, &mut acc)?;
        output::judge(of, bias(record, of, main)?.as_ref(), engine, &drawn, &file, &mut y)?;
        for (number, micro) in (0..).zip(&of.micros) {
            let mut gradient = Gradient { of, micro, engine, file: &file, dw: &mut dw, stat: &mut stat };
            if of.is_small() {
                gradient.blocks(1, &[vec![1.0; width(of.weight.columns)]])?;
            } else {
                gradient.drawn(&drawn, number)?;
            }
        }
        if of.module.lora == Some(Lora::B) {
            adapter::judge(record, of, &shown, engine, &file, &mut link, &mut dy)?;
        }
    }
    told(&shown, beacon, &mut y, &mut dw);
    let mut rows: Vec<Row> = [link, acc, y, dw, dy].map(Count::row).into();
    if statistical == Statistical::Off {
        rows.push(Row::unseen(&rule::LIN_STAT, "not asked for"));
    } else {
        let mut row = stat.row();
        if row.state == State::Broken && statistical == Statistical::Warn {
            row.state = State::Warns;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Says what was drawn, and from what.
fn told(shown: &[Shown<'_>], beacon: Option<&[u8]>, y: &mut Count, dw: &mut Count) {
    let small = shown.iter().filter(|of| of.is_small()).count();
    let large = shown.len() - small;
    let mut parts = Vec::new();
    if small > 0 {
        parts.push(format!("gradients of {small} modules entry by entry"));
    }
    if large > 0 {
        let widths = BLOCKS.map(|(columns, draws)| match columns {
            usize::MAX => format!("whole rows under {draws} draws of signs"),
            columns => format!("blocks of {columns} columns under {draws}"),
        });
        parts.push(format!(
            "of {large} modules by {}, and at {SPOTS} places drawn for each micro-batch",
            widths.join(", ")
        ));
    }
    dw.drawn = Some(parts.join("; "));
    y.drawn = Some(format!(
        "rows of outputs under {} draws of signs, and at {} places drawn for each micro-batch",
        output::DRAWS,
        output::SPOTS
    ));
    if beacon.is_none() {
        let note =
            "the draws follow from the payload alone; give a beacon that was drawn after the commitment";
        y.unseen.get_or_insert_with(|| note.to_owned());
        dw.unseen = (large > 0).then(|| note.to_owned());
    }
}

fn shown<'a, B: Bytes + ?Sized>(
    record: &'a Record,
    file: &mut File<'_, B>,
) -> Result<Vec<Shown<'a>>, Refusal> {
    let mut shown = Vec::new();
    for module in &record.linear {
        let param =
            record.params.iter().find(|param| param.name == module.weight).expect("a record is resolved");
        let weight = file.matrix(&format!("lin/{}/W", module.module))?;
        if [weight.rows, weight.columns] != param.shape[..] {
            return Err(file
                .refused(format!("the weight of {:?} has another shape than its parameter", module.module)));
        }
        let mut micros = Vec::new();
        for index in 0..module.micro {
            let mut of = |name| file.matrix(&format!("lin/{}/{index}/{name}", module.module));
            let [x, y, dy, dw] = [of("X")?, of("Y")?, of("dY")?, of("dW")?];
            let out = format!("lin/{}/{index}/dOut", module.module);
            let scaled = module.lora == Some(Lora::B) && file.has(&out);
            let out = if scaled { Some(file.matrix(&out)?) } else { None };
            let sides = |matrix: Matrix| [matrix.rows, matrix.columns];
            let fits = x.columns == weight.columns
                && y.columns == weight.rows
                && sides(dy) == sides(y)
                && x.rows == y.rows
                && sides(dw) == sides(weight)
                && out.is_none_or(|out| sides(out) == sides(y));
            if !fits || x.rows >= 1 << 22 || weight.columns >= 1 << 22 {
                return Err(file.refused(format!(
                    "the tensors of {:?}, micro-batch {index}, do not fit each other",
                    module.module
                )));
            }
            micros.push(Micro { x, y, dy, dw, out });
        }
        shown.push(Shown { module, param, weight, micros });
    }
    Ok(shown)
}

pub(super) fn width(count: u64) -> usize {
    usize::try_from(count).expect("a side is bounded")
}

/// The digest over the values of a matrix, whatever their type.
pub(super) fn digest_of<B: Bytes + ?Sized>(file: &File<'_, B>, matrix: Matrix) -> Result<Digest, Refusal> {
    let mut hasher = Sha256::new();
    file.rows(matrix, |_, row| row.iter().for_each(|value| hasher.update(value.to_le_bytes())))?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

fn weight<B: Bytes + ?Sized>(
    of: &Shown<'_>,
    report: &Report,
    file: &File<'_, B>,
    link: &mut Count,
) -> Result<(), Refusal> {
    let key = format!("p0/{}", of.param.name);
    let stored = report.leaves.iter().find(|leaf| leaf.key == key).map(|leaf| leaf.digest);
    let note = || format!("the weight of {:?} is not its parameter before the step", of.module.module);
    if of.weight.dtype != of.param.dtype {
        link.unseen =
            Some(format!("the weight of {:?} is of another type than its parameter", of.module.module));
        return Ok(());
    }
    let bytes = Stretch { of: file.bytes, begin: of.weight.offset, size_bytes: of.weight.size_bytes() };
    let found = tensor::digest(&bytes).map_err(|source| file.failed(source))?;
    link.equal(stored == Some(found), note);
    Ok(())
}

/// What a module with a bias adds to its outputs: none where it has none, and nothing where the record does not show it. It is
/// the parameter that is named as the weight is.
fn bias(record: &Record, of: &Shown<'_>, main: &(impl Bytes + ?Sized)) -> Result<Option<Vec<f32>>, Refusal> {
    if !of.module.bias {
        return Ok(Some(Vec::new()));
    }
    let name = of.module.weight.strip_suffix("weight").map(|stem| format!("{stem}bias"));
    let param = record.params.iter().find(|param| Some(&param.name) == name.as_ref());
    let Some(param) = param.filter(|param| param.shape == [of.weight.rows]) else { return Ok(None) };
    let file = &record.payload.file;
    let layout = payload::layout(file, main)?;
    let key = format!("p0/{}", param.name);
    let Some(place) = layout.places.iter().find(|place| place.tensor.name == key) else { return Ok(None) };
    let offset = layout.data_start + place.begin;
    let row = Matrix { offset, rows: 1, columns: of.weight.rows, dtype: param.dtype };
    let values = read(main, row, 0, row.columns);
    values.map(Some).map_err(|source| Refusal::Io { file: file.clone(), source })
}

fn accumulate<B: Bytes + ?Sized>(
    record: &Record,
    of: &Shown<'_>,
    file: &File<'_, B>,
    main: &(impl Bytes + ?Sized),
    acc: &mut Count,
) -> Result<(), Refusal> {
    let layout = payload::layout(&record.payload.file, main)?;
    let role = |role: Role| {
        let key = format!("{}/{}", role.name(), of.param.name);
        let place = layout.places.iter().find(|place| place.tensor.name == key)?;
        Some(layout.data_start + place.begin)
    };
    let raw = role(Role::Graw).or_else(|| if record.clip.is_none() { role(Role::G) } else { None });
    let dtype = of.param.dtype;
    let alike = !of.micros.is_empty() && of.micros.iter().all(|micro| micro.dw.dtype == dtype);
    let (Some(offset), true) = (raw, alike) else {
        acc.unseen = Some(format!(
            "the gradient of {:?} before clipping is not there in the type of its parts",
            of.module.module
        ));
        return Ok(());
    };
    let add = |sum: f32, part: f32| if dtype == Dtype::Bf16 { bf16(sum + part) } else { sum + part };
    let matrix = Matrix { offset, dtype, ..of.weight };
    let total = matrix.rows * matrix.columns;
    let mut first = 0;
    while first < total {
        let count = BLOCK.min(total - first);
        let stored = read(main, matrix, first, count)
            .map_err(|source| Refusal::Io { file: record.payload.file.clone(), source })?;
        let mut sums: Option<Vec<f32>> = None;
        for micro in &of.micros {
            let part = read(file.bytes, micro.dw, first, count).map_err(|source| file.failed(source))?;
            match &mut sums {
                None => sums = Some(part),
                Some(sums) => sums.iter_mut().zip(&part).for_each(|(sum, part)| *sum = add(*sum, *part)),
            }
        }
        for (index, (stored, sum)) in stored.iter().zip(sums.iter().flatten()).enumerate() {
            // A sum that begins from zero has no negative zero; one that begins with the first part may.
            let equal = stored.to_bits() == sum.to_bits() || (sum.abs() <= 0.0 && stored.to_bits() == 0);
            let apart = f64::from(*stored) - f64::from(*sum);
            let gap = match (equal, apart.abs() <= 0.0) {
                (true, _) => 0.0,
                // A zero of the other sign is another result.
                (false, true) => f64::NAN,
                (false, false) => apart,
            };
            acc.take(&of.module.module, width(first) + index, gap, 0.0, f64::from(*stored));
        }
        first += count;
    }
    Ok(())
}

/// The gradient of a weight over one micro-batch, and the rules that it is put to.
struct Gradient<'a, B: ?Sized> {
    of: &'a Shown<'a>,
    micro: &'a Micro,
    engine: Engine,
    file: &'a File<'a, B>,
    dw: &'a mut Count,
    stat: &'a mut Count,
}

/// What products add up to: they, their absolute values and their squares.
#[derive(Clone, Copy, Default)]
struct Sum {
    derived: f64,
    absolute: f64,
    squares: f64,
}

/// What is stored in place of such sums: the signed sum, and the sums of absolute values and squares.
#[derive(Clone, Copy, Default)]
struct Stored {
    sum: f64,
    absolute: f64,
    squares: f64,
}

impl<B: Bytes + ?Sized> Gradient<'_, B> {
    /// By blocks of columns under signs that are drawn, and at places that are.
    fn drawn(&mut self, drawn: &Drawn, micro: u64) -> Result<(), Refusal> {
        let inner = width(self.of.weight.columns);
        let mut number = 0;
        for (columns, draws) in BLOCKS {
            let signs: Vec<Vec<f64>> =
                (number..number + draws).map(|draw| drawn.signs(draw, inner)).collect();
            number += draws;
            self.blocks(columns.min(inner), &signs)?;
        }
        let places = drawn.places(micro, [width(self.of.weight.rows), inner], SPOTS);
        self.entries(&places)
    }

    /// By blocks of so many columns, under each of these signs. The sums of a stripe of rows are held at a time.
    fn blocks(&mut self, columns: usize, signs: &[Vec<f64>]) -> Result<(), Refusal> {
        let (inner, outer) = (width(self.of.weight.columns), width(self.of.weight.rows));
        if inner == 0 || outer == 0 {
            return Ok(());
        }
        let blocks = inner.div_ceil(columns);
        let planes = blocks * (signs.len() + 2);
        let at_once = (SUMS / planes).clamp(1, outer);
        let mut sums = vec![0.0; planes * at_once.min(outer)];
        for first in (0..outer).step_by(at_once) {
            let rows = at_once.min(outer - first);
            sums.fill(0.0);
            let engine = self.engine;
            let mut of_x = vec![0.0; planes];
            self.file.both(self.micro.x, self.micro.dy, |_, x, dy| {
                folded(&mut of_x, x, engine, columns, blocks, signs);
                let backs = &dy[first..first + rows];
                pulp::Arch::new().dispatch(RankOne { sums: &mut sums, of_x: &of_x, backs, engine, blocks });
            })?;
            self.compare(&sums, first, rows, columns, signs)?;
        }
        Ok(())
    }

    /// Compares a stripe of rows with what was summed for it.
    fn compare(
        &mut self,
        sums: &[f64],
        first: usize,
        rows: usize,
        columns: usize,
        signs: &[Vec<f64>],
    ) -> Result<(), Refusal> {
        let inner = width(self.of.weight.columns);
        let blocks = inner.div_ceil(columns);
        let planes = blocks * (signs.len() + 2);
        let stripe = self.micro.dw.stripe(first as u64, rows as u64);
        let file = self.file;
        file.rows(stripe, |i, row| {
            let sums = &sums[i * planes..(i + 1) * planes];
            let (derived, sizes) = sums.split_at(blocks * signs.len());
            let (sizes, squares) = sizes.split_at(blocks);
            for (block, part) in row.chunks(columns).enumerate() {
                let from = block * columns;
                let at = (first + i) * inner + from;
                for (draw, signs) in signs.iter().enumerate() {
                    let mut stored = Stored::default();
                    for (value, sign) in part.iter().zip(&signs[from..]) {
                        let value = f64::from(*value);
                        stored.sum += sign * value;
                        stored.absolute += value.abs();
                        stored.squares += value * value;
                    }
                    let derived = derived[draw * blocks + block];
                    let sum = Sum { derived, absolute: sizes[block], squares: squares[block] };
                    self.take(at, part.len(), stored, sum);
                }
            }
        })
    }

    /// At single places, by row.
    fn entries(&mut self, places: &[[usize; 2]]) -> Result<(), Refusal> {
        let mut sums = vec![Sum::default(); places.len()];
        let engine = self.engine;
        self.file.both(self.micro.x, self.micro.dy, |_, x, dy| {
            for (sum, [row, column]) in sums.iter_mut().zip(places) {
                let product = engine.factor(dy[*row]) * engine.factor(x[*column]);
                sum.derived += product;
                sum.absolute += product.abs();
                sum.squares += product * product;
            }
        })?;
        for ([row, column], sum) in places.iter().zip(sums) {
            let at = row * width(self.of.weight.columns) + column;
            let value = self.file.value(self.micro.dw, at as u64)?;
            self.take(at, 1, Stored { sum: value, absolute: value.abs(), squares: value * value }, sum);
        }
        Ok(())
    }

    fn take(&mut self, at: usize, results: usize, stored: Stored, sum: Sum) {
        let (name, terms, gap) = (&self.of.module.module, self.micro.x.rows, stored.sum - sum.derived);
        let bound = self.engine.bound(terms, results, sum.absolute, stored.absolute);
        self.dw.take(name, at, gap, bound, sum.derived);
        let likely = self.engine.likely(terms, sum.squares, stored.squares);
        self.stat.take(name, at, gap, likely, sum.derived);
    }
}

/// Folds a row of inputs into sums by block: under each of the signs, then of absolute values, then of squares.
fn folded(of_x: &mut [f64], x: &[f32], engine: Engine, columns: usize, blocks: usize, signs: &[Vec<f64>]) {
    of_x.fill(0.0);
    let (signed, sizes) = of_x.split_at_mut(blocks * signs.len());
    let (sizes, squares) = sizes.split_at_mut(blocks);
    for (block, part) in x.chunks(columns).enumerate() {
        for (j, value) in part.iter().enumerate() {
            let value = engine.factor(*value);
            for (draw, signs) in signs.iter().enumerate() {
                signed[draw * blocks + block] += signs[block * columns + j] * value;
            }
            sizes[block] += value.abs();
            squares[block] += value * value;
        }
    }
}

/// Adds to the sums of a stripe of rows what one row of a micro-batch adds.
struct RankOne<'a> {
    sums: &'a mut [f64],
    of_x: &'a [f64],
    backs: &'a [f32],
    engine: Engine,
    blocks: usize,
}

impl pulp::WithSimd for RankOne<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as in the kernels")]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { sums, of_x, backs, engine, blocks } = self;
        let (signed, sizes) = of_x.split_at(of_x.len() - 2 * blocks);
        let (sizes, squares) = sizes.split_at(blocks);
        for (back, sums) in backs.iter().zip(sums.chunks_exact_mut(of_x.len())) {
            let back = engine.factor(*back);
            let (of_signed, of_sizes) = sums.split_at_mut(signed.len());
            let (of_sizes, of_squares) = of_sizes.split_at_mut(blocks);
            add(of_signed, signed, back);
            add(of_sizes, sizes, back.abs());
            add(of_squares, squares, back * back);
        }
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as in the kernels")]
fn add(sums: &mut [f64], parts: &[f64], by: f64) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += by * part);
}
