//! A forward pass from its captured stages: each stage derived from the stages that are stored before it, with bounds on
//! what float32 may make of it, so bounds never compound.
//!
//! The equations are those of a decoder with norms before its blocks, RMS norms and a gated SiLU. What cannot be derived from
//! what was captured says why, and is never taken as checked.

mod bound;
mod derive;

use std::collections::HashMap;

use super::capture::{self, Opened, Tensor, known};
use super::dtype::Dtype;
use super::index::{Arithmetic, AxisOrder, TokenScope};
use super::law::Fault;
use super::stage::{Layer, Place};
use super::{Bytes, Capture, Folder};
use bound::Derived;

/// Weights of a model, as one safetensors file holds them.
#[derive(Debug)]
pub struct Weights<B> {
    tensors: HashMap<String, Tensor>,
    bytes: B,
}

impl<B: Bytes> Weights<B> {
    /// The weights that a file holds; of its values nothing is read yet.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(name: &str, bytes: B) -> Result<Self, Fault> {
        Ok(Self { tensors: capture::weights(name, &bytes)?, bytes })
    }

    fn get(&self, name: &str) -> Option<Opened<'_, &B>> {
        Some(Opened::new(self.tensors.get(name)?, &self.bytes))
    }
}

/// An equation of a stage, and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Equation {
    /// The stage that is derived.
    pub place: Place,
    /// What it is derived from, as a formula.
    pub formula: String,
    /// What it came to.
    pub state: State,
}

/// What an equation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Every value that was compared is inside its bound.
    Holds(Tally),
    /// A value is beyond its bound.
    Broken(Tally),
    /// Nothing was compared, and why.
    NotCheckable(String),
}

/// How many values of a stage were compared with derived ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Values that were compared.
    pub compared: u64,
    /// Values that were not, since float32 may have overflowed on the way, or an input is not finite.
    pub undecided: u64,
    /// Values whose bound is as large as half the value, of those that were compared.
    pub blind: u64,
    /// Values beyond their bound.
    pub broken: u64,
    /// The largest gap over its bound.
    pub ratio: f64,
    /// The first value beyond its bound.
    pub first: Option<Miss>,
}

/// A value beyond its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Miss {
    /// Its position, from 0.
    pub index: u64,
    /// As it is stored.
    pub stored: f64,
    /// As it is derived.
    pub derived: f64,
    /// How far they may be apart.
    pub bound: f64,
}

impl Tally {
    /// Holds a stored value against a derived one.
    fn hold(&mut self, index: u64, stored: f64, derived: Derived) {
        let Derived { value, bound } = derived;
        let Some(bound) = bound else {
            // What was made of something that is not finite is not finite.
            if value.is_finite() || !stored.is_finite() {
                self.undecided += 1;
                return;
            }
            self.compared += 1;
            self.miss(Miss { index, stored, derived: value, bound: 0.0 });
            return;
        };
        self.compared += 1;
        let gap = (stored - value).abs();
        self.blind += u64::from(bound > 1e-30 && bound >= 0.5 * value.abs());
        if gap <= bound {
            self.ratio = if bound > 0.0 { self.ratio.max(gap / bound) } else { self.ratio };
        } else {
            self.miss(Miss { index, stored, derived: value, bound });
        }
    }

    fn miss(&mut self, miss: Miss) {
        self.broken += 1;
        let ratio = (miss.stored - miss.derived).abs() / miss.bound;
        self.ratio = if ratio.is_nan() { f64::INFINITY } else { self.ratio.max(ratio) };
        self.first.get_or_insert(miss);
    }

    fn state(self) -> State {
        if self.broken > 0 {
            State::Broken(self)
        } else if self.compared == 0 {
            State::NotCheckable("every value is beyond float32 on the way, or not finite".to_owned())
        } else if self.blind == self.compared {
            State::NotCheckable("every bound is as large as the value: the sums cancel".to_owned())
        } else {
            State::Holds(self)
        }
    }
}

/// What checking a forward pass came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The equations, in the order of the forward pass.
    pub equations: Vec<Equation>,
}

impl Checked {
    /// How many equations hold, are broken, and are not checkable.
    #[must_use]
    pub fn counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for equation in &self.equations {
            counts[match equation.state {
                State::Holds(_) => 0,
                State::Broken(_) => 1,
                State::NotCheckable(_) => 2,
            }] += 1;
        }
        counts
    }
}

/// Checks every stage that can be derived from others.
///
/// # Errors
/// A file that cannot be read.
pub fn check<F: Folder, B: Bytes>(
    capture: &Capture<F>,
    weights: Option<&Weights<B>>,
) -> Result<Checked, Fault> {
    let pass = Pass { capture, weights };
    let mut equations = Vec::new();
    for layer in pass.layers() {
        for (stage, formula) in LAYER {
            pass.equation(known(Layer::Number(layer), stage), formula, &mut equations)?;
        }
    }
    for (stage, formula) in WHOLE_MODEL {
        pass.equation(known(Layer::WholeModel, stage), formula, &mut equations)?;
    }
    Ok(Checked { equations })
}

/// How a stage follows from others.
#[derive(Debug, Clone, Copy)]
enum Formula {
    /// It is not derived here, and why.
    None(&'static str),
    /// A norm of a stage.
    Norm(Input),
    /// Weights times a stage.
    Linear(Input),
    /// A stage and a bias.
    Bias(Input),
    /// The sum of two stages.
    Sum(Input, Input),
    /// SiLU of a stage.
    Silu(Input),
    /// The product of two stages.
    Product(Input, Input),
}

/// A stage that another follows from.
#[derive(Debug, Clone, Copy)]
enum Input {
    /// Of the same layer.
    Here(&'static str),
    /// What a layer begins with: the embedding, or what the layer before left.
    Begin,
    /// What the feed-forward block of the layer gave, dense or of experts.
    FeedForward,
    /// What the last layer left.
    End,
    /// The last stage before.
    FinalNorm,
}

const ATTENTION: &str = "rotation, mask and heads are not stated, so attention is not derived here";
const EXPERTS: &str = "which experts a token went to decides it, and that is not derived here";

/// The stages of a layer.
const LAYER: [(&str, Formula); 16] = {
    use Formula::{Bias, Linear, None, Norm, Product, Silu, Sum};
    use Input::{Begin, FeedForward, Here};
    [
        ("attn_norm", Norm(Begin)),
        ("qkv_matmul", Linear(Here("attn_norm"))),
        ("qkv_bias", Bias(Here("qkv_matmul"))),
        ("attention", None(ATTENTION)),
        ("attn_out", Linear(Here("attention"))),
        ("post_attn_residual", Sum(Begin, Here("attn_out"))),
        ("ffn_norm", Norm(Here("post_attn_residual"))),
        ("ffn_gate", Linear(Here("ffn_norm"))),
        ("ffn_up", Linear(Here("ffn_norm"))),
        ("ffn_silu", Silu(Here("ffn_gate"))),
        ("ffn_swigl", Product(Here("ffn_silu"), Here("ffn_up"))),
        ("ffn_out", Linear(Here("ffn_swigl"))),
        ("moe_router", None(EXPERTS)),
        ("moe_router_indices", None(EXPERTS)),
        ("moe_ffn_out", None(EXPERTS)),
        ("post_ffn_residual", Sum(Here("post_attn_residual"), FeedForward)),
    ]
};

/// The stages of the whole model.
const WHOLE_MODEL: [(&str, Formula); 2] =
    [("final_norm", Formula::Norm(Input::End)), ("lm_head", Formula::Linear(Input::FinalNorm))];

/// Stages that models of some families do not have: where they are left out there is nothing to say.
const OPTIONAL: [&str; 4] = ["qkv_bias", "moe_router", "moe_router_indices", "moe_ffn_out"];

struct Pass<'a, F, B> {
    capture: &'a Capture<F>,
    weights: Option<&'a Weights<B>>,
}

/// What an equation came to, or why there is nothing to compare.
type Outcome = Result<Tally, String>;

impl<F: Folder, B: Bytes> Pass<'_, F, B> {
    /// The layers of which a stage was captured.
    fn layers(&self) -> Vec<u32> {
        let number = |(place, _): (Place, &Tensor)| match place.layer {
            Layer::Number(number) => Some(number),
            Layer::WholeModel => None,
        };
        let mut layers: Vec<u32> = self.capture.stages().filter_map(number).collect();
        layers.dedup();
        layers
    }

    fn equation(&self, place: Place, formula: Formula, equations: &mut Vec<Equation>) -> Result<(), Fault> {
        if self.capture.stage(place).is_none() && OPTIONAL.contains(&place.stage.name()) {
            return Ok(());
        }
        let state = match self.outcome(place, formula)? {
            Ok(tally) => tally.state(),
            Err(why) => State::NotCheckable(why),
        };
        equations.push(Equation { place, formula: self.told(place, formula), state });
        Ok(())
    }

    /// The equation in words.
    fn told(&self, place: Place, formula: Formula) -> String {
        let name = |input| self.input(place, input).map_or_else(|why| why, |place| place.to_string());
        match formula {
            Formula::None(_) => "not derived".to_owned(),
            Formula::Norm(of) => format!("rms_norm({}) * weight", name(of)),
            Formula::Linear(of) => format!("weights * {}", name(of)),
            Formula::Bias(of) => format!("{} + bias", name(of)),
            Formula::Sum(one, other) => format!("{} + {}", name(one), name(other)),
            Formula::Silu(of) => format!("silu({})", name(of)),
            Formula::Product(one, other) => format!("{} * {}", name(one), name(other)),
        }
    }

    /// The stage that an input of a stage is.
    fn input(&self, place: Place, input: Input) -> Result<Place, String> {
        let here = |stage| known(place.layer, stage);
        match (input, place.layer) {
            (Input::Here(stage), _) => Ok(here(stage)),
            (Input::Begin, Layer::Number(0)) => Ok(here("embedding")),
            (Input::Begin, Layer::Number(number)) => {
                Ok(known(Layer::Number(number - 1), "post_ffn_residual"))
            }
            (Input::FeedForward, _) => {
                let dense = here("ffn_out");
                let of_experts = here("moe_ffn_out");
                let experts = self.capture.stage(dense).is_none() && self.capture.stage(of_experts).is_some();
                Ok(if experts { of_experts } else { dense })
            }
            (Input::FinalNorm, _) => Ok(here("final_norm")),
            (Input::Begin | Input::End, _) => match self.capture.index() {
                Some(index) => Ok(known(Layer::Number(index.dims.layers - 1), "post_ffn_residual")),
                None => Err("the last layer: without an index nothing says which that is".to_owned()),
            },
        }
    }

    fn outcome(&self, place: Place, formula: Formula) -> Result<Outcome, Fault> {
        if let Formula::None(why) = formula {
            return Ok(Err(why.to_owned()));
        }
        if self.capture.index().is_some_and(|index| index.arithmetic != Arithmetic::Float32) {
            let why = "the index says that it was not computed in float32, and no other bounds are derived";
            return Ok(Err(why.to_owned()));
        }
        match formula {
            Formula::None(_) => unreachable!("it is answered above"),
            Formula::Norm(of) => self.norm(place, of),
            Formula::Linear(of) => self.linear(place, of),
            Formula::Bias(of) => self.bias(place, of),
            Formula::Sum(one, other) => self.by_value(place, [one, other], |[a, b]| bound::sum(a, b)),
            Formula::Silu(of) => self.by_value(place, [of], |[x]| bound::silu(x)),
            Formula::Product(one, other) => {
                self.by_value(place, [one, other], |[silu, up]| bound::product(silu, up))
            }
        }
    }

    /// A stage, opened, where equations can be put to its values.
    fn opened(&self, place: Place) -> Result<Result<Opened<'_, F::File>, String>, Fault> {
        let Some(opened) = self.capture.open(place)? else {
            return Ok(Err(format!("{place} is not captured")));
        };
        let dtype = opened.tensor.dtype;
        if matches!(dtype, Dtype::F16 | Dtype::Bf16) {
            let why =
                format!("{place} is stored as {dtype}, which may be less than what it was computed from");
            return Ok(Err(why));
        }
        if opened.tensor.form.as_ref().is_some_and(|form| form.axis_order == AxisOrder::HeadMajor) {
            return Ok(Err(format!("{place} is head-major, and equations are put to rows of tokens")));
        }
        Ok(Ok(opened))
    }
}

/// Whether two stages have rows for the same tokens, as far as that is stated.
fn one_scope(one: &Tensor, other: &Tensor) -> bool {
    let scope = |tensor: &Tensor| -> Option<TokenScope> { tensor.form.as_ref().map(|form| form.token_scope) };
    scope(one) == scope(other)
}
