//! A capture: which stages of a forward pass lie in which files, and whether the files are what their index says.
//!
//! Without an index the names of files and tensors say what they hold: `layer-N/STAGE.bin`, `STAGE.npy`, or a tensor
//! `layer-N/STAGE` in a `.safetensors` file. With one, every file is listed, has the digest that is stated, and holds a
//! stage of the shape that is stated.

use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use bytemuck::Zeroable as _;

use super::aprt;
use super::compare::Bound;
use super::dtype::{Bf16, Dtype, F16, Value};
use super::index::{self, Entry, Form, Index, NonFinite};
use super::law::{
    APRT_DUP, APRT_EMPTY, APRT_INDEX_INVALID, APRT_LAYER_MISMATCH, APRT_MISSING, APRT_NONFINITE,
    APRT_SHAPE_MISMATCH, APRT_UNLISTED, Fault, Law, Refusal, TENSOR_DIGEST_MISMATCH, TENSOR_FILE_REFUSED,
    TENSOR_INDEX_REFUSED,
};
use super::npy;
use super::safetensors::{self, Layout};
use super::stage::{Layer, Place, Stage};
use super::{Bytes, digest};

/// Values that are looked at between two reads.
const BLOCK: usize = 1 << 15;

/// Files below a folder.
pub trait Folder {
    /// A file of it.
    type File: Bytes;

    /// The names of all files, from the folder, `/` between components.
    fn names(&self) -> &[String];

    /// Opens one of them.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn open(&self, name: &str) -> io::Result<Self::File>;
}

/// Where the values of a tensor lie.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The file.
    pub file: String,
    /// The type of the values.
    pub dtype: Dtype,
    /// How many there are; never 0.
    pub values: u64,
    /// The shape that the file itself states.
    pub shape: Option<Vec<u64>>,
    /// How they lie, by the index.
    pub form: Option<Form>,
    /// How far they may lie from those of another capture, by the index, and why.
    pub bound: Option<(Bound, String)>,
    begin: u64,
}

/// The captured stages of a forward pass.
#[derive(Debug)]
pub struct Capture<F> {
    folder: F,
    index: Option<Index>,
    tensors: BTreeMap<Place, Tensor>,
}

/// A tensor whose file is open.
#[derive(Debug)]
pub struct Opened<'a, B> {
    /// Where it lies.
    pub tensor: &'a Tensor,
    bytes: B,
}

fn failed(file: &str) -> impl FnOnce(io::Error) -> Fault {
    move |source| Fault::Io { file: file.to_owned(), source }
}

/// A law that a file breaks.
fn broken(law: &'static Law, file: &str, said: impl Into<String>) -> Fault {
    Refusal::new(law, said).at(file).into()
}

impl<F: Folder> Capture<F> {
    /// The capture that a folder holds, by the names of its files. Files that are named like none are passed over.
    ///
    /// # Errors
    /// [`Fault`]: a file that is named like one of tensors and holds no stage; two of one stage; no stage at all.
    pub fn bare(folder: F) -> Result<Self, Fault> {
        let mut tensors = BTreeMap::new();
        for name in folder.names() {
            let Some(kind) = Kind::of(name) else { continue };
            let bytes = folder.open(name).map_err(failed(name))?;
            for (place, tensor) in kind.stages(name, &bytes)? {
                match tensors.entry(place) {
                    Slot::Vacant(slot) => slot.insert(tensor),
                    Slot::Occupied(held) => {
                        let said = format!("{place} is there already, in {}", held.get().file);
                        return Err(broken(&APRT_DUP, name, said));
                    }
                };
            }
        }
        if tensors.is_empty() {
            return Err(Refusal::new(&APRT_MISSING, "no file there is named after a stage").into());
        }
        Ok(Self { folder, index: None, tensors })
    }

    /// The capture that an index lists. `own` is the name of the index itself, where it lies in the folder.
    ///
    /// # Errors
    /// [`Fault`], wherever files and index are at odds.
    pub fn indexed(folder: F, own: Option<&str>, bytes: &[u8]) -> Result<Self, Fault> {
        let index = Index::parse(bytes)?;
        let mut files: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &index.entries {
            files.entry(&entry.file).or_default().push(entry);
        }
        let lying: BTreeSet<&str> = folder.names().iter().map(String::as_str).collect();
        if let Some(name) = lying.iter().find(|name| !files.contains_key(**name) && own != Some(**name)) {
            return Err(broken(&APRT_UNLISTED, name, "the index does not list it"));
        }
        let mut tensors = BTreeMap::new();
        for (name, entries) in files {
            if !lying.contains(name) {
                return Err(broken(&APRT_MISSING, name, "the index lists it, and it is not there"));
            }
            let bytes = folder.open(name).map_err(failed(name))?;
            let sha256 = digest(&bytes).map_err(failed(name))?;
            if let Some(entry) = entries.iter().find(|entry| entry.sha256 != sha256) {
                let said = format!("its SHA-256 is {sha256}, and the index states {}", entry.sha256);
                return Err(broken(&TENSOR_DIGEST_MISMATCH, name, said));
            }
            for (entry, tensor) in listed(name, &bytes, &entries)? {
                let opened = Opened { tensor: &tensor, bytes: &bytes };
                opened.sound(entry, index.dims.experts)?;
                tensors.insert(entry.place, tensor);
            }
        }
        Ok(Self { folder, index: Some(index), tensors })
    }

    /// What the index says, where there is one.
    #[must_use]
    pub const fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// The stages, in the order of the forward pass.
    pub fn stages(&self) -> impl Iterator<Item = (Place, &Tensor)> {
        self.tensors.iter().map(|(place, tensor)| (*place, tensor))
    }

    /// A stage; none where it was not captured.
    #[must_use]
    pub fn stage(&self, place: Place) -> Option<&Tensor> {
        self.tensors.get(&place)
    }

    /// A stage, its file opened; none where it was not captured.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open(&self, place: Place) -> Result<Option<Opened<'_, F::File>>, Fault> {
        let Some(tensor) = self.tensors.get(&place) else { return Ok(None) };
        let bytes = self.folder.open(&tensor.file).map_err(failed(&tensor.file))?;
        Ok(Some(Opened { tensor, bytes }))
    }
}

/// The entries of a file with where their values lie, each tensor of the file once.
fn listed<'a, B: Bytes>(
    name: &str,
    bytes: &B,
    entries: &[&'a Entry],
) -> Result<Vec<(&'a Entry, Tensor)>, Fault> {
    let kind = Kind::of(name).ok_or_else(|| {
        broken(&TENSOR_FILE_REFUSED, name, "a file of tensors ends in .bin, .npy or .safetensors")
    })?;
    let mut found = kind.tensors(name, bytes)?;
    let mut listed = Vec::with_capacity(entries.len());
    for entry in entries {
        let refused = |said: &str| broken(&TENSOR_INDEX_REFUSED, name, said);
        let key = match (kind, &entry.tensor) {
            (Kind::Safetensors, Some(key)) => key.as_str(),
            (Kind::Safetensors, None) => return Err(refused("an entry names which of its tensors it means")),
            (_, Some(_)) => return Err(refused("it holds one tensor, and that has no name")),
            (_, None) => "",
        };
        let Some(Found { mut tensor, header, .. }) = found.remove(key) else {
            let twice = entries.iter().filter(|other| other.tensor == entry.tensor).count() > 1;
            let law = if twice { &APRT_DUP } else { &APRT_MISSING };
            return Err(broken(law, name, format!("{} is not there, or listed already", entry.place)));
        };
        if !matches!(kind, Kind::Safetensors) {
            agrees(name, entry.place, header)?;
        }
        if entry.form.values() != Some(tensor.values) {
            let said = format!("{} values, and the index states {:?}", tensor.values, entry.form.shape);
            return Err(broken(&APRT_SHAPE_MISMATCH, name, said));
        }
        if let Some(shape) = tensor.shape.as_ref().filter(|shape| **shape != entry.form.shape) {
            let said = format!("its shape is {shape:?}, and the index states {:?}", entry.form.shape);
            return Err(broken(&APRT_SHAPE_MISMATCH, name, said));
        }
        tensor.form = Some(entry.form.clone());
        tensor.bound.clone_from(&entry.bound);
        listed.push((*entry, tensor));
    }
    if let Some(key) = found.keys().next() {
        return Err(broken(&APRT_UNLISTED, name, format!("the index does not list its tensor {key:?}")));
    }
    Ok(listed)
}

/// Whether the name of a file, and its header where it has one, are those of the stage that the index says it is.
fn agrees(name: &str, place: Place, header: Option<Layer>) -> Result<(), Fault> {
    let (folder, stage) = Place::of_path(stem(name)).map_err(|refusal| refusal.at(name))?;
    if stage != place.stage {
        let said =
            format!("it is named after {}, and the index calls it {}", stage.name(), place.stage.name());
        return Err(broken(&TENSOR_INDEX_REFUSED, name, said));
    }
    let misplaced = |said: String| Err(broken(&APRT_LAYER_MISMATCH, name, said));
    match header {
        Some(stated) if stated != place.layer => {
            misplaced(format!("its header states {stated}, and the index {}", place.layer))
        }
        _ if folder.is_some_and(|folder| place.layer != Layer::Number(folder)) => {
            misplaced(format!("the index states {}, and its folder another", place.layer))
        }
        _ => Ok(()),
    }
}

/// The path of a file without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Aprt,
    Npy,
    Safetensors,
}

/// A tensor of a file.
struct Found {
    tensor: Tensor,
    /// The layer that a header of its own states.
    header: Option<Layer>,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match Path::new(name).extension()?.to_str()? {
            "bin" => Some(Self::Aprt),
            "npy" => Some(Self::Npy),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }

    /// What a file holds, by name; one that holds a single tensor gives it no name.
    fn tensors(self, name: &str, bytes: &impl Bytes) -> Result<BTreeMap<String, Found>, Fault> {
        let of = |dtype, values, shape, begin| Tensor {
            file: name.to_owned(),
            dtype,
            values,
            shape,
            form: None,
            bound: None,
            begin,
        };
        let one = |tensor, header| BTreeMap::from([(String::new(), Found { tensor, header })]);
        match self {
            Self::Aprt => {
                let first = first::<{ aprt::HEADER_BYTES }>(name, bytes)?;
                let read = aprt::Header::read(bytes.size_bytes(), &first);
                let header = read.map_err(|refusal| refusal.at(name))?;
                let tensor = of(Dtype::F32, header.values.into(), None, aprt::HEADER_BYTES as u64);
                Ok(one(tensor, Some(header.layer)))
            }
            Self::Npy => {
                let array = array(name, bytes)?;
                Ok(one(of(array.dtype, array.values, Some(array.shape), array.begin), None))
            }
            Self::Safetensors => {
                let layout = layout(name, bytes)?;
                let mut found = BTreeMap::new();
                for place in layout.places {
                    let tensor = place.tensor;
                    let dtype = Dtype::of_safetensors(&tensor.dtype).ok_or_else(|| {
                        let said = format!("{:?} is {}, which is no stage's type", tensor.name, tensor.dtype);
                        broken(&TENSOR_FILE_REFUSED, name, said)
                    })?;
                    let values = (place.end - place.begin) / dtype.width_bytes() as u64;
                    if values == 0 {
                        return Err(broken(&APRT_EMPTY, name, format!("{:?} holds no value", tensor.name)));
                    }
                    let read = of(dtype, values, Some(tensor.shape), layout.data_start + place.begin);
                    found.insert(tensor.name, Found { tensor: read, header: None });
                }
                Ok(found)
            }
        }
    }

    /// The stages that a file holds, by its name or those of its tensors.
    fn stages(self, name: &str, bytes: &impl Bytes) -> Result<Vec<(Place, Tensor)>, Fault> {
        // A name says what a file is before its bytes are believed.
        if self != Self::Safetensors {
            Place::of_path(stem(name)).map_err(|refusal| refusal.at(name))?;
        }
        let mut stages = Vec::new();
        for (key, Found { tensor, header }) in self.tensors(name, bytes)? {
            let path = if self == Self::Safetensors { key.as_str() } else { stem(name) };
            let place = place(path, header).map_err(|refusal| refusal.at(name))?;
            stages.push((place, tensor));
        }
        Ok(stages)
    }
}

/// The place that a path and a header name together.
fn place(path: &str, header: Option<Layer>) -> Result<Place, Refusal> {
    let (folder, stage) = Place::of_path(path)?;
    if let Some(layer) = header {
        aprt::Header { layer, values: 1 }.lies(folder)?;
    }
    Place::new(header.unwrap_or_else(|| folder.map_or(Layer::WholeModel, Layer::Number)), stage)
}

/// The first bytes of a file: `N`, or all when it has fewer.
fn first<const N: usize>(name: &str, bytes: &impl Bytes) -> Result<Vec<u8>, Fault> {
    let mut first = vec![0; usize::try_from(bytes.size_bytes()).unwrap_or(N).min(N)];
    bytes.read_at(0, &mut first).map_err(failed(name))?;
    Ok(first)
}

fn array(name: &str, bytes: &impl Bytes) -> Result<npy::Array, Fault> {
    let size_bytes = bytes.size_bytes();
    let first = first::<{ npy::PREAMBLE_BYTES }>(name, bytes)?;
    let (begin, length) = npy::header(size_bytes, &first).map_err(|refusal| refusal.at(name))?;
    let mut header = vec![0; length];
    bytes.read_at(begin as u64, &mut header).map_err(failed(name))?;
    Ok(npy::Array::read(size_bytes, begin, &header).map_err(|refusal| refusal.at(name))?)
}

fn layout(name: &str, bytes: &impl Bytes) -> Result<Layout, Fault> {
    Layout::of(bytes).map_err(|fault| match fault {
        safetensors::Fault::Format(refusal) => broken(&TENSOR_FILE_REFUSED, name, refusal.to_string()),
        safetensors::Fault::Io(error) => failed(name)(error),
    })
}

/// The weights of a model in a safetensors file, by name; tensors of other types than floats are passed over.
///
/// # Errors
/// [`Fault`].
pub fn weights(name: &str, bytes: &impl Bytes) -> Result<HashMap<String, Tensor>, Fault> {
    let Layout { places, data_start, .. } = layout(name, bytes)?;
    let weight = |place: safetensors::Place| {
        let dtype = Dtype::of_safetensors(&place.tensor.dtype)?;
        let values = (place.end - place.begin) / dtype.width_bytes() as u64;
        let tensor = Tensor {
            file: name.to_owned(),
            dtype,
            values,
            shape: Some(place.tensor.shape),
            form: None,
            bound: None,
            begin: data_start + place.begin,
        };
        (values > 0).then_some((place.tensor.name, tensor))
    };
    Ok(places.into_iter().filter_map(weight).collect())
}

impl<'a, B: Bytes> Opened<'a, B> {
    /// A tensor in a file that is open.
    #[must_use]
    pub const fn new(tensor: &'a Tensor, bytes: B) -> Self {
        Self { tensor, bytes }
    }

    /// The bits of the values that begin at `from`, in the order of the file.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn bits<V: Value>(&self, from: u64, buffer: &mut [V::Bits]) -> Result<(), Fault> {
        let raw: &mut [u8] = bytemuck::cast_slice_mut(buffer);
        let offset = self.tensor.begin + from * size_of::<V::Bits>() as u64;
        self.bytes.read_at(offset, raw).map_err(failed(&self.tensor.file))
    }

    /// The values that begin at `from`.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn wide(&self, from: u64, buffer: &mut [f64]) -> Result<(), Fault> {
        match self.tensor.dtype {
            Dtype::F16 => self.widen::<F16>(from, buffer),
            Dtype::Bf16 => self.widen::<Bf16>(from, buffer),
            Dtype::F32 => self.widen::<f32>(from, buffer),
            Dtype::F64 => self.widen::<f64>(from, buffer),
        }
    }

    fn widen<V: Value>(&self, from: u64, buffer: &mut [f64]) -> Result<(), Fault> {
        let mut bits = vec![V::Bits::zeroed(); buffer.len().min(BLOCK)];
        let mut at = from;
        for part in buffer.chunks_mut(BLOCK) {
            let bits = &mut bits[..part.len()];
            self.bits::<V>(at, bits)?;
            for (value, bits) in part.iter_mut().zip(bits) {
                *value = V::of(V::native(*bits)).wide();
            }
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Whether the values are what their entry lets them be.
    fn sound(&self, entry: &Entry, experts: Option<u64>) -> Result<(), Fault> {
        let is_index = entry.place.stage.is_index();
        if entry.non_finite == NonFinite::Allow && !is_index {
            return Ok(());
        }
        let mut classes = Classes::default();
        #[expect(clippy::cast_precision_loss, reason = "a model has no 2^53 experts")]
        let experts = experts.map_or(f64::INFINITY, |experts| experts as f64);
        let mut buffer = vec![0.0; BLOCK];
        for (from, count) in blocks(self.tensor.values, BLOCK) {
            let values = &mut buffer[..count];
            self.wide(from, values)?;
            for (at, value) in (from..).zip(&*values) {
                let leads = *value >= 0.0 && *value < experts && value.fract().abs() <= 0.0;
                if is_index && !leads {
                    let said = format!("{}: {value} at {at} is the number of no expert", entry.place);
                    return Err(broken(&APRT_INDEX_INVALID, &entry.file, said));
                }
                classes.note(at, *value);
            }
        }
        classes
            .none()
            .map_err(|said| broken(&APRT_NONFINITE, &entry.file, format!("{}: {said}", entry.place)))
    }
}

/// Blocks of so many values: where each begins, and how long it is.
pub(super) fn blocks(values: u64, block: usize) -> impl Iterator<Item = (u64, usize)> {
    let step = block as u64;
    (0..values.div_ceil(step)).map(move |number| {
        let from = number * step;
        (from, usize::try_from((values - from).min(step)).expect("a block fits memory"))
    })
}

/// Values that are not finite.
#[derive(Default)]
struct Classes {
    nan: u64,
    plus: u64,
    minus: u64,
    first: Option<u64>,
}

impl Classes {
    fn note(&mut self, at: u64, value: f64) {
        let class = match value {
            value if value.is_finite() => return,
            value if value.is_nan() => &mut self.nan,
            value if value > 0.0 => &mut self.plus,
            _ => &mut self.minus,
        };
        *class += 1;
        self.first.get_or_insert(at);
    }

    fn none(&self) -> Result<(), String> {
        let Some(first) = self.first else { return Ok(()) };
        let Self { nan, plus, minus, .. } = self;
        Err(format!("{nan} NaN, {plus} +inf, {minus} -inf, the first at {first}"))
    }
}

/// The name of the index among these names, where it is there.
#[must_use]
pub fn index_of(names: &[String]) -> Option<&str> {
    names.iter().map(String::as_str).find(|name| *name == index::NAME)
}

/// A stage of a layer.
///
/// # Panics
/// For a name that is no stage of a layer, which the caller's own are not.
#[must_use]
pub(super) fn known(layer: Layer, stage: &str) -> Place {
    let stage = Stage::named(stage).expect("the name is of this room");
    Place::new(layer, stage).expect("the stage is of that layer")
}
