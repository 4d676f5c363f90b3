//! Gradients of linear modules that are shown: products of what went in and what came back.
//!
//! For a micro-batch: input `X [N, in]`, output `Y [N, out]`, its gradient `dY [N, out]`, weight `W [out, in]` and its
//! gradient `dW [out, in]`. With signs `s` over a block of columns, `dW s = dY^T (X s)` is checked row by row (Freivalds),
//! within `gamma(n) = n u / (1 - n u)` of sums of absolute values. A block of one column is an entry by itself.

use sha2::{Digest as _, Sha256};

use super::judge::{At, Report, Row, State, Statistical};
use super::kernel::{two_to, within};
use super::matrix::{BLOCK, File, Matrix, read};
use super::payload::{self, Role};
use super::record::{Param, Record, Refusal};
use super::rule::{self, Rule};
use super::tally::First;
use super::wire::{Dtype, Linear, Lora, Matmul};
use crate::digest::Digest;
use crate::tensor::Bytes;

/// Weights of no more values than this are compared entry by entry; larger ones by blocks of columns.
const ENTRIES: u64 = 1 << 18;

/// Columns of a block, where a weight is not compared entry by entry and not as a whole.
const COLUMNS: usize = 32;

/// How many times what is likely an entry may be off by.
const LAMBDA: f64 = 16.0;

/// How the products of a module were formed.
#[derive(Clone, Copy)]
struct Engine {
    /// Half the distance between what a factor is rounded to, relative; zero where factors are as they are.
    input: f64,
    /// The same of what the result is rounded to; zero where it is kept as it was summed.
    output: f64,
    narrow: bool,
}

impl Engine {
    const fn new(module: &Linear, matmul: Matmul) -> Self {
        match (module.compute, matmul) {
            (Dtype::Bf16, _) => Self { input: 0.0, output: two_to(-8), narrow: true },
            (Dtype::F32, Matmul::Tf32) => Self { input: two_to(-11), output: 0.0, narrow: false },
            (Dtype::F32, Matmul::Bf16) => Self { input: two_to(-8), output: 0.0, narrow: false },
            (Dtype::F32, Matmul::Ieee) => Self { input: 0.0, output: 0.0, narrow: false },
        }
    }

    /// A factor as the engine takes it.
    fn factor(self, value: f32) -> f64 {
        if !self.narrow {
            return f64::from(value);
        }
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
        f64::from(f32::from_bits(rounded))
    }

    /// What a sum of `terms` products of absolute sum `absolute` may be off by, stored with absolute value `stored`.
    fn bound(self, terms: u64, absolute: f64, stored: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a bound may be rounded")]
        let n = (terms + 2) as f64;
        let once = n * two_to(-24) / (1.0 - n * two_to(-24));
        let gamma = if self.narrow { 2.0 * once } else { once } + 2.0 * self.input;
        let sum = gamma * absolute;
        if self.output > 0.0 {
            sum * (1.0 + self.output) + self.output * stored / (1.0 - self.output)
        } else {
            sum
        }
    }
}

/// Comparisons of a rule over modules.
struct Count {
    rule: &'static Rule,
    compared: u64,
    broken: u64,
    informative: u64,
    largest: f64,
    ratios: Vec<f64>,
    at: Option<At>,
    note: Option<String>,
    unseen: Option<String>,
}

impl Count {
    const fn new(rule: &'static Rule) -> Self {
        Self {
            rule,
            compared: 0,
            broken: 0,
            informative: 0,
            largest: 0.0,
            ratios: Vec::new(),
            at: None,
            note: None,
            unseen: None,
        }
    }

    fn take(&mut self, module: &str, index: usize, gap: f64, bound: f64, size: f64) {
        self.compared += 1;
        self.informative += u64::from(size.abs() > bound);
        let ratio = if gap.abs() <= 0.0 { 0.0 } else { gap.abs() / bound };
        self.largest = if ratio > self.largest { ratio } else { self.largest };
        if self.ratios.len() < 4096 {
            self.ratios.push(ratio);
        }
        if !within(gap.abs(), bound) {
            self.broken += 1;
            let value = First { index: index as u64, gap, bound };
            self.at.get_or_insert_with(|| At { param: module.to_owned(), value });
        }
    }

    fn equal(&mut self, equal: bool, note: impl FnOnce() -> String) {
        self.compared += 1;
        self.informative += 1;
        if !equal {
            self.broken += 1;
            self.note.get_or_insert_with(note);
        }
    }

    fn row(mut self) -> Row {
        let state = match (self.compared, self.broken, self.informative) {
            (0, ..) => {
                return match self.unseen {
                    Some(why) => Row::unseen(self.rule, why),
                    None => Row::new(self.rule, State::NotApplicable),
                };
            }
            (_, 1.., _) => State::Broken,
            (_, _, 0) => State::Blind,
            _ => State::Holds,
        };
        self.ratios.sort_by(f64::total_cmp);
        let middle = self.ratios.get(self.ratios.len() / 2).copied();
        #[expect(clippy::cast_precision_loss, reason = "a share may be rounded")]
        let informative = Some(self.informative as f64 / self.compared as f64);
        Row {
            state,
            compared: self.compared,
            broken: self.broken,
            at: self.at,
            ratio: middle.map(|middle| (self.largest, middle)),
            informative,
            note: self.note.or(self.unseen),
            rule: self.rule,
        }
    }
}

/// Signs that follow from what was published: the payloads' digests, a later beacon, and the module.
struct Signs(Sha256);

impl Signs {
    fn new(record: &Record, linear: Digest, beacon: &[u8], module: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [
            b"tensor-step.v1 signs\n",
            record.payload.leaf_root.as_bytes().as_slice(),
            linear.as_bytes(),
            beacon,
            module.as_bytes(),
        ] {
            hasher.update(part);
        }
        Self(hasher)
    }

    /// So many signs, of one draw.
    fn draw(&self, number: u64, count: usize) -> Vec<f64> {
        let mut signs = Vec::with_capacity(count);
        let mut block = 0_u64;
        while signs.len() < count {
            let mut hasher = self.0.clone();
            hasher.update(number.to_be_bytes());
            hasher.update(block.to_be_bytes());
            for byte in hasher.finalize() {
                signs.extend((0..8).map(|bit| if byte >> bit & 1 == 0 { 1.0 } else { -1.0 }));
            }
            block += 1;
        }
        signs.truncate(count);
        signs
    }
}

/// The tensors of one micro-batch.
struct Micro {
    x: Matrix,
    y: Matrix,
    dy: Matrix,
    dw: Matrix,
}

/// A module with its tensors.
struct Shown<'a> {
    module: &'a Linear,
    param: &'a Param,
    weight: Matrix,
    micros: Vec<Micro>,
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
    let digest = crate::tensor::digest(linear).map_err(|source| file.failed(source))?;
    let [mut link, mut acc, mut y, mut dw, mut dy, mut stat] =
        [&rule::LIN_LINK, &rule::LIN_ACC, &rule::LIN_Y, &rule::LIN_DW, &rule::LIN_DY, &rule::LIN_STAT]
            .map(Count::new);
    link.equal(digest == stated.sha256, || {
        "the modules' payload has another SHA-256 than the record states".to_owned()
    });
    for of in &shown {
        let engine = Engine::new(of.module, record.arith.matmul);
        let signs = Signs::new(record, digest, beacon.unwrap_or_default(), &of.module.module);
        weight(of, report, &file, &mut link)?;
        accumulate(record, of, &file, main, &mut acc)?;
        outputs(of, engine, &signs, &file, &mut y)?;
        for micro in &of.micros {
            gradient(of, micro, engine, &signs, &file, &mut dw, &mut stat)?;
        }
        if of.module.lora == Some(Lora::B) {
            adapter(of, &shown, engine, &file, &mut link, &mut dy)?;
        }
    }
    if beacon.is_none() {
        let note =
            "the signs follow from the payload alone; give a beacon that was drawn after the commitment";
        y.unseen = Some(note.to_owned());
        dw.unseen = Some(note.to_owned());
    }
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
            let micro = Micro { x: of("X")?, y: of("Y")?, dy: of("dY")?, dw: of("dW")? };
            let fits = micro.x.columns == weight.columns
                && micro.y.columns == weight.rows
                && [micro.dy.rows, micro.dy.columns] == [micro.y.rows, micro.y.columns]
                && micro.x.rows == micro.y.rows
                && [micro.dw.rows, micro.dw.columns] == [weight.rows, weight.columns];
            if !fits || micro.x.rows >= 1 << 22 || weight.columns >= 1 << 22 {
                return Err(file.refused(format!(
                    "the tensors of {:?}, micro-batch {index}, do not fit each other",
                    module.module
                )));
            }
            micros.push(micro);
        }
        shown.push(Shown { module, param, weight, micros });
    }
    Ok(shown)
}

fn width(count: u64) -> usize {
    usize::try_from(count).expect("a side is bounded")
}

/// Whether the bytes of two matrices are equal; of one type, or not at all.
fn digest_of<B: Bytes + ?Sized>(file: &File<'_, B>, matrix: Matrix) -> Result<Digest, Refusal> {
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
    if of.weight.dtype != of.param.dtype || of.param.dtype != Dtype::F32 {
        link.unseen = Some(format!("the weight of {:?} is not held in F32", of.module.module));
        return Ok(());
    }
    let found = digest_of(file, of.weight)?;
    link.equal(stored == Some(found), note);
    Ok(())
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
        layout
            .places
            .iter()
            .find(|place| place.tensor.name == key)
            .map(|place| layout.data_start + place.begin)
    };
    let raw = role(Role::Graw).or_else(|| if record.clip.is_none() { role(Role::G) } else { None });
    let wide = of.param.dtype == Dtype::F32 && of.micros.iter().all(|micro| micro.dw.dtype == Dtype::F32);
    let (Some(offset), true) = (raw, wide) else {
        acc.unseen =
            Some(format!("the gradient of {:?} before clipping is not there in F32", of.module.module));
        return Ok(());
    };
    let matrix = Matrix { offset, ..of.weight };
    let total = matrix.rows * matrix.columns;
    let mut first = 0;
    while first < total {
        let count = BLOCK.min(total - first);
        let stored = read(main, matrix, first, count)
            .map_err(|source| Refusal::Io { file: record.payload.file.clone(), source })?;
        let mut sum = vec![0.0_f32; stored.len()];
        for micro in &of.micros {
            let part = read(file.bytes, micro.dw, first, count).map_err(|source| file.failed(source))?;
            sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        }
        for (index, (stored, sum)) in stored.iter().zip(&sum).enumerate() {
            let gap =
                if stored.to_bits() == sum.to_bits() { 0.0 } else { f64::from(*stored) - f64::from(*sum) };
            // A zero of the other sign is another result.
            let gap = if gap.abs() <= 0.0 && stored.to_bits() != sum.to_bits() { f64::NAN } else { gap };
            acc.take(&of.module.module, width(first) + index, gap, 0.0, f64::from(*stored));
        }
        first += count;
    }
    Ok(())
}

fn outputs<B: Bytes + ?Sized>(
    of: &Shown<'_>,
    engine: Engine,
    signs: &Signs,
    file: &File<'_, B>,
    count: &mut Count,
) -> Result<(), Refusal> {
    if of.module.bias {
        count.unseen = Some(format!("{:?} has a bias, which the format does not carry", of.module.module));
        return Ok(());
    }
    let (inner, outer) = (width(of.weight.columns), width(of.weight.rows));
    let s = signs.draw(u64::MAX, outer);
    let (mut through, mut sizes) = (vec![0.0; inner], vec![0.0; inner]);
    file.rows(of.weight, |i, row| {
        for (j, value) in row.iter().enumerate() {
            let value = engine.factor(*value);
            through[j] += s[i] * value;
            sizes[j] += value.abs();
        }
    })?;
    for micro in &of.micros {
        let (mut derived, mut within) = (vec![0.0; width(micro.x.rows)], vec![0.0; width(micro.x.rows)]);
        file.rows(micro.x, |n, row| {
            for (j, value) in row.iter().enumerate() {
                let value = engine.factor(*value);
                derived[n] += value * through[j];
                within[n] += value.abs() * sizes[j];
            }
        })?;
        file.rows(micro.y, |n, row| {
            let (mut stored, mut size) = (0.0, 0.0);
            for (i, value) in row.iter().enumerate() {
                stored += s[i] * f64::from(*value);
                size += f64::from(*value).abs();
            }
            let bound = engine.bound(of.weight.columns, within[n], size);
            count.take(&of.module.module, n, stored - derived[n], bound, derived[n]);
        })?;
    }
    Ok(())
}

/// The gradient of a weight: as a whole under one draw of signs, and by blocks of columns under another, which are
/// single entries where the weight is small enough.
fn gradient<B: Bytes + ?Sized>(
    of: &Shown<'_>,
    micro: &Micro,
    engine: Engine,
    signs: &Signs,
    file: &File<'_, B>,
    count: &mut Count,
    stat: &mut Count,
) -> Result<(), Refusal> {
    let (inner, outer) = (width(of.weight.columns), width(of.weight.rows));
    let batch = width(micro.x.rows);
    let single = of.weight.rows * of.weight.columns <= ENTRIES;
    for (draw, columns) in [(0, inner.max(1)), (1, if single { 1 } else { COLUMNS })] {
        let s = signs.draw(draw, inner);
        let blocks = inner.div_ceil(columns);
        let (mut sums, mut sizes, mut squares) =
            (vec![0.0; outer * blocks], vec![0.0; outer * blocks], vec![0.0; outer * blocks]);
        // Both matrices are read row by row, a stretch of rows at a time, so that neither is held.
        let stretch = width((BLOCK / of.weight.columns.max(of.weight.rows).max(1)).max(1));
        for first in (0..batch).step_by(stretch) {
            let rows = stretch.min(batch - first) as u64;
            let part = |matrix: Matrix| {
                read(file.bytes, matrix, first as u64 * matrix.columns, rows * matrix.columns)
                    .map_err(|source| file.failed(source))
            };
            let (x, dy) = (part(micro.x)?, part(micro.dy)?);
            for (x, dy) in x.chunks_exact(inner.max(1)).zip(dy.chunks_exact(outer.max(1))) {
                let (mut xs, mut xa, mut xq) = (vec![0.0; blocks], vec![0.0; blocks], vec![0.0; blocks]);
                for (j, value) in x.iter().enumerate() {
                    let value = engine.factor(*value);
                    xs[j / columns] += s[j] * value;
                    xa[j / columns] += value.abs();
                    xq[j / columns] += value * value;
                }
                for (i, back) in dy.iter().enumerate() {
                    let back = engine.factor(*back);
                    let at = i * blocks..(i + 1) * blocks;
                    let (sums, sizes, squares) =
                        (&mut sums[at.clone()], &mut sizes[at.clone()], &mut squares[at]);
                    for block in 0..blocks {
                        sums[block] += back * xs[block];
                        sizes[block] += back.abs() * xa[block];
                        squares[block] += back * back * xq[block];
                    }
                }
            }
        }
        file.rows(micro.dw, |i, row| {
            for (block, part) in row.chunks(columns).enumerate() {
                let at = i * blocks + block;
                let (mut stored, mut size, mut square) = (0.0, 0.0, 0.0);
                for (j, value) in part.iter().enumerate() {
                    let value = f64::from(*value);
                    stored += s[block * columns + j] * value;
                    size += value.abs();
                    square += value * value;
                }
                let gap = stored - sums[at];
                count.take(&of.module.module, at, gap, engine.bound(micro.x.rows, sizes[at], size), sums[at]);
                #[expect(clippy::cast_precision_loss, reason = "a bound may be rounded")]
                let root = (micro.x.rows as f64).sqrt();
                let narrow = engine.output / 3.0_f64.sqrt() * square.sqrt();
                let likely =
                    LAMBDA * (two_to(-24) + engine.input) * root * (squares[at].sqrt() + square.sqrt());
                stat.take(&of.module.module, at, gap, likely + LAMBDA * narrow, sums[at]);
            }
        })?;
    }
    Ok(())
}

/// What links the two matrices of a low-rank adapter: the output of A is the input of B, and the gradient goes back
/// through B.
fn adapter<B: Bytes + ?Sized>(
    b: &Shown<'_>,
    shown: &[Shown<'_>],
    engine: Engine,
    file: &File<'_, B>,
    link: &mut Count,
    count: &mut Count,
) -> Result<(), Refusal> {
    let name = b.module.module.replace("lora_B", "lora_A");
    let a = shown.iter().find(|other| other.module.lora == Some(Lora::A) && other.module.module == name);
    let Some(a) = a.filter(|a| a.micros.len() == b.micros.len() && a.weight.rows == b.weight.columns) else {
        link.unseen = Some(format!("{name:?} is not shown"));
        return Ok(());
    };
    let rank = width(b.weight.columns);
    if b.weight.rows * b.weight.columns > ENTRIES * 16 {
        count.unseen = Some(format!("{:?} is too large to be held", b.module.module));
        return Ok(());
    }
    let mut weight = vec![0.0; width(b.weight.rows) * rank];
    file.rows(b.weight, |o, row| {
        row.iter().enumerate().for_each(|(k, value)| weight[o * rank + k] = engine.factor(*value));
    })?;
    for (a_micro, b_micro) in a.micros.iter().zip(&b.micros) {
        let note = || format!("the input of {:?} is not the output of {name:?}", b.module.module);
        let same = digest_of(file, a_micro.y)? == digest_of(file, b_micro.x)?;
        link.equal(same, note);
        let mut derived = vec![0.0; width(b_micro.dy.rows) * rank];
        let mut sizes = derived.clone();
        file.rows(b_micro.dy, |n, row| {
            for (o, back) in row.iter().enumerate() {
                let back = engine.factor(*back);
                for k in 0..rank {
                    derived[n * rank + k] += back * weight[o * rank + k];
                    sizes[n * rank + k] += (back * weight[o * rank + k]).abs();
                }
            }
        })?;
        if a_micro.dy.rows != b_micro.dy.rows {
            count.equal(false, || format!("{name:?} saw another number of rows than {:?}", b.module.module));
            continue;
        }
        file.rows(a_micro.dy, |n, row| {
            for (k, stored) in row.iter().enumerate() {
                let at = n * rank + k;
                let stored = f64::from(*stored);
                let bound = engine.bound(b.weight.rows, sizes[at], stored.abs());
                count.take(&a.module.module, at, stored - derived[at], bound, derived[at]);
            }
        })?;
    }
    Ok(())
}
